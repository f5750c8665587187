/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/broker.h"
#include "core/flow.h"
#include "core/route.h"

#define WRITE_PIECES 32

/* Gathered frames between two looks at the clock. */
#define ASK_TIME_EVERY 8

static void in_ready(struct rmt_source *source, unsigned events);
static void out_ready(struct rmt_source *source, unsigned events);
static void loss_run(struct rmt_deferred *deferred);
static void unread_run(struct rmt_deferred *deferred);

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* True for a socket, whose buffer is made larger when it stays on this machine: others find their own
 * size. */
static bool prepare_socket(int fd)
{
	int domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){sizeof(domain)}) < 0)
		return false;
	if (domain == AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){RMT_SOCKET_BUFFER}, sizeof(int));
	return true;
}

int rmt_stream_new(ramet_router *router, int in_fd, int out_fd, struct rmt_stream **ret_stream)
{
	struct rmt_stream *stream;
	int r;

	r = set_nonblocking(in_fd);
	if (r == 0 && out_fd != in_fd)
		r = set_nonblocking(out_fd);
	if (r < 0)
		return r;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->router = router;
	stream->is_socket = in_fd == out_fd && prepare_socket(in_fd);
	stream->in = (struct rmt_source){.fd = in_fd, .events = RMT_READABLE, .ready = in_ready};
	stream->out = (struct rmt_source){.fd = out_fd, .ready = out_ready};
	stream->loss.run = loss_run;
	rmt_list_init(&stream->loss.node);
	stream->unread.run = unread_run;
	rmt_list_init(&stream->unread.node);
	rmt_list_init(&stream->dirty);
	rmt_input_init(&stream->input, router->chunks);
	rmt_output_init(&stream->output);

	r = rmt_loop_add(&router->loop, &stream->in);
	if (r < 0) {
		free(stream);
		return r;
	}
	if (out_fd != in_fd) {
		r = rmt_loop_add(&router->loop, &stream->out);
		if (r < 0) {
			rmt_loop_remove(&router->loop, &stream->in);
			free(stream);
			return r;
		}
		stream->out_watched = true;
	}
	rmt_descriptor_own(in_fd);
	rmt_descriptor_own(out_fd);
	rmt_list_append(&router->streams, &stream->node);
	*ret_stream = stream;
	return 0;
}

static void close_descriptors(struct rmt_stream *stream)
{
	struct rmt_loop *loop = &stream->router->loop;

	if (stream->in.fd < 0)
		return;
	rmt_loop_remove(loop, &stream->in);
	if (stream->out_watched)
		rmt_loop_remove(loop, &stream->out);
	stream->out_watched = false;
	if (stream->out.fd != stream->in.fd)
		rmt_descriptor_close(stream->out.fd);
	rmt_descriptor_close(stream->in.fd);
	stream->in.fd = stream->out.fd = -1;
}

void rmt_stream_free(struct rmt_stream *stream)
{
	if (!stream)
		return;
	close_descriptors(stream);
	rmt_list_remove(&stream->node);
	rmt_list_remove(&stream->dirty);
	rmt_list_remove(&stream->loss.node);
	rmt_list_remove(&stream->unread.node);
	rmt_input_done(&stream->input);
	rmt_output_done(&stream->output);
	rmt_chunk_unref(stream->gathered);
	free(stream->talked);
	free(stream->reason);
	free(stream);
}

void rmt_stream_fail(struct rmt_stream *stream, const char *format, ...)
{
	va_list arguments;

	if (stream->failed)
		return;
	stream->failed = true;
	va_start(arguments, format);
	stream->reason = rmt_format_newv(format, arguments);
	va_end(arguments);
	close_descriptors(stream);
	rmt_loop_defer(&stream->router->loop, &stream->loss);
}

static void loss_run(struct rmt_deferred *deferred)
{
	struct rmt_stream *stream = RMT_CONTAINER(deferred, struct rmt_stream, loss);

	stream->lost(stream, stream->reason ? stream->reason : "out of memory");
}

/* --- writing ------------------------------------------------------------------------------ */

static void watch_writable(struct rmt_stream *stream, bool wanted)
{
	struct rmt_source *source = stream->in.fd == stream->out.fd ? &stream->in : &stream->out;
	unsigned events = source->events & ~(unsigned)RMT_WRITABLE;

	if (source == &stream->in || stream->out_watched)
		rmt_loop_modify(&stream->router->loop, source,
				events | (wanted ? RMT_WRITABLE : 0));
}

static size_t size_of(const struct iovec *pieces, int count)
{
	size_t size = 0;

	for (int i = 0; i < count; i++)
		size += pieces[i].iov_len;
	return size;
}

