/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/files.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/format.h"
#include "base/sort.h"
#include "cli/output.h"

/* Directories that nftw(3) keeps open: deeper ones cost it time, not descriptors. */
#define DIRECTORIES_OPEN 32

/* nftw(3) gives its callback no pointer. */
static struct rmt_files *found;

static int add(const char *path, const struct stat *file)
{
	if (found->count == found->capacity) {
		size_t capacity = found->capacity ? found->capacity * 2 : 64;
		struct rmt_file *grown = realloc(found->items, capacity * sizeof(*grown));

		if (!grown)
			return -1;
		found->items = grown;
		found->capacity = capacity;
	}
	found->items[found->count] = (struct rmt_file){.path = strdup(path),
						       .device = file->st_dev,
						       .inode = file->st_ino,
						       .size = file->st_size};
	return found->items[found->count].path ? (found->count++, 0) : -1;
}

static void skip(const char *path, const char *why)
{
	rmt_complain("%s: %s", path, why);
	found->skipped++;
}

static int visit(const char *path, const struct stat *entry, int type, struct FTW *place)
{
	struct stat file = *entry;

	(void)place;
	if (type == FTW_D)
		return 0;
	if (type == FTW_DNR || type == FTW_NS || (type == FTW_SL && stat(path, &file) < 0))
		skip(path, type == FTW_DNR ? "cannot read the directory" : strerror(errno));
	else if (S_ISREG(file.st_mode))
		return add(path, &file);
	else if (!S_ISDIR(file.st_mode))
		skip(path, "is neither a file nor a directory");
	return 0;
}

static int by_identity(const void *a, const void *b)
{
	const struct rmt_file *one = a, *other = b;

	if (one->device != other->device)
		return one->device < other->device ? -1 : 1;
	if (one->inode != other->inode)
		return one->inode < other->inode ? -1 : 1;
	return strcmp(one->path, other->path);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct rmt_file *)a)->path, ((const struct rmt_file *)b)->path);
}

static void drop_doubles(struct rmt_files *files)
{
	size_t kept = 0;

	if (files->count == 0)
		return;
	rmt_sort(files->items, files->count, sizeof(*files->items), by_identity);
	for (size_t i = 0; i < files->count; i++) {
		const struct rmt_file *last = kept > 0 ? &files->items[kept - 1] : NULL,
				      *file = &files->items[i];

		if (last && last->device == file->device && last->inode == file->inode)
			free(file->path);
		else
			files->items[kept++] = *file;
	}
	files->count = kept;
	rmt_sort(files->items, kept, sizeof(*files->items), by_path);
}

int rmt_files_find(const char *directory, struct rmt_files *ret_files)
{
	struct rmt_files files = {0};
	const char *end = strchr(directory, '\0');
	char *path;
	int r;

	/* If the directory that the user has named is a link, the slash says to follow it. */
	path = rmt_format_new("%s%s", directory, end > directory && end[-1] == '/' ? "" : "/");
	if (!path)
		return -ENOMEM;
	found = &files;
	r = nftw(path, visit, DIRECTORIES_OPEN, FTW_PHYS) < 0 ? -errno : 0;
	free(path);
	drop_doubles(&files);
	if (r < 0)
		rmt_files_done(&files);
	else
		*ret_files = files;
	return r;
}

void rmt_files_done(struct rmt_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i].path);
	free(files->items);
	*files = (struct rmt_files){0};
}
