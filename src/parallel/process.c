/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes at the other ends of channels: how they begin, and how they end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/macro.h"
#include "base/thread.h"
#include "base/time.h"
#include "core/stdio.h"
#include "parallel/state.h"
#include "parent/gate.h"
#include "parent/spawn.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

/* waitid(2), Linux 5.4. */
#define BY_PIDFD ((idtype_t)3)

/* Without a pidfd (before Linux 5.3): how often to look, ms. */
#define LOOK_MS 5

unsigned rmt_channel_generation;

static atomic_bool with_threads;

/* Those of this process that have, or had, a process. Guards also who is reaped. */
static struct {
	pthread_mutex_t lock;
	struct rmt_list channels;
} processes = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.channels = {&processes.channels, &processes.channels},
};

/* --- the beginning ------------------------------------------------------------------------ */

RMT_PUBLIC void ramet_fork_with_threads(bool allowed)
{
	atomic_store(&with_threads, allowed);
}

/* The channels of the parent are no longer usable, and those in the list are not ours. */
static void become_copy(void)
{
	rmt_fork_copied();
	rmt_channel_generation++;
	rmt_list_init(&processes.channels);
	/* What the parent had written and not flushed is the parent's to flush. */
	rmt_stdout_forget();
}

pid_t rmt_parallel_fork(int keep)
{
	/* A context that has no children has nothing of what lies behind the gate. */
	bool open = rmt_gate_is_open();
	int r = rmt_fork_begin(atomic_load(&with_threads));
	pid_t pid;

	if (r < 0)
		return r;
	pthread_mutex_lock(&processes.lock);
	if (open)
		rmt_spawn_before_fork();
	else
		rmt_descriptors_before_fork();
	pid = fork();
	if (pid < 0)
		pid = -errno;
	if (open)
		rmt_spawn_after_fork(pid == 0, keep);
	else
		rmt_descriptors_after_fork(pid == 0, keep);
	pthread_mutex_unlock(&processes.lock);
	rmt_fork_end();
	if (pid == 0)
		become_copy();
	return pid;
}

