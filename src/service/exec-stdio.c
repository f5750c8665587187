/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/exec-stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "parent/terminal.h"

static int open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	rmt_descriptor_own(ends[0]);
	rmt_descriptor_own(ends[1]);
	return 0;
}

static int open_null(void)
{
	int fd = rmt_descriptor_own(open("/dev/null", O_RDWR | O_CLOEXEC));

	return fd < 0 ? -errno : fd;
}

int rmt_exec_stdio_terminal(const struct rmt_exec_plan *plan, const rmt_exec_spec *spec,
			    int ours[3], int theirs[3], ramet_error *error)
{
	struct winsize size = {.ws_row = (unsigned short)spec->terminal.rows,
			       .ws_col = (unsigned short)spec->terminal.columns};
	int r = rmt_terminal_open_cooked(&ours[STDOUT_FILENO], &theirs[STDIN_FILENO], error);

	if (r < 0)
		return r;
	ioctl(theirs[STDIN_FILENO], TIOCSWINSZ, &size);
	/* Where this is not allowed it is as with the tools that ramet starts: another's terminal. */
	if (plan->switches && fchown(theirs[STDIN_FILENO], plan->become.uid, (gid_t)-1) < 0)
		errno = 0;
	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
		theirs[i] = rmt_descriptor_own(fcntl(theirs[STDIN_FILENO], F_DUPFD_CLOEXEC, 3));
	ours[STDIN_FILENO] = rmt_descriptor_own(fcntl(ours[STDOUT_FILENO], F_DUPFD_CLOEXEC, 3));
	if (theirs[STDOUT_FILENO] < 0 || theirs[STDERR_FILENO] < 0 || ours[STDIN_FILENO] < 0)
		return rmt_error_set(error, errno, "no terminal for the command: %s",
				     rmt_strerror(errno));
	return 0;
}

int rmt_exec_stdio_pipes(const rmt_exec_spec *spec, const bool streamed[3], int ours[3],
			 int theirs[3], ramet_error *error)
{
	int r = 0;

	for (int i = STDIN_FILENO; i <= STDERR_FILENO && r >= 0; i++) {
		int ends[2];

		if (i == STDERR_FILENO && (spec->flags & RMT_EXEC_JOIN)) {
			theirs[i] = rmt_descriptor_own(
				fcntl(theirs[STDOUT_FILENO], F_DUPFD_CLOEXEC, 3));
			r = theirs[i] < 0 ? -errno : 0;
		} else if (!streamed[i]) {
			r = theirs[i] = open_null();
		} else {
			r = open_pipe(ends);
			if (r == 0) {
				ours[i] = ends[i == STDIN_FILENO];
				theirs[i] = ends[i != STDIN_FILENO];
			}
		}
	}
	return r < 0 ? rmt_error_set(error, r, "no pipe for the command: %s", rmt_strerror(r)) : 0;
}
