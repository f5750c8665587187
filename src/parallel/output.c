/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes on a channel. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/time.h"
#include "core/value.h"
#include "parallel/state.h"

/* Bytes above this are written from where they are; others are copied behind what waits, so that many
 * go with one call. */
#define COPY_MAX 16384u

/* A buffer that once was larger gives its memory back. */
#define KEEP_MAX (256u << 10)

static size_t waiting(const ramet_channel *channel)
{
	return channel->out.size - channel->out_begin;
}

size_t rmt_channel_unsent(const ramet_channel *channel)
{
	return waiting(channel);
}

static bool can_send(const ramet_channel *channel)
{
	return channel->generation == rmt_channel_generation && channel->fd >= 0 && !channel->cut &&
	       channel->end != RMT_ARRIVAL_LOST && !(channel->own && channel->ended);
}

static void all_written(ramet_channel *channel)
{
	if (channel->out.capacity > KEEP_MAX)
		rmt_buffer_done(&channel->out);
	else
		rmt_buffer_reset(&channel->out);
	channel->out_begin = 0;
}

/* Nobody will ever read it. */
static int broken(ramet_channel *channel)
{
	channel->cut = true;
	all_written(channel);
	return -EPIPE;
}

/* Bytes; 0: not now. */
static ssize_t write_pieces(ramet_channel *channel, struct iovec *pieces, int count)
{
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (unsigned)count};
	ssize_t n;

	do
		n = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

int rmt_channel_flush(ramet_channel *channel)
{
	while (waiting(channel) > 0) {
		struct iovec piece = {channel->out.data + channel->out_begin, waiting(channel)};
		ssize_t n;

		if (!can_send(channel))
			return broken(channel);
		n = write_pieces(channel, &piece, 1);
		if (n < 0)
			return broken(channel);
		if (n == 0)
			return 1;
		channel->out_begin += (size_t)n;
	}
	all_written(channel);
	return 0;
}

/* Until there is room. What comes meanwhile is kept: the other side may be waiting for that. */
static int await_room(ramet_channel *channel, int64_t until)
{
	short events = POLLOUT;
	int r;

	if (rmt_channel_may_absorb(channel))
		events |= POLLIN;
	r = rmt_channel_wait(channel, events, until);
	rmt_channel_absorb(channel);
	if (r == 0 && !can_send(channel))
		return -EPIPE;
	return r;
}

int rmt_channel_drain(ramet_channel *channel, int64_t until)
{
	int r;

	while ((r = rmt_channel_flush(channel)) > 0) {
		r = await_room(channel, until);
		if (r < 0)
			return r == -EPIPE ? broken(channel) : r;
	}
	return r;
}

/* --- frames ------------------------------------------------------------------------------- */

/* Room behind what waits. What was written makes place first. */
static void make_room(ramet_channel *channel)
{
	size_t size = waiting(channel);

	if (channel->out_begin < COPY_MAX || channel->out_begin < size)
		return;
	memmove(channel->out.data, channel->out.data + channel->out_begin, size);
	channel->out_begin = 0;
	channel->out.size = size;
}

static int undo(ramet_channel *channel, size_t size, int code)
{
	channel->out.size = size;
	channel->out.error = 0;
	return code;
}

static struct rmt_channel_head head_of(enum rmt_channel_kind kind, unsigned flags, uint32_t tag,
				       size_t size)
{
	return (struct rmt_channel_head){
		.magic = RMT_CHANNEL_MAGIC,
		.kind = (uint8_t)kind,
		.flags = (uint8_t)flags,
		.tag = tag,
		.size = size,
	};
}

/* Appends; *ret_begin is where the frame begins. */
static int append_frame(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
			uint32_t tag, const void *data, size_t size, size_t *ret_begin)
{
	struct rmt_channel_head head = head_of(kind, flags, tag, size);

	if (!can_send(channel))
		return -EPIPE;
	make_room(channel);
	*ret_begin = channel->out.size;
	rmt_buffer_append(&channel->out, &head, sizeof(head));
	if (size > 0)
		rmt_buffer_append(&channel->out, data, size);
	return channel->out.error < 0 ? undo(channel, *ret_begin, -ENOMEM) : 0;
}

