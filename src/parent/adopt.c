/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/adopt.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "core/account.h"
#include "core/control.h"
#include "core/function.h"
#include "core/ids.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"
#include "parent/connection-state.h"

#define CLASH                                                                                    \
	"some ids of that tree are known in this one: it is joined already by another path, or " \
	"both have drawn the same (then a new run of this program will not)"

/* --- the ids of a fresh root -------------------------------------------------------------- */

static bool is_fresh(const ramet_router *router)
{
	const struct rmt_parent *parent = router->hooks_data;
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *node;

	if (!rmt_router_is_root(router) || router->is_child || router->route_count > 0 ||
	    router->flows.count > 0 || router->inflows.count > 0 ||
	    (parent && parent->connections.next->next != &parent->connections &&
	     !rmt_list_empty(&parent->connections)))
		return false;
	while ((node = rmt_table_walk(&router->peers, &walk))) {
		const struct rmt_peer *peer = RMT_CONTAINER(node, struct rmt_peer, node);

		if (peer->alive && peer != router->self)
			return false;
	}
	return true;
}

int rmt_adopt_redraw(ramet_router *router)
{
	int r;

	if (!is_fresh(router))
		return -EBUSY;
	router->ids.block_count = 0;
	r = rmt_ids_draw(router);
	if (r < 0)
		return r;
	router->id = router->ids.next++;
	rmt_table_remove(&router->peers, &router->self->node);
	router->self->id = router->id;
	atomic_store(&router->self->handle.id, router->id);
	rmt_table_add(&router->peers, &router->self->node, router->id);
	return 0;
}

/* Some of it is still known because of a tree that is being left, or a child that ends: that is over
 * soon. */
static bool is_being_left(const ramet_router *router, const struct rmt_region *region)
{
	for (size_t i = 0; i < router->route_count; i++) {
		const struct rmt_route *route = &router->routes[i];

		if (route->stream->peer && route->stream->peer->ending &&
		    rmt_region_has(region, route->first))
			return true;
	}
	return false;
}

/* --- a connection of ours ----------------------------------------------------------------- */

void rmt_met_free(struct rmt_met *met)
{
	if (!met)
		return;
	if (met->adoption)
		met->adoption->connection = NULL;
	rmt_region_done(&met->tree.region);
	rmt_region_done(&met->own);
	free(met);
}

void rmt_adopt_undo(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_met *met = connection->met;

	if (!met || !met->routed || connection->peer)
		return;
	met->routed = false;
	rmt_region_unroute(router, &met->tree.region);
	if (router->uplink && !router->uplink->failed)
		rmt_control_gone(router->uplink, (const uint32_t(*)[2])met->tree.region.ranges,
				 met->tree.region.count, "it was not joined");
}

static const char *reason_of(int code)
{
	return code == -EEXIST   ? CLASH
	       : code == -EDQUOT ? "there are more ids in that tree, and others that were joined "
				   "there, than the quota of contexts allows"
				 : rmt_strerror(code);
}

static void fail(struct rmt_connection *connection, int code, const char *text)
{
	rmt_error_set(&connection->error, code, "join: %s", text);
	/* The connection ends when the loop has left this stream. */
	rmt_stream_fail(connection->stream, "refused");
}

/* Our tree agrees: now the other one is asked. */
static void send_join(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_met *met = connection->met;
	struct rmt_join join = {.chain_count = router->parent_count + 1, .region = met->own};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_frame frame = {
		.destination = met->tree.id,
		.source = router->id,
		.authority = router->id,
		.handle = RMT_HANDLE_CONTROL,
	};

	memcpy(join.chain, router->parents, router->parent_count * sizeof(*router->parents));
	join.chain[router->parent_count] = router->id;
	rmt_join_encode(&join, &out);
	frame.length = frame.total = (uint32_t)out.size;
	if (out.error < 0 || out.size > RMT_FRAME_PAYLOAD_MAX)
		fail(connection, out.error < 0 ? ENOMEM : E2BIG, "the tree has too many parts");
	else
		rmt_stream_send(connection->stream, &frame, out.data, NULL, false);
	met->asked = true;
	rmt_buffer_done(&out);
}

static int route(struct rmt_connection *connection)
{
	struct rmt_met *met = connection->met;
	int r = rmt_region_route(connection->router, &met->tree.region, connection->stream);

	/* A fresh root can have other ids just as well. */
	while (r == -EEXIST && rmt_adopt_redraw(connection->router) == 0)
		r = rmt_region_route(connection->router, &met->tree.region, connection->stream);
	met->routed = r == 0;
	return r;
}

