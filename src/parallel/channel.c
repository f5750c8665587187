/* SPDX-License-Identifier: BSD-3-Clause */
/* The public side of channels. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/macro.h"
#include "base/time.h"
#include "core/stdio.h"
#include "core/value.h"
#include "parallel/results.h"
#include "parallel/state.h"

/* --- beginning and end -------------------------------------------------------------------- */

ramet_channel *rmt_channel_new(int fd)
{
	ramet_channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	rmt_list_init(&channel->node);
	rmt_list_init(&channel->kept);
	channel->generation = rmt_channel_generation;
	channel->fd = fd;
	channel->pidfd = -1;
	channel->timeout = -1;
	return channel;
}

void rmt_channel_disconnect(ramet_channel *channel)
{
	rmt_channel_process_done(channel);
	rmt_descriptor_close(channel->fd);
	channel->fd = -1;
	channel->pid = 0;
	rmt_channel_input_done(channel);
	rmt_buffer_reset(&channel->out);
	channel->out_begin = 0;
	channel->hung_up = channel->cut = false;
	channel->end = RMT_ARRIVAL_NONE;
	channel->confirmed = channel->to_confirm = 0;
}

void rmt_channel_free(ramet_channel *channel)
{
	bool ours;

	if (!channel)
		return;
	ours = channel->generation == rmt_channel_generation;
	/* In a copy its descriptors were closed, and may be somebody else's by now. */
	if (!ours)
		channel->fd = -1;
	else if (channel->background)
		rmt_background_done(channel);
	rmt_channel_disconnect(channel);
	rmt_buffer_done(&channel->out);
	free(channel->ahead);
	free(channel);
}

void rmt_channel_release(ramet_channel *channel)
{
	if (!rmt_channel_has_process(channel) || !channel->ended)
		return;
	rmt_channel_process_done(channel);
	rmt_descriptor_close(channel->fd);
	channel->fd = -1;
	channel->hung_up = true;
	rmt_channel_drop_spares(channel);
	free(channel->ahead);
	channel->ahead = NULL;
	channel->ahead_begin = channel->ahead_end = 0;
}

/* The rest of what was sent, and the end. What the other side goes on sending is not wanted, but has to
 * be read, or it never comes to read. */
static void finish(ramet_channel *channel)
{
	int64_t until = rmt_after(channel->timeout);

	channel->closing = true;
	channel->corked = false;
	if (channel->fd < 0 || channel->generation != rmt_channel_generation)
		return;
	if (rmt_channel_post_end(channel) == 0)
		rmt_channel_drain(channel, until);
}

RMT_PUBLIC int ramet_channel_close(ramet_channel *channel)
{
	int status = 0, r;

	if (!channel)
		return 0;
	finish(channel);
	if (!rmt_channel_has_process(channel)) {
		rmt_channel_free(channel);
		return 0;
	}
	/* If it goes on sending, it learns that nobody listens. */
	rmt_descriptor_close(channel->fd);
	channel->fd = -1;
	r = ramet_channel_wait(channel, -1, &status);
	rmt_channel_free(channel);
	return r < 0 ? r : status;
}

/* --- processes ---------------------------------------------------------------------------- */

/* 0 in the copy. */
static pid_t create(ramet_channel **ret_channel)
{
	ramet_channel *channel;
	pid_t pid;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	r = rmt_descriptors_own_above(fds);
	if (r < 0)
		return r;
	/* Before the fork, so that memory cannot be short afterwards. */
	channel = rmt_channel_new(fds[0]);
	pid = channel ? rmt_parallel_fork(fds[1]) : -ENOMEM;
	if (pid == 0) {
		channel->generation = rmt_channel_generation;
		channel->fd = fds[1];
		*ret_channel = channel;
		return 0;
	}
	rmt_descriptor_close(fds[1]);
	if (pid < 0) {
		if (channel)
			rmt_channel_free(channel);
		else
			rmt_descriptor_close(fds[0]);
		return pid;
	}
	rmt_channel_process_begin(channel, pid);
	*ret_channel = channel;
	return pid;
}

RMT_PUBLIC int ramet_create(ramet_channel **ret_channel)
{
	return create(ret_channel);
}

RMT_PUBLIC int ramet_start(ramet_channel_function *function, void *data,
			   ramet_channel **ret_channel)
{
	ramet_channel *channel;
	pid_t pid;

	if (!function)
		return -EINVAL;
	pid = create(&channel);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		function(channel, data);
		rmt_channel_exit(channel);
	}
	*ret_channel = channel;
	return 0;
}

