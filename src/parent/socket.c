/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"

/* Who may wait for us to accept. */
#define BACKLOG 128

/* How often the lock's file may go away between being opened and being locked: each time somebody
 * else has ended just then. */
#define LOCK_TRIES 100

int rmt_socket_address(const char *path, struct sockaddr_un *ret_address, ramet_error *error)
{
	size_t size = strlen(path);

	if (size == 0 || size >= sizeof(ret_address->sun_path))
		return rmt_error_set(error, ENAMETOOLONG,
				     "%s: the path of a socket has 1 to %zu characters", path,
				     sizeof(ret_address->sun_path) - 1);
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret_address->sun_path, path, size);
	return 0;
}

int rmt_socket_peer(int fd, pid_t *ret_pid, uid_t *ret_uid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	*ret_pid = peer.pid;
	*ret_uid = peer.uid;
	return 0;
}

bool rmt_socket_is_trusted(int fd)
{
	pid_t pid = 0;
	uid_t uid = 0;

	return rmt_socket_peer(fd, &pid, &uid) == 0 && (uid == geteuid() || uid == 0);
}

/* --- where they are ----------------------------------------------------------------------- */

/* The directory for names; false: there is no such choice. */
static bool directory(unsigned choice, char *text, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (choice == 0 && runtime && *runtime == '/')
		return rmt_format(text, size, "%s/ramet", runtime) < size;
	if (choice == 1)
		return rmt_format(text, size, "/run/user/%u/ramet", (unsigned)geteuid()) < size;
	return choice == 2 && rmt_format(text, size, "/tmp/ramet-%u", (unsigned)geteuid()) < size;
}

int rmt_socket_find(const char *name, unsigned choice, struct sockaddr_un *ret_address,
		    ramet_error *error)
{
	char place[sizeof(ret_address->sun_path)], path[2 * sizeof(place)];

	if (strchr(name, '/'))
		return choice == 0 ? rmt_socket_address(name, ret_address, error) : -ENOENT;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strlen(name) >= sizeof(place))
		return rmt_error_set(error, EINVAL, "'%s' is no name for a socket", name);
	if (!directory(choice, place, sizeof(place)))
		return -ENOENT;
	rmt_format(path, sizeof(path), "%s/%s", place, name);
	return rmt_socket_address(path, ret_address, error);
}

/* In a directory in which others can write they could put another socket into its place. */
static int check_directory(const char *path, bool own, ramet_error *error)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return rmt_error_set(error, errno, "the directory %s: %s", path,
				     rmt_strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return rmt_error_set(error, ENOTDIR, "%s is no directory", path);
	if (status.st_uid != geteuid() && (own || status.st_uid != 0))
		return rmt_error_set(error, EPERM, "the directory %s belongs to another user",
				     path);
	if (status.st_mode & (own ? 077 : 022))
		return rmt_error_set(error, EPERM, "the directory %s is open to others", path);
	return 0;
}

int rmt_socket_place(const char *name, struct sockaddr_un *ret_address, ramet_error *error)
{
	const char *slash = strrchr(name, '/');
	char place[sizeof(ret_address->sun_path)];
	struct stat status;
	unsigned choice = 0;
	int r;

	if (slash) {
		r = rmt_socket_address(name, ret_address, error);
		if (r < 0)
			return r;
		/* "/" itself, or what is before the last slash. */
		rmt_format(place, sizeof(place), "%.*s", slash == name ? 1 : (int)(slash - name),
			   name);
		return check_directory(place, false, error);
	}
	/* The runtime directory is made by others, or it is not there. */
	if (!directory(0, place, sizeof(place)))
		choice = 2;
	else {
		*strrchr(place, '/') = '\0';
		if (stat(place, &status) < 0 || !S_ISDIR(status.st_mode) ||
		    status.st_uid != geteuid())
			choice = 2;
	}
	r = rmt_socket_find(name, choice, ret_address, error);
	if (r < 0)
		return r;
	if (!directory(choice, place, sizeof(place)))
		return -ENOENT;
	if (mkdir(place, 0700) < 0 && errno != EEXIST)
		return rmt_error_set(error, errno, "the directory %s: %s", place,
				     rmt_strerror(errno));
	return check_directory(place, true, error);
}

/* --- who has them ------------------------------------------------------------------------- */

/* 0; -EADDRINUSE: somebody has it. */
static int take_lock(const char *path, int *ret_fd)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		int fd = rmt_descriptor_own(
			open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
		struct stat locked, named;
		int r = 0;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			r = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
		else if (fstat(fd, &locked) < 0)
			r = -errno;
		else if (stat(path, &named) == 0 && named.st_ino == locked.st_ino &&
			 named.st_dev == locked.st_dev) {
			*ret_fd = fd;
			return 0;
		}
		rmt_descriptor_close(fd);
		if (r < 0)
			return r;
	}
	return -EADDRINUSE;
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

static int bind_to(int fd, const struct sockaddr_un *address)
{
	return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

static void lock_path(const struct sockaddr_un *address, char *path, size_t size)
{
	rmt_format(path, size, "%s" RMT_LOCK_SUFFIX, address->sun_path);
}

static int open_socket(struct rmt_bound *bound)
{
	const struct sockaddr_un *address = &bound->address;
	int r;

	bound->fd = rmt_descriptor_own(
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (bound->fd < 0)
		return -errno;
	/* On Linux the file gets the mode of the socket: nobody else may connect from the first
	 * moment on, and the umask is left alone. */
	fchmod(bound->fd, 0700);
	r = bind_to(bound->fd, address);
	if (r == -EADDRINUSE && is_stale(address) && unlink(address->sun_path) == 0)
		r = bind_to(bound->fd, address);
	if (r == 0 &&
	    (listen(bound->fd, BACKLOG) < 0 || lstat(address->sun_path, &bound->made) < 0)) {
		r = -errno;
		unlink(address->sun_path);
	}
	return r;
}

int rmt_socket_bind(const struct sockaddr_un *address, struct rmt_bound *ret_bound,
		    ramet_error *error)
{
	struct rmt_bound bound = RMT_BOUND_INIT;
	char lock[sizeof(address->sun_path) + sizeof(RMT_LOCK_SUFFIX)];
	int r;

	bound.address = *address;
	lock_path(address, lock, sizeof(lock));
	r = take_lock(lock, &bound.lock);
	if (r == 0) {
		r = open_socket(&bound);
		if (r < 0)
			unlink(lock);
	}
	if (r < 0) {
		rmt_descriptor_close(bound.fd);
		rmt_descriptor_close(bound.lock);
		return rmt_error_set(error, r, "socket %s: %s", address->sun_path, rmt_strerror(r));
	}
	*ret_bound = bound;
	return 0;
}

void rmt_socket_unbind(struct rmt_bound *bound)
{
	const char *path = bound->address.sun_path;
	char lock[sizeof(bound->address.sun_path) + sizeof(RMT_LOCK_SUFFIX)];
	struct stat now;

	if (bound->fd < 0)
		return;
	/* Somebody may have put another one into its place. */
	if (lstat(path, &now) == 0 && now.st_ino == bound->made.st_ino &&
	    now.st_dev == bound->made.st_dev)
		unlink(path);
	lock_path(&bound->address, lock, sizeof(lock));
	unlink(lock);
	rmt_descriptor_close(bound->fd);
	rmt_descriptor_close(bound->lock);
	*bound = (struct rmt_bound)RMT_BOUND_INIT;
}
