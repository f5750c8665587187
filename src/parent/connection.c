/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/printable.h"
#include "base/time.h"
#include "core/ids.h"
#include "core/wait.h"
#include "parent/adopt.h"
#include "parent/connection-state.h"
#include "parent/keys.h"

/* How long the loss of a stream waits for the process to end, so that the reason can be its exit
 * status. */
#define REASON_US 100000

void rmt_connection_free(struct rmt_connection *connection)
{
	ramet_router *router = connection->router;
	struct rmt_peer *peer = connection->peer;

	rmt_admission_leave(rmt_connection_admission(connection), &connection->ticket);
	rmt_loop_timer_stop(&router->loop, &connection->away);
	rmt_met_free(connection->met);
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

void rmt_connection_tell(struct rmt_connection *connection, struct rmt_peer *peer)
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
		rmt_process_append_line(process->history[i], text);
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
	if (connection->bootstrap.command.count > 0) {
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
	rmt_connection_tell(connection, NULL);
	rmt_connection_free(connection);
}

/* The connection will not come about. The error is set. */
void rmt_connection_fail(struct rmt_connection *connection)
{
	if (connection->state == RMT_FAILED)
		return;
	connection->state = RMT_FAILED;
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	rmt_loop_timer_stop(&connection->router->loop, &connection->away);
	connection->bootstrap.over = true;
	if (connection->process && connection->error.code != -ECHILD)
		rmt_process_hush(connection->process);
	if (connection->method->command)
		rmt_bootstrap_stop(&connection->bootstrap);
	rmt_adopt_undo(connection);
	rmt_stream_free(connection->stream);
	connection->stream = NULL;
	if (!connection->process) {
		tell_failure(connection);
		return;
	}
	/* Its stream is closed now: a child that works ends by itself, and so does a first stage
	 * that gave up. One that was too slow, or waits for a password, gets no more patience. */
	if (connection->error.code != -ECHILD && !connection->bootstrap.gave_up) {
		rmt_process_kill(connection->process);
		/* Which a tool that asks there obeys where it ignores the signal. */
		if (connection->method->command)
			rmt_bootstrap_hang_up(&connection->bootstrap);
	}
	rmt_process_leave(connection->process);
}

/* --- the end of a child that was connected ------------------------------------------------ */

/* How its process ended, and a tool's last word, which tells more than its status. */
static void describe_end(const struct rmt_connection *connection, char *text, size_t size)
{
	const struct rmt_process *process = connection->process;
	struct rmt_buffer line = RMT_BUFFER_INIT;
	char end[96];

	rmt_process_describe(process, end, sizeof(end));
	if (connection->bootstrap.command.count > 0 && process->history_count > 0)
		rmt_process_append_line(process->history[process->history_count - 1], &line);
	rmt_format(text, size, "process %d %s%s%.*s", (int)process->pid, end,
		   line.size > 0 ? ": " : "", (int)line.size, (const char *)line.data);
	rmt_buffer_done(&line);
}

static void lose_peer(struct rmt_connection *connection)
{
	struct rmt_process *process = connection->process;
	char reason[512];

	if (connection->peer_lost)
		return;
	connection->peer_lost = true;
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	if (connection->detached) {
		rmt_format(reason, sizeof(reason), "%s",
			   connection->loss ? connection->loss : "detached");
	} else if (process && process->ended && process->status != 0) {
		describe_end(connection, reason, sizeof(reason));
	} else if ((!process || process->ended) && connection->peer->ending) {
		rmt_format(reason, sizeof(reason), "it was ended");
	} else {
		rmt_format(reason, sizeof(reason), "%s",
			   connection->loss ? connection->loss : "the connection ended");
	}
	connection->stream = NULL;
	rmt_child_lost(connection->peer, reason);
	rmt_adopt_again(connection->router);
}

void rmt_connection_process_ended(struct rmt_process *process)
{
	struct rmt_connection *connection = process->data;

	if (connection->state == RMT_FAILED) {
		if (connection->method->command && connection->error.code == -ECHILD)
			rmt_bootstrap_explain(&connection->bootstrap, &connection->error);
		if (!rmt_connection_again(connection))
			tell_failure(connection);
		return;
	}
	lose_peer(connection);
	rmt_connection_free(connection);
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

void rmt_connection_stream_lost(struct rmt_stream *stream, const char *reason)
{
	struct rmt_connection *connection = stream->data;

	if (connection->state == RMT_CONNECTED) {
		connection->loss = strdup(reason);
		if (!connection->process) {
			/* That ends the stream as well, and perhaps the peer, whom no process holds. */
			lose_peer(connection);
			connection->peer = NULL;
			rmt_connection_free(connection);
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
	rmt_connection_fail(connection);
}

static void deadline_passed(struct rmt_timer *timer)
{
	struct rmt_connection *connection = RMT_CONTAINER(timer, struct rmt_connection, timer);
	const char *phase = "handshake";

	if (connection->state == RMT_ON_THE_WAY && connection->bootstrap.asking) {
		rmt_error_set(&connection->error, ETIMEDOUT,
			      "shell: nobody answered the question for a password within %d s",
			      RMT_QUESTION_MS / 1000);
		rmt_connection_fail(connection);
		return;
	}
	if (connection->state == RMT_WAITING_FOR_ID)
		phase = "id";
	else if (connection->state == RMT_WAITING_FOR_TURN)
		phase = "launch";
	else if (connection->state == RMT_ON_THE_WAY)
		phase = rmt_phase_name(connection->bootstrap.phase);
	rmt_error_set(&connection->error, ETIMEDOUT, "%s: nothing came within %d ms", phase,
		      connection->timeout);
	rmt_connection_fail(connection);
}

/* --- the way ------------------------------------------------------------------------------ */

void rmt_connection_proceed(struct rmt_connection *connection)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = rmt_ids_take(connection->router, 1, &connection->id);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		rmt_error_set(&connection->error, r, "id: %s",
			      connection->router->ids.reason ? connection->router->ids.reason
							     : "the tree has no ids left");
		rmt_connection_fail(connection);
		return;
	}
	rmt_connection_welcome(connection);
	r = connection->welcome.error;
	if (r == 0)
		r = rmt_connection_depart(connection, &error);
	if (r == 0)
		return;
	rmt_error_set(&connection->error, r, "launch: %s",
		      error.message ? error.message : rmt_strerror(r));
	ramet_error_clear(&error);
	rmt_connection_fail(connection);
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

char *rmt_connection_path(const char *parent, const struct rmt_hop *hop, uint32_t index)
{
	char *name = rmt_hop_display(hop, index), *path = NULL;

	if (name)
		path = rmt_format_new("%s%s%s", parent, *parent ? "/" : "", name);
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

static struct rmt_connection *connection_new(struct rmt_parent *parent, ramet_router *router,
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
	connection->away.expired = rmt_connection_away_over;
	rmt_list_init(&connection->ticket.node);
	connection->ticket.turn = rmt_connection_turn;
	connection->ticket.crowded = method->crowded;
	connection->timeout = rmt_hop_timeout(hop, router->connect_timeout);
	if (rmt_hop_parse(hop->text, strlen(hop->text), &connection->hop, error) < 0) {
		free(connection);
		return NULL;
	}
	connection->key = key_of(hop, index);
	connection->path = rmt_connection_path(router->path, hop, index);
	if (!connection->key || !connection->path ||
	    rmt_loop_timer_start(&router->loop, &connection->timer,
				 rmt_after(connection->timeout)) < 0) {
		rmt_connection_free(connection);
		return NULL;
	}
	rmt_list_append(&parent->connections, &connection->node);
	return connection;
}

void rmt_connection_start(ramet_router *router, const struct rmt_hop *hop, uint32_t index,
			  struct rmt_wanted *wanted)
{
	struct rmt_parent *parent = rmt_parent_of(router);
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
		connection = rmt_connection_find(parent, key);
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
	rmt_connection_proceed(connection);
}