/* At the root, or when the root has agreed: *own is ours. */
static void agreed(struct rmt_connection *connection, struct rmt_region *own)
{
	rmt_region_done(&connection->met->own);
	connection->met->own = *own;
	*own = (struct rmt_region)RMT_REGION_INIT;
	send_join(connection);
}

static void agree_here(struct rmt_connection *connection)
{
	struct rmt_region own;

	if (rmt_region_own(connection->router, &own) < 0)
		fail(connection, ENOMEM, "out of memory");
	else
		agreed(connection, &own);
}

/* The other tree knows some of our ids. */
static int draw_again(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	int r;

	rmt_region_unroute(router, &connection->met->tree.region);
	connection->met->routed = false;
	r = rmt_adopt_redraw(router);
	if (r == 0)
		r = route(connection);
	if (r == 0)
		agree_here(connection);
	return r;
}

static int answered(struct rmt_connection *connection, const struct rmt_arrival *arrival)
{
	const struct rmt_met *met = connection->met;
	struct rmt_hello hello;
	struct rmt_text text;
	int code;

	/* Not before our own tree has agreed. */
	if (rmt_joined_decode(arrival->payload, arrival->frame.length)) {
		if (!met->asked)
			return -EBADMSG;
		connection->id = met->tree.id;
		hello = met->tree.hello;
		hello.host = (struct rmt_text){met->host, strlen(met->host)};
		connection->stream->joined = true;
		return rmt_connection_connected(connection, &hello);
	}
	if (rmt_hello_decode(arrival->payload, arrival->frame.length, &hello, &code, &text) != 0)
		return -EBADMSG;
	if (code == EEXIST && met->asked && draw_again(connection) == 0)
		return 0;
	rmt_error_set(&connection->error, code, "join: %.*s", (int)text.size, text.data);
	rmt_stream_fail(connection->stream, "refused");
	return 0;
}

static int tree_frame(struct rmt_stream *stream, const struct rmt_arrival *arrival)
{
	struct rmt_connection *connection = stream->data;
	int r = -EBADMSG;

	if (arrival->frame.handle == RMT_HANDLE_CONTROL)
		r = answered(connection, arrival);
	if (r == -EBADMSG)
		fail(connection, EPROTO, "its answer makes no sense");
	return r == -EBADMSG ? 0 : r;
}

/* --- hop by hop --------------------------------------------------------------------------- */

/* A request of a child (its account), or of a connection of ours. */
static struct rmt_adoption *adoption_new(const struct rmt_region *region,
					 struct rmt_account *account)
{
	struct rmt_adoption *adoption = calloc(1, sizeof(*adoption));
	int r = adoption ? 0 : -ENOMEM;

	for (size_t i = 0; i < region->count && r == 0; i++)
		r = rmt_region_add(&adoption->region, region->ranges[i][0], region->ranges[i][1]);
	if (r < 0) {
		if (adoption)
			rmt_region_done(&adoption->region);
		free(adoption);
		return NULL;
	}
	rmt_list_init(&adoption->node);
	adoption->account = rmt_account_ref(account);
	if (account)
		account->adopting += 1 + (uint32_t)region->count;
	return adoption;
}

static void adoption_free(struct rmt_adoption *adoption)
{
	rmt_list_remove(&adoption->node);
	if (adoption->account)
		adoption->account->adopting -= 1 + (uint32_t)adoption->region.count;
	rmt_account_unref(adoption->account);
	rmt_region_done(&adoption->region);
	free(adoption);
}

/* The way to those ids begins when the root has agreed: it knows whose they are. */
static int ask_up(ramet_router *router, const struct rmt_region *region,
		  struct rmt_account *account, struct rmt_connection *connection)
{
	struct rmt_parent *parent = rmt_parent_of(router);
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_adoption *adoption;

	if (rmt_region_is_known(router, region))
		return -EEXIST;
	if (!router->uplink || router->uplink->failed)
		return -ECONNRESET;
	adoption = parent ? adoption_new(region, account) : NULL;
	if (!adoption)
		return -ENOMEM;
	rmt_adopt_encode(region, &out);
	if (out.error < 0 || out.size > RMT_FRAME_PAYLOAD_MAX) {
		int r = out.error < 0 ? out.error : -E2BIG;

		rmt_buffer_done(&out);
		adoption_free(adoption);
		return r;
	}
	adoption->connection = connection;
	if (connection)
		connection->met->adoption = adoption;
	rmt_list_append(&parent->adoptions, &adoption->node);
	rmt_control_send(router, router->uplink->peer->id, &out);
	return 0;
}

static void go_on(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_met *met = connection->met;
	bool root = rmt_router_is_root(router);
	int r = root ? route(connection) : ask_up(router, &met->tree.region, NULL, connection);

	met->parked = r == -EEXIST && is_being_left(router, &met->tree.region);
	if (met->parked)
		return;
	if (r == 0 && root)
		agree_here(connection);
	if (r < 0)
		fail(connection, r, reason_of(r));
}