bool rmt_value_is_plain(const ramet_value *value)
{
	enum ramet_kind kind = ramet_value_kind(value);

	if (kind == RAMET_KIND_CONTEXT || kind == RAMET_KIND_SENDER)
		return false;
	for (size_t i = 0; i < ramet_value_count(value); i++)
		if (!rmt_value_is_plain(ramet_value_item(value, i)) ||
		    !rmt_value_is_plain(ramet_value_key(value, i)))
			return false;
	return true;
}

static int append_value(ramet_channel *channel, uint32_t tag, unsigned flags,
			const ramet_value *value, size_t *ret_begin)
{
	struct rmt_channel_head head = head_of(RMT_CHANNEL_VALUE, flags, tag, 0);
	ramet_bytes bytes;

	if (ramet_value_kind(value) == RAMET_KIND_BYTES) {
		bytes = ramet_value_bytes(value);
		return append_frame(channel, RMT_CHANNEL_VALUE, flags | RMT_CHANNEL_RAW, tag,
				    bytes.data, bytes.size, ret_begin);
	}
	if (!rmt_value_is_plain(value))
		return -EINVAL;
	if (!can_send(channel))
		return -EPIPE;
	make_room(channel);
	*ret_begin = channel->out.size;
	rmt_buffer_append(&channel->out, &head, sizeof(head));
	rmt_value_encode(value, &channel->out);
	if (channel->out.error < 0)
		return undo(channel, *ret_begin, -ENOMEM);
	head.size = channel->out.size - *ret_begin - sizeof(head);
	memcpy(channel->out.data + *ret_begin, &head, sizeof(head));
	return 0;
}

static int posted(ramet_channel *channel)
{
	int r;

	if (channel->corked && waiting(channel) < RMT_CHANNEL_CORK)
		return 0;
	r = rmt_channel_flush(channel);
	return r < 0 ? r : 0;
}

int rmt_channel_post_frame(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
			   uint32_t tag, const void *data, size_t size)
{
	struct rmt_channel_head head = head_of(kind, flags, tag, size);
	struct iovec pieces[2] = {{&head, sizeof(head)}, {(void *)data, size}};
	size_t begin, written;
	ssize_t n;
	int r;

	if (size <= COPY_MAX || waiting(channel) > 0 || !can_send(channel)) {
		r = append_frame(channel, kind, flags, tag, data, size, &begin);
		return r < 0 ? r : posted(channel);
	}
	/* As much as goes now, from where it is; only the rest is copied. */
	n = write_pieces(channel, pieces, 2);
	if (n < 0)
		return broken(channel);
	written = (size_t)n;
	if (written < sizeof(head))
		rmt_buffer_append(&channel->out, (char *)&head + written, sizeof(head) - written);
	written -= RMT_MIN(written, sizeof(head));
	if (written < size)
		rmt_buffer_append(&channel->out, (const char *)data + written, size - written);
	if (channel->out.error < 0) {
		undo(channel, 0, 0);
		channel->cut = n > 0;
		return -ENOMEM;
	}
	return 0;
}

int rmt_channel_post(ramet_channel *channel, uint32_t tag, const ramet_value *value)
{
	size_t begin;
	int r;

	if (ramet_value_kind(value) == RAMET_KIND_BYTES) {
		ramet_bytes bytes = ramet_value_bytes(value);

		return rmt_channel_post_frame(channel, RMT_CHANNEL_VALUE, RMT_CHANNEL_RAW, tag,
					      bytes.data, bytes.size);
	}
	r = append_value(channel, tag, 0, value, &begin);
	return r < 0 ? r : posted(channel);
}

int rmt_channel_encode_failure(int code, const char *text, struct rmt_buffer *out)
{
	int32_t positive = code < 0 ? -code : code;
	size_t size = text ? strlen(text) : 0;

	rmt_buffer_append(out, &positive, sizeof(positive));
	rmt_buffer_append(out, text ? text : "", RMT_MIN(size, (size_t)RMT_ERROR_TEXT_MAX));
	return out->error;
}

