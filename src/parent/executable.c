/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/executable.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/format.h"
#include "core/landing.h"

#define SELF "/proc/self/exe"

/* Found once a process, before it has a second thread when there is a ramet_init(). */
static struct {
	pthread_once_t once;
	char *argv0;
	char *path; /* of the file, or argv0 */
	bool known; /* the system has said */
	bool warned;
	struct stat status; /* of the file at that time */
} executable = {.once = PTHREAD_ONCE_INIT};

/* NULL: argv0 is a name that a shell has looked for, or there is no memory. */
static char *absolute(const char *argv0)
{
	char directory[PATH_MAX];

	if (*argv0 == '/' || !strchr(argv0, '/') || !getcwd(directory, sizeof(directory)))
		return NULL;
	return rmt_format_new("%s/%s", directory, argv0);
}

static void find(void)
{
	char path[PATH_MAX];
	ssize_t size = readlink(SELF, path, sizeof(path) - 1);

	if (size > 0 && path[0] == '/') {
		path[size] = '\0';
		executable.path = strdup(path);
		executable.known = executable.path && stat(path, &executable.status) == 0;
	}
	/* "NAME (deleted)" is no path, but the process can still be started again from what it
	 * runs. */
	if (!executable.path && executable.argv0)
		executable.path = absolute(executable.argv0);
	if (!executable.path)
		executable.path = strdup(executable.argv0 ? executable.argv0 : SELF);
}

void rmt_executable_set(const char *argv0)
{
	if (!executable.argv0 && argv0)
		executable.argv0 = strdup(argv0);
	pthread_once(&executable.once, find);
}

RMT_PUBLIC const char *ramet_executable(void)
{
	pthread_once(&executable.once, find);
	return executable.path ? executable.path : SELF;
}

const char *rmt_executable_file(bool *ret_warn)
{
	const char *path = ramet_executable();
	struct stat now;

	*ret_warn = false;
	/* The path is preferred to the link, which emulators and debuggers point to themselves. */
	if (executable.known && stat(path, &now) == 0 && now.st_ino == executable.status.st_ino &&
	    now.st_dev == executable.status.st_dev && now.st_mtime == executable.status.st_mtime &&
	    now.st_size == executable.status.st_size)
		return path;
	if (access(SELF, X_OK) == 0)
		return SELF;
	if (rmt_landing_file() >= 0)
		return path; /* which need not be there */
	*ret_warn = !executable.warned;
	executable.warned = true;
	return path;
}
