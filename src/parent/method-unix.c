/* SPDX-License-Identifier: BSD-3-Clause */
/* unix: a context of a program that listens (ramet_listen(), ramet_router_listen()); the target is the
 * path of its socket, or a name. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "parent/method.h"
#include "parent/socket.h"

static int check(const struct rmt_hop *hop, ramet_error *error)
{
	struct sockaddr_un address;

	/* Of a name the first choice may not exist. */
	for (unsigned i = RMT_SOCKET_CHOICES; i-- > 0;)
		if (rmt_socket_find(hop->target, i, &address, error) == 0)
			return 0;
	return -EINVAL;
}

/* Does not wait: a listener with too many at its door is a failure (EAGAIN). */
static int join_at(const struct sockaddr_un *address, int *ret_fd, ramet_error *error)
{
	const char *path = address->sun_path;
	int fd, r = 0;

	fd = rmt_descriptor_own(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return rmt_error_set(error, errno, "no socket: %s", rmt_strerror(errno));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		r = rmt_error_set(error, errno, "no connection to the socket %s: %s", path,
				  rmt_strerror(errno));
	else if (!rmt_socket_is_trusted(fd))
		r = rmt_error_set(error, EPERM, "the socket %s belongs to another user", path);
	if (r < 0)
		rmt_descriptor_close(fd);
	else
		*ret_fd = fd;
	return r;
}

static int join(const struct rmt_hop *hop, int *ret_fd, ramet_error *error)
{
	struct sockaddr_un address;
	int r = -ENOENT;

	for (unsigned i = 0; i < RMT_SOCKET_CHOICES && r == -ENOENT; i++)
		if (rmt_socket_find(hop->target, i, &address, error) == 0)
			r = join_at(&address, ret_fd, error);
	return r;
}

const struct rmt_method rmt_method_unix = {
	.name = "unix",
	.target = RMT_TARGET_REQUIRED,
	.check = check,
	.join = join,
};
