/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/channels.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"

void rmt_channels_close(const int fds[3])
{
	for (int i = 0; i < 3; i++)
		rmt_descriptor_close(fds[i]);
}

static int open_all(int ours[3], int theirs[3], bool socket, ramet_error *error)
{
	int pair[2], r = 0;

	for (int i = 0; i < 3; i++)
		ours[i] = theirs[i] = -1;
	for (int i = 0; i < 3 && r == 0; i++) {
		/* The first pipe goes the other way. */
		bool down = i == 0 && !socket;

		r = i == 0 && socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
				     : pipe2(pair, O_CLOEXEC);
		if (r < 0) {
			r = -errno;
		} else {
			ours[i] = rmt_descriptor_own(pair[down]);
			theirs[i] = rmt_descriptor_own(pair[!down]);
		}
	}
	if (r < 0) {
		rmt_channels_close(ours);
		rmt_channels_close(theirs);
		rmt_error_set(error, r,
			      "launch: no descriptors for it: %s (this process may have %d open)",
			      rmt_strerror(r), ramet_open_max());
	}
	return r;
}

int rmt_channels_open(int ours[3], int theirs[3], ramet_error *error)
{
	return open_all(ours, theirs, true, error);
}

int rmt_channels_open_pipes(int ours[3], int theirs[3], ramet_error *error)
{
	return open_all(ours, theirs, false, error);
}
