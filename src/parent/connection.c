/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/connection.h"
#include "parent/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/control.h"
#include "core/function.h"
#include "core/log.h"
#include "core/message.h"
#include "core/route.h"
#include "core/stream.h"
#include "core/wait.h"
#include "parent/channels.h"
#include "parent/setup.h"
#include "parent/wish.h"
#include "wire/cbor.h"
#include "wire/handshake.h"

/* How long the loss of a stream waits for the process to end, so that the reason can be its exit
 * status. */
#define REASON_US 100000

enum connection_state {
	WAITING_FOR_ID,
	WAITING_FOR_HELLO,
	CONNECTED,
	FAILED, /* the process, if any, has to end before the error can be told */
};

struct connection {
	struct rmt_list node; /* in parent->connections */
	ramet_router *router;
	enum connection_state state;
	const struct rmt_method *method;
	struct rmt_hop hop;
	uint32_t index;
	char *key;
	char *path; /* of the new context */
	uint32_t id;
	int64_t started;
	struct rmt_timer timer; /* the deadline; later: patience with the process's end */
	struct rmt_list wanted;
	struct rmt_stream *stream;
	struct rmt_process *process;
	struct rmt_peer *peer;
	bool peer_lost;
	char *loss; /* why the stream ended */
	ramet_error error;
};

/* What this layer keeps for a router: hooks_data. */
struct parent {
	/* struct connection, from the start to the end of the process */
	struct rmt_list connections;
};

static struct parent *parent_of(ramet_router *router)
{
	if (!router->hooks_data) {
		struct parent *parent = calloc(1, sizeof(*parent));

		if (!parent)
			return NULL;
		rmt_list_init(&parent->connections);
		router->hooks_data = parent;
	}
	return router->hooks_data;
}

static void connection_free(struct connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_peer *peer = connection->peer;

	if (connection->stream) {
		rmt_stream_free(connection->stream);
		if (peer)
			peer->stream = NULL;
	}
	rmt_process_free(connection->process);
	rmt_loop_timer_stop(&router->loop, &connection->timer);
	rmt_list_remove(&connection->node);
	rmt_hop_done(&connection->hop);
	ramet_error_clear(&connection->error);
	free(connection->key);
	free(connection->path);
	free(connection->loss);
	free(connection);
	if (peer) {
		peer->process = NULL;
		rmt_peer_collect(peer);
	}
	rmt_wait_changed(router);
}

/* --- the outcome -------------------------------------------------------------------------- */

static void tell(struct connection *connection, struct rmt_peer *peer)
{
	while (!rmt_list_empty(&connection->wanted)) {
		struct rmt_wanted *wanted = rmt_list_first(&connection->wanted, struct rmt_wanted,
							   node);
		ramet_error error = RAMET_ERROR_INIT;

		rmt_list_remove(&wanted->node);
		if (!peer)
			rmt_error_set_at(
				&error, connection->error.code ? connection->error.code : ENOMEM,
				connection->error.where ? connection->error.where : "", "%s",
				connection->error.message ? connection->error.message
							  : "out of memory");
		wanted->done(wanted, peer, peer ? NULL : &error);
		ramet_error_clear(&error);
	}
}

/* The error's message with what the process has to say about it, and the end of the connection. */
static void tell_failure(struct connection *connection)
{
	struct rmt_process *process = connection->process;
	struct rmt_buffer text = RMT_BUFFER_INIT;
	char end[96];
	char *message;
	int code = connection->error.code;

	rmt_buffer_printf(&text, "%s: %s", connection->path,
			  connection->error.message ? connection->error.message : "out of memory");
	if (process && process->ended) {
		rmt_process_describe(process, end, sizeof(end));
		rmt_buffer_printf(&text, "; after %.3f s the process %s",
				  (double)(rmt_now() - connection->started) / 1e6, end);
		if (process->history_count > 0)
			rmt_buffer_printf(&text, "; its last output was:");
		for (size_t i = 0; i < process->history_count; i++) {
			rmt_buffer_printf(&text, "\n  ");
			for (const char *c = process->history[i]; *c; c++)
				rmt_buffer_append_byte(&text, (unsigned char)*c < 0x20 && *c != '\t'
								      ? '?'
								      : (unsigned char)*c);
		}
	}
	message = rmt_buffer_steal_string(&text);
	if (message)
		rmt_error_set_at(&connection->error, code, connection->router->path, "%s", message);
	free(message);
	tell(connection, NULL);
	connection_free(connection);
}

