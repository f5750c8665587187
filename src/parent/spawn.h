/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting a process: vfork(2) and execve(2), or fork(2) alone. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/router.h"
#include "ramet.h"

/* Fill by names: what is not named is as it should be. */
struct rmt_spawn {
	const char *file; /* an absolute path; NULL: fork without exec */
	char *const *argv;
	int stdin_fd, stdout_fd, stderr_fd; /* become 0, 1, 2; stay open here */
	bool search;     /* a file without "/" is looked for in PATH, see rmt_spawn_search() */
	bool self;       /* file is this program, for which rmt_landing_file() will do as well; its
			  * number is then one argument more */
	bool session;    /* it leads a session of its own, with no terminal */
	bool controlled; /* and `terminal` becomes its controlling one */
	int terminal;    /* the slave end; stays open here, and is closed in the process
				   * unless it is one of the three above */
	char *const
		*environment; /* NULL: this process's, without what rmt_password_hide() was told */
};

/*
 * 0, and *ret_pid is the child; it leads a process group of its own (-pid) and begins with the default
 * for every signal. For a fork, 1 in the child, whose descriptors are those of the program, without any
 * of the library's. A failure of execve is this function's failure, with its errno.
 */
int rmt_spawn(const struct rmt_spawn *spawn, pid_t *ret_pid, ramet_error *error);

/* Around fork(2): holds the locks that a copy needs, since other threads that hold them now would not be
 * there to give them back in it; closes the library's descriptors in it, but for `keep`. */
void rmt_spawn_before_fork(void);
void rmt_spawn_after_fork(bool in_child, int keep);

/* Looks a program up as execvp(3) does: a name with a "/" is itself, others are tried in each
 * directory of PATH. *ret_file is malloc'd. -ENOENT, -EACCES (found, but not to be executed). */
int rmt_spawn_search(const char *name, char **ret_file, ramet_error *error);

/* The part that runs in the new process, in spawn-child.c: async-signal-safe. */
struct rmt_spawn_child {
	const struct rmt_spawn *spawn;
	const char *file;
	char *const *environment;
	int own;    /* what to execute when the file cannot be; -1: nothing */
	int report; /* a pipe: where to write an errno */
	void (*hook)(void *data);
	void *hook_data;
};
_Noreturn void rmt_spawn_child_exec(const struct rmt_spawn_child *child);
int rmt_spawn_child_stdio(const struct rmt_spawn *spawn);
/* Its group or its session, and the terminal. */
int rmt_spawn_child_group(const struct rmt_spawn *spawn);
