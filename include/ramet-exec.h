/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-exec.h: commands in any context, this one included. <ramet.h> includes this file at its end;
 * programs include <ramet.h>.
 *
 *	const char *argv[] = {"uname", "-s", NULL};
 *	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;
 *	ramet_command_result result;
 *
 *	options.argv = argv;
 *	if (ramet_command_run(context, &options, (ramet_bytes){NULL, 0}, &result, &error) == 0) {
 *		fwrite(result.output.data, 1, result.output.size, stdout);
 *		ramet_command_result_clear(&result);
 *	}
 *
 * A command is a child of a small guard process, which is a child of the context; it leads a session of
 * its own (setsid(2)) and finds the descriptors 0, 1 and 2, default dispositions for all signals, and
 * none blocked. It belongs to the context: when that ends, however it does, kill -9 included, the
 * command ends, with all its descendants, and so it is when it is killed from here, takes too long, or
 * nobody holds its ramet_process any more. This goes by the ladder: SIGTERM (and SIGCONT) to all
 * descendants, those that have left the session or lost their parent included; a time of grace; SIGKILL
 * until none is left. Processes that the guard may not kill, of another user, are left after two seconds.
 *
 * Where the context may, it has a control group made for each command (cgroups(7), version 2, with
 * cgroup.kill of Linux 5.14), "ramet-PID-N" below its own, PID being that of the context. No controller
 * is switched on. SIGKILL then reaches processes of other users too, and when the guard is killed, the
 * context ends the whole family; without a group that ends the command, and what is in its process
 * group. The group is removed with the command. When guard and context are both killed with SIGKILL,
 * the kernel ends the command; what it had in the background stays, and the group with it.
 *
 * When the command ends by itself, what it has left in the background goes on, as with ssh(1), unless
 * the option `alone` says otherwise, in the control group of the context. What such a process writes
 * after that is lost.
 */
#ifndef RAMET_EXEC_H
#define RAMET_EXEC_H

#include "ramet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A command that was started. */
typedef struct ramet_process ramet_process;

/* Where what a command writes goes. */
enum ramet_output {
	RAMET_OUTPUT_STREAM, /* to a receiver: ramet_process_stdout(), ramet_process_stderr() */
	RAMET_OUTPUT_NULL,   /* to /dev/null */
	RAMET_OUTPUT_JOIN,   /* standard error only: where standard output goes */
};

/* No limit. */
#define RAMET_LIMIT_NONE UINT64_MAX

/* What a command may use, as for setrlimit(2): a resource (RLIMIT_NOFILE and so on, of
 * <sys/resource.h>) and its limits, in the unit of that resource. */
typedef struct ramet_command_limit {
	int resource;
	uint64_t soft, hard;
} ramet_command_limit;

/* So many limits can be set. */
#define RAMET_LIMITS_MAX 16

/* What to run, and how. Fill with RAMET_COMMAND_OPTIONS_INIT, then set `argv` or `line` and what else is
 * to differ. Everything is copied before the call returns. */
typedef struct ramet_command_options {
	/* sizeof(ramet_command_options): tells the library which members there are */
	size_t size;
	/* the program and its arguments, ended by NULL; a program without "/" is looked for in PATH,
	 * as the command's environment has it */
	const char *const *argv;
	const char *line; /* or: a line for /bin/sh -c */
	const char *cwd;  /* NULL: that of the context; entered as the user that is asked for */
	/* "NAME=VALUE" sets a variable, "NAME" takes it out; ended by NULL */
	const char *const *env;
	bool clear_env; /* begins without the variables of the context */
	/* name or number of another user, with all its groups; HOME, SHELL, USER, LOGNAME follow it. Needs
	 * privileges in the context */
	const char *user;
	bool input; /* standard input comes from ramet_process_stdin(); else it is /dev/null */
	enum ramet_output output, errors;
	/* all three are one terminal, of so many rows and columns (0: 24 and 80) and this TERM (NULL:
	 * "dumb"), which controls the session; `input` is implied, errors are joined */
	bool terminal;
	int rows, columns;
	const char *term;
	const char *umask; /* octal; NULL: that of the context */
	int nice;          /* increment */
	int grace;         /* ms between SIGTERM and SIGKILL; 0: 200, -1: no SIGTERM */
	int timeout;       /* ms until the command is killed; 0: none */
	bool alone;        /* what is left in the background ends with the command */
	/* bytes of output, and of errors, that ramet_command_run() keeps; 0: 16 MiB */
	size_t output_max;
	/* limits of the command and its descendants, at most RAMET_LIMITS_MAX; other limits are those of
	 * the context. They are set in this order, as the user that the context is: one that may
	 * not raise a hard limit cannot, whatever the option `user` says. If one cannot be set, the
	 * command is not started */
	const ramet_command_limit *limits;
	size_t limit_count;
} ramet_command_options;

#ifdef __cplusplus
#define RAMET_COMMAND_OPTIONS_INIT            \
	{                                     \
		sizeof(ramet_command_options) \
	}
#else
#define RAMET_COMMAND_OPTIONS_INIT                    \
	{                                             \
		.size = sizeof(ramet_command_options) \
	}
#endif

