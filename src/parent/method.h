/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A method: how to get from a context to a new one. Some start the program themselves (local, fork),
 * one joins a socket (unix); all others run a tool (ssh, sudo, docker ...) that leads to a shell, in
 * which the first stage (stage.h) does the rest.
 */
#pragma once

#include <sys/types.h>

#include "core/router.h"
#include "parent/command.h"
#include "parent/path.h"
#include "ramet.h"

enum rmt_target {
	RMT_TARGET_NONE,
	RMT_TARGET_OPTIONAL,
	RMT_TARGET_REQUIRED,
};

struct rmt_method {
	const char *name;
	enum rmt_target target;
	/* names of its own keys, ended by NULL; besides those of setup.h, and for tools rmt_tool_keys
	 */
	const char *const *keys;
	/* its server refuses when too many come at once: see admission.h */
	bool crowded;
	/* NULL, or: 0, or -EINVAL and an error: target and keys that make no sense (together). */
	int (*check)(const struct rmt_hop *hop, ramet_error *error);

	/* Exactly one of these is set. */

	/* Starts the program; fds become 0 (a socket), 1 and 2 of the child. 0, or a negative errno
	 * and an error. Does not return in a forked child. */
	int (*launch)(ramet_router *router, const struct rmt_hop *hop, const char *path,
		      const int fds[3], pid_t *ret_pid, ramet_error *error);
	/* Connects to a context that waits for a parent: a socket, close-on-exec. */
	int (*join)(const struct rmt_hop *hop, int *ret_fd, ramet_error *error);
	/* Says what tool to run. `command` is empty, with the defaults of rmt_command_init(), and
	 * collects its own lack of memory. */
	void (*command)(const struct rmt_hop *hop, struct rmt_command *command);
};

/* Keys of every method with a command: tool, args, shell, dir, image, tty, password,
 * remote_name. */
extern const char *const rmt_tool_keys[];

extern const struct rmt_method rmt_method_local, rmt_method_fork;

/* The method of a hop, its target and keys checked. -EPROTONOSUPPORT, -EINVAL. */
int rmt_method_find(const struct rmt_hop *hop, const struct rmt_method **ret_method,
		    ramet_error *error);
