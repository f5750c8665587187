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
#include "parent/admission.h"
#include "parent/bootstrap.h"
#include "parent/channels.h"
#include "parent/connect.h"
#include "parent/keys.h"
#include "parent/setup.h"
#include "parent/wish.h"
#include "wire/cbor.h"
#include "wire/handshake.h"

/* How long the loss of a stream waits for the process to end, so that the reason can be its exit
 * status. */
#define REASON_US 100000

enum connection_state {
	WAITING_FOR_ID,
	WAITING_FOR_TURN, /* of a tool; perhaps not the first */
	ON_THE_WAY,       /* a tool works on it: bootstrap.h */
	WAITING_FOR_HELLO,
	CONNECTED,
	FAILED, /* the process, if any, has to end before the error can be told */
};

struct rmt_connection {
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
	int timeout;            /* ms */
	int64_t deadline;
	struct rmt_list wanted;
	struct rmt_bootstrap bootstrap;
	struct rmt_buffer welcome;
	struct rmt_ticket ticket;
	struct rmt_timer away; /* until the next attempt */
	struct rmt_stream *stream;
	struct rmt_process *process; /* NULL for one that was joined */
	struct rmt_peer *peer;
	bool peer_lost;
	char *loss; /* why the stream ended */
	ramet_error error;
};

/* What this layer keeps for a router: hooks_data. */
struct parent {
	/* struct rmt_connection, from the start to the end of the process */
	struct rmt_list connections;
	struct rmt_admission admission;
	struct rmt_list wishes; /* of other contexts: wish.h */
};

static struct parent *parent_of(ramet_router *router)
{
	if (!router->hooks_data) {
		struct parent *parent = calloc(1, sizeof(*parent));

		if (!parent)
			return NULL;
		rmt_list_init(&parent->connections);
		rmt_admission_init(&parent->admission);
		rmt_list_init(&parent->wishes);
		router->hooks_data = parent;
	}
	return router->hooks_data;
}

struct rmt_list *rmt_wishes(ramet_router *router)
{
	struct parent *parent = parent_of(router);

	return parent ? &parent->wishes : NULL;
}

static struct rmt_admission *admission_of(struct rmt_connection *connection)
{
	return &((struct parent *)connection->router->hooks_data)->admission;
}