/* Why a command has ended. */
enum ramet_cause {
	RAMET_CAUSE_ITSELF,    /* or a signal of somebody else's, or ramet_process_signal() */
	RAMET_CAUSE_KILLED,    /* ramet_process_kill() */
	RAMET_CAUSE_TIMEOUT,   /* its option `timeout` */
	RAMET_CAUSE_CANCELLED, /* its call was cancelled, or its context had to end */
	RAMET_CAUSE_UNGUARDED, /* its guard was killed */
};

/* How a command has ended. The usage is that of the command and of the descendants that it has waited
 * for (getrusage(2)); the memory is never less than what the context had in use. */
typedef struct ramet_process_result {
	int status; /* of exit(3); 0 when a signal killed it */
	int signal; /* that killed it, or 0 */
	bool core;  /* and a core was dumped */
	enum ramet_cause cause;
	int64_t user_us, system_us, wall_us; /* microseconds */
	int64_t max_rss;                     /* bytes */
} ramet_process_result;

/*
 * Starts a command in a context. Returns when the order is on its way; whether the command could be
 * started, ramet_process_wait() and ramet_process_pid() tell.
 * Errors: -EINVAL (neither argv nor line, or both; umask; too many limits), -ECONNRESET, -EHOSTUNREACH. May block while
 * too many calls are on their way to that context.
 */
int ramet_command_start(ramet_context *context, const ramet_command_options *options,
			ramet_process **ret_process, ramet_error *error);

/* Its process id, in its context; 0: it could not be started. Blocks until that is known. */
int ramet_process_pid(ramet_process *process);

/*
 * Where to send its standard input, as bytes (ramet_send_bytes()); sending blocks while the command does
 * not read. Closing it closes the pipe; at a terminal it types the end of file. -EPIPE: the command has
 * closed its end. NULL: `input` was not asked for, or it could not be started. Borrowed from the process.
 * Blocks until the command has begun.
 */
ramet_sender *ramet_process_stdin(ramet_process *process);

/*
 * What it writes, as bytes, in pieces of any size. The command blocks while nobody receives; closing
 * the receiver closes the pipe (SIGPIPE), or hangs the terminal up. The end comes when the command has
 * ended or closed it. NULL when it is not streamed. Borrowed from the process.
 */
ramet_receiver *ramet_process_stdout(ramet_process *process);
ramet_receiver *ramet_process_stderr(ramet_process *process);

/* For a ramet_select: announced when ramet_process_wait() will not have to wait long. Cancelling it
 * (ramet_receiver_cancel()) kills the command by the ladder, and what it still writes is lost; nothing
 * else may be done with it. Borrowed from the process. */
ramet_receiver *ramet_process_over(ramet_process *process);

/*
 * Sends a signal to the command's process group, unless it has ended. Blocks until it has begun.
 * Errors: -EINVAL (no such signal), -ESRCH (it is over, or could not be started).
 */
int ramet_process_signal(ramet_process *process, int signal);

/* Sets the size of its terminal; it gets SIGWINCH. Errors, blocking: as for ramet_process_signal(). */
int ramet_process_resize(ramet_process *process, int rows, int columns);

/* Ends it, and all its descendants, by the ladder. Does not wait for that; what it still writes has to
 * be received before it is over. No effect on one that is. Blocks until it has begun. */
void ramet_process_kill(ramet_process *process);

/*
 * Waits until it is over and what it has written until then has arrived here: receive that before, or
 * meanwhile, if it may be more than a mebibyte. May be called again.
 * Errors: -ETIMEDOUT: it is not over. It could not be started: -ENOENT, -EACCES, -ENOEXEC, -E2BIG and
 * others of execve(2) and chdir(2), -ESRCH (no such user), -EPERM (not for this user; a hard limit that
 * it may not raise), -EINVAL (a limit: no such resource, or soft above hard), -EMFILE, -EAGAIN;
 * the message says what. What ramet_invoke() has: -ECONNRESET (its context is gone) and so on. Blocks.
 */
int ramet_process_wait(ramet_process *process, int timeout, ramet_process_result *ret_result,
		       ramet_error *error);

/* One more reference. */
ramet_process *ramet_process_ref(ramet_process *process);

/* Drops a reference. With the last one, a command that is not over is killed by the ladder; that is
 * not waited for. */
void ramet_process_unref(ramet_process *process);

/* How a command has ended and what it wrote; what is more than the option output_max is left out, and
 * `truncated` says so. */
typedef struct ramet_command_result {
	ramet_process_result process;
	ramet_bytes output, errors; /* both owned: ramet_command_result_clear() */
	bool truncated;
} ramet_command_result;

/*
 * Runs a command from its beginning to its end: sends `input` (if there is any, the option `input` is
 * implied), then the end of file, and gathers what it writes. A command that exits with a status is no
 * failure. Errors: as for ramet_command_start() and ramet_process_wait(). Blocks.
 */
int ramet_command_run(ramet_context *context, const ramet_command_options *options,
		      ramet_bytes input, ramet_command_result *ret_result, ramet_error *error);

/* Frees what the result owns. */
void ramet_command_result_clear(ramet_command_result *result);

#ifdef __cplusplus
}
#endif

#endif
