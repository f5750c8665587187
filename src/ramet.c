/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts the layers together: what a program calls first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "base/number.h"
#include "base/write.h"
#include "core/broker.h"
#include "core/child.h"
#include "core/function.h"
#include "core/landing.h"
#include "core/log.h"
#include "core/router.h"
#include "parent/connection.h"
#include "parent/executable.h"
#include "parent/gate.h"

static void complain(const char *what, const char *which)
{
	char text[256];
	size_t size = rmt_format(text, sizeof(text), "ramet: %s%s\n", what, which);

	rmt_write_all(STDERR_FILENO, text, RMT_MIN(size, sizeof(text) - 1));
}

RMT_PUBLIC int ramet_init_functions(int argc, char **argv,
				    const struct ramet_function *const *begin,
				    const struct ramet_function *const *end)
{
	bool landed = argc == 4 && strcmp(argv[1], RMT_STDIO_ARGUMENT) == 0;
	bool child = landed ||
		     ((argc == 2 || argc == 3) && strcmp(argv[1], RMT_CHILD_ARGUMENT) == 0);
	struct rmt_child_start start;
	const char *twice = NULL;
	int64_t own_file;
	int r;

	rmt_gate_begin(argc > 0 && !landed ? argv[0] : NULL);
	r = rmt_functions_set(begin, end, &twice);
	/* A file that was made to be sent lacks what a master needs. */
	if (!child)
		return r == 0 && !rmt_gate_is_open() ? -ENOEXEC : r;
	/* From here on the process is the library's own. Its parent reads what it prints. */
	if (r < 0) {
		complain(r == -EEXIST ? "two functions are called " : rmt_strerror(r),
			 twice ? twice : "");
		exit(EXIT_FAILURE);
	}
	if (argc == 3 && rmt_number_parse(argv[2], 10, 0, INT32_MAX, &own_file))
		rmt_landing_keep((int)own_file);
	if (!landed)
		rmt_child_main_socket(false, &rmt_parent_hooks);
	if (rmt_landing(argv, &start) < 0)
		exit(EXIT_FAILURE);
	rmt_child_main(&start, &rmt_parent_hooks);
}

RMT_PUBLIC int ramet_router_new(const ramet_router_options *options, ramet_router **ret_router)
{
	ramet_router_options all;
	ramet_router *router;
	int r = rmt_router_options(options, &all);

	if (r == 0)
		r = rmt_router_new(all.poller == RAMET_POLLER_POLL ? &rmt_poller_poll
								   : &rmt_poller_epoll,
				   &rmt_parent_hooks, &router);
	if (r < 0)
		return r;
	rmt_router_set_options(router, &all);
	rmt_lock(router);
	r = rmt_router_identify(router, 0, "", 0);
	if (r == 0) {
		rmt_log_begin(router);
		r = rmt_broker_start(router);
	}
	if (r < 0) {
		rmt_router_end(router, 0);
		rmt_router_finish(router);
		rmt_router_release(router);
		return r;
	}
	rmt_unlock(router);
	*ret_router = router;
	return 0;
}
