/* SPDX-License-Identifier: BSD-3-Clause */
/* local: this program, executed on this machine. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "core/child.h"
#include "core/log.h"
#include "parent/executable.h"
#include "parent/method.h"
#include "parent/spawn.h"
#include "parent/title.h"

static int launch(ramet_router *router, const struct rmt_hop *hop, const char *path,
		  const int fds[3], pid_t *ret_pid, ramet_error *error)
{
	bool warn;
	const char *file = rmt_executable_file(&warn);
	char *argv[3] = {rmt_title(hop, path), (char *)RMT_CHILD_ARGUMENT, NULL};
	struct rmt_spawn spawn = {
		.file = file,
		.argv = argv,
		.self = true,
		.stdin_fd = fds[0],
		.stdout_fd = fds[1],
		.stderr_fd = fds[2],
	};
	int r;

	if (warn)
		rmt_log(router, RMT_LOG_SELF, RAMET_LOG_WARNING, RAMET_EXECUTABLE_MSG, file);
	r = argv[0] ? rmt_spawn(&spawn, ret_pid, error)
		    : rmt_error_set(error, ENOMEM, "out of memory");
	free(argv[0]);
	return r;
}

const struct rmt_method rmt_method_local = {
	.name = "local", .keys = "remote_name", .launch = launch};
