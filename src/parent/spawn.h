/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting a process: vfork(2) and execve(2), or fork(2) alone. */
#pragma once

#include <sys/types.h>

#include "core/router.h"
#include "ramet.h"

struct rmt_spawn {
	const char *file; /* an absolute path; NULL: fork without exec */
	char *const *argv;
	int stdin_fd, stdout_fd, stderr_fd; /* become 0, 1, 2; stay open here */
};

/*
 * 0, and *ret_pid is the child; it leads a process group of its own and begins with the default for
 * every signal. For a fork, 1 in the child, whose descriptors are those of the program, without any
 * of the library's. A failure of execve is this function's failure, with its errno.
 */
int rmt_spawn(const struct rmt_spawn *spawn, pid_t *ret_pid, ramet_error *error);

/* The part that runs in the new process, in spawn-child.c: async-signal-safe. */
struct rmt_spawn_child {
	const struct rmt_spawn *spawn;
	int report; /* a pipe: where to write an errno */
	void (*hook)(void *data);
	void *hook_data;
};
_Noreturn void rmt_spawn_child_exec(const struct rmt_spawn_child *child);
int rmt_spawn_child_stdio(const struct rmt_spawn *spawn);
