/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/text.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buffer.h"

#define READ_SIZE 8192

int rmt_text_read(const char *path, char **ret_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	struct rmt_buffer text = RMT_BUFFER_INIT;
	char *whole = NULL;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && r == 0) {
		unsigned char *room = rmt_buffer_reserve(&text, READ_SIZE);

		n = room ? read(fd, room, READ_SIZE) : 0;
		if (!room)
			r = -ENOMEM;
		else if (n > 0)
			text.size += (size_t)n;
		else if (n < 0 && errno != EINTR)
			r = -errno;
		else if (n < 0)
			n = 1;
	}
	close(fd);
	if (r == 0)
		whole = rmt_buffer_steal_string(&text);
	rmt_buffer_done(&text);
	if (whole)
		*ret_text = whole;
	return r < 0 ? r : whole ? 0 : -ENOMEM;
}