/* Nobody reads it any more. What was said there before, which may be why, is still to be read, and
 * then comes its end. */
static void go_deaf(struct rmt_stream *stream)
{
	stream->deaf = true;
	/* A pipe without a reader is reported for ever. */
	if (stream->out_watched)
		rmt_loop_remove(&stream->router->loop, &stream->out);
	stream->out_watched = false;
}

/* One write; returns how much went, 0 when there is no room now. A failure fails the stream and
 * also gives 0. */
static size_t write_some(struct rmt_stream *stream, struct iovec *pieces, int count)
{
	ssize_t n;

	if (stream->deaf)
		return size_of(pieces, count);
	do {
		if (stream->is_socket)
			n = sendmsg(
				stream->out.fd,
				&(struct msghdr){.msg_iov = pieces, .msg_iovlen = (size_t)count},
				MSG_NOSIGNAL);
		else
			n = rmt_descriptor_write(stream->out.fd, pieces, count);
	} while (n < 0 && errno == EINTR);
	if (n >= 0) {
		stream->bytes_out += (size_t)n;
		return (size_t)n;
	}
	if (errno == EPIPE || errno == ECONNRESET) {
		go_deaf(stream);
		return size_of(pieces, count);
	}
	if (errno != EAGAIN && errno != ENOBUFS)
		rmt_stream_fail(stream, "writing to it failed: %s", rmt_strerror(errno));
	return 0;
}

/* Keeps what a write has left of head and data, before everything else. Without a chunk data is
 * copied into one that is recycled: memory from malloc would be mapped and cleared for each. */
static int keep_rest(struct rmt_stream *stream, const char *head, size_t head_size,
		     const char *data, size_t size, struct rmt_chunk *chunk)
{
	int r;

	if (chunk) {
		rmt_chunk_ref(chunk);
	} else if (size > 0) {
		chunk = rmt_chunk_new(stream->router->chunks, size);
		if (!chunk)
			return -ENOMEM;
		data = memcpy(chunk->data, data, size);
	}
	r = rmt_output_push_rest(&stream->output, head, head_size, data, size, chunk);
	rmt_chunk_unref(chunk);
	return r;
}

/* Writes head and data now, as far as there is room; the rest waits before everything else. */
static int write_now(struct rmt_stream *stream, const void *head, size_t head_size,
		     const void *data, size_t size, struct rmt_chunk *chunk)
{
	struct iovec pieces[2] = {{(void *)head, head_size}, {(void *)data, size}};
	int first = head_size == 0, r;
	size_t written = write_some(stream, pieces + first, (size > 0) + !first), of_head;

	if (written == head_size + size || stream->failed)
		return 0;
	of_head = RMT_MIN(written, head_size);
	written -= of_head;
	r = keep_rest(stream, (const char *)head + of_head, head_size - of_head,
		      (const char *)data + written, size - written, chunk);
	/* The neighbour has a part of a frame that will never be whole. */
	if (r < 0)
		rmt_stream_fail(stream, "out of memory");
	else
		watch_writable(stream, true);
	return r;
}

void rmt_stream_flush(struct rmt_stream *stream)
{
	struct rmt_chunk *chunk = stream->gathered;
	size_t size = stream->gathered_size;

	rmt_list_remove(&stream->dirty);
	if (size == 0 || stream->failed)
		return;
	stream->gathered_size = 0;
	write_now(stream, NULL, 0, chunk->data, size, chunk);
	/* When a part waits, it waits in this chunk. An idle stream keeps none. */
	stream->gathered = rmt_chunk_unref(chunk);
}

void rmt_streams_flush(ramet_router *router)
{
	if (rmt_list_empty(&router->dirty))
		return;
	int64_t now = rmt_now();

	while (!rmt_list_empty(&router->dirty)) {
		struct rmt_stream *stream = rmt_list_first(&router->dirty, struct rmt_stream,
							   dirty);

		stream->written_at = now;
		rmt_stream_flush(stream);
	}
}

/* Room for so many bytes more behind what is gathered; NULL: not here. */
static unsigned char *gather_room(struct rmt_stream *stream, size_t size)
{
	if (size > RMT_CORK_BYTES || stream->gathered_size + size > 2 * RMT_CORK_BYTES)
		return NULL;
	if (!stream->gathered)
		stream->gathered = rmt_chunk_new(stream->router->chunks, 2 * RMT_CORK_BYTES);
	return stream->gathered ? stream->gathered->data + stream->gathered_size : NULL;
}