/* The connection will not come about. The error is set. */
static void fail(struct connection *connection)
{
	if (connection->state == FAILED)
		return;
	connection->state = FAILED;
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	rmt_stream_free(connection->stream);
	connection->stream = NULL;
	if (!connection->process) {
		tell_failure(connection);
		return;
	}
	/* Its stream is closed now: a child that works ends by itself. One that was too slow gets
	 * no more patience. */
	if (connection->error.code == -ETIMEDOUT || connection->error.code == -EPROTO)
		rmt_process_kill(connection->process);
	rmt_process_leave(connection->process);
}

/* --- the end of a child that was connected ------------------------------------------------ */

static void lose_peer(struct connection *connection)
{
	struct rmt_process *process = connection->process;
	char reason[256], end[96];

	if (connection->peer_lost)
		return;
	connection->peer_lost = true;
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	if (process->ended && process->status != 0) {
		rmt_process_describe(process, end, sizeof(end));
		rmt_format(reason, sizeof(reason), "process %d %s", (int)process->pid, end);
	} else if (process->ended && connection->peer->ending) {
		rmt_format(reason, sizeof(reason), "it was ended");
	} else {
		rmt_format(reason, sizeof(reason), "%s",
			   connection->loss ? connection->loss : "the connection ended");
	}
	connection->stream = NULL;
	rmt_child_lost(connection->peer, reason);
}

static void process_ended(struct rmt_process *process)
{
	struct connection *connection = process->data;

	if (connection->state == FAILED) {
		tell_failure(connection);
		return;
	}
	lose_peer(connection);
	connection_free(connection);
}

static void reason_timer(struct rmt_timer *timer)
{
	lose_peer(RMT_CONTAINER(timer, struct connection, timer));
}

static void stream_lost(struct rmt_stream *stream, const char *reason)
{
	struct connection *connection = stream->data;

	if (connection->state == CONNECTED) {
		connection->loss = strdup(reason);
		connection->timer.expired = reason_timer;
		if (rmt_loop_timer_start(&connection->router->loop, &connection->timer,
					 rmt_now() + REASON_US) < 0)
			lose_peer(connection);
		rmt_process_leave(connection->process);
		return;
	}
	/* hello_frame may have said already what was wrong with what came. */
	if (!connection->error.code)
		rmt_error_set(&connection->error,
			      connection->stream->input.error < 0 ? EPROTO : ECHILD,
			      "handshake: no hello came: %s", reason);
	fail(connection);
}

/* --- hello -------------------------------------------------------------------------------- */

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

static int connected(struct connection *connection, const struct rmt_hello *hello)
{
	ramet_router *router = connection->router;
	struct rmt_peer *peer = rmt_peer_get(router, connection->id);
	int r = peer ? rmt_route_add(router, connection->id, connection->id, connection->stream)
		     : -ENOMEM;

	if (r < 0)
		return r;
	rmt_peer_describe(peer, connection->path, strlen(connection->path), (int)hello->pid);
	peer->key = connection->key;
	connection->key = NULL;
	peer->stream = connection->stream;
	peer->process = connection->process;
	connection->peer = peer;
	connection->stream->peer = peer;
	connection->stream->frame = NULL;
	connection->state = CONNECTED;
	rmt_loop_timer_stop(&router->loop, &connection->timer);
	add_child(router, peer);
	tell(connection, peer);
	/* Whoever wanted it may have given up. */
	if (peer->handle.references == 0 && peer->holder_count == 0)
		rmt_child_end(peer, router->shutdown_timeout);
	return 0;
}

static int hello_frame(struct rmt_stream *stream, const struct rmt_arrival *arrival)
{
	struct connection *connection = stream->data;
	struct rmt_hello hello;
	struct rmt_text text;
	int code, r;

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
		return connected(connection, &hello);
	/* The connection ends when the loop has left this stream. */
	rmt_stream_fail(stream, "refused");
	return 0;
}

static void deadline_passed(struct rmt_timer *timer)
{
	struct connection *connection = RMT_CONTAINER(timer, struct connection, timer);

	rmt_error_set(&connection->error, ETIMEDOUT, "%s: nothing came within %d ms",
		      connection->state == WAITING_FOR_ID ? "id" : "handshake",
		      connection->router->connect_timeout);
	fail(connection);
}