_Noreturn void rmt_channel_exit(ramet_channel *channel)
{
	bool failed = channel->failed;

	rmt_stdout_flush();
	ramet_channel_close(channel);
	_exit(failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* --- sending ------------------------------------------------------------------------------ */

static int confirm(ramet_channel *channel, int r, int64_t until)
{
	if (r < 0 || !channel->acknowledged)
		return r;
	return rmt_channel_await_confirmation(channel, until);
}

static int send_value(ramet_channel *channel, const ramet_value *value)
{
	int64_t until = rmt_after(channel->timeout);

	return confirm(channel, rmt_channel_send_encoded(channel, value, until), until);
}

static int send_frame(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
		      const void *data, size_t size)
{
	int64_t until = rmt_after(channel->timeout);

	if (channel->background)
		return rmt_background_send(channel, kind, flags, data, size);
	if (channel->acknowledged)
		flags |= RMT_CHANNEL_CONFIRM;
	return confirm(channel, rmt_channel_send(channel, kind, flags, data, size, until), until);
}

void rmt_channel_gather(ramet_channel *channel, struct rmt_results_writer *writer)
{
	channel->gather = writer;
}

/* Not in a copy of the worker: what it gathers never leaves it. */
static bool gathers(const ramet_channel *channel)
{
	return channel->gather && channel->generation == rmt_channel_generation;
}

static int gather(struct rmt_results_writer *writer, const ramet_value *value)
{
	if (ramet_value_kind(value) == RAMET_KIND_BYTES)
		return rmt_results_bytes(writer, ramet_value_bytes(value));
	if (!rmt_value_is_plain(value))
		return -EINVAL;
	rmt_results_open(writer);
	rmt_value_encode(value, &writer->out);
	return rmt_results_close(writer);
}

RMT_PUBLIC int ramet_channel_send_value(ramet_channel *channel, const ramet_value *value)
{
	struct rmt_buffer encoded = RMT_BUFFER_INIT;
	int r;

	if (!channel || !value)
		return -EINVAL;
	if (gathers(channel))
		return gather(channel->gather, value);
	if (!channel->background)
		return send_value(channel, value);
	if (!rmt_value_is_plain(value))
		return -EINVAL;
	rmt_value_encode(value, &encoded);
	r = encoded.error;
	if (r == 0)
		r = send_frame(channel, RMT_CHANNEL_VALUE, 0, encoded.data, encoded.size);
	rmt_buffer_done(&encoded);
	return r;
}

/* Takes the value over. */
static int send_new(ramet_channel *channel, ramet_value *value)
{
	int r = value ? ramet_channel_send_value(channel, value) : -ENOMEM;

	ramet_value_unref(value);
	return r;
}

RMT_PUBLIC int ramet_channel_send_boolean(ramet_channel *channel, bool value)
{
	return send_new(channel, ramet_value_new_boolean(value));
}

RMT_PUBLIC int ramet_channel_send_i64(ramet_channel *channel, int64_t value)
{
	/* The shortest tasks of all. */
	if (channel && gathers(channel)) {
		rmt_results_open(channel->gather);
		rmt_cbor_put_int(&channel->gather->out, value);
		return rmt_results_close(channel->gather);
	}
	return send_new(channel, ramet_value_new_i64(value));
}

RMT_PUBLIC int ramet_channel_send_f64(ramet_channel *channel, double value)
{
	return send_new(channel, ramet_value_new_f64(value));
}

RMT_PUBLIC int ramet_channel_send_str(ramet_channel *channel, const char *value)
{
	return value ? send_new(channel, ramet_value_new_str(value)) : -EINVAL;
}

RMT_PUBLIC int ramet_channel_send_bytes(ramet_channel *channel, ramet_bytes value)
{
	if (!channel || (!value.data && value.size > 0))
		return -EINVAL;
	if (gathers(channel))
		return rmt_results_bytes(channel->gather, value);
	return send_frame(channel, RMT_CHANNEL_VALUE, RMT_CHANNEL_RAW, value.data, value.size);
}

RMT_PUBLIC int ramet_channel_fail(ramet_channel *channel, int code, const char *format, ...)
{
	struct rmt_buffer payload = RMT_BUFFER_INIT;
	va_list arguments;
	char *text;
	int r;

	if (!channel || !format || code == 0 || code == INT_MIN)
		return -EINVAL;
	va_start(arguments, format);
	text = rmt_format_newv(format, arguments);
	va_end(arguments);
	/* It has failed, whether that can be said or not. */
	channel->failed = true;
	if (text && gathers(channel)) {
		r = rmt_results_failure(channel->gather, code < 0 ? code : -code, text);
		free(text);
		return r;
	}
	r = text ? rmt_channel_encode_failure(code, text, &payload) : -ENOMEM;
	if (r == 0)
		r = send_frame(channel, RMT_CHANNEL_FAILURE, 0, payload.data, payload.size);
	rmt_buffer_done(&payload);
	free(text);
	return r;
}

RMT_PUBLIC void ramet_channel_set_timeout(ramet_channel *channel, int timeout)
{
	channel->timeout = timeout;
}

RMT_PUBLIC void ramet_channel_set_acknowledged(ramet_channel *channel, bool acknowledged)
{
	channel->acknowledged = acknowledged;
}

/* --- receiving ---------------------------------------------------------------------------- */

/* 1; 0: the end; a negative errno. */
static int result_of(enum rmt_arrival what, ramet_error *local, ramet_error *error)
{
	switch (what) {
	case RMT_ARRIVAL_VALUE:
		return 1;
	case RMT_ARRIVAL_END:
		return 0;
	default:
		return rmt_error_move(error, local);
	}
}

/* A confirmation that found no room goes before anything else is waited for. */
static short to_wait_for(const ramet_channel *channel)
{
	if (channel->hung_up)
		return 0;
	return (short)(POLLIN | (rmt_channel_unsent(channel) > 0 ? POLLOUT : 0));
}

RMT_PUBLIC int ramet_channel_receive(ramet_channel *channel, int timeout, ramet_value **ret_value,
				     ramet_error *error)
{
	int64_t until = rmt_after(timeout);
	ramet_error local = RAMET_ERROR_INIT;

	if (gathers(channel))
		return rmt_error_set(error, EOPNOTSUPP, "nobody answers the task of a map");
	if (channel->background)
		return rmt_background_receive(channel, until, ret_value, error);
	for (;;) {
		enum rmt_arrival what = rmt_channel_take(channel, ret_value, NULL, &local);
		int64_t next = until;

		if (what != RMT_ARRIVAL_NONE) {
			/* It is confirmed when this returns, if there is a way. */
			if (rmt_channel_unsent(channel) > 0 && !channel->corked)
				rmt_channel_drain(channel, until);
			return result_of(what, &local, error);
		}
		if (rmt_channel_unsent(channel) > 0)
			rmt_channel_flush(channel);
		if (channel->hung_up)
			next = RMT_MIN(until, channel->patience);
		if (rmt_channel_wait(channel, to_wait_for(channel), next) == -ETIMEDOUT &&
		    next == until)
			return rmt_error_set(error, ETIMEDOUT, "nothing has arrived within %d ms",
					     timeout);
	}
}

RMT_PUBLIC int ramet_channel_fd(const ramet_channel *channel)
{
	return channel->generation == rmt_channel_generation ? channel->fd : -1;
}

short rmt_channel_events(const ramet_channel *channel)
{
	short events = 0;

	if (channel->end == RMT_ARRIVAL_NONE && !channel->hung_up)
		events |= POLLIN;
	if (rmt_channel_unsent(channel) > 0)
		events |= POLLOUT;
	return events;
}

RMT_PUBLIC bool ramet_channel_pending(const ramet_channel *channel)
{
	size_t at = channel->ahead_begin, have = channel->ahead_end;
	struct rmt_channel_head head = channel->head;
	bool headed = channel->headed;

	if (!rmt_list_empty(&channel->kept) || channel->end != RMT_ARRIVAL_NONE)
		return true;
	while (!channel->large) {
		if (!headed) {
			if (have - at < sizeof(head))
				return false;
			memcpy(&head, channel->ahead + at, sizeof(head));
			at += sizeof(head);
		}
		if (head.size > have - at)
			return false;
		/* Only these are for us alone. */
		if (head.kind != RMT_CHANNEL_ACK && head.kind != RMT_CHANNEL_HELLO)
			return true;
		headed = false;
	}
	return false;
}

RMT_PUBLIC int ramet_channel_pid(const ramet_channel *channel)
{
	return channel->generation == rmt_channel_generation ? channel->pid : 0;
}
