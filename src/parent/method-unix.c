/* SPDX-License-Identifier: BSD-3-Clause */
/* unix: a context of a program that listens (ramet_listen()); the target is the path of its socket. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "parent/method.h"
#include "parent/socket.h"

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

bool rmt_socket_is_trusted(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static int check(const struct rmt_hop *hop, ramet_error *error)
{
	struct sockaddr_un address;

	return rmt_socket_address(hop->target, &address, error) < 0 ? -EINVAL : 0;
}

/* Does not wait: a listener with too many at its door is a failure (EAGAIN). */
static int join(const struct rmt_hop *hop, int *ret_fd, ramet_error *error)
{
	struct sockaddr_un address;
	int fd, r = rmt_socket_address(hop->target, &address, error);

	if (r < 0)
		return r;
	fd = rmt_descriptor_own(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return rmt_error_set(error, errno, "no socket: %s", rmt_strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = rmt_error_set(error, errno, "no connection to the socket %s: %s", hop->target,
				  rmt_strerror(errno));
	else if (!rmt_socket_is_trusted(fd))
		r = rmt_error_set(error, EPERM, "the socket %s belongs to another user",
				  hop->target);
	if (r < 0)
		rmt_descriptor_close(fd);
	else
		*ret_fd = fd;
	return r;
}

const struct rmt_method rmt_method_unix = {
	.name = "unix",
	.target = RMT_TARGET_REQUIRED,
	.check = check,
	.join = join,
};