/* --- launch ------------------------------------------------------------------------------- */

static int send_welcome(struct connection *connection)
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
	};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_frame frame = {
		.destination = connection->id,
		.source = router->id,
		.authority = router->id,
		.handle = RMT_HANDLE_CONTROL,
	};
	struct rmt_setup_texts texts;
	int r;

	memcpy(welcome.parents, router->parents, router->parent_count * sizeof(*router->parents));
	welcome.parents[router->parent_count] = router->id;
	r = rmt_setup_from_hop(&connection->hop, &welcome.setup, &texts);
	if (r == 0)
		rmt_welcome_encode(&welcome, &out);
	rmt_setup_texts_done(&texts);
	r = r < 0 ? r : out.error < 0 ? out.error : out.size > RMT_FRAME_PAYLOAD_MAX ? -E2BIG : 0;
	if (r == 0) {
		frame.length = frame.total = (uint32_t)out.size;
		r = rmt_stream_send(connection->stream, &frame, out.data, NULL, false);
	}
	rmt_buffer_done(&out);
	return r;
}

/* Hands our ends to a stream and a process. On failure they are closed, and the process is killed
 * and reaped. */
static int adopt(struct connection *connection, const int ours[3], pid_t pid)
{
	ramet_router *router = connection->router;
	int r = rmt_process_new(router, pid, ours[1], ours[2], connection->path,
				&connection->process);

	if (r < 0) {
		rmt_channels_close(ours);
		rmt_process_abandon(pid);
		return r;
	}
	connection->process->data = connection;
	connection->process->on_end = process_ended;
	r = rmt_stream_new(router, ours[0], ours[0], &connection->stream);
	if (r < 0) {
		rmt_descriptor_close(ours[0]);
		return r;
	}
	connection->stream->frame = hello_frame;
	connection->stream->lost = stream_lost;
	connection->stream->data = connection;
	return send_welcome(connection);
}

static void launch(struct connection *connection)
{
	ramet_router *router = connection->router;
	ramet_error error = RAMET_ERROR_INIT;
	int ours[3], theirs[3], r;
	pid_t pid;

	r = rmt_channels_open(ours, theirs, &connection->error);
	if (r == 0) {
		r = connection->method->launch(router, &connection->hop, connection->path, theirs,
					       &pid, &error);
		rmt_channels_close(theirs);
		if (r < 0) {
			rmt_channels_close(ours);
			rmt_error_set(&connection->error, r, "launch: %s",
				      error.message ? error.message : rmt_strerror(r));
			ramet_error_clear(&error);
		} else {
			r = adopt(connection, ours, pid);
			if (r < 0)
				rmt_error_set(&connection->error, r, "launch: %s", rmt_strerror(r));
		}
	}
	if (r < 0)
		fail(connection);
	else
		connection->state = WAITING_FOR_HELLO;
}

static void proceed(struct connection *connection)
{
	int r = rmt_ids_take(connection->router, 1, &connection->id);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		rmt_error_set(&connection->error, r, "the tree has no ids left");
		fail(connection);
		return;
	}
	launch(connection);
}

/* --- the beginning ------------------------------------------------------------------------ */

static void refuse(struct rmt_wanted *wanted, ramet_router *router, ramet_error *error)
{
	rmt_error_set_at(error, error->code ? error->code : ENOMEM, router->path, "%s",
			 error->message ? error->message : "out of memory");
	wanted->done(wanted, NULL, error);
	ramet_error_clear(error);
}

static char *key_of(const struct rmt_hop *hop, uint32_t index)
{
	return rmt_format_new("%s#%u", hop->text, index);
}

static char *path_of(ramet_router *router, const struct rmt_hop *hop, uint32_t index)
{
	char *name = rmt_hop_display(hop, index), *path = NULL;

	if (name)
		path = rmt_format_new("%s%s%s", router->path, *router->path ? "/" : "", name);
	free(name);
	return path;
}

/* A child that was started for the same hop and is still there. */
static struct rmt_peer *find_child(ramet_router *router, const char *key)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->children, node, following) {
		struct rmt_peer *peer = RMT_CONTAINER(node, struct rmt_peer, child);

		if (peer->key && strcmp(peer->key, key) == 0 && !peer->ending && peer->stream &&
		    !peer->stream->failed)
			return peer;
	}
	return NULL;
}

