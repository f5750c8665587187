/* SPDX-License-Identifier: BSD-3-Clause */
/* The files below a directory become tasks. */
#include "indexer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A task ends when it has so much text, or so many files. Smaller ones spread better over members;
 * larger ones repeat fewer words, of which the master has less to do. */
#define TASK_BYTES ((off_t)6 << 20)
#define TASK_FILES 2048

/* Directories below each other; each has a descriptor open. A name would be longer than PATH_MAX
 * before. */
#define DEPTH_MAX 256

struct scan {
	ramet_sender *tasks;
	struct bytes task;
	off_t size;
	int files;
	struct bytes path; /* of where it is, with a NUL behind */
	int64_t found;
	int failed; /* the reader is gone */
};

static void send_task(struct scan *scan)
{
	if (scan->files > 0)
		scan->failed = ramet_send_bytes(scan->tasks,
						(ramet_bytes){scan->task.data, scan->task.size});
	scan->task.size = 0;
	scan->size = 0;
	scan->files = 0;
}

static void add_file(struct scan *scan, off_t size)
{
	const char *name = (const char *)scan->path.data;
	size_t length = strlen(name);

	bytes_add(&scan->task, name, length + 1);
	/* what gzip packs is about four times as long as text */
	if (length > 3 && strcmp(name + length - 3, ".gz") == 0)
		size *= 4;
	scan->size += size;
	scan->found++;
	if (++scan->files == TASK_FILES || scan->size >= TASK_BYTES)
		send_task(scan);
}

static void send_problem(struct scan *scan, int reason)
{
	char *line = NULL;

	if (asprintf(&line, "%s: %s\n", (const char *)scan->path.data, strerror(reason)) > 0)
		scan->failed = ramet_send_str(scan->tasks, line);
	free(line);
}

/* The names in a directory, in their order; the descriptor is taken over. */
static int read_names(int fd, char ***ret_names, size_t *ret_count)
{
	DIR *directory = fdopendir(fd);
	char **names = NULL;
	size_t count = 0, room = 0;

	if (!directory) {
		int reason = errno;

		close(fd);
		return -reason;
	}
	errno = 0;
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count == room) {
			room = room ? 2 * room : 64;
			names = grown(names, room, sizeof(*names));
		}
		names[count] = grown(NULL, strlen(entry->d_name) + 1, 1);
		strcpy(names[count++], entry->d_name);
	}
	int r = -errno;
	closedir(directory);
	*ret_names = names;
	*ret_count = count;
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int scan_directory(struct scan *scan, int fd, int depth);

/* One name in a directory; scan->path is that of it. */
static int scan_name(struct scan *scan, int directory, const char *name, int depth)
{
	struct stat stat;

	if (fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISREG(stat.st_mode))
		add_file(scan, stat.st_size);
	if (!S_ISDIR(stat.st_mode))
		return 0;
	if (depth == DEPTH_MAX)
		return -ENAMETOOLONG;
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : scan_directory(scan, fd, depth + 1);
}

/* All in a directory, whose descriptor is taken over. An error is that of reading the directory
 * itself; what is wrong below has been reported. */
static int scan_directory(struct scan *scan, int fd, int depth)
{
	size_t count = 0, length = scan->path.size;
	int for_names = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	char **names = NULL;
	int r = for_names < 0 ? -errno : read_names(for_names, &names, &count);

	if (count > 0)
		qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++) {
		if (!scan->failed) {
			bytes_add(&scan->path, "/", scan->path.data[length - 1] != '/');
			bytes_add(&scan->path, names[i], strlen(names[i]) + 1);
			scan->path.size--; /* the NUL is there, and does not count */
			int below = scan_name(scan, fd, names[i], depth);
			if (below < 0 && below != -ENOENT)
				send_problem(scan, -below);
			scan->path.size = length;
			scan->path.data[length] = '\0';
		}
		free(names[i]);
	}
	free(names);
	close(fd);
	return r;
}

/* Concurrent: the member that scans has its part of the other work, too. */
RAMET_DEFINE_CONCURRENT(i64, scan, (str, directory), (sender, tasks))
{
	struct scan scan = {.tasks = tasks};
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	bytes_add(&scan.path, directory, strlen(directory) + 1);
	scan.path.size--;
	int r = fd < 0 ? -errno : scan_directory(&scan, fd, 0);
	if (r < 0)
		ramet_fail(call, -r, "%s: %s", directory, strerror(-r));
	send_task(&scan);
	ramet_sender_close(tasks);
	free(scan.task.data);
	free(scan.path.data);
	return scan.found;
}