int rmt_pidfd_open(pid_t pid)
{
	int fd = rmt_descriptor_own_above((int)syscall(SYS_pidfd_open, pid, 0));

	/* As it is by itself in newer kernels. */
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

void rmt_channel_process_begin(ramet_channel *channel, pid_t pid)
{
	channel->pid = pid;
	channel->pidfd = rmt_pidfd_open(pid);
	channel->own = true;
	pthread_mutex_lock(&processes.lock);
	rmt_list_append(&processes.channels, &channel->node);
	pthread_mutex_unlock(&processes.lock);
}

void rmt_channel_process_done(ramet_channel *channel)
{
	if (channel->generation != rmt_channel_generation)
		return; /* the descriptors were closed, and the list is another one */
	pthread_mutex_lock(&processes.lock);
	rmt_list_remove(&channel->node);
	pthread_mutex_unlock(&processes.lock);
	rmt_descriptor_close(channel->pidfd);
	channel->pidfd = -1;
}

/* --- the end ------------------------------------------------------------------------------ */

/* In the words of waitpid(2): the inverse of WEXITSTATUS(), WTERMSIG() and WCOREDUMP(), for which musl
 * has no macros. */
static int status_of(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return (info->si_status & 0xff) << 8;
	return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* As for waitpid(2) with WNOHANG: the process, 0, or a negative errno. By its pidfd: if somebody else
 * has waited for it, another child may have its number by now. */
static int wait_for(const ramet_channel *channel, int *ret_status)
{
	siginfo_t info = {.si_pid = 0};
	int r = -1;

	errno = EINVAL;
	if (channel->pidfd >= 0)
		r = waitid(BY_PIDFD, (id_t)channel->pidfd, &info, WEXITED | WNOHANG);
	if (r == 0) {
		if (info.si_pid != 0)
			*ret_status = status_of(&info);
		return info.si_pid;
	}
	if (errno == EINVAL)
		r = waitpid(channel->pid, ret_status, WNOHANG);
	return r < 0 ? -errno : r;
}

/* The lock is held. */
static bool has_ended(ramet_channel *channel)
{
	int status = 0, r;

	if (channel->ended)
		return true;
	do
		r = wait_for(channel, &status);
	while (r == -EINTR);
	if (r == 0)
		return false;
	channel->status = r > 0 ? status : -ECHILD;
	channel->ended = true;
	return true;
}

int rmt_channel_reap(ramet_channel *channel, int *ret_status)
{
	bool ended;

	if (!rmt_channel_has_process(channel))
		return -ECHILD;
	pthread_mutex_lock(&processes.lock);
	ended = has_ended(channel);
	pthread_mutex_unlock(&processes.lock);
	if (!ended)
		return 0;
	if (channel->status == -ECHILD)
		return -ECHILD;
	*ret_status = channel->status;
	return 1;
}

bool rmt_channel_has_process(const ramet_channel *channel)
{
	return channel->own && channel->generation == rmt_channel_generation;
}

int rmt_channel_pidfd(const ramet_channel *channel)
{
	return rmt_channel_has_process(channel) ? channel->pidfd : -1;
}

void rmt_status_describe(int status, char *text, size_t size)
{
	const char *name;

	if (WIFSIGNALED(status)) {
		name = ramet_signal_name(WTERMSIG(status));
		rmt_format(text, size, "was killed by %s%s", name ? name : "a signal",
			   WCOREDUMP(status) ? " (core dumped)" : "");
	} else {
		rmt_format(text, size, "ended with status %d", WEXITSTATUS(status));
	}
}

int rmt_channel_wait(ramet_channel *channel, short events, int64_t until)
{
	bool watch = rmt_channel_has_process(channel) && !channel->ended;
	struct pollfd fds[2] = {
		{.fd = events != 0 ? channel->fd : -1, .events = events},
		{.fd = watch ? channel->pidfd : -1, .events = POLLIN},
	};
	int status, timeout = rmt_poll_timeout(until, rmt_now()), r;

	if (watch && channel->pidfd < 0 && (timeout < 0 || timeout > LOOK_MS))
		timeout = LOOK_MS;
	r = poll(fds, 2, timeout);
	if (r < 0 && errno != EINTR)
		return -errno;
	if (watch && (fds[1].revents != 0 || channel->pidfd < 0))
		rmt_channel_reap(channel, &status);
	return r <= 0 && !(watch && channel->ended) && rmt_now() >= until ? -ETIMEDOUT : 0;
}

RMT_PUBLIC int ramet_channel_wait(ramet_channel *channel, int timeout, int *ret_status)
{
	int64_t until = rmt_after(timeout);

	for (;;) {
		int status = 0, r = rmt_channel_reap(channel, &status);

		if (r > 0 && ret_status)
			*ret_status = status;
		if (r != 0)
			return r < 0 ? r : 0;
		r = rmt_channel_wait(channel, 0, until);
		if (r < 0)
			return r;
	}
}

RMT_PUBLIC int ramet_channel_kill(ramet_channel *channel, int signal)
{
	int status, r;

	if (channel->pid == 0 || channel->generation != rmt_channel_generation)
		return -ESRCH;
	if (channel->own && rmt_channel_reap(channel, &status) != 0)
		return -ESRCH;
	if (channel->pidfd >= 0) {
		r = (int)syscall(SYS_pidfd_send_signal, channel->pidfd, signal, NULL, 0);
		if (r == 0 || errno != ENOSYS)
			return r < 0 ? -errno : 0;
	}
	/* Nobody has got its number: it has not been waited for. */
	return kill(channel->pid, signal) < 0 ? -errno : 0;
}

/* --- all ---------------------------------------------------------------------------------- */

/* Reaps those that have ended. How many go on, and of the first of them a pidfd of our own: the
 * channel may be closed by its thread meanwhile. */
static unsigned reap_all(int *ret_pidfd)
{
	struct rmt_list *node, *following;
	unsigned count = 0;

	*ret_pidfd = -1;
	pthread_mutex_lock(&processes.lock);
	rmt_list_each(&processes.channels, node, following) {
		ramet_channel *channel = RMT_CONTAINER(node, ramet_channel, node);

		if (!has_ended(channel) && count++ == 0 && channel->pidfd >= 0)
			*ret_pidfd = fcntl(channel->pidfd, F_DUPFD_CLOEXEC, 3);
	}
	pthread_mutex_unlock(&processes.lock);
	return count;
}

RMT_PUBLIC int ramet_wait_all(int timeout)
{
	int64_t until = rmt_after(timeout);
	struct pollfd first = {.events = POLLIN};

	while (reap_all(&first.fd) > 0) {
		int64_t now = rmt_now();
		int rest = rmt_poll_timeout(until, now);

		if (now >= until) {
			if (first.fd >= 0)
				close(first.fd);
			return -ETIMEDOUT;
		}
		if (first.fd < 0 && (rest < 0 || rest > LOOK_MS))
			rest = LOOK_MS;
		poll(&first, 1, rest);
		if (first.fd >= 0)
			close(first.fd);
	}
	return 0;
}

RMT_PUBLIC int ramet_cores(void)
{
	/* As large as the kernel's own, whatever that is. */
	for (size_t size = sizeof(cpu_set_t); size <= (1u << 20); size *= 2) {
		unsigned long *words = calloc(1, size);
		long n = words ? syscall(SYS_sched_getaffinity, 0, size, words) : -1;
		int code = errno, count = 0;

		for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(*words); i++)
			count += __builtin_popcountl(words[i]);
		free(words);
		if (count > 0)
			return count;
		if (n < 0 && code != EINVAL)
			break;
	}
	return 1;
}
