/* SPDX-License-Identifier: BSD-3-Clause */
/* How a connection gets on its way: by starting the program, joining a socket, or with a tool when it
 * is its turn. */
#include <errno.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/time.h"
#include "parent/channels.h"
#include "parent/connection-state.h"

/* On failure the descriptors are still the caller's. */
static int take_stream(struct rmt_connection *connection, int in_fd, int out_fd)
{
	int r = rmt_stream_new(connection->router, in_fd, out_fd, &connection->stream);

	if (r < 0)
		return r;
	connection->stream->frame = rmt_connection_hello;
	connection->stream->lost = rmt_connection_stream_lost;
	connection->stream->data = connection;
	connection->state = RMT_WAITING_FOR_HELLO;
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
	connection->process->on_end = rmt_connection_process_ended;
	r = take_stream(connection, ours[0], ours[0]);
	if (r < 0) {
		rmt_descriptor_close(ours[0]);
		return r;
	}
	return rmt_connection_send_welcome(connection);
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
		rmt_descriptor_close(fd);
		return r;
	}
	return rmt_connection_send_welcome(connection);
}

/* --- with a tool -------------------------------------------------------------------------- */

static void program_speaks(struct rmt_bootstrap *bootstrap, int in_fd, int out_fd, const void *data,
			   size_t size)
{
	struct rmt_connection *connection = RMT_CONTAINER(bootstrap, struct rmt_connection,
							  bootstrap);
	int r;

	rmt_admission_passed(rmt_connection_admission(connection), &connection->ticket);
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
		rmt_connection_fail(connection);
	}
}

static void bootstrap_failed(struct rmt_bootstrap *bootstrap)
{
	struct rmt_connection *connection = RMT_CONTAINER(bootstrap, struct rmt_connection,
							  bootstrap);

	rmt_error_move(&connection->error, &bootstrap->error);
	rmt_connection_fail(connection);
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
	/* People think and type at their own pace; but who asked for this may be gone. */
	rmt_loop_timer_start(&connection->router->loop, &connection->timer,
			     rmt_after(RMT_QUESTION_MS));
	wanted = rmt_list_first(&connection->wanted, struct rmt_wanted, node);
	wanted->asks(wanted, prompt);
}

void rmt_connection_answer(struct rmt_wanted *wanted, const struct rmt_password *password,
			   ramet_error *error)
{
	struct rmt_connection *connection = wanted->connection;

	if (!connection || connection->state != RMT_ON_THE_WAY)
		return;
	connection->deadline = rmt_after(connection->timeout);
	if (rmt_loop_timer_start(&connection->router->loop, &connection->timer,
				 connection->deadline) < 0)
		password = NULL;
	rmt_bootstrap_answer(&connection->bootstrap, password, error);
}

void rmt_connection_turn(struct rmt_ticket *ticket)
{
	struct rmt_connection *connection = RMT_CONTAINER(ticket, struct rmt_connection, ticket);
	struct rmt_bootstrap *bootstrap = &connection->bootstrap;

	/* Time in a queue is not held against it. */
	if (!connection->deadline) {
		connection->deadline = rmt_after(connection->timeout);
		connection->started = rmt_now();
		if (rmt_loop_timer_start(&connection->router->loop, &connection->timer,
					 connection->deadline) < 0) {
			rmt_error_set(&connection->error, ENOMEM, "launch: out of memory");
			rmt_connection_fail(connection);
			return;
		}
	}
	connection->state = RMT_ON_THE_WAY;
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
		connection->process->on_end = rmt_connection_process_ended;
	}
	if (bootstrap->error.code) {
		rmt_error_set(&connection->error, bootstrap->error.code, "launch: %s",
			      bootstrap->error.message ? bootstrap->error.message
						       : "out of memory");
		rmt_connection_fail(connection);
	}
}

/* --- another attempt ---------------------------------------------------------------------- */

void rmt_connection_away_over(struct rmt_timer *timer)
{
	struct rmt_connection *connection = RMT_CONTAINER(timer, struct rmt_connection, away);

	connection->ticket.crowded = true;
	rmt_admission_enter(rmt_connection_admission(connection), &connection->ticket);
}

/* A server that was too busy to hear us will hear us later: true. The deadline stays. */
bool rmt_connection_again(struct rmt_connection *connection)
{
	struct rmt_loop *loop = &connection->router->loop;
	int64_t away;

	if (connection->error.code != -EAGAIN || connection->router->state != RMT_ROUTER_RUNNING ||
	    rmt_now() >= connection->deadline)
		return false;
	away = rmt_admission_refused(rmt_connection_admission(connection), &connection->ticket);
	if (rmt_loop_timer_start(loop, &connection->timer, connection->deadline) < 0 ||
	    rmt_loop_timer_start(loop, &connection->away, rmt_now() + away) < 0)
		return false;
	rmt_process_free(connection->process);
	connection->process = NULL;
	rmt_bootstrap_done(&connection->bootstrap);
	ramet_error_clear(&connection->error);
	connection->state = RMT_WAITING_FOR_TURN;
	rmt_admission_leave(rmt_connection_admission(connection), &connection->ticket);
	return true;
}

int rmt_connection_depart(struct rmt_connection *connection, ramet_error *error)
{
	if (connection->method->join)
		return join(connection, error);
	if (connection->method->launch)
		return launch(connection, error);
	connection->state = RMT_WAITING_FOR_TURN;
	rmt_loop_timer_stop(&connection->router->loop, &connection->timer);
	rmt_admission_enter(rmt_connection_admission(connection), &connection->ticket);
	return 0;
}