int rmt_channel_post_failure(ramet_channel *channel, uint32_t tag, int code, const char *text)
{
	struct rmt_buffer payload = RMT_BUFFER_INIT;
	int r = rmt_channel_encode_failure(code, text, &payload);

	if (r == 0)
		r = rmt_channel_post_frame(channel, RMT_CHANNEL_FAILURE, 0, tag, payload.data,
					   payload.size);
	rmt_buffer_done(&payload);
	return r;
}

int rmt_channel_post_end(ramet_channel *channel)
{
	return rmt_channel_post_frame(channel, RMT_CHANNEL_END, 0, 0, NULL, 0);
}

int rmt_channel_cork(ramet_channel *channel, bool corked)
{
	channel->corked = corked;
	return corked ? 0 : posted(channel);
}

/* --- blocking ----------------------------------------------------------------------------- */

/* What waits is written, the frame that begins there being the last of it. */
static int finish_frame(ramet_channel *channel, size_t begin, int64_t until)
{
	int r;

	if (channel->corked && waiting(channel) < RMT_CHANNEL_CORK)
		return 0;
	r = rmt_channel_drain(channel, until);
	if (r != -ETIMEDOUT)
		return r;
	/* Taken back, if it has not begun. */
	if (channel->out_begin <= begin)
		channel->out.size = begin;
	else
		broken(channel);
	return r;
}

static int send_large(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
		      const void *data, size_t size, int64_t until)
{
	struct rmt_channel_head head = head_of(kind, flags, 0, size);
	struct iovec pieces[2] = {{&head, sizeof(head)}, {(void *)data, size}};
	int r = rmt_channel_drain(channel, until), first = 0;
	bool begun = false;

	while (r == 0) {
		ssize_t n = can_send(channel) ? write_pieces(channel, pieces + first, 2 - first)
					      : -EPIPE;

		if (n < 0)
			return broken(channel);
		begun |= n > 0;
		for (; first < 2 && (size_t)n >= pieces[first].iov_len; first++)
			n -= (ssize_t)pieces[first].iov_len;
		if (first == 2)
			return 0;
		pieces[first].iov_base = (char *)pieces[first].iov_base + n;
		pieces[first].iov_len -= (size_t)n;
		r = await_room(channel, until);
		if (r < 0 && begun)
			broken(channel);
	}
	return r;
}

int rmt_channel_send(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
		     const void *data, size_t size, int64_t until)
{
	size_t begin;
	int r;

	if (size > COPY_MAX)
		return send_large(channel, kind, flags, data, size, until);
	r = append_frame(channel, kind, flags, 0, data, size, &begin);
	return r < 0 ? r : finish_frame(channel, begin, until);
}

int rmt_channel_send_encoded(ramet_channel *channel, const ramet_value *value, int64_t until)
{
	unsigned flags = channel->acknowledged ? RMT_CHANNEL_CONFIRM : 0;
	size_t begin;
	int r;

	if (ramet_value_kind(value) == RAMET_KIND_BYTES) {
		ramet_bytes bytes = ramet_value_bytes(value);

		return rmt_channel_send(channel, RMT_CHANNEL_VALUE, flags | RMT_CHANNEL_RAW,
					bytes.data, bytes.size, until);
	}
	r = append_value(channel, 0, flags, value, &begin);
	return r < 0 ? r : finish_frame(channel, begin, until);
}

int rmt_channel_await_confirmation(ramet_channel *channel, int64_t until)
{
	uint64_t wanted = ++channel->to_confirm;

	for (;;) {
		int r;

		rmt_channel_absorb(channel);
		if (channel->confirmed >= wanted)
			return 0;
		rmt_channel_confirm_kept(channel);
		if (channel->hung_up || channel->end != RMT_ARRIVAL_NONE)
			return -EPIPE;
		r = rmt_channel_flush(channel);
		if (r >= 0)
			r = rmt_channel_wait(
				channel,
				(short)((rmt_channel_may_absorb(channel) ? POLLIN : 0) |
					(r > 0 ? POLLOUT : 0)),
				until);
		if (r < 0)
			return r;
	}
}
