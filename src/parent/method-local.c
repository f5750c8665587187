/* SPDX-License-Identifier: BSD-3-Clause */
/* local: this program, executed on this machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "core/child.h"
#include "core/log.h"
#include "parent/executable.h"
#include "parent/keys.h"
#include "parent/method.h"
#include "parent/spawn.h"

/* What an administrator sees in ps(1): the program, which context it is, and who started it. */
static char *title(const struct rmt_hop *hop, const char *file, const char *path)
{
	const char *program = strrchr(file, '/');
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *name = rmt_hop_remote_name(hop);

	rmt_buffer_printf(&out, "%s(ramet %s, started by %s)", program ? program + 1 : file, path,
			  name ? name : "?");
	free(name);
	return rmt_buffer_steal_string(&out);
}

static int launch(ramet_router *router, const struct rmt_hop *hop, const char *path,
		  const int fds[3], pid_t *ret_pid, ramet_error *error)
{
	bool warn;
	const char *file = rmt_executable_file(&warn);
	char *argv[3] = {title(hop, ramet_executable(), path), (char *)RMT_CHILD_ARGUMENT, NULL};
	struct rmt_spawn spawn = {file, argv, fds[0], fds[1], fds[2]};
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