static void gathered(struct rmt_stream *stream, size_t size)
{
	stream->gathered_size += size;
	if (stream->gathered_size >= RMT_CORK_BYTES)
		rmt_stream_flush(stream);
	else if (rmt_list_empty(&stream->dirty))
		rmt_list_append(&stream->router->dirty, &stream->dirty);
}

/* Adds a frame to what is gathered, if others were sent just before. False: it has to be written
 * now. */
static bool gather_frame(struct rmt_stream *stream, const struct rmt_frame *frame,
			 const void *payload)
{
	size_t size = RMT_FRAME_HEADER_SIZE + frame->length;
	unsigned char *room;
	int64_t now;

	/* The time costs as much as the rest: when some are gathered, a few more may join. */
	if (stream->gathered_size == 0 || stream->frames_out % ASK_TIME_EVERY == 0) {
		now = rmt_now();
		if (now - stream->written_at > RMT_CORK_US) {
			stream->written_at = now;
			return false;
		}
	}
	room = gather_room(stream, size);
	if (!room)
		return false;
	rmt_frame_encode(frame, room);
	rmt_copy(room + RMT_FRAME_HEADER_SIZE, payload, frame->length);
	if (rmt_list_empty(&stream->dirty))
		rmt_broker_flush_soon(stream->router);
	gathered(stream, size);
	return true;
}

/* While the loop has more to handle, more may follow: what is gathered is written when it has
 * handled all. */
static bool gather_run(struct rmt_stream *stream, const unsigned char *data, size_t size)
{
	struct rmt_loop *loop = &stream->router->loop;
	unsigned char *room;

	if (loop->ready_next == loop->ready_count || size > RMT_CORK_BYTES / 8)
		return false;
	room = gather_room(stream, size);
	if (!room)
		return false;
	memcpy(room, data, size);
	gathered(stream, size);
	return true;
}

int rmt_stream_send(struct rmt_stream *stream, const struct rmt_frame *frame, const void *payload,
		    struct rmt_chunk *chunk, bool gather)
{
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	if (stream->failed)
		return 0;
	stream->frames_out++;
	if (gather && rmt_stream_idle(stream) && gather_frame(stream, frame, payload))
		return 0;
	if (stream->gathered_size > 0)
		rmt_stream_flush(stream);
	if (stream->failed)
		return 0;
	rmt_frame_encode(frame, header);
	if (rmt_stream_idle(stream))
		return write_now(stream, header, sizeof(header), payload, frame->length, chunk);
	return rmt_output_push(&stream->output, frame, header, payload, chunk);
}

int rmt_stream_send_behind(struct rmt_stream *stream, const struct rmt_frame *frame,
			   const void *payload)
{
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	if (stream->gathered_size > 0)
		rmt_stream_flush(stream);
	if (stream->failed || rmt_stream_idle(stream))
		return rmt_stream_send(stream, frame, payload, NULL, false);
	stream->frames_out++;
	rmt_frame_encode(frame, header);
	return rmt_output_push_behind(&stream->output, frame, header, payload);
}

int rmt_stream_forward(struct rmt_stream *stream, const unsigned char *data, size_t size,
		       struct rmt_chunk *chunk)
{
	if (stream->failed)
		return 0;
	if (rmt_stream_idle(stream) && gather_run(stream, data, size))
		return 0;
	if (stream->gathered_size > 0)
		rmt_stream_flush(stream);
	if (stream->failed)
		return 0;
	if (rmt_stream_idle(stream))
		return write_now(stream, NULL, 0, data, size, chunk);
	for (size_t at = 0; at < size;) {
		struct rmt_frame frame;
		int r;

		r = rmt_frame_decode(data + at, &frame);
		if (r == 0)
			r = rmt_output_push(&stream->output, &frame, data + at,
					    data + at + RMT_FRAME_HEADER_SIZE, chunk);
		if (r < 0)
			return r;
		at += RMT_FRAME_HEADER_SIZE + frame.length;
	}
	return 0;
}

static void write_waiting(struct rmt_stream *stream)
{
	struct iovec pieces[WRITE_PIECES];

	while (!rmt_stream_idle(stream)) {
		int count = rmt_output_next(&stream->output, pieces, WRITE_PIECES);
		size_t wanted = size_of(pieces, count), written;

		written = write_some(stream, pieces, count);
		if (stream->failed)
			return;
		rmt_output_written(&stream->output, written);
		if (written < wanted)
			break;
	}
	if (rmt_stream_idle(stream))
		watch_writable(stream, false);
	rmt_flow_turns_look(stream->router);
}

