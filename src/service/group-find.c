/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/format.h"
#include "service/group.h"
#include "service/text.h"

/* So many words of a line of mountinfo are of use: number, parent, device, root, mount point. */
enum { ROOT = 3, POINT = 4, WORDS = 5 };

/* --- what the system says ------------------------------------------------------------------------ */

static char *line_after(char *line)
{
	char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* The path in the line of version 2, for the caller to free. */
static char *own_path(const char *groups)
{
	const char *line = groups;
	size_t size;

	for (; line && *line; line = strchr(line, '\n'), line += line != NULL)
		if (strncmp(line, "0::/", 4) == 0)
			break;
	if (!line || !*line)
		return NULL;
	line += 3;
	size = strcspn(line, "\n");
	return rmt_format_new("%.*s", (int)size, line);
}

/* Blanks, backslashes and so on are written as a backslash and three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

/* Cuts a line into its words; false if it is not one of a mounted hierarchy of version 2. */
static bool read_mount(char *line, char *words[WORDS])
{
	char *type = strstr(line, " - ");

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return false;
	for (int i = 0; i < WORDS; i++) {
		words[i] = line;
		line += strcspn(line, " ");
		if (!*line)
			return false;
		*line++ = '\0';
	}
	unescape(words[ROOT]);
	unescape(words[POINT]);
	return true;
}

/* What of a path is below the root, from its "/" on; NULL: it is not below it. */
static const char *path_below(const char *path, const char *root)
{
	size_t size = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, size) != 0 || (path[size] && path[size] != '/'))
		return NULL;
	return strcmp(path + size, "/") == 0 ? "" : path + size;
}

int rmt_group_locate(const char *groups, const char *mounts, char **ret_directory)
{
	char *path = own_path(groups), *text = rmt_format_new("%s", mounts), *words[WORDS];
	char *directory = NULL, *next;
	int r = -ENOENT;

	/* "/../" is what is outside of the namespace. */
	for (char *line = text; r == -ENOENT && path && line && *line; line = next) {
		const char *below;

		next = line_after(line);
		if (next[-1] == '\n')
			next[-1] = '\0';
		if (strncmp(path, "/..", 3) == 0 || !read_mount(line, words))
			continue;
		below = path_below(path, words[ROOT]);
		if (!below)
			continue;
		directory = rmt_format_new("%s%s", words[POINT], below);
		r = directory ? 0 : -ENOMEM;
	}
	if (!text)
		r = -ENOMEM;
	free(path);
	free(text);
	if (r == 0)
		*ret_directory = directory;
	return r;
}

/* --- a name --------------------------------------------------------------------------------------- */

/* Of the last group of this process. */
static _Atomic(unsigned) last;

/* Names that are left from a process that had our number are passed over. */
static char *new_name(const char *directory)
{
	char *path = NULL;

	do {
		free(path);
		path = rmt_format_new("%s/ramet-%d-%u", directory, (int)getpid(),
				      atomic_fetch_add(&last, 1) + 1);
	} while (path && access(path, F_OK) == 0);
	return path;
}

int rmt_group_find(char **ret_path)
{
	char *groups = NULL, *mounts = NULL, *directory = NULL, *path;
	int r = rmt_text_read("/proc/self/cgroup", &groups);

	if (r == 0)
		r = rmt_text_read("/proc/self/mountinfo", &mounts);
	if (r == 0)
		r = rmt_group_locate(groups, mounts, &directory);
	if (r == 0) {
		path = new_name(directory);
		if (path)
			*ret_path = path;
		else
			r = -ENOMEM;
	}
	free(groups);
	free(mounts);
	free(directory);
	return r;
}
