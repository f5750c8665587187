/* SPDX-License-Identifier: BSD-3-Clause */
/* What every process of the command begins with; the rest is for the one that a user started, and
 * does not travel. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "ramet.h"

/* One of 0, 1 and 2 that is closed would become a stream to a child, into which we then print. What is
 * opened here instead cannot be written, so that nothing is lost without a word. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void complain(const char *text)
{
	ssize_t n = write(STDERR_FILENO, text, strlen(text));

	(void)n; /* there is nobody else to tell */
}

int main(int argc, char **argv)
{
	int r;

	open_standard_descriptors();
	r = ramet_init(argc, argv);
	if (r < 0) {
		complain("ramet: ");
		complain(strerror(-r));
		complain("\n");
		return RMT_EXIT_FAILURE;
	}
	return rmt_command_line(argc, argv);
}
