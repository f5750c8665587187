/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guard does, and what runs between it and the command's exec. Only async-signal-safe calls
 * (signal-safety(7)): the guard is a copy of a process with threads, made while these did something.
 */
#include "service/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/time.h"
#include "parent/spawn.h"
#include "parent/terminal.h"
#include "service/group.h"

/* The guard's end of the socket: the first descriptor behind the three that the command gets. */
#define LIFE 3

/* In the last rung: how often it looks for new descendants, and for how long it tries with those that
 * it may not kill, or that the kernel does not let go. */
#define AGAIN_US 10000
#define GIVE_UP_US 2000000

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* Where user ids have 16 bits otherwise. */
#ifdef SYS_setresuid32
#define SET_GROUPS SYS_setgroups32
#define SET_GIDS SYS_setresgid32
#define SET_UIDS SYS_setresuid32
#else
#define SET_GROUPS SYS_setgroups
#define SET_GIDS SYS_setresgid
#define SET_UIDS SYS_setresuid
#endif

enum rung { RUNNING, ASKED, FORCED };

struct watch {
	const struct rmt_guard *guard;
	pid_t command;
	int group;      /* -1: none */
	bool reaped;    /* the command */
	bool childless; /* there are no children at all */
	bool orphaned;  /* the other end of the socket is closed */
	enum rung rung;
	int64_t begun, next, give_up;
};

/* --- the command -------------------------------------------------------------------------- */

/* What did not work, in the command's process. */
struct failure {
	int step, code;
	int limit; /* of RMT_STEP_LIMIT: which one */
};

static int become(const struct rmt_guard_user *user)
{
	/* The libc's functions would tell threads that there are none of here. */
	if (syscall(SET_GROUPS, user->group_count, user->groups) < 0 ||
	    syscall(SET_GIDS, user->gid, user->gid, user->gid) < 0 ||
	    syscall(SET_UIDS, user->uid, user->uid, user->uid) < 0)
		return -errno;
	return 0;
}

static int renice(int increment)
{
	errno = 0;
	return nice(increment) == -1 && errno != 0 ? -errno : 0;
}

/* For this process alone; before the user changes, for who may raise a limit. */
static struct failure set_limits(const struct rmt_guard *guard)
{
	for (size_t i = 0; i < guard->limit_count; i++)
		if (syscall(SYS_prlimit64, 0, guard->limits[i].resource, guard->limits[i].values,
			    NULL) < 0)
			return (struct failure){RMT_STEP_LIMIT, -errno, (int)i};
	return (struct failure){0};
}

static int execute(const struct rmt_guard *guard)
{
	int r = -ENOENT;

	for (char *const *file = guard->files; *file; file++) {
		execve(*file, guard->argv, guard->env);
		if (errno == EACCES)
			r = -EACCES; /* unless another one can be executed */
		else if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
		else if (!file[1] && file == guard->files)
			r = -errno;
	}
	return r;
}

