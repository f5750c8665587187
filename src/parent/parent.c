/* SPDX-License-Identifier: BSD-3-Clause */
/* What this layer keeps for a router, and its hooks. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "parent/adopt.h"
#include "parent/connect.h"
#include "parent/connection-state.h"
#include "parent/connection.h"
#include "parent/detach.h"
#include "parent/join.h"
#include "parent/wish.h"

struct rmt_parent *rmt_parent_of(ramet_router *router)
{
	if (!router->hooks_data) {
		struct rmt_parent *parent = calloc(1, sizeof(*parent));

		if (!parent)
			return NULL;
		rmt_list_init(&parent->connections);
		rmt_admission_init(&parent->admission);
		rmt_list_init(&parent->wishes);
		rmt_modules_init(&parent->modules);
		rmt_managed_init(&parent->managed);
		rmt_list_init(&parent->listeners);
		rmt_list_init(&parent->adoptions);
		rmt_list_init(&parent->parked);
		rmt_list_init(&parent->released);
		router->hooks_data = parent;
	}
	return router->hooks_data;
}

struct rmt_list *rmt_wishes(ramet_router *router)
{
	struct rmt_parent *parent = rmt_parent_of(router);

	return parent ? &parent->wishes : NULL;
}

struct rmt_admission *rmt_connection_admission(struct rmt_connection *connection)
{
	return &((struct rmt_parent *)connection->router->hooks_data)->admission;
}

struct rmt_connection *rmt_connection_find(struct rmt_parent *parent, const char *key)
{
	struct rmt_list *node, *following;

	rmt_list_each(&parent->connections, node, following) {
		struct rmt_connection *connection = RMT_CONTAINER(node, struct rmt_connection,
								  node);

		if (connection->state < RMT_CONNECTED && strcmp(connection->key, key) == 0)
			return connection;
	}
	return NULL;
}

/* --- hooks -------------------------------------------------------------------------------- */

static void hook_kill(struct rmt_peer *child)
{
	if (child->process)
		rmt_process_kill(child->process);
	else if (child->stream)
		rmt_stream_fail(child->stream, "it did not end in time");
}

static void hook_cancel(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;
	struct rmt_list *node, *following;

	if (!parent)
		return;
	rmt_listeners_close(router);
	rmt_admission_close(&parent->admission);
	rmt_list_each(&parent->connections, node, following) {
		struct rmt_connection *connection = RMT_CONTAINER(node, struct rmt_connection,
								  node);

		if (connection->state >= RMT_CONNECTED)
			continue;
		rmt_error_set(&connection->error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
		rmt_connection_fail(connection);
	}
}

static bool hook_busy(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;

	return parent && !rmt_list_empty(&parent->connections);
}

/* What one does now frees itself at most: whoever waits for a turn cannot have it, or would have it
 * already, so no other one goes on in its wake. */
void rmt_parent_ids_ready(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;
	struct rmt_list *node, *following;

	if (!parent)
		return;
	rmt_list_each(&parent->connections, node, following) {
		struct rmt_connection *connection = RMT_CONTAINER(node, struct rmt_connection,
								  node);

		if (connection->state == RMT_WAITING_FOR_ID)
			rmt_connection_proceed(connection);
	}
}

static void hook_done(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;

	while (parent && !rmt_list_empty(&parent->connections))
		rmt_connection_free(
			rmt_list_first(&parent->connections, struct rmt_connection, node));
	if (parent) {
		rmt_managed_done(&parent->managed, router);
		rmt_modules_done(&parent->modules);
	}
	rmt_listeners_done(router);
	rmt_adoptions_done(router);
	rmt_detach_done(router);
	while (parent && !rmt_list_empty(&parent->released))
		rmt_process_free(rmt_list_first(&parent->released, struct rmt_process, node));
	free(parent);
	router->hooks_data = NULL;
}

static void hook_ids_grew(ramet_router *router, uint32_t first, uint32_t last)
{
	if (router->hooks_data)
		rmt_guests_told(router, first, last);
}

void rmt_parent_tree(ramet_router *router, struct rmt_stream *stream, enum rmt_operation operation,
		     struct rmt_cbor_reader *reader)
{
	if (operation == RMT_OP_ADOPT)
		rmt_adopt_asked(router, stream, reader);
	else if (operation == RMT_OP_ADOPTED)
		rmt_adopt_answered(router, stream, reader);
	else
		rmt_detached_arrived(router, stream, reader);
}

const struct rmt_parent_hooks rmt_connection_hooks = {
	.kill = hook_kill,
	.cancel = hook_cancel,
	.busy = hook_busy,
	.ids_grew = hook_ids_grew,
	.detaching = rmt_detaching,
	.done = hook_done,
};