static void out_ready(struct rmt_source *source, unsigned events)
{
	struct rmt_stream *stream = RMT_CONTAINER(source, struct rmt_stream, out);

	if (events & RMT_WRITABLE)
		write_waiting(stream);
	else
		go_deaf(stream);
}

/* --- reading ------------------------------------------------------------------------------ */

static void describe_garbage(struct rmt_stream *stream, int code)
{
	const unsigned char *data;
	size_t size = rmt_input_peek(&stream->input, &data), used = 0;
	char text[256];

	if (code == -EPROTONOSUPPORT) {
		rmt_stream_fail(stream,
				"it speaks another version of the protocol (%d, this is %d)",
				size > 2 ? data[2] : -1, RMT_PROTOCOL_VERSION);
		return;
	}
	if (code != -EBADMSG) {
		rmt_stream_fail(stream, "reading from it failed: %s", rmt_strerror(code));
		return;
	}
	for (size_t i = 0; i < size && i < 48; i++) {
		if (data[i] >= 0x20 && data[i] < 0x7f && data[i] != '\\')
			text[used++] = (char)data[i];
		else
			used += rmt_format(text + used, 5, "\\x%02x", data[i]);
	}
	text[used] = '\0';
	rmt_stream_fail(stream,
			"it sent what is no frame (something else writes to the stream?): \"%s\"",
			text);
}

/* A large frame has begun: the rest of a message goes behind what is there of it. */
static void place_payload(struct rmt_stream *stream)
{
	struct rmt_frame frame;
	struct rmt_chunk *chunk;
	unsigned char *place;

	if (!rmt_input_coming(&stream->input, &frame))
		return;
	place = rmt_route_place(stream, &frame, &chunk);
	if (!place)
		return;
	rmt_input_place(&stream->input, chunk, place);
	rmt_chunk_unref(chunk);
}

static void handle_frames(struct rmt_stream *stream)
{
	struct rmt_arrival arrival;
	struct rmt_run run = {0};
	int r;

	while (!stream->failed && (r = rmt_input_next(&stream->input, &arrival)) != 0) {
		if (r < 0) {
			rmt_run_forward(&run);
			describe_garbage(stream, r);
			return;
		}
		stream->frames_in++;
		if (stream->frame) {
			r = stream->frame(stream, &arrival);
			if (r < 0)
				rmt_stream_fail(stream, "its first message makes no sense: %s",
						rmt_strerror(r));
			continue;
		}
		rmt_route_arrival(stream, &arrival, &run);
	}
	rmt_run_forward(&run);
	if (!stream->failed && !stream->frame)
		place_payload(stream);
}

static void unread_run(struct rmt_deferred *deferred)
{
	struct rmt_stream *stream = RMT_CONTAINER(deferred, struct rmt_stream, unread);

	if (!stream->failed)
		handle_frames(stream);
}

int rmt_stream_unread(struct rmt_stream *stream, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		struct iovec space[2];
		size_t part;
		int r = rmt_input_space(&stream->input, space);

		if (r < 0)
			return r;
		part = RMT_MIN(size, space[0].iov_len);
		memcpy(space[0].iov_base, at, part);
		rmt_input_filled(&stream->input, part);
		at += part;
		size -= part;
	}
	rmt_loop_defer(&stream->router->loop, &stream->unread);
	return 0;
}

/* One read for each readiness: what it brought is consumed next, while it is in the cache, and its
 * chunk is there for the next one. Reading until nothing is left fills queue after queue with what
 * will be cold when its turn comes. */
static void read_frames(struct rmt_stream *stream)
{
	struct iovec space[2];
	int pieces = rmt_input_space(&stream->input, space);
	ssize_t n;

	if (pieces < 0) {
		rmt_stream_fail(stream, "out of memory");
		return;
	}
	do
		n = readv(stream->in.fd, space, pieces);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 && errno != ECONNRESET && errno != EIO) {
		rmt_stream_fail(stream, "reading from it failed: %s", rmt_strerror(errno));
	} else if (n <= 0) {
		rmt_stream_fail(stream, rmt_input_at_boundary(&stream->input)
						? "the connection ended"
						: "the connection ended in the middle of a frame");
	} else {
		stream->bytes_in += (size_t)n;
		rmt_input_filled(&stream->input, (size_t)n);
		handle_frames(stream);
	}
}

static void in_ready(struct rmt_source *source, unsigned events)
{
	struct rmt_stream *stream = RMT_CONTAINER(source, struct rmt_stream, in);

	if (events & RMT_WRITABLE)
		write_waiting(stream);
	if (!stream->failed && (events & RMT_READABLE))
		read_frames(stream);
}
