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

/* Who may wait for us to accept. */
#define BACKLOG 128

/* polls[0] is the socket; polls[i] the pidfd of pids[i], or -1. */
struct listener {
	const char *path;
	struct stat made; /* the socket's file */
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

/* Nobody but this user may connect, from the first moment on. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(077);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(before);
	return r;
}

/* A socket at which nobody listens, as one leaves it who is killed. */
static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat status;
	bool stale;

	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		errno == ECONNREFUSED && lstat(address->sun_path, &status) == 0 &&
		S_ISSOCK(status.st_mode);
	close(fd);
	return stale;
}

static int open_socket(struct listener *listener)
{
	struct sockaddr_un address;
	int r = rmt_socket_address(listener->path, &address, listener->error), fd;

	if (r < 0)
		return r;
	fd = rmt_descriptor_own(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return complain(listener, errno, NULL);
	listener->polls[0] = (struct pollfd){fd, POLLIN, 0};
	r = bind_private(fd, &address);
	if (r == -EADDRINUSE && is_stale(&address) && unlink(listener->path) == 0)
		r = bind_private(fd, &address);
	if (r == 0 && (listen(fd, BACKLOG) < 0 || lstat(listener->path, &listener->made) < 0)) {
		r = -errno;
		unlink(listener->path);
	}
	if (r < 0) {
		rmt_descriptor_close(fd);
		return complain(listener, r, NULL);
	}
	return 0;
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
	int fd = accept4(listener->polls[0].fd, NULL, NULL, SOCK_CLOEXEC), r = 0;

	if (fd < 0)
		return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR
			       ? 0
			       : complain(listener, errno, "a connection was not accepted");
	rmt_descriptor_own(fd);
	if (rmt_socket_is_trusted(fd))
		r = serve(listener, fd);
	rmt_descriptor_close(fd);
	return r;
}

/* Signals arrive while it waits, and only then: none is lost between two waits. */
static int run(struct listener *listener)
{
	sigset_t all, before;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r == 0) {
		if (ppoll(listener->polls, listener->count, NULL, &before) < 0) {
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
	struct listener listener = {.path = path, .error = error, .count = 1};
	struct stat now;
	int r = make_room(&listener, 1);

	if (r == 0)
		r = open_socket(&listener);
	if (r == 0) {
		r = run(&listener);
		/* Somebody may have put another one into its place. */
		if (lstat(path, &now) == 0 && now.st_ino == listener.made.st_ino &&
		    now.st_dev == listener.made.st_dev)
			unlink(path);
		for (size_t i = 0; i < listener.count; i++)
			rmt_descriptor_close(listener.polls[i].fd);
	}
	free(listener.polls);
	free(listener.pids);
	return r;
}
