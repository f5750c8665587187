/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/control.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "core/account.h"
#include "core/chain.h"
#include "core/execute.h"
#include "core/flow.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/stream.h"
#include "wire/cbor.h"

/* --- sending ------------------------------------------------------------------------------ */

static void begin(struct rmt_buffer *out, unsigned items, enum rmt_operation operation)
{
	rmt_cbor_put_array(out, items);
	rmt_cbor_put_uint(out, operation);
}

/* What is not longer than this is put together without memory from the heap. */
#define MESSAGE_SIZE 256

/* A credit or a cancellation that is lost would leave somebody waiting for ever; a stream that is lost
 * leaves nobody. */
static void send_for(ramet_router *router, uint32_t authority, uint32_t destination,
		     struct rmt_buffer *out)
{
	struct rmt_frame frame = {.destination = destination, .handle = RMT_HANDLE_CONTROL};
	int r = out->error < 0 ? out->error
			       : rmt_send_frame_for(router, authority, &frame, out->data, out->size,
						    false);

	if (r == -ENOMEM && destination != router->id)
		rmt_answer_lost(router, destination, 0);
	rmt_buffer_done(out);
}

void rmt_control_send(ramet_router *router, uint32_t destination, struct rmt_buffer *out)
{
	send_for(router, router->id, destination, out);
}

/* [operation, a, b] */
void rmt_control_pair(ramet_router *router, uint32_t destination, enum rmt_operation operation,
		      uint64_t a, uint64_t b)
{
	unsigned char memory[MESSAGE_SIZE];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	begin(&out, 3, operation);
	rmt_cbor_put_uint(&out, a);
	rmt_cbor_put_uint(&out, b);
	rmt_control_send(router, destination, &out);
}

/* [operation, a] */
static void send_one(ramet_router *router, uint32_t destination, enum rmt_operation operation,
		     uint64_t a)
{
	unsigned char memory[MESSAGE_SIZE];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	begin(&out, 2, operation);
	rmt_cbor_put_uint(&out, a);
	rmt_control_send(router, destination, &out);
}

void rmt_control_credit(ramet_router *router, uint32_t authority, uint32_t destination,
			uint32_t handle, uint64_t bytes)
{
	unsigned char memory[MESSAGE_SIZE];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	begin(&out, 3, RMT_OP_CREDIT);
	rmt_cbor_put_uint(&out, handle);
	rmt_cbor_put_uint(&out, bytes);
	send_for(router, authority, destination, &out);
}

void rmt_control_cancel(ramet_router *router, uint32_t destination, uint32_t reply)
{
	send_one(router, destination, RMT_OP_CANCEL, reply);
}

void rmt_control_reset(ramet_router *router, uint32_t destination, uint32_t chain)
{
	send_one(router, destination, RMT_OP_RESET, chain);
}

void rmt_control_shutdown(ramet_router *router, uint32_t destination, int ms)
{
	send_one(router, destination, RMT_OP_SHUTDOWN, (unsigned)ms);
}

/* [operation] */
static void send_none(ramet_router *router, uint32_t destination, enum rmt_operation operation)
{
	unsigned char memory[MESSAGE_SIZE];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	begin(&out, 1, operation);
	rmt_send_control(router, destination, &out);
}

void rmt_control_ping(ramet_router *router, uint32_t destination)
{
	send_none(router, destination, RMT_OP_PING);
}

void rmt_control_pong(ramet_router *router, uint32_t destination)
{
	send_none(router, destination, RMT_OP_PONG);
}

void rmt_control_level(ramet_router *router, uint32_t destination, enum ramet_log_level level)
{
	send_one(router, destination, RMT_OP_LEVEL, (unsigned)level);
}

void rmt_control_given(ramet_router *router, uint32_t destination, uint32_t handle,
		       uint32_t context)
{
	rmt_control_pair(router, destination, RMT_OP_GIVEN, handle, context);
}

void rmt_control_closed(ramet_router *router, uint32_t authority, uint32_t destination,
			uint32_t handle, int code, const char *text)
{
	unsigned char memory[MESSAGE_SIZE];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	begin(&out, 4, RMT_OP_CLOSED);
	rmt_cbor_put_uint(&out, handle);
	rmt_cbor_put_uint(&out, (unsigned)code);
	rmt_cbor_put_str(&out, text);
	send_for(router, authority, destination, &out);
}

bool rmt_control_is_about_flow(const unsigned char *data, size_t size)
{
	return size > 1 && (data[1] == RMT_OP_CREDIT || data[1] == RMT_OP_CLOSED);
}

bool rmt_control_is_worth(const unsigned char *data, size_t size)
{
	return size > 1 && (data[1] == RMT_OP_CONNECT || data[1] == RMT_OP_STATISTICS);
}

