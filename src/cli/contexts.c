/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/contexts.h"

#include <errno.h>
#include <string.h>

#include "base/time.h"
#include "cli/command.h"
#include "cli/functions.h"
#include "cli/output.h"

/* Odd, so that there is one in the middle. */
#define ROUND_TRIPS 5

int rmt_start_contexts(const char *paths, ramet_router **ret_router, ramet_group **ret_group)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *router;
	int r = ramet_router_new(NULL, &router);

	if (r < 0) {
		rmt_complain("cannot begin: %s", strerror(-r));
		return RMT_EXIT_UNREACHABLE;
	}
	r = ramet_connect_all(router, paths, ret_group, &error);
	if (r < 0) {
		rmt_complain_error(NULL, &error);
		ramet_router_unref(router);
		return r == -EINTR ? RMT_EXIT_INTERRUPTED : RMT_EXIT_UNREACHABLE;
	}
	*ret_router = router;
	return 0;
}

int64_t rmt_round_trip(ramet_context *context)
{
	int64_t times[ROUND_TRIPS];

	for (int i = 0; i < ROUND_TRIPS; i++) {
		int64_t begin = rmt_now(), time;
		int at = i;

		if (do_nothing_call(context, NULL) < 0)
			return -1;
		time = rmt_now() - begin;
		for (; at > 0 && times[at - 1] > time; at--)
			times[at] = times[at - 1];
		times[at] = time;
	}
	return times[ROUND_TRIPS / 2];
}
