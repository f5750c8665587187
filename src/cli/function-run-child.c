/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * posix_spawnp(3) for one purpose, in a fourth of its size. Between vfork and exec only
 * async-signal-safe calls (signal-safety(7)): the memory is shared with the parent, whose other
 * threads go on. execvp is none of them by the letter, but allocates nothing in the libcs that there
 * are.
 */
#include "cli/function-run-child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"

static _Noreturn void child(char **argv, const int fds[2], int report)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;
	int r;

	setpgid(0, 0);
	/* Before signals are let through: a handler would work on the parent's memory. */
	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fds[0], STDOUT_FILENO) >= 0 && dup2(fds[1], STDERR_FILENO) >= 0)
		execvp(argv[0], argv);
	r = -errno;
	while (write(report, &r, sizeof(r)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* A vfork child borrows our stack until it execs, so this must not return in it, nor be inlined. */
static __attribute__((noinline)) pid_t launch(char **argv, const int fds[2], int report)
{
	pid_t pid = RMT_VFORK();

	if (pid == 0)
		child(argv, fds, report);
	return pid;
}

int rmt_run_child(char **argv, const int fds[2], pid_t *ret_pid)
{
	int report[2], failure = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	pid = launch(argv, fds, report[1]);
	if (pid < 0)
		failure = -errno;
	close(report[1]);
	/* The end, without a word, is exec that has closed it. */
	while (pid > 0 && read(report[0], &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	close(report[0]);
	if (failure < 0) {
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return failure;
	}
	*ret_pid = pid;
	return 0;
}
