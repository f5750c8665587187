/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guard: a small process between a context and a command that it runs. It is a copy of the context
 * that never executes anything else, in a session of its own, and adopts whatever of the command's
 * descendants loses its parent (PR_SET_CHILD_SUBREAPER, prctl(2)): so none escapes it by forking twice
 * or by setsid(2).
 *
 * It holds one end of a socket. What it is told there it does; when the other end is closed, as it is
 * however the context ends, it ends everything by the ladder: TERM and CONT to all descendants, a time
 * of grace, KILL until none is left. A command that ends by itself ends its guard; what it leaves in
 * the background lives on then. If the guard is killed, the kernel kills the command
 * (PR_SET_PDEATHSIG), and the context the control group of it and its descendants (group.h), if there
 * is one.
 *
 * guard.c runs between fork and exec, and calls what is async-signal-safe (signal-safety(7)) alone;
 * guard-family.c and group.c, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descendants that one look finds; others are found by the next, when these have ended. */
#define RMT_FAMILY_MAX 4096u

/* Who the command is to be. */
struct rmt_guard_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t group_count;
};

/* For setrlimit(2), soft and hard, as prlimit64 of the kernel has them. */
struct rmt_guard_limit {
	int resource;
	uint64_t values[2];
};

/* What to run, all of it in memory that the guard has a copy of. */
struct rmt_guard {
	char *const *argv;
	char *const *env;
	char *const *files; /* tried in this order until one can be executed */
	const char *cwd;    /* NULL: where the context is */
	int fds[3];         /* become 0, 1, 2 */
	int life;           /* the guard's end of a SOCK_SEQPACKET pair */
	bool terminal;      /* 0 becomes the controlling terminal */
	bool alone;         /* what the command leaves in the background is ended, too */
	int umask;          /* -1: as it is */
	int nice;           /* increment */
	int grace;          /* ms between TERM and KILL */
	const char *group;  /* the control group to make for it; NULL: none */
	const struct rmt_guard_user *user; /* NULL: as it is */
	const struct rmt_guard_limit *limits;
	size_t limit_count;
};

/* What it says. */
enum rmt_guard_news {
	RMT_GUARD_GROUPED, /* the control group was made; before anything else, or never */
	RMT_GUARD_STARTED, /* pid; first */
	RMT_GUARD_FAILED,  /* value is an errno of `step`; instead, and the last */
	RMT_GUARD_ENDED,   /* value is the status of waitpid(2); descendants may be left */
};

enum rmt_guard_step {
	RMT_STEP_PROCESS,
	RMT_STEP_STDIO,
	RMT_STEP_TERMINAL,
	RMT_STEP_NICE,
	RMT_STEP_LIMIT,
	RMT_STEP_USER,
	RMT_STEP_CWD,
	RMT_STEP_EXEC,
};

struct rmt_guard_report {
	enum rmt_guard_news news;
	enum rmt_guard_step step;
	int32_t value;
	int32_t limit; /* that could not be set: its place in `limits` */
	pid_t pid;
	int64_t user_us, system_us, wall_us; /* of the command and what it waited for */
	int64_t max_rss;                     /* bytes */
};

/* What it is told. */
enum rmt_guard_order {
	RMT_GUARD_SIGNAL, /* to the command's group, unless it has ended */
	RMT_GUARD_END,    /* the ladder */
	RMT_GUARD_FORCE,  /* its last rung, now */
};

struct rmt_guard_message {
	enum rmt_guard_order order;
	int32_t signal;
};

/* Forks a guard. 0, and *ret_pid is it, the caller's child; or a negative errno. The descriptors stay
 * open here. */
int rmt_guard_start(const struct rmt_guard *guard, pid_t *ret_pid);

/* Forks a process that does what is left to do after a guard that was killed: ends the control group
 * (rmt_group_end()). `life` is its end of a socket, which it closes by ending. The rest as above. */
int rmt_guard_sweep(const char *group, int life, pid_t *ret_pid);

/* Sends a signal to all descendants of this process; for SIGTERM, SIGCONT behind it. Returns how many
 * it could be sent to. */
unsigned rmt_family_signal(int signal);