void rmt_control_release(ramet_router *router, uint32_t destination, uint32_t id, int ms)
{
	unsigned char memory[MESSAGE_SIZE];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	begin(&out, 3, RMT_OP_RELEASE);
	rmt_cbor_put_uint(&out, id);
	if (ms < 0)
		ms == RMT_KEEP ? rmt_cbor_put_bool(&out, true) : rmt_cbor_put_null(&out);
	else
		rmt_cbor_put_uint(&out, (unsigned)ms);
	rmt_control_send(router, destination, &out);
}

void rmt_control_behind(struct rmt_stream *stream, struct rmt_buffer *out)
{
	struct rmt_frame frame = {
		.destination = stream->peer->id,
		.source = stream->router->id,
		.authority = stream->router->id,
		.handle = RMT_HANDLE_CONTROL,
		.length = (uint32_t)out->size,
		.total = (uint32_t)out->size,
	};

	if (out->error == 0 && out->size <= RMT_FRAME_PAYLOAD_MAX)
		rmt_stream_send_behind(stream, &frame, out->data);
	rmt_buffer_done(out);
}

void rmt_control_leave(struct rmt_stream *stream)
{
	unsigned char memory[MESSAGE_SIZE];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	begin(&out, 2, RMT_OP_DETACHED);
	rmt_cbor_put_str(&out, "");
	rmt_control_behind(stream, &out);
}

static void send_gone(struct rmt_stream *stream, const uint32_t (*ranges)[2], size_t count,
		      const char *reason)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	begin(&out, (unsigned)(2 + 2 * count), RMT_OP_GONE);
	rmt_cbor_put_str(&out, reason);
	for (size_t i = 0; i < count; i++) {
		rmt_cbor_put_uint(&out, ranges[i][0]);
		rmt_cbor_put_uint(&out, ranges[i][1]);
	}
	/* What came from the lost before must arrive before: the last values of a stream are still in
	 * the queue when the context that sent them has ended. */
	rmt_control_behind(stream, &out);
}

void rmt_control_gone(struct rmt_stream *stream, const uint32_t (*ranges)[2], size_t count,
		      const char *reason)
{
	for (size_t at = 0; at < count; at += RMT_ID_RANGES_MAX)
		send_gone(stream, ranges + at, RMT_MIN(count - at, (size_t)RMT_ID_RANGES_MAX),
			  reason);
}

/* --- arriving ----------------------------------------------------------------------------- */

static void gone(ramet_router *router, struct rmt_stream *stream, struct rmt_cbor_reader *reader,
		 uint64_t items)
{
	uint32_t(*ranges)[2];
	size_t count = (size_t)(items - 2) / 2, size;
	const char *text;
	char *reason;

	if (items < 4 || items > 2 + 2 * (uint64_t)RMT_COUNT_MAX ||
	    rmt_cbor_read_str(reader, &text, &size) < 0 || !text)
		return;
	reason = strndup(text, size);
	ranges = calloc(count, sizeof(*ranges));
	for (size_t i = 0; reason && ranges && i < count; i++) {
		if (rmt_cbor_read_u32(reader, &ranges[i][0]) < 0 ||
		    rmt_cbor_read_u32(reader, &ranges[i][1]) < 0)
			count = 0;
		/* A neighbour may speak for what lies behind it, and for nothing else; for all of it
		 * once. */
		else if ((stream != router->uplink &&
			  !rmt_route_covers(router, ranges[i][0], ranges[i][1], stream)) ||
			 (i > 0 && ranges[i][0] <= ranges[i - 1][1]))
			count = 0;
	}
	/* Ids are not used again; those of a tree that was joined may come back by another way. */
	for (size_t i = 0; reason && ranges && i < count && stream != router->uplink; i++)
		rmt_route_forget(router, ranges[i][0], ranges[i][1]);
	if (reason && ranges && count > 0)
		rmt_peers_lost(router, (const uint32_t(*)[2])ranges, count, reason, stream);
	free(ranges);
	free(reason);
}

/* Of the flow to a handle of who speaks, or in whose place a router on the way does. */
static void credit(ramet_router *router, const struct rmt_frame *frame,
		   const struct rmt_stream *stream, struct rmt_cbor_reader *reader)
{
	struct rmt_flow *flow;
	uint32_t handle;
	uint64_t bytes;

	if (rmt_cbor_read_u32(reader, &handle) < 0 || rmt_cbor_read_u64(reader, &bytes) < 0)
		return;
	/* Whoever the root is now. */
	if (handle == RMT_HANDLE_LOG && stream && stream == router->uplink)
		rmt_log_credit(router, bytes);
	flow = rmt_flow_find(router, frame->authority, handle);
	if (flow)
		rmt_flow_credit(flow, bytes);
}

static void closed(ramet_router *router, const struct rmt_frame *frame,
		   struct rmt_cbor_reader *reader)
{
	struct rmt_flow *flow;
	uint32_t handle, code;
	const char *text;
	char reason[256];
	size_t size;

