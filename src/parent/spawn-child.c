/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What runs in a new process between (v)fork and exec. Only async-signal-safe calls
 * (signal-safety(7)): the memory may be shared with the parent, whose other threads go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parent/spawn.h"
#include "parent/terminal.h"

/* Moves fd to `to`, without close-on-exec. When it is there already, dup2 would leave the flag. */
static int place(int fd, int to)
{
	if (fd == to)
		return fcntl(fd, F_SETFD, 0);
	return dup2(fd, to);
}

/* The three may be each other's numbers, so they are first copied out of the way. */
int rmt_spawn_child_stdio(const struct rmt_spawn *spawn)
{
	int from[3] = {spawn->stdin_fd, spawn->stdout_fd, spawn->stderr_fd};

	for (int i = 0; i < 3; i++) {
		if (from[i] > 2 || from[i] == i)
			continue;
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (place(from[i], i) < 0)
			return -errno;
	return 0;
}

int rmt_terminal_control(int slave)
{
	if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		return -errno;
	return 0;
}

int rmt_spawn_child_group(const struct rmt_spawn *spawn)
{
	if (spawn->controlled)
		return rmt_terminal_control(spawn->terminal);
	if (spawn->session)
		return setsid() < 0 ? -errno : 0;
	setpgid(0, 0);
	return 0;
}

/* An ignored signal stays ignored over exec, and the new program would not know. */
static void default_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* PROGRAM ARGUMENT NUMBER, without a name of the file. */
static void execute_own(const struct rmt_spawn_child *child)
{
	char *const *argv = child->spawn->argv;
	char digits[12], *number = digits + sizeof(digits) - 1;
	char *more[] = {argv[0], argv[1], NULL, NULL};

	*number = '\0';
	for (int rest = child->own; rest > 0; rest /= 10)
		*--number = (char)('0' + rest % 10);
	more[2] = number;
	if (fcntl(child->own, F_SETFD, 0) == 0)
		syscall(SYS_execveat, child->own, "", more, child->environment, AT_EMPTY_PATH);
}

_Noreturn void rmt_spawn_child_exec(const struct rmt_spawn_child *child)
{
	int r = rmt_spawn_child_group(child->spawn);

	if (child->hook)
		child->hook(child->hook_data);
	if (r == 0)
		r = rmt_spawn_child_stdio(child->spawn);
	if (r == 0) {
		default_signals();
		execve(child->file, child->spawn->argv, child->environment);
		r = -errno;
		if (child->own > 0)
			execute_own(child);
	}
	while (write(child->report, &r, sizeof(r)) < 0 && errno == EINTR)
		;
	_exit(127);
}
