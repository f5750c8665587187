/* SPDX-License-Identifier: BSD-3-Clause */
/* ramet listen: a socket at which contexts wait for a parent. */
#include <signal.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"

/* That it has run is enough: the wait ends. */
static void on_signal(int signal)
{
	(void)signal;
}

static int listen_main(int argc, char **argv)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	(void)argc;
	for (size_t i = 0; i < RMT_COUNT(signals); i++)
		sigaction(signals[i], &action, NULL);
	r = ramet_listen(argv[0], &error);
	if (r == -EINTR) {
		ramet_error_clear(&error);
		return 0;
	}
	rmt_complain_error(NULL, &error);
	return RMT_EXIT_FAILURE;
}

const struct rmt_command rmt_command_listen = {
	.name = "listen",
	.help = "usage: ramet listen SOCKET\n"
		"\n"
		"Waits at a socket for other contexts of the same user, or of root, and becomes\n"
		"a child of each that connects: elsewhere, in a path, with its slashes as %2F,\n"
		"\n"
		"  $ ramet listen /run/user/1000/ramet &\n"
		"  $ ramet run unix:%2Frun%2Fuser%2F1000%2Framet -- id\n"
		"\n"
		"Each child is a process of its own; what it prints goes where the listener's\n"
		"output goes. A socket that nobody listens at any more is replaced. SIGINT,\n"
		"SIGTERM or SIGHUP end the listener and remove the socket; children that are\n"
		"there stay as long as their parents.\n",
	.least = 1,
	.most = 1,
	.main = listen_main,
};