static struct connection *find_connection(struct parent *parent, const char *key)
{
	struct rmt_list *node, *following;

	rmt_list_each(&parent->connections, node, following) {
		struct connection *connection = RMT_CONTAINER(node, struct connection, node);

		if (connection->state < CONNECTED && strcmp(connection->key, key) == 0)
			return connection;
	}
	return NULL;
}

static struct connection *connection_new(struct parent *parent, ramet_router *router,
					 const struct rmt_hop *hop, uint32_t index,
					 ramet_error *error)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	rmt_list_init(&connection->node);
	rmt_list_init(&connection->wanted);
	connection->router = router;
	connection->index = index;
	connection->started = rmt_now();
	connection->timer.expired = deadline_passed;
	if (rmt_hop_parse(hop->text, strlen(hop->text), &connection->hop, error) < 0) {
		free(connection);
		return NULL;
	}
	connection->key = key_of(hop, index);
	connection->path = path_of(router, hop, index);
	if (!connection->key || !connection->path ||
	    rmt_loop_timer_start(&router->loop, &connection->timer,
				 rmt_after(router->connect_timeout)) < 0) {
		connection_free(connection);
		return NULL;
	}
	rmt_list_append(&parent->connections, &connection->node);
	return connection;
}

void rmt_connection_start(ramet_router *router, const struct rmt_hop *hop, uint32_t index,
			  struct rmt_wanted *wanted)
{
	struct parent *parent = parent_of(router);
	const struct rmt_method *method = NULL;
	struct connection *connection = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_peer *child;
	char *key = key_of(hop, index);

	rmt_list_init(&wanted->node);
	if (router->state != RMT_ROUTER_RUNNING)
		rmt_error_set(&error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
	else if (router->parent_count + 1 >= RMT_TREE_DEPTH_MAX)
		rmt_error_set(&error, ELOOP, "a tree has at most %u levels", RMT_TREE_DEPTH_MAX);
	else if (parent && key)
		rmt_method_find(hop, &method, &error);
	if (method) {
		child = find_child(router, key);
		if (child) {
			free(key);
			wanted->done(wanted, child, NULL);
			return;
		}
		connection = find_connection(parent, key);
		if (connection) {
			rmt_list_append(&connection->wanted, &wanted->node);
			free(key);
			return;
		}
		connection = connection_new(parent, router, hop, index, &error);
	}
	free(key);
	if (!connection) {
		refuse(wanted, router, &error);
		return;
	}
	connection->method = method;
	rmt_list_append(&connection->wanted, &wanted->node);
	proceed(connection);
}

/* --- hooks -------------------------------------------------------------------------------- */

static void hook_kill(struct rmt_peer *child)
{
	if (child->process)
		rmt_process_kill(child->process);
}

static void hook_cancel(ramet_router *router)
{
	struct parent *parent = router->hooks_data;
	struct rmt_list *node, *following;

	if (!parent)
		return;
	rmt_list_each(&parent->connections, node, following) {
		struct connection *connection = RMT_CONTAINER(node, struct connection, node);

		if (connection->state >= CONNECTED)
			continue;
		rmt_error_set(&connection->error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
		fail(connection);
	}
}

static bool hook_busy(ramet_router *router)
{
	struct parent *parent = router->hooks_data;

	return parent && !rmt_list_empty(&parent->connections);
}

static void hook_ids_ready(ramet_router *router)
{
	struct parent *parent = router->hooks_data;
	struct rmt_list *node, *following;

	if (!parent)
		return;
	rmt_list_each(&parent->connections, node, following) {
		struct connection *connection = RMT_CONTAINER(node, struct connection, node);

		if (connection->state == WAITING_FOR_ID)
			proceed(connection);
	}
}

static void hook_done(ramet_router *router)
{
	struct parent *parent = router->hooks_data;

	while (parent && !rmt_list_empty(&parent->connections))
		connection_free(rmt_list_first(&parent->connections, struct connection, node));
	free(parent);
	router->hooks_data = NULL;
}

const struct rmt_parent_hooks rmt_connection_hooks = {
	.connect = rmt_wish_arrived,
	.image = rmt_image_asked,
	.kill = hook_kill,
	.cancel = hook_cancel,
	.busy = hook_busy,
	.ids_ready = hook_ids_ready,
	.done = hook_done,
};
