/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/write.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

int rmt_write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EAGAIN) {
			/* Somebody who shares it has made it so; it is not ours to change. */
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		}
	}
	return 0;
}
