/* SPDX-License-Identifier: BSD-3-Clause */
/* The first words between a parent and a child. */
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "core/control.h"
#include "core/function.h"
#include "core/heartbeat.h"
#include "core/route.h"
#include "parent/adopt.h"
#include "parent/connection-state.h"
#include "parent/setup.h"
#include "wire/handshake.h"

void rmt_connection_welcome(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_welcome welcome = {
		.program = rmt_program_identity(),
		.id = connection->id,
		.parent_count = router->parent_count + 1,
		.path = {connection->path, strlen(connection->path)},
		.message_size_max = router->message_size_max,
		.connect_timeout = router->connect_timeout,
		.allow_siblings = router->allow_siblings,
		.log_level = router->log_level,
		.log_rate = router->logging.rate,
		.log_directory = {router->logging.directory,
				  router->logging.directory ? strlen(router->logging.directory)
							    : 0},
		.heartbeat_interval = router->heartbeat_interval,
		.heartbeat_misses = router->heartbeat_misses,
	};
	struct rmt_setup_texts texts;

	connection->log_level = router->log_level;
	memcpy(welcome.parents, router->parents, router->parent_count * sizeof(*router->parents));
	welcome.parents[router->parent_count] = router->id;
	if (rmt_setup_from_hop(&connection->hop, &welcome.setup, &texts) == 0)
		rmt_welcome_encode(&welcome, &connection->welcome);
	else
		connection->welcome.error = -ENOMEM;
	rmt_setup_texts_done(&texts);
	if (connection->welcome.error == 0 && connection->welcome.size > RMT_FRAME_PAYLOAD_MAX)
		connection->welcome.error = -E2BIG;
}

int rmt_connection_send_welcome(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_frame frame = {
		.length = (uint32_t)connection->welcome.size,
		.destination = connection->id,
		.source = router->id,
		.authority = router->id,
		.handle = RMT_HANDLE_CONTROL,
		.total = (uint32_t)connection->welcome.size,
	};

	return rmt_stream_send(connection->stream, &frame, connection->welcome.data, NULL, false);
}

/* In the order of their start, which is that of their ids; hellos come in any. */
static void add_child(ramet_router *router, struct rmt_peer *peer)
{
	struct rmt_list *before = router->children.previous;

	while (before != &router->children &&
	       RMT_CONTAINER(before, struct rmt_peer, child)->id > peer->id)
		before = before->previous;
	/* To append to a list whose head is the next node is to insert before that. */
	rmt_list_append(before->next, &peer->child);
}

int rmt_connection_connected(struct rmt_connection *connection, const struct rmt_hello *hello)
{
	ramet_router *router = connection->router;
	struct rmt_peer *peer = rmt_peer_get(router, connection->id);
	int r = peer ? 0 : -ENOMEM;

	/* For a tree there are routes already. */
	if (r == 0 && !connection->met)
		r = rmt_route_add(router, connection->id, connection->id, connection->stream);

	if (r < 0)
		return r;
	rmt_peer_describe(peer, connection->path, strlen(connection->path), (int)hello->pid);
	peer->key = connection->key;
	connection->key = NULL;
	peer->stream = connection->stream;
	peer->process = connection->process;
	peer->joined = connection->met;
	connection->peer = peer;
	connection->stream->peer = peer;
	connection->stream->frame = NULL;
	connection->state = RMT_CONNECTED;
	/* Banners and the like; its last words are still to come. */
	if (connection->process)
		rmt_process_forget(connection->process);
	rmt_loop_timer_stop(&router->loop, &connection->timer);
	rmt_admission_leave(rmt_connection_admission(connection), &connection->ticket);
	rmt_buffer_done(&connection->welcome);
	if (connection->method->command) {
		connection->bootstrap.phase = RMT_PHASE_HANDSHAKE;
		rmt_bootstrap_report(&connection->bootstrap,
				     "connected: context %u, process %u on %.*s", connection->id,
				     hello->pid, (int)hello->host.size, hello->host.data);
	}
	add_child(router, peer);
	rmt_heartbeat_begin(router);
	/* It may have changed since the welcome was written. */
	if (connection->log_level != router->log_level)
		rmt_control_level(router, peer->id, router->log_level);
	rmt_connection_tell(connection, peer);
	/* Whoever wanted it may have given up. */
	if (peer->handle.references == 0 && peer->holder_count == 0)
		rmt_child_leave(peer, router->shutdown_timeout);
	return 0;
}

int rmt_connection_hello(struct rmt_stream *stream, const struct rmt_arrival *arrival)
{
	struct rmt_connection *connection = stream->data;
	struct rmt_hello hello;
	struct rmt_text text;
	int code, r;

	if (connection->method->join && rmt_adopt_begin(connection, arrival))
		return 0;
	if (arrival->frame.source != connection->id || arrival->frame.handle != RMT_HANDLE_CONTROL)
		r = -EBADMSG;
	else
		r = rmt_hello_decode(arrival->payload, arrival->frame.length, &hello, &code, &text);
	if (r < 0)
		rmt_error_set(&connection->error, EPROTO,
			      "handshake: its first message is no hello");
	else if (r == 0)
		rmt_error_set(&connection->error, code, "setup: %.*s", (int)text.size, text.data);
	else if (hello.program != rmt_program_identity())
		rmt_error_set(&connection->error, EPROTO,
			      "handshake: it is another program, or another version of it");
	else
		return rmt_connection_connected(connection, &hello);
	/* The connection ends when the loop has left this stream. */
	rmt_stream_fail(stream, "refused");
	return 0;
}
