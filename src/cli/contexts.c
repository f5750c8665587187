/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/contexts.h"

#include <string.h>

#include "cli/command.h"
#include "cli/output.h"

int rmt_start_contexts(const char *paths, ramet_router **ret_router, ramet_group **ret_group)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *router;
	int r = ramet_router_new(NULL, &router);

	if (r < 0) {
		rmt_complain("cannot begin: %s", strerror(-r));
		return RMT_EXIT_UNREACHABLE;
	}
	if (ramet_connect_all(router, paths, ret_group, &error) < 0) {
		rmt_complain_error(NULL, &error);
		ramet_router_unref(router);
		return RMT_EXIT_UNREACHABLE;
	}
	*ret_router = router;
	return 0;
}