bool rmt_adopt_begin(struct rmt_connection *connection, const struct rmt_arrival *arrival)
{
	struct rmt_tree_hello tree;
	struct rmt_met *met;
	int r = rmt_tree_hello_decode(arrival->payload, arrival->frame.length, &tree);

	if (r == -EBADMSG)
		return false;
	met = r == 0 ? calloc(1, sizeof(*met)) : NULL;
	if (!met) {
		if (r == 0)
			rmt_region_done(&tree.region);
		fail(connection, ENOMEM, "out of memory");
		return true;
	}
	connection->met = met;
	met->tree = tree;
	memcpy(met->host, tree.hello.host.data ? tree.hello.host.data : "",
	       RMT_MIN(tree.hello.host.size, sizeof(met->host) - 1));
	met->tree.hello.host = met->tree.hello.machine = (struct rmt_text){NULL, 0};
	connection->stream->frame = tree_frame;
	if (tree.hello.program != rmt_program_identity()) {
		rmt_error_set(&connection->error, EPROTO,
			      "handshake: it is another program, or another version of it");
		rmt_stream_fail(connection->stream, "refused");
		return true;
	}
	go_on(connection);
	return true;
}

static void answer_down(ramet_router *router, uint32_t child, int code, const char *text,
			const struct rmt_region *region)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_adopted_encode(code, text, region, &out);
	rmt_control_send(router, child, &out);
}

/* Requests of that child are in a list. */
static bool waits(const struct rmt_list *list, const struct rmt_account *account)
{
	const struct rmt_list *node;

	for (node = list->next; node != list; node = node->next)
		if (RMT_CONTAINER(node, struct rmt_adoption, node)->account == account)
			return true;
	return false;
}

/* Answers come in the order of the requests. */
static void refuse_down(ramet_router *router, struct rmt_stream *stream, int code)
{
	static const struct rmt_region none = RMT_REGION_INIT;
	struct rmt_parent *parent = rmt_parent_of(router);
	struct rmt_adoption *adoption;

	if (!parent || !waits(&parent->adoptions, stream->account)) {
		answer_down(router, stream->peer->id, code, reason_of(code), &none);
		return;
	}
	adoption = adoption_new(&none, stream->account);
	if (!adoption) {
		rmt_stream_fail(stream, "out of memory");
		return;
	}
	adoption->refused = code;
	rmt_list_append(&parent->adoptions, &adoption->node);
}

/* Asks further up, or answers. -EAGAIN: not yet. */
static int adopt(ramet_router *router, struct rmt_stream *stream, const struct rmt_region *region)
{
	struct rmt_region own = RMT_REGION_INIT;
	bool root = rmt_router_is_root(router);
	int r = root ? rmt_region_route(router, region, stream)
		     : ask_up(router, region, stream->account, NULL);

	if (r == -EEXIST && is_being_left(router, region))
		return -EAGAIN;
	if (r == 0 && root) {
		r = rmt_region_own(router, &own);
		if (r < 0)
			rmt_region_unroute(router, region);
	}
	if (r < 0) {
		if (r == -EDQUOT)
			rmt_misbehaved(router, "%s has joined too many trees: %s",
				       rmt_peer_name(stream->peer), reason_of(r));
		refuse_down(router, stream, r);
	} else if (root) {
		answer_down(router, stream->peer->id, 0, "", &own);
	}
	rmt_region_done(&own);
	return 0;
}

void rmt_adopt_asked(ramet_router *router, struct rmt_stream *stream,
		     struct rmt_cbor_reader *reader)
{
	struct rmt_parent *parent = rmt_parent_of(router);
	struct rmt_adoption *adoption = NULL;
	struct rmt_cbor_reader whole = *reader;
	struct rmt_region region;
	uint64_t items;

	whole.position = 0;
	if (!parent || stream == router->uplink || stream->guest ||
	    rmt_cbor_read_array(&whole, &items) < 0 ||
	    rmt_region_read(reader, items - 1, &region) < 0)
		return;
	if (stream->account->adopting + 1 + region.count > RMT_ADOPTING_MAX) {
		rmt_stream_fail(stream, "it asks for more trees than can wait for an answer");
	} else if (waits(&parent->parked, stream->account) ||
		   adopt(router, stream, &region) == -EAGAIN) {
		adoption = adoption_new(&region, stream->account);
		if (adoption)
			rmt_list_append(&parent->parked, &adoption->node);
		else
			rmt_stream_fail(stream, "out of memory");
	}
	rmt_region_done(&region);
}

