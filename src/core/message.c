/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/message.h"

#include <errno.h>
#include <string.h>

#include "base/copy.h"
#include "base/error.h"
#include "core/account.h"
#include "core/control.h"
#include "core/execute.h"
#include "core/flow.h"
#include "core/log.h"
#include "core/peer.h"
#include "core/policy.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/stream.h"
#include "core/value.h"
#include "wire/handshake.h"

/* For this context itself. What is delivered may be kept, so it needs a chunk. */
static int send_here(ramet_router *router, const struct rmt_frame *frame, const void *data)
{
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, frame->length);

	if (!chunk)
		return -ENOMEM;
	if (frame->length > 0)
		memcpy(chunk->data, data, frame->length);
	rmt_deliver(router, NULL, frame, chunk, chunk->data);
	rmt_chunk_unref(chunk);
	return 0;
}

int rmt_send_frame(ramet_router *router, struct rmt_frame *frame, const void *data, size_t size,
		   bool gather)
{
	return rmt_send_frame_for(router, router->id, frame, data, size, gather);
}

int rmt_send_frame_for(ramet_router *router, uint32_t authority, struct rmt_frame *frame,
		       const void *data, size_t size, bool gather)
{
	struct rmt_stream *stream;

	if (size > RMT_FRAME_PAYLOAD_MAX)
		return -EMSGSIZE;
	router->counters.messages_out += !(frame->flags & RMT_FRAME_CONTINUES);
	frame->source = router->id;
	frame->authority = authority;
	frame->length = (uint32_t)size;
	if (!(frame->flags & (RMT_FRAME_CONTINUES | RMT_FRAME_MORE)))
		frame->total = (uint32_t)size;
	if (frame->destination == router->id)
		return send_here(router, frame, data);
	stream = rmt_route_to(router, frame->destination);
	/* When its stream has failed, the loss of the destination is told soon, with the reason. */
	if (stream && stream->failed)
		return 0;
	if (!stream) {
		rmt_dead_letter(router, frame, EHOSTUNREACH, "there is no context %u",
				frame->destination);
		return 0;
	}
	return rmt_stream_send(stream, frame, data, NULL, gather);
}

void rmt_answer_lost(ramet_router *router, uint32_t destination, uint32_t handle)
{
	ramet_receiver *receiver;
	struct rmt_stream *stream;

	if (destination == router->id) {
		receiver = rmt_receiver_find(router, handle);
		if (receiver && receiver->result)
			rmt_receiver_fail(receiver, ENOMEM, "out of memory");
		return;
	}
	stream = rmt_route_to(router, destination);
	if (stream)
		rmt_stream_fail(stream, "out of memory");
}

void rmt_send_failure(ramet_router *router, uint32_t destination, uint32_t handle, int code,
		      const char *where, const char *text, bool gather)
{
	rmt_send_failure_for(router, router->id, destination, handle, code, where, text, gather);
}

void rmt_send_failure_for(ramet_router *router, uint32_t authority, uint32_t destination,
			  uint32_t handle, int code, const char *where, const char *text,
			  bool gather)
{
	struct rmt_frame frame = {
		.flags = RMT_FRAME_ERROR,
		.destination = destination,
		.handle = handle,
	};
	unsigned char memory[256];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	rmt_failure_encode(code, where, text, &out);
	if (out.error < 0) {
		rmt_buffer_done(&out);
		rmt_buffer_init(&out, memory, sizeof(memory));
		rmt_failure_encode(code, "", "out of memory for the text of this error", &out);
	}
	if (out.error < 0 ||
	    rmt_send_frame_for(router, authority, &frame, out.data, out.size, gather) == -ENOMEM)
		rmt_answer_lost(router, destination, handle);
	rmt_buffer_done(&out);
}

void rmt_send_control(ramet_router *router, uint32_t destination, struct rmt_buffer *out)
{
	struct rmt_frame frame = {.destination = destination, .handle = RMT_HANDLE_CONTROL};

	/* Without memory for a few bytes there is none to tell anybody either; the wait at the
	 * other end has its own end. */
	if (out->error == 0)
		rmt_send_frame(router, &frame, out->data, out->size, false);
	rmt_buffer_done(out);
}

/* Who knows how long it waits. Without memory for that it stays where it is. */
static void move(ramet_router *router, struct rmt_message *message)
{
	struct rmt_chunk *chunk = rmt_chunk_new(router->blocks, message->size);

	if (!chunk)
		return;
	rmt_copy(chunk->data, message->data, message->size);
	rmt_chunk_unref(message->chunk);
	message->chunk = chunk;
	message->data = chunk->data;
}

static void message_arrived(ramet_router *router, ramet_receiver *receiver,
			    struct rmt_message *message)
{
	/* What is raw becomes a value, which is a copy. */
	if (message->size <= RMT_MESSAGE_SMALL && !(message->frame.flags & RMT_FRAME_RAW))
		move(router, message);
	if (receiver)
		rmt_receiver_arrived(receiver, message);
	else
		rmt_execute_arrived(router, message);
}

/* Records are for the master, one frame each, and paid for; nobody is told about others, because
 * nobody waits. */
