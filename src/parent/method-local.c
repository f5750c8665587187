/* SPDX-License-Identifier: BSD-3-Clause */
/* local: this program, executed on this machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "core/child.h"
#include "core/log.h"
#include "parent/executable.h"
#include "parent/method.h"
#include "parent/spawn.h"

/* What an administrator sees in ps(1): the program, which context it is, and who started it. */
static char *title(const char *file, const char *path)
{
	const char *program = strrchr(file, '/'), *user = getenv("USER");
	char host[65] = "", uid[16], *text;

	gethostname(host, sizeof(host) - 1);
	snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	if (asprintf(&text, "%s(ramet %s, started by %s@%s:%d)", program ? program + 1 : file, path,
		     user ? user : uid, host, (int)getpid()) < 0)
		return NULL;
	return text;
}

static int launch(ramet_router *router, const struct rmt_hop *hop, const char *path,
		  const int fds[3], pid_t *ret_pid, ramet_error *error)
{
	bool warn;
	const char *file = rmt_executable_file(&warn);
	char *argv[3] = {title(ramet_executable(), path), (char *)RMT_CHILD_ARGUMENT, NULL};
	struct rmt_spawn spawn = {.file = file,
				  .argv = argv,
				  .stdin_fd = fds[0],
				  .stdout_fd = fds[1],
				  .stderr_fd = fds[2]};
	int r;

	(void)hop;
	if (warn)
		rmt_log(router, RMT_LOG_SELF, RAMET_LOG_WARNING, RAMET_EXECUTABLE_MSG, file);
	r = argv[0] ? rmt_spawn(&spawn, ret_pid, error)
		    : rmt_error_set(error, ENOMEM, "out of memory");
	free(argv[0]);
	return r;
}

const struct rmt_method rmt_method_local = {.name = "local", .launch = launch};