	if (rmt_cbor_read_u32(reader, &handle) < 0 || rmt_cbor_read_u32(reader, &code) < 0 ||
	    rmt_cbor_read_str(reader, &text, &size) < 0 || !text)
		return;
	flow = handle == RMT_HANDLE_CALL ? NULL : rmt_flow_find(router, frame->authority, handle);
	if (!flow)
		return;
	rmt_format(reason, sizeof(reason), "%.*s", (int)RMT_MIN(size, sizeof(reason)), text);
	rmt_flow_close(flow, reason);
}

static void given(ramet_router *router, const struct rmt_frame *frame,
		  struct rmt_cbor_reader *reader)
{
	uint32_t handle, context;
	ramet_receiver *receiver;

	if (rmt_cbor_read_u32(reader, &handle) < 0 || rmt_cbor_read_u32(reader, &context) < 0)
		return;
	receiver = rmt_receiver_find(router, handle);
	if (receiver && !receiver->result && rmt_receiver_may_give(receiver, frame))
		rmt_receiver_given(receiver, context, rmt_account_of(router, frame->source));
}

/* As if the message with that sender had come, and nobody had taken it. */
static void drop(ramet_router *router, struct rmt_cbor_reader *reader)
{
	struct rmt_frame end = {.flags = RMT_FRAME_END};

	if (rmt_cbor_read_u32(reader, &end.destination) == 0 &&
	    rmt_cbor_read_u32(reader, &end.handle) == 0 && end.handle >= RMT_HANDLE_FIRST)
		rmt_send_frame(router, &end, NULL, 0, false);
}

/* What only a parent may say. */
static void command(ramet_router *router, struct rmt_stream *stream, const struct rmt_frame *frame,
		    const unsigned char *data, uint64_t operation, struct rmt_cbor_reader *reader)
{
	uint32_t number;

	if (!rmt_router_obeys(router, frame->authority)) {
		router->dropped++;
		rmt_dead_letter(router, frame, EPERM,
				"context %u is no parent of context %u, and commands nothing there",
				frame->authority, router->id);
		return;
	}
	switch (operation) {
	case RMT_OP_SHUTDOWN:
		/* A parent that ends cannot know yet that we shall stay. */
		if (rmt_cbor_read_u32(reader, &number) == 0 &&
		    !(router->detaching && stream == router->uplink))
			rmt_router_end(router, number > INT_MAX ? INT_MAX : (int)number);
		return;
	case RMT_OP_PING:
		rmt_heartbeat_ping(router, frame);
		return;
	case RMT_OP_LEVEL:
		if (rmt_cbor_read_u32(reader, &number) == 0 && number <= RAMET_LOG_IO)
			rmt_log_set_level(router, (enum ramet_log_level)number);
		return;
	default:
		if (router->hooks)
			router->hooks->control(router, stream, frame, data);
	}
}

void rmt_control_arrived(ramet_router *router, struct rmt_stream *stream,
			 const struct rmt_frame *frame, const unsigned char *data)
{
	bool neighbour = stream && stream->peer && frame->source == stream->peer->id;
	struct rmt_cbor_reader reader;
	uint64_t items, operation;
	uint32_t number;

	rmt_cbor_reader_init(&reader, data, frame->length);
	if (rmt_cbor_read_array(&reader, &items) < 0 || rmt_cbor_read_u64(&reader, &operation) < 0)
		return;
	switch (operation) {
	case RMT_OP_CREDIT:
		credit(router, frame, stream, &reader);
		return;
	case RMT_OP_CLOSED:
		closed(router, frame, &reader);
		return;
	/* Both name what the sender itself has sent before. */
	case RMT_OP_CANCEL:
		if (rmt_cbor_read_u32(&reader, &number) == 0)
			rmt_execute_cancel(router, frame->source, number);
		return;
	case RMT_OP_RESET:
		if (rmt_cbor_read_u32(&reader, &number) == 0)
			rmt_chain_reset(router, frame->source, number);
		return;
	case RMT_OP_GIVEN:
		given(router, frame, &reader);
		return;
	case RMT_OP_DROP:
		drop(router, &reader);
		return;
	case RMT_OP_GONE:
		if (neighbour)
			gone(router, stream, &reader, items);
		return;
	case RMT_OP_PONG:
		if (neighbour)
			rmt_heartbeat_pong(stream);
		return;
	case RMT_OP_ASK:
	case RMT_OP_ALLOCATE:
	case RMT_OP_ALLOCATED:
	case RMT_OP_IMAGE:
	case RMT_OP_ADOPT:
	case RMT_OP_ADOPTED:
	case RMT_OP_DETACHED:
		if ((neighbour || operation == RMT_OP_ASK) && router->hooks)
			router->hooks->control(router, stream, frame, data);
		return;
	case RMT_OP_PING:
		if (neighbour) {
			rmt_heartbeat_ping(router, frame);
			return;
		}
		/* fallthrough */
	default:
		command(router, stream, frame, data, operation, &reader);
	}
}