static void default_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static struct failure prepare(const struct watch *watch, pid_t parent)
{
	const struct rmt_guard *guard = watch->guard;
	struct failure failure;
	int r = 0;

	if (watch->group >= 0)
		rmt_group_enter(watch->group);
	if (guard->terminal)
		r = rmt_terminal_control(STDIN_FILENO);
	else
		setsid();
	if (r < 0)
		return (struct failure){.step = RMT_STEP_TERMINAL, .code = r};
	if (guard->umask >= 0)
		umask((mode_t)guard->umask);
	if (guard->nice != 0 && (r = renice(guard->nice)) < 0)
		return (struct failure){.step = RMT_STEP_NICE, .code = r};
	failure = set_limits(guard);
	if (failure.code < 0)
		return failure;
	if (guard->user && (r = become(guard->user)) < 0)
		return (struct failure){.step = RMT_STEP_USER, .code = r};
	if (guard->cwd && chdir(guard->cwd) < 0)
		return (struct failure){.step = RMT_STEP_CWD, .code = -errno};
	/* Behind the change of the user, which clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	default_signals();
	return (struct failure){.step = RMT_STEP_EXEC, .code = execute(guard)};
}

static _Noreturn void command(const struct watch *watch, pid_t parent, int report)
{
	struct failure failure = prepare(watch, parent);

	while (write(report, &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* A vfork child borrows our stack until it execs, so this must not return in it, nor be inlined. */
static __attribute__((noinline)) pid_t launch(const struct watch *watch, int report)
{
	pid_t self = getpid(), pid = RMT_VFORK();

	if (pid == 0)
		command(watch, self, report);
	return pid;
}

static struct failure start_command(struct watch *watch)
{
	struct failure failure = {.step = RMT_STEP_PROCESS};
	int report[2];

	if (pipe2(report, O_CLOEXEC) < 0)
		return (struct failure){.step = RMT_STEP_PROCESS, .code = -errno};
	watch->command = launch(watch, report[1]);
	if (watch->command < 0)
		failure.code = -errno;
	close(report[1]);
	/* The end, without a word, is exec that has closed it. */
	while (watch->command > 0 && read(report[0], &failure, sizeof(failure)) < 0 &&
	       errno == EINTR)
		;
	close(report[0]);
	return failure;
}

/* --- what it says and hears ---------------------------------------------------------------- */

static void tell(const struct rmt_guard_report *report)
{
	/* When nobody listens any more, the next look tells. */
	while (send(LIFE, report, sizeof(*report), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void climb(struct watch *watch, enum rung rung)
{
	if (watch->rung >= rung)
		return;
	watch->rung = rung;
	if (rung == ASKED && watch->guard->grace > 0) {
		/* Without /proc, there is the group at least. */
		if (rmt_family_signal(SIGTERM) == 0 && !watch->reaped)
			kill(-watch->command, SIGTERM);
		watch->next = rmt_now() + (int64_t)watch->guard->grace * 1000;
		return;
	}
	watch->rung = FORCED;
	watch->next = rmt_now();
	watch->give_up = watch->next + GIVE_UP_US;
}

static void listen_once(struct watch *watch)
{
	struct rmt_guard_message message;
	ssize_t n = recv(LIFE, &message, sizeof(message), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(message)) {
		watch->orphaned = true;
		climb(watch, ASKED);
	} else if (message.order == RMT_GUARD_SIGNAL) {
		if (!watch->reaped)
			kill(-watch->command, message.signal);
	} else {
		climb(watch, message.order == RMT_GUARD_FORCE ? FORCED : ASKED);
	}
}

static int64_t microseconds(const struct timeval *time)
{
	return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static void command_ended(struct watch *watch, int status, const struct rusage *usage)
{
	struct rmt_guard_report report = {
		.news = RMT_GUARD_ENDED,
		.value = status,
		.pid = watch->command,
		.user_us = microseconds(&usage->ru_utime),
		.system_us = microseconds(&usage->ru_stime),
		.wall_us = rmt_now() - watch->begun,
		.max_rss = (int64_t)usage->ru_maxrss * 1024,
	};

	watch->reaped = true;
	tell(&report);
}

static void reap(struct watch *watch)
{
	struct rusage usage;
	int status;
	pid_t pid;

	for (;;) {
		pid = wait4(-1, &status, WNOHANG, &usage);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid <= 0)
			break;
		if (pid == watch->command)
			command_ended(watch, status, &usage);
	}
	watch->childless = pid < 0;
}

/* --- the life of a guard ------------------------------------------------------------------- */

static void child_ended(int signal)
{
	(void)signal;
}

/* True when there is nothing left to look after. */
static bool is_done(struct watch *watch)
{
	reap(watch);
	if (watch->childless)
		return true;
	if (watch->reaped && watch->rung == RUNNING) {
		if (!watch->guard->alone)
			return true;
		climb(watch, ASKED);
	}
	if (watch->rung == ASKED && rmt_now() >= watch->next)
		climb(watch, FORCED);
	if (watch->rung == FORCED && rmt_now() >= watch->next) {
		if (rmt_now() >= watch->give_up)
			return true;
		/* Both: some may have gone to another group. */
		if (watch->group >= 0)
			rmt_group_kill(watch->group);
		if (rmt_family_signal(SIGKILL) == 0 && !watch->reaped)
			kill(-watch->command, SIGKILL);
		watch->next = rmt_now() + AGAIN_US;
	}
	return false;
}

static void look_after(struct watch *watch)
{
	struct sigaction action = {.sa_handler = child_ended};
	sigset_t others;

	/* Only while it waits: so no end of a child is missed in between. */
	sigaction(SIGCHLD, &action, NULL);
	sigfillset(&others);
	sigdelset(&others, SIGCHLD);
	while (!is_done(watch)) {
		struct pollfd life = {.fd = watch->orphaned ? -1 : LIFE, .events = POLLIN};
		int64_t left = watch->rung == RUNNING ? 0 : RMT_MAX(watch->next - rmt_now(), 0);
		struct timespec timeout = {left / 1000000, left % 1000000 * 1000};

		if (ppoll(&life, 1, watch->rung == RUNNING ? NULL : &timeout, &others) > 0)
			listen_once(watch);
	}
}

/* 0, 1 and 2 as the command gets them, LIFE, and nothing else. */
static int arrange(const int fds[3], int fd)
{
	struct rmt_spawn stdio = {.stdin_fd = fds[0], .stdout_fd = fds[1], .stderr_fd = fds[2]};
	int life = fcntl(fd, F_DUPFD_CLOEXEC, LIFE + 1), r;

	if (life < 0)
		return -errno;
	r = rmt_spawn_child_stdio(&stdio);
	dup2(life, LIFE);
	fcntl(LIFE, F_SETFD, FD_CLOEXEC);
	if (syscall(SYS_close_range, LIFE + 1, ~0u, 0) < 0) {
		struct rlimit limit = {.rlim_cur = 1024};

		getrlimit(RLIMIT_NOFILE, &limit);
		for (int i = LIFE + 1; i < (int)RMT_MIN(limit.rlim_cur, 1u << 20); i++)
			close(i);
	}
	return r;
}

/* The other ends of these are the context's, which sees when the command has closed them. */
static void close_stdio(void)
{
	for (int fd = 0; fd < LIFE; fd++)
		close(fd);
}

static void make_group(struct watch *watch)
{
	struct rmt_guard_report report = {.news = RMT_GUARD_GROUPED};

	if (!watch->guard->group)
		return;
	watch->group = rmt_group_make(watch->guard->group);
	if (watch->group >= 0)
		tell(&report);
}

/* What a command that has ended by itself leaves in the background goes on without it. */
static void leave_group(const struct watch *watch)
{
	if (watch->group < 0)
		return;
	if (watch->rung == RUNNING)
		rmt_group_release(watch->group, watch->guard->group);
	else
		rmt_group_end(watch->group, watch->guard->group);
}

static void new_session(void)
{
	/* Whoever kills the context's group does not mean this one. */
	setsid();
	/* The sanitizers' prctl() takes a lock, which a thread may have held at the fork. */
	syscall(SYS_prctl, PR_SET_NAME, "ramet-guard");
}

static _Noreturn void guard_main(const struct rmt_guard *guard)
{
	struct watch watch = {.guard = guard, .group = -1, .begun = rmt_now()};
	struct rmt_guard_report report = {.news = RMT_GUARD_STARTED};
	struct failure failure = {.step = RMT_STEP_STDIO};

	new_session();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	failure.code = arrange(guard->fds, guard->life);
	if (failure.code == 0) {
		make_group(&watch);
		failure = start_command(&watch);
	}
	close_stdio();
	if (failure.code < 0) {
		while (watch.command > 0 && waitpid(watch.command, NULL, 0) < 0 && errno == EINTR)
			;
		report = (struct rmt_guard_report){.news = RMT_GUARD_FAILED,
						   .step = (enum rmt_guard_step)failure.step,
						   .value = -failure.code,
						   .limit = failure.limit};
	} else {
		report.pid = watch.command;
	}
	tell(&report);
	if (failure.code == 0)
		look_after(&watch);
	leave_group(&watch);
	_exit(EXIT_SUCCESS);
}

static _Noreturn void sweep_main(const char *path, int life)
{
	static const int none[3] = {-1, -1, -1};
	int group;

	new_session();
	arrange(none, life);
	close_stdio();
	group = rmt_group_open(path);
	if (group >= 0)
		rmt_group_end(group, path);
	_exit(EXIT_SUCCESS);
}

/* A copy of this process, without its handlers: these have nothing to do in it. */
static pid_t fork_quietly(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
	return fork();
}

static int forked(pid_t pid, const sigset_t *before, pid_t *ret_pid)
{
	int r = pid < 0 ? -errno : 0;

	pthread_sigmask(SIG_SETMASK, before, NULL);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

int rmt_guard_start(const struct rmt_guard *guard, pid_t *ret_pid)
{
	sigset_t before;
	pid_t pid = fork_quietly(&before);

	if (pid == 0)
		guard_main(guard);
	return forked(pid, &before, ret_pid);
}

int rmt_guard_sweep(const char *group, int life, pid_t *ret_pid)
{
	sigset_t before;
	pid_t pid = fork_quietly(&before);

	if (pid == 0)
		sweep_main(group, life);
	return forked(pid, &before, ret_pid);
}
