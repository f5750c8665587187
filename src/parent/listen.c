/* SPDX-License-Identifier: BSD-3-Clause */
/* ramet_listen(): whoever connects gets a context of this program, whose parent it is. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "core/child.h"
#include "parent/executable.h"
#include "parent/gate.h"
#include "parent/socket.h"
#include "parent/spawn.h"

/* Without descriptors or memory for another one: how long it is left alone, unless one ends. */
#define PAUSE_MS 100

/* polls[0] is the socket; polls[i] the pidfd of pids[i], or -1. */
struct listener {
	const char *path;
	struct rmt_bound socket;
	bool full; /* there is no room for another one now */
	struct pollfd *polls;
	pid_t *pids;
	size_t count;
	ramet_error *error;
};

static int complain(const struct listener *listener, int code, const char *what)
{
	return rmt_error_set(listener->error, code, "socket %s: %s%s%s", listener->path,
			     what ? what : "", what ? ": " : "", rmt_strerror(code));
}

static int make_room(struct listener *listener, size_t count)
{
	struct pollfd *polls = realloc(listener->polls, count * sizeof(*polls));
	pid_t *pids = polls ? realloc(listener->pids, count * sizeof(*pids)) : NULL;

	if (polls)
		listener->polls = polls;
	if (pids)
		listener->pids = pids;
	return pids ? 0 : rmt_error_set(listener->error, ENOMEM, "out of memory");
}

/* Its output is ours: a parent that has only a socket cannot read it. */
static int serve(struct listener *listener, int fd)
{
	char title[] = "ramet(a context that was joined)";
	char *argv[] = {title, (char *)RMT_CHILD_ARGUMENT, NULL};
	struct rmt_spawn spawn = {.argv = argv,
				  .self = true,
				  .stdin_fd = fd,
				  .stdout_fd = STDOUT_FILENO,
				  .stderr_fd = STDERR_FILENO};
	bool warn;
	pid_t pid;
	int r = make_room(listener, listener->count + 1), pidfd;

	if (r < 0)
		return r;
	spawn.file = rmt_executable_file(&warn);
	r = rmt_spawn(&spawn, &pid, listener->error);
	if (r < 0)
		return r;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* it is close-on-exec */
	listener->pids[listener->count] = pid;
	listener->polls[listener->count++] = (struct pollfd){rmt_descriptor_own(pidfd), POLLIN, 0};
	return 0;
}

/* Where there are no pidfds, the dead wait for the next to come. */
static void reap(struct listener *listener)
{
	for (size_t i = listener->count; i-- > 1;) {
		if (waitpid(listener->pids[i], NULL, WNOHANG) == 0)
			continue;
		rmt_descriptor_close(listener->polls[i].fd);
		listener->count--;
		listener->polls[i] = listener->polls[listener->count];
		listener->pids[i] = listener->pids[listener->count];
	}
}

/* One connection, or none. */
static int take(struct listener *listener)
{
	int fd = accept4(listener->socket.fd, NULL, NULL, SOCK_CLOEXEC), r = 0;

	listener->full = fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
				    errno == ENOMEM);
	if (fd < 0)
		return listener->full || errno == EAGAIN || errno == ECONNABORTED || errno == EINTR
			       ? 0
			       : complain(listener, errno, "a connection was not accepted");
	rmt_descriptor_own(fd);
	if (rmt_socket_is_trusted(fd))
		r = serve(listener, fd);
	rmt_descriptor_close(fd);
	/* That one finds its connection closed; the next may find room. */
	listener->full = r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EAGAIN;
	return listener->full ? 0 : r;
}

/* Signals arrive while it waits, and only then: none is lost between two waits. */
static int run(struct listener *listener)
{
	sigset_t all, before;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r == 0) {
		const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

		/* A negative descriptor is not looked at. */
		listener->polls[0].fd = listener->full ? -1 : listener->socket.fd;
		if (ppoll(listener->polls, listener->count, listener->full ? &pause : NULL,
			  &before) < 0) {
			r = complain(listener, errno, "its listener was interrupted");
			break;
		}
		reap(listener);
		r = take(listener);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int rmt_listen(const char *path, ramet_error *error)
{
	struct listener listener = {
		.path = path, .error = error, .count = 1, .socket = RMT_BOUND_INIT};
	struct sockaddr_un address;
	int r = make_room(&listener, 1);

	if (r == 0)
		r = rmt_socket_address(path, &address, error);
	if (r == 0)
		r = rmt_socket_bind(&address, &listener.socket, error);
	if (r == 0) {
		listener.polls[0] = (struct pollfd){.events = POLLIN};
		r = run(&listener);
		rmt_socket_unbind(&listener.socket);
		for (size_t i = 1; i < listener.count; i++)
			rmt_descriptor_close(listener.polls[i].fd);
	}
	free(listener.polls);
	free(listener.pids);
	return r;
}