/* Those of each child in their order; what has to wait on stays. */
static void adopt_parked(ramet_router *router, struct rmt_parent *parent)
{
	struct rmt_list *node, *following, again;

	rmt_list_init(&again);
	rmt_list_move(&again, &parent->parked);
	rmt_list_each(&again, node, following) {
		struct rmt_adoption *adoption = RMT_CONTAINER(node, struct rmt_adoption, node);
		struct rmt_stream *stream = adoption->account->stream;

		if (stream && !stream->failed &&
		    (waits(&parent->parked, adoption->account) ||
		     adopt(router, stream, &adoption->region) == -EAGAIN)) {
			rmt_list_remove(&adoption->node);
			rmt_list_append(&parent->parked, &adoption->node);
		} else {
			adoption_free(adoption);
		}
	}
}

void rmt_adopt_again(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;
	struct rmt_list *node, *following;

	adopt_parked(router, parent);
	rmt_list_each(&parent->connections, node, following) {
		struct rmt_connection *connection = RMT_CONTAINER(node, struct rmt_connection,
								  node);

		if (connection->met && connection->met->parked && connection->stream &&
		    !connection->stream->failed)
			go_on(connection);
	}
}

static void settle(ramet_router *router, struct rmt_adoption *adoption, int code, const char *text,
		   struct rmt_region *own)
{
	struct rmt_connection *connection = adoption->connection;
	struct rmt_stream *stream = adoption->account ? adoption->account->stream : NULL;
	int r = -ECANCELED; /* nobody wants it any more */

	if (connection)
		connection->met->adoption = NULL;
	if (connection && (!connection->stream || connection->stream->failed))
		connection = NULL;
	if (stream && stream->failed)
		stream = NULL;
	if (code == 0 && stream)
		r = rmt_region_route(router, &adoption->region, stream);
	else if (code == 0 && connection)
		r = route(connection);
	if (code == 0 && r < 0 && router->uplink)
		rmt_control_gone(router->uplink, (const uint32_t(*)[2])adoption->region.ranges,
				 adoption->region.count, "it was not joined");
	if (code == 0 && r < 0) {
		code = r;
		text = reason_of(r);
	}
	if (stream)
		answer_down(router, stream->peer->id, code, text, own);
	else if (connection && code == 0)
		agreed(connection, own);
	else if (connection)
		fail(connection, code, text);
}

/* Those that had nobody to ask, and have waited for the ones before them alone. */
static void settle_refused(ramet_router *router, struct rmt_parent *parent)
{
	struct rmt_region none = RMT_REGION_INIT;

	while (!rmt_list_empty(&parent->adoptions)) {
		struct rmt_adoption *adoption = rmt_list_first(&parent->adoptions,
							       struct rmt_adoption, node);

		if (adoption->refused == 0)
			return;
		rmt_list_remove(&adoption->node);
		settle(router, adoption, adoption->refused, reason_of(adoption->refused), &none);
		adoption_free(adoption);
	}
}

void rmt_adopt_answered(ramet_router *router, struct rmt_stream *stream,
			struct rmt_cbor_reader *reader)
{
	struct rmt_parent *parent = router->hooks_data;
	struct rmt_cbor_reader whole = *reader;
	struct rmt_adoption *adoption;
	struct rmt_region own;
	const char *data;
	uint64_t items;
	uint32_t code;
	size_t size;
	char *text;

	whole.position = 0;
	if (stream != router->uplink || !parent || rmt_list_empty(&parent->adoptions) ||
	    rmt_cbor_read_array(&whole, &items) < 0 || items < 3 ||
	    rmt_cbor_read_u32(reader, &code) < 0 || rmt_cbor_read_str(reader, &data, &size) < 0 ||
	    !data || rmt_region_read(reader, items - 3, &own) < 0)
		return;
	adoption = rmt_list_first(&parent->adoptions, struct rmt_adoption, node);
	rmt_list_remove(&adoption->node);
	text = rmt_text_new(data, size);
	settle(router, adoption, (int)code, text ? text : "out of memory", &own);
	free(text);
	rmt_region_done(&own);
	adoption_free(adoption);
	settle_refused(router, parent);
}

void rmt_adoptions_done(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;

	while (parent && !rmt_list_empty(&parent->adoptions)) {
		struct rmt_adoption *adoption = rmt_list_first(&parent->adoptions,
							       struct rmt_adoption, node);

		if (adoption->connection)
			adoption->connection->met->adoption = NULL;
		adoption_free(adoption);
	}
	while (parent && !rmt_list_empty(&parent->parked))
		adoption_free(rmt_list_first(&parent->parked, struct rmt_adoption, node));
}
