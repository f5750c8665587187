/* SPDX-License-Identifier: BSD-3-Clause */
/* Called in a context: where it is, and whom it has started. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/functions.h"

RAMET_DEFINE(description, describe)
{
	ramet_router *router = ramet_call_router(call);
	struct utsname *system = ramet_call_alloc(call, sizeof(*system));
	description here = {.host = "?", .machine = "?"};
	size_t count = 0;

	if (system && uname(system) == 0) {
		here.host = system->nodename;
		here.machine = system->machine;
	}
	while (ramet_router_child(router, count))
		count++;
	here.children.items = ramet_call_alloc(call, count * sizeof(*here.children.items));
	if (!here.children.items) {
		ramet_fail(call, ENOMEM, "out of memory");
		return here;
	}
	/* One that has ended meanwhile is no longer in the list. */
	for (size_t i = 0; i < count; i++) {
		ramet_context *child = ramet_router_child(router, i);

		if (child)
			here.children.items[here.children.count++] = child;
	}
	return here;
}

RAMET_DEFINE(none, do_nothing)
{
}