static void connection_free(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_peer *peer = connection->peer;

	rmt_admission_leave(admission_of(connection), &connection->ticket);
	rmt_loop_timer_stop(&router->loop, &connection->away);
	if (connection->stream) {
		rmt_stream_free(connection->stream);
		if (peer)
			peer->stream = NULL;
	}
	rmt_process_free(connection->process);
	rmt_bootstrap_done(&connection->bootstrap);
	rmt_buffer_done(&connection->welcome);
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

static void tell(struct rmt_connection *connection, struct rmt_peer *peer)
{
	while (!rmt_list_empty(&connection->wanted)) {
		struct rmt_wanted *wanted = rmt_list_first(&connection->wanted, struct rmt_wanted,
							   node);
		ramet_error error = RAMET_ERROR_INIT;

		rmt_list_remove(&wanted->node);
		wanted->connection = NULL;
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

/* Last words, each on a line of its own, harmless for a terminal. */
static void append_history(const struct rmt_process *process, struct rmt_buffer *text)
{
	if (process->history_count > 0)
		rmt_buffer_printf(text, "; its last output was:");
	for (size_t i = 0; i < process->history_count; i++) {
		rmt_buffer_printf(text, "\n  ");
		for (const char *c = process->history[i]; *c; c++)
			rmt_buffer_append_byte(text, ((unsigned char)*c < 0x20 && *c != '\t') ||
								     *c == 0x7f
							     ? '?'
							     : (unsigned char)*c);
	}
}

/* The error's message with what the process has to say about it, and the end of the connection. */
static void tell_failure(struct rmt_connection *connection)
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
	}
	if (connection->method->command) {
		rmt_buffer_printf(&text, "; its command was: ");
		rmt_bootstrap_describe(&connection->bootstrap, &text);
		if (connection->bootstrap.command.hint)
			rmt_buffer_printf(&text, " (%s)", connection->bootstrap.command.hint);
	}
	if (process)
		append_history(process, &text);
	message = rmt_buffer_steal_string(&text);
	if (message)
		rmt_error_set_at(&connection->error, code, connection->router->path, "%s", message);
	free(message);
	tell(connection, NULL);
	connection_free(connection);
}

/* The connection will not come about. The error is set. */
static void fail(struct rmt_connection *connection)
{
	if (connection->state == FAILED)
		return;
	connection->state = FAILED;
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	rmt_loop_timer_stop(&connection->router->loop, &connection->away);
	if (connection->method->command)
		rmt_bootstrap_stop(&connection->bootstrap);
	rmt_stream_free(connection->stream);
	connection->stream = NULL;
	if (!connection->process) {
		tell_failure(connection);
		return;
	}
	/* Its stream is closed now: a child that works ends by itself. One that was too slow, or
	 * waits for a password, gets no more patience. */
	if (connection->error.code != -ECHILD)
		rmt_process_kill(connection->process);
	rmt_process_leave(connection->process);
}

/* --- another attempt ---------------------------------------------------------------------- */

static void away_over(struct rmt_timer *timer)
{
	struct rmt_connection *connection = RMT_CONTAINER(timer, struct rmt_connection, away);

	connection->ticket.crowded = true;
	rmt_admission_enter(admission_of(connection), &connection->ticket);
}

/* A server that was too busy to hear us will hear us later: true. The deadline stays. */
static bool try_again(struct rmt_connection *connection)
{
	struct rmt_loop *loop = &connection->router->loop;
	int64_t away;

	if (connection->error.code != -EAGAIN || rmt_now() >= connection->deadline)
		return false;
	away = rmt_admission_refused(admission_of(connection), &connection->ticket);
	if (rmt_loop_timer_start(loop, &connection->timer, connection->deadline) < 0 ||
	    rmt_loop_timer_start(loop, &connection->away, rmt_now() + away) < 0)
		return false;
	rmt_process_free(connection->process);
	connection->process = NULL;
	rmt_bootstrap_done(&connection->bootstrap);
	ramet_error_clear(&connection->error);
	connection->state = WAITING_FOR_TURN;
	rmt_admission_leave(admission_of(connection), &connection->ticket);
	return true;
}

/* --- the end of a child that was connected ------------------------------------------------ */

static void lose_peer(struct rmt_connection *connection)
{
	struct rmt_process *process = connection->process;
	char reason[256], end[96];

	if (connection->peer_lost)
		return;
	connection->peer_lost = true;
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	if (process && process->ended && process->status != 0) {
		rmt_process_describe(process, end, sizeof(end));
		rmt_format(reason, sizeof(reason), "process %d %s", (int)process->pid, end);
	} else if ((!process || process->ended) && connection->peer->ending) {
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
	struct rmt_connection *connection = process->data;

	if (connection->state == FAILED) {
		if (connection->method->command && connection->error.code == -ECHILD)
			rmt_bootstrap_explain(&connection->bootstrap, &connection->error);
		if (!try_again(connection))
			tell_failure(connection);
		return;
	}
	lose_peer(connection);
	connection_free(connection);
}

static void reason_timer(struct rmt_timer *timer)
{
	lose_peer(RMT_CONTAINER(timer, struct rmt_connection, timer));
}

static void no_hello(struct rmt_connection *connection, const char *reason)
{
	const struct rmt_image *image = connection->bootstrap.image;

	if (connection->stream->input.error < 0)
		rmt_error_set(&connection->error, EPROTO, "handshake: no hello came: %s", reason);
	else if (connection->stream->bytes_in > 0 || !connection->method->command)
		rmt_error_set(&connection->error, ECHILD, "handshake: no hello came: %s", reason);
	else
		rmt_error_set(&connection->error, ECHILD,
			      "exec: the program did not start there%s%s%s",
			      image && image->loader ? " (it is dynamically linked and needs " : "",
			      image && image->loader ? image->loader : "",
			      image && image->loader ? "; link it with ramet-cc)" : "");
}

static void stream_lost(struct rmt_stream *stream, const char *reason)
{
	struct rmt_connection *connection = stream->data;

	if (connection->state == CONNECTED) {
		connection->loss = strdup(reason);
		if (!connection->process) {
			/* That ends the stream as well, and perhaps the peer, whom no process holds. */
			lose_peer(connection);
			connection->peer = NULL;
			connection_free(connection);
			return;
		}
		connection->timer.expired = reason_timer;
		if (rmt_loop_timer_start(&connection->router->loop, &connection->timer,
					 rmt_now() + REASON_US) < 0)
			lose_peer(connection);
		rmt_process_leave(connection->process);
		return;
	}
	/* hello_frame may have said already what was wrong with what came. */
	if (!connection->error.code)
		no_hello(connection, reason);
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

static int connected(struct rmt_connection *connection, const struct rmt_hello *hello)
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
	rmt_admission_leave(admission_of(connection), &connection->ticket);
	rmt_buffer_done(&connection->welcome);
	if (connection->method->command) {
		connection->bootstrap.phase = RMT_PHASE_HANDSHAKE;
		rmt_bootstrap_report(&connection->bootstrap,
				     "connected: context %u, process %u on %.*s", connection->id,
				     hello->pid, (int)hello->host.size, hello->host.data);
	}
	add_child(router, peer);
	tell(connection, peer);
	/* Whoever wanted it may have given up. */
	if (peer->handle.references == 0 && peer->holder_count == 0)
		rmt_child_end(peer, router->shutdown_timeout);
	return 0;
}

static int hello_frame(struct rmt_stream *stream, const struct rmt_arrival *arrival)
{
	struct rmt_connection *connection = stream->data;
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
	struct rmt_connection *connection = RMT_CONTAINER(timer, struct rmt_connection, timer);

	const char *phase = "handshake";

	if (connection->state == WAITING_FOR_ID)
		phase = "id";
	else if (connection->state == WAITING_FOR_TURN)
		phase = "launch";
	else if (connection->state == ON_THE_WAY)
		phase = rmt_phase_name(connection->bootstrap.phase);
	rmt_error_set(&connection->error, ETIMEDOUT, "%s: nothing came within %d ms", phase,
		      connection->timeout);
	fail(connection);
}

/* --- launch ------------------------------------------------------------------------------- */

static void encode_welcome(struct rmt_connection *connection)
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
	struct rmt_setup_texts texts;

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

static int send_welcome(struct rmt_connection *connection)
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

/* On failure the descriptors are still the caller's. */
static int take_stream(struct rmt_connection *connection, int in_fd, int out_fd)
{
	int r = rmt_stream_new(connection->router, in_fd, out_fd, &connection->stream);

	if (r < 0)
		return r;
	connection->stream->frame = hello_frame;
	connection->stream->lost = stream_lost;
	connection->stream->data = connection;
	connection->state = WAITING_FOR_HELLO;
	return 0;
}

/* Hands our ends to a stream and a process. On failure they are closed, and the process is killed
 * and reaped. */
static int adopt(struct rmt_connection *connection, const int ours[3], pid_t pid)
{
	int r = rmt_process_new(connection->router, pid, ours[1], ours[2], connection->path,
				&connection->process);

	if (r < 0) {
		rmt_channels_close(ours);
		rmt_process_abandon(pid);
		return r;
	}
	connection->process->data = connection;
	connection->process->on_end = process_ended;
	r = take_stream(connection, ours[0], ours[0]);
	if (r < 0) {
		rmt_descriptor_close(ours[0]);
		return r;
	}
	return send_welcome(connection);
}

static int launch(struct rmt_connection *connection, ramet_error *error)
{
	int ours[3], theirs[3], r = rmt_channels_open(ours, theirs, error);
	pid_t pid;

	if (r < 0)
		return r;
	r = connection->method->launch(connection->router, &connection->hop, connection->path,
				       theirs, &pid, error);
	rmt_channels_close(theirs);
	if (r < 0)
		rmt_channels_close(ours);
	else
		r = adopt(connection, ours, pid);
	return r;
}

static int join(struct rmt_connection *connection, ramet_error *error)
{
	int fd, r = connection->method->join(&connection->hop, &fd, error);

	if (r < 0)
		return r;
	r = take_stream(connection, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return send_welcome(connection);
}

/* --- with a tool -------------------------------------------------------------------------- */

static void program_speaks(struct rmt_bootstrap *bootstrap, int in_fd, int out_fd, const void *data,
			   size_t size)
{
	struct rmt_connection *connection = RMT_CONTAINER(bootstrap, struct rmt_connection,
							  bootstrap);
	int r;

	rmt_admission_passed(admission_of(connection), &connection->ticket);
	r = take_stream(connection, in_fd, out_fd);
	if (r < 0) {
		rmt_descriptor_close(in_fd);
		if (out_fd != in_fd)
			rmt_descriptor_close(out_fd);
	} else {
		r = rmt_stream_unread(connection->stream, data, size);
	}
	if (r < 0) {
		rmt_error_set(&connection->error, r, "exec: %s", rmt_strerror(r));
		fail(connection);
	}
}

static void bootstrap_failed(struct rmt_bootstrap *bootstrap)
{
	struct rmt_connection *connection = RMT_CONTAINER(bootstrap, struct rmt_connection,
							  bootstrap);

	rmt_error_move(&connection->error, &bootstrap->error);
	fail(connection);
}

static void password_asked(struct rmt_bootstrap *bootstrap, const char *prompt)
{
	struct rmt_connection *connection = RMT_CONTAINER(bootstrap, struct rmt_connection,
							  bootstrap);
	struct rmt_wanted *wanted;

	if (rmt_list_empty(&connection->wanted)) {
		rmt_bootstrap_answer(bootstrap, NULL, NULL);
		return;
	}
	/* People think and type at their own pace. */
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	wanted = rmt_list_first(&connection->wanted, struct rmt_wanted, node);
	wanted->asks(wanted, connection->path, prompt);
}

void rmt_connection_answer(struct rmt_wanted *wanted, const struct rmt_password *password,
			   ramet_error *error)
{
	struct rmt_connection *connection = wanted->connection;

	if (!connection || connection->state != ON_THE_WAY)
		return;
	connection->deadline = rmt_after(connection->timeout);
	if (rmt_loop_timer_start(&connection->router->loop, &connection->timer,
				 connection->deadline) < 0)
		password = NULL;
	rmt_bootstrap_answer(&connection->bootstrap, password, error);
}

static void turn(struct rmt_ticket *ticket)
{
	struct rmt_connection *connection = RMT_CONTAINER(ticket, struct rmt_connection, ticket);
	struct rmt_bootstrap *bootstrap = &connection->bootstrap;

	/* Time in a queue is not held against it. */
	if (!connection->deadline) {
		connection->deadline = rmt_after(connection->timeout);
		connection->started = rmt_now();
		rmt_loop_timer_start(&connection->router->loop, &connection->timer,
				     connection->deadline);
	}
	connection->state = ON_THE_WAY;
	*bootstrap = (struct rmt_bootstrap){
		.router = connection->router,
		.hop = &connection->hop,
		.path = connection->path,
		.welcome = &connection->welcome,
		.speaks = program_speaks,
		.failed = bootstrap_failed,
		.asks = password_asked,
	};
	rmt_bootstrap_start(bootstrap, connection->method);
	connection->process = bootstrap->process;
	if (connection->process) {
		connection->process->data = connection;
		connection->process->on_end = process_ended;
	}
	if (bootstrap->error.code) {
		rmt_error_set(&connection->error, bootstrap->error.code, "launch: %s",
			      bootstrap->error.message ? bootstrap->error.message
						       : "out of memory");
		fail(connection);
	}
}

/* --- the way ------------------------------------------------------------------------------ */

static void proceed(struct rmt_connection *connection)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = rmt_ids_take(connection->router, 1, &connection->id);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		rmt_error_set(&connection->error, r, "the tree has no ids left");
		fail(connection);
		return;
	}
	encode_welcome(connection);
	r = connection->welcome.error;
	if (r < 0) {
		rmt_error_set(&error, r, "%s", rmt_strerror(r));
	} else if (connection->method->command) {
		connection->state = WAITING_FOR_TURN;
		rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
		rmt_admission_enter(admission_of(connection), &connection->ticket);
		return;
	} else if (connection->method->join) {
		r = join(connection, &error);
	} else {
		r = launch(connection, &error);
	}
	if (r == 0)
		return;
	rmt_error_set(&connection->error, r, "launch: %s",
		      error.message ? error.message : rmt_strerror(r));
	ramet_error_clear(&error);
	fail(connection);
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

static struct rmt_connection *find_connection(struct parent *parent, const char *key)
{
	struct rmt_list *node, *following;

	rmt_list_each(&parent->connections, node, following) {
		struct rmt_connection *connection = RMT_CONTAINER(node, struct rmt_connection,
								  node);

		if (connection->state < CONNECTED && strcmp(connection->key, key) == 0)
			return connection;
	}
	return NULL;
}

static struct rmt_connection *connection_new(struct parent *parent, ramet_router *router,
					     const struct rmt_hop *hop, uint32_t index,
					     const struct rmt_method *method, ramet_error *error)
{
	struct rmt_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	rmt_list_init(&connection->node);
	rmt_list_init(&connection->wanted);
	connection->router = router;
	connection->index = index;
	connection->started = rmt_now();
	connection->method = method;
	connection->timer.expired = deadline_passed;
	connection->away.expired = away_over;
	rmt_list_init(&connection->ticket.node);
	connection->ticket.turn = turn;
	connection->ticket.crowded = method->crowded;
	connection->timeout = rmt_hop_timeout(hop, router->connect_timeout);
	if (rmt_hop_parse(hop->text, strlen(hop->text), &connection->hop, error) < 0) {
		free(connection);
		return NULL;
	}
	connection->key = key_of(hop, index);
	connection->path = path_of(router, hop, index);
	if (!connection->key || !connection->path ||
	    rmt_loop_timer_start(&router->loop, &connection->timer,
				 rmt_after(connection->timeout)) < 0) {
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
	struct rmt_connection *connection = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_peer *child;
	char *key = key_of(hop, index);

	rmt_list_init(&wanted->node);
	wanted->connection = NULL;
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
			wanted->connection = connection;
			free(key);
			return;
		}
		connection = connection_new(parent, router, hop, index, method, &error);
	}
	free(key);
	if (!connection) {
		refuse(wanted, router, &error);
		return;
	}
	rmt_list_append(&connection->wanted, &wanted->node);
	wanted->connection = connection;
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
		struct rmt_connection *connection = RMT_CONTAINER(node, struct rmt_connection,
								  node);

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
		struct rmt_connection *connection = RMT_CONTAINER(node, struct rmt_connection,
								  node);

		if (connection->state == WAITING_FOR_ID)
			proceed(connection);
	}
}

static void hook_done(ramet_router *router)
{
	struct parent *parent = router->hooks_data;

	while (parent && !rmt_list_empty(&parent->connections))
		connection_free(rmt_list_first(&parent->connections, struct rmt_connection, node));
	free(parent);
	router->hooks_data = NULL;
}

const struct rmt_parent_hooks rmt_connection_hooks = {
	.connect = rmt_wish_arrived,
	.image = rmt_image_asked,
	.asked = rmt_question_arrived,
	.answered = rmt_wish_answered,
	.kill = hook_kill,
	.cancel = hook_cancel,
	.busy = hook_busy,
	.ids_ready = hook_ids_ready,
	.done = hook_done,
};
