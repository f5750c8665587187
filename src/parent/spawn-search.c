/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "parent/spawn.h"

/* Where execvp(3) looks when there is no PATH. */
#define DEFAULT_PATH "/usr/local/bin:/bin:/usr/bin"

/* 0: it can be executed; -EACCES: it is there. */
static int try_file(const char *file)
{
	struct stat status;

	if (stat(file, &status) < 0)
		return errno == EACCES ? -EACCES : -ENOENT;
	if (!S_ISREG(status.st_mode) || faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) < 0)
		return -EACCES;
	return 0;
}

int rmt_spawn_search(const char *name, char **ret_file, ramet_error *error)
{
	const char *path = getenv("PATH"), *at;
	size_t size;
	char *file;
	int result = -ENOENT, r;

	if (strchr(name, '/')) {
		*ret_file = strdup(name);
		return *ret_file ? 0 : rmt_error_set(error, ENOMEM, "out of memory");
	}
	if (!path)
		path = DEFAULT_PATH;
	for (at = path;; at += size + 1) {
		size = strcspn(at, ":");
		/* An empty entry is the working directory. */
		file = rmt_format_new("%.*s%s%s", (int)size, at, size > 0 ? "/" : "./", name);
		if (!file)
			return rmt_error_set(error, ENOMEM, "out of memory");
		r = *name ? try_file(file) : -ENOENT;
		if (r == 0) {
			*ret_file = file;
			return 0;
		}
		free(file);
		if (r == -EACCES)
			result = r;
		if (!at[size])
			break;
	}
	return rmt_error_set(error, result,
			     result == -EACCES ? "%s: in PATH (%s), but not to be executed"
					       : "%s: not found in PATH (%s)",
			     name, path);
}