static void record_arrived(ramet_router *router, struct rmt_stream *stream,
			   struct rmt_message *message, struct rmt_chunk *chunk,
			   const unsigned char *payload)
{
	const struct rmt_frame *frame = &message->frame;
	struct rmt_inflow *inflow = NULL;
	int r = 0;

	if (rmt_router_is_root(router) && (frame->flags & RMT_FRAME_COUNTED) &&
	    !(frame->flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES)))
		inflow = rmt_inflow_get(router, frame->source, frame->handle,
					rmt_account_of(router, frame->source));
	if (inflow)
		r = rmt_inflow_frame(inflow, &message->frame, chunk, payload, message);
	else
		router->dropped++;
	if (r > 0)
		router->hooks->log_arrived(router, stream, message);
	else if (r < 0)
		rmt_log_refused(router, stream, payload, frame->length);
}

/* Calls are charged to their flow, all of them: so nobody can make more of them wait than fit a window. */
static bool may_call(ramet_router *router, const struct rmt_frame *frame)
{
	if (!rmt_policy_calls(router, frame->source, frame->authority)) {
		router->dropped++;
		rmt_dead_letter(router, frame, EPERM,
				"context %u is no parent of context %u, and commands nothing there",
				frame->authority, router->id);
		return false;
	}
	if (!(frame->flags & (RMT_FRAME_COUNTED | RMT_FRAME_ABORT))) {
		rmt_misbehaved(router, "refused a call of context %u that is not charged",
			       frame->source);
		rmt_dead_letter(router, frame, EPROTO, "the call is not charged to its flow");
		return false;
	}
	return true;
}

static void no_inflow(ramet_router *router, ramet_receiver *receiver, const struct rmt_frame *frame)
{
	int code = rmt_inflow_none(router, rmt_account_of(router, frame->source));
	const char *text = code == -EDQUOT
				   ? "the quota of flows from one child and all below it is "
				     "used up"
				   : "out of memory";

	rmt_dead_letter(router, frame, -code, "%s", text);
	if (receiver)
		rmt_receiver_message_lost(receiver, frame->source, code, text);
}

static struct rmt_inflow *find_inflow(ramet_router *router, ramet_receiver *receiver,
				      const struct rmt_frame *frame)
{
	struct rmt_inflow *inflow;

	if (receiver)
		return rmt_inflow_to(receiver, frame->source);
	inflow = rmt_inflow_find(router, frame->source, frame->handle);
	return inflow ? inflow
		      : rmt_inflow_get(router, frame->source, frame->handle,
				       rmt_account_of(router, frame->source));
}

/* Nobody takes this: the senders in it, which were given to this context, are closed. Of a message in
 * several frames only the first is looked into. */
static void end_senders(ramet_router *router, const struct rmt_frame *frame,
			const unsigned char *payload)
{
	if (!(frame->flags &
	      (RMT_FRAME_RAW | RMT_FRAME_ERROR | RMT_FRAME_CONTINUES | RMT_FRAME_END)))
		rmt_senders_end(router, payload, frame->length);
}

void rmt_deliver(ramet_router *router, struct rmt_stream *stream, const struct rmt_frame *frame,
		 struct rmt_chunk *chunk, const unsigned char *payload)
{
	struct rmt_message message = {.frame = *frame};
	ramet_receiver *receiver = NULL;
	struct rmt_inflow *inflow;

	router->counters.messages_in += !(frame->flags & RMT_FRAME_CONTINUES);
	if (frame->handle == RMT_HANDLE_CONTROL) {
		rmt_control_arrived(router, stream, frame, payload);
		return;
	}
	if (frame->handle == RMT_HANDLE_LOG) {
		record_arrived(router, stream, &message, chunk, payload);
		return;
	}
	if (frame->handle == RMT_HANDLE_CALL) {
		if ((frame->flags & RMT_FRAME_END) || !may_call(router, frame)) {
			end_senders(router, frame, payload);
			return;
		}
	} else {
		receiver = rmt_receiver_find(router, frame->handle);
		if (!receiver) {
			rmt_dead_letter(router, frame, EPIPE, "nobody receives there any more");
			end_senders(router, frame, payload);
			return;
		}
		if (!rmt_receiver_admits(receiver, frame)) {
			end_senders(router, frame, payload);
			return;
		}
	}
	if (frame->flags & RMT_FRAME_END) {
		if (!receiver->result)
			rmt_receiver_ended(receiver, frame->source);
		return;
	}
	if (!(frame->flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES | RMT_FRAME_COUNTED))) {
		if (frame->length > router->message_size_max && !(frame->flags & RMT_FRAME_ERROR)) {
			rmt_receiver_message_lost(receiver, frame->source, -EMSGSIZE,
						  rmt_strerror(EMSGSIZE));
			return;
		}
		message.chunk = rmt_chunk_ref(chunk);
		message.data = payload;
		message.size = frame->length;
		message_arrived(router, receiver, &message);
		return;
	}
	inflow = find_inflow(router, receiver, frame);
	if (!inflow)
		no_inflow(router, receiver, frame);
	else if (rmt_inflow_frame(inflow, frame, chunk, payload, &message) > 0)
		message_arrived(router, receiver, &message);
}
