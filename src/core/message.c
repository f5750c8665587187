/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/message.h"

#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "core/execute.h"
#include "core/flow.h"
#include "core/peer.h"
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
	struct rmt_stream *stream;

	if (size > RMT_FRAME_PAYLOAD_MAX)
		return -EMSGSIZE;
	frame->source = frame->authority = router->id;
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
	if (out.error < 0 || rmt_send_frame(router, &frame, out.data, out.size, gather) == -ENOMEM)
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

static void message_arrived(ramet_router *router, struct rmt_stream *stream,
			    ramet_receiver *receiver, struct rmt_message *message)
{
	if (receiver)
		rmt_receiver_arrived(receiver, stream, message);
	else
		rmt_execute_arrived(router, message);
}

/* END: the payload says how many of the source's senders were closed. */
static void stream_ended(ramet_router *router, ramet_receiver *receiver,
			 const struct rmt_frame *frame)
{
	struct rmt_inflow *inflow;

	if (receiver->result)
		return;
	inflow = rmt_inflow_get(router, frame->source, frame->handle);
	if (inflow)
		rmt_receiver_ended(receiver, inflow, 1);
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

	if (frame->handle == RMT_HANDLE_CONTROL) {
		rmt_control_arrived(router, stream, frame, payload);
		return;
	}
	if (frame->handle == RMT_HANDLE_CALL) {
		if (!rmt_router_obeys(router, frame->authority)) {
			rmt_dead_letter(router, frame, EPERM,
					"context %u is no parent of context %u, and may not call "
					"functions there",
					frame->authority, router->id);
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
	}
	if (frame->flags & RMT_FRAME_END) {
		if (receiver)
			stream_ended(router, receiver, frame);
		return;
	}
	if (frame->flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES | RMT_FRAME_COUNTED)) {
		struct rmt_inflow *inflow = receiver ? rmt_inflow_to(receiver, frame->source)
						     : rmt_inflow_get(router, frame->source,
								      frame->handle);

		if (!inflow) {
			rmt_dead_letter(router, frame, ENOMEM, "out of memory");
			if (receiver)
				rmt_receiver_message_lost(receiver, frame->source, -ENOMEM);
			return;
		}
		if (rmt_inflow_frame(inflow, frame, chunk, payload, &message) > 0)
			message_arrived(router, stream, receiver, &message);
		return;
	}
	message.chunk = rmt_chunk_ref(chunk);
	message.data = payload;
	message.size = frame->length;
	message_arrived(router, stream, receiver, &message);
}
