/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/flow.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "core/control.h"
#include "core/log.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/stream.h"
#include "core/wait.h"

static size_t window(uint32_t handle)
{
	return handle == RMT_HANDLE_CALL ? RMT_CALL_WINDOW : RMT_FLOW_WINDOW;
}

/* --- sending ------------------------------------------------------------------------------ */

/* Most calls go where the last one went, and a lookup costs as much as a small call's other
 * bookkeeping. */
struct rmt_flow *rmt_flow_of_calls(struct rmt_peer *peer)
{
	if (peer->calls)
		peer->calls->references++;
	else
		peer->calls = rmt_flow_get(peer->router, peer->id, RMT_HANDLE_CALL);
	return peer->calls;
}

struct rmt_flow *rmt_flow_find(const ramet_router *router, uint32_t destination, uint32_t handle)
{
	struct rmt_table_node *node = rmt_table_find(&router->flows, rmt_key(destination, handle));

	return node ? RMT_CONTAINER(node, struct rmt_flow, node) : NULL;
}

struct rmt_flow *rmt_flow_get(ramet_router *router, uint32_t destination, uint32_t handle)
{
	struct rmt_flow *flow = rmt_flow_find(router, destination, handle);

	if (flow) {
		flow->references++;
		return flow;
	}
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return NULL;
	flow->peer = rmt_peer_get(router, destination);
	if (!flow->peer) {
		free(flow);
		return NULL;
	}
	flow->handle = handle;
	flow->references = 1;
	flow->closed = !flow->peer->alive;
	rmt_list_append(&flow->peer->flows, &flow->of_peer);
	rmt_table_add(&router->flows, &flow->node, rmt_key(destination, handle));
	return flow;
}

/* What was sent and not consumed yet still counts for whoever sends there next, so a flow stays until
 * all was consumed. That of calls, which is used again and again, stays as long as its peer. */
static bool must_stay(const struct rmt_flow *flow)
{
	if (!flow->peer->alive)
		return false;
	return flow->handle == RMT_HANDLE_CALL ||
	       (flow->lasting && !flow->closed && flow->in_flight > 0);
}

static void release(struct rmt_flow *flow)
{
	struct rmt_peer *peer = flow->peer;

	if (flow->references > 0 || must_stay(flow))
		return;
	rmt_table_remove(&peer->router->flows, &flow->node);
	rmt_list_remove(&flow->of_peer);
	if (peer->calls == flow)
		peer->calls = NULL;
	free(flow);
	rmt_peer_collect(peer);
}

void rmt_flow_unref(struct rmt_flow *flow)
{
	if (!flow)
		return;
	flow->references--;
	release(flow);
}

void rmt_flow_credit(struct rmt_flow *flow, uint64_t bytes)
{
	flow->in_flight -= RMT_MIN(bytes, flow->in_flight);
	rmt_flow_turns_look(flow->peer->router);
	rmt_wait_changed(flow->peer->router);
	release(flow);
}

void rmt_flow_close(struct rmt_flow *flow, const char *reason)
{
	if (flow->closed)
		return;
	flow->closed = true;
	if (flow->handle != RMT_HANDLE_CALL)
		rmt_log(flow->peer->router, RMT_LOG_SELF, RAMET_LOG_DEBUG,
			"nobody reads at %s any more (handle %u): %s", rmt_peer_name(flow->peer),
			flow->handle, reason);
	rmt_flow_turns_look(flow->peer->router);
	rmt_wait_changed(flow->peer->router);
	release(flow);
}

static struct rmt_stream *stream_to(const struct rmt_flow *flow)
{
	ramet_router *router = flow->peer->router;

	return flow->peer == router->self ? NULL : rmt_route_to(router, flow->peer->id);
}

/* What a thread that sends waits for. */
struct sending {
	struct rmt_flow *flow;
	struct rmt_flow *const *held; /* NULL, or where the flow is as long as it may go on */
	int64_t until;
	bool gather;
	uint32_t size; /* of the next frame */
};

static bool is_over(const struct sending *sending)
{
	return sending->flow->closed || (sending->held && *sending->held != sending->flow);
}

static bool flow_is_free(void *argument)
{
	struct sending *sending = argument;

	return !sending->flow->busy || is_over(sending);
}

/* A bulk frame waits for an idle stream, so that it can be written from where it is, and small ones
 * may queue up. A call waits for nothing but credit: it goes before the bulk that waits there, and
 * must not wait behind it. */
static bool stream_has_room(const struct rmt_flow *flow, uint32_t size)
{
	struct rmt_stream *stream;

	if (flow->handle == RMT_HANDLE_CALL)
		return true;
	stream = stream_to(flow);
	return !stream || stream->failed || rmt_stream_idle(stream) ||
	       stream->output.bytes + size < RMT_FRAME_PAYLOAD_MAX;
}

bool rmt_flow_has_room(const struct rmt_flow *flow, uint32_t size)
{
	if (flow->closed)
		return true;
	if (flow->in_flight > 0 && flow->in_flight + size > window(flow->handle))
		return false;
	return stream_has_room(flow, size);
}

static bool frame_has_room(void *argument)
{
	struct sending *sending = argument;

	return is_over(sending) || rmt_flow_has_room(sending->flow, sending->size);
}

static int send_piece(struct sending *sending, struct rmt_frame *frame, const void *data)
{
	struct rmt_flow *flow = sending->flow;
	ramet_router *router = flow->peer->router;
	int r;

	if (sending->until != RMT_AT_ONCE && !frame_has_room(sending)) {
		r = rmt_wait(router, frame_has_room, sending, sending->until);
		if (r < 0)
			return r;
	}
	if (is_over(sending))
		return -EPIPE;
	flow->in_flight += sending->size;
	return rmt_send_frame(router, frame, data, sending->size, sending->gather);
}

/* The reader has the beginning of a message whose rest will not come. */
static void abort_message(struct rmt_flow *flow, const struct rmt_frame *first)
{
	struct rmt_frame frame = *first;

	frame.flags = RMT_FRAME_CONTINUES | RMT_FRAME_ABORT;
	frame.total = 0;
	if (!flow->closed)
		rmt_send_frame(flow->peer->router, &frame, NULL, 0, false);
}

static int send_pieces(struct sending *sending, const struct rmt_frame *first, const char *data,
		       size_t size)
{
	struct rmt_flow *flow = sending->flow;
	size_t at = 0;

	do {
		size_t left = size - at;
		uint32_t piece = left > RMT_FRAME_PAYLOAD_MAX ? RMT_FRAME_PAYLOAD_MAX
							      : (uint32_t)left;
		struct rmt_frame frame = *first;
		int r;

		frame.destination = flow->peer->id;
		frame.flags |= RMT_FRAME_COUNTED | (piece < left ? RMT_FRAME_MORE : 0) |
			       (at > 0 ? RMT_FRAME_CONTINUES : 0);
		frame.total = (uint32_t)(at > 0 ? at : size);
		sending->size = piece;
		r = send_piece(sending, &frame, data + at);
		if (r < 0) {
			if (at > 0)
				abort_message(flow, &frame);
			return r;
		}
		at += piece;
	} while (at < size);
	return 0;
}

/* Waits for this thread's turn; without waiting, for room for all of the message. */
static int begin(struct sending *sending, size_t size)
{
	struct rmt_flow *flow = sending->flow;
	uint32_t first = size > RMT_FRAME_PAYLOAD_MAX ? RMT_FRAME_PAYLOAD_MAX : (uint32_t)size;
	int r = 0;

	if (sending->until == RMT_AT_ONCE && !is_over(sending)) {
		if (size > window(flow->handle) && size > RMT_FRAME_PAYLOAD_MAX)
			return -EMSGSIZE;
		if (flow->busy || !rmt_flow_has_room(flow, first) ||
		    (flow->in_flight > 0 && flow->in_flight + size > window(flow->handle)))
			return -EAGAIN;
	}
	while (r == 0 && !flow_is_free(sending))
		r = rmt_wait(flow->peer->router, flow_is_free, sending, sending->until);
	return r == 0 && is_over(sending) ? -EPIPE : r;
}

static int send_message(struct sending *sending, const struct rmt_frame *frame, const void *data,
			size_t size)
{
	struct rmt_flow *flow = sending->flow;
	ramet_router *router = flow->peer->router;
	int r;

	if (size > router->message_size_max)
		return -EMSGSIZE;
	if (router->state == RMT_ROUTER_ENDED)
		return -ESHUTDOWN;
	flow->references++;
	r = begin(sending, size);
	if (r == 0) {
		flow->busy = true;
		r = send_pieces(sending, frame, data, size);
		flow->busy = false;
		if (size > RMT_FRAME_PAYLOAD_MAX) {
			/* others may have waited for their turn */
			rmt_flow_turns_look(router);
			rmt_wait_changed(router);
		}
	}
	rmt_flow_unref(flow);
	return r;
}

int rmt_flow_send(struct rmt_flow *flow, const struct rmt_frame *frame, const void *data,
		  size_t size, int64_t until, bool gather)
{
	struct sending sending = {.flow = flow, .until = until, .gather = gather};

	return send_message(&sending, frame, data, size);
}

int rmt_flow_send_held(struct rmt_flow *const *held, const struct rmt_frame *frame,
		       const void *data, size_t size, int64_t until, bool gather)
{
	struct sending sending = {.flow = *held, .held = held, .until = until, .gather = gather};

	return send_message(&sending, frame, data, size);
}

bool rmt_flow_has_turn(const struct rmt_flow_turn *turn)
{
	return turn->flow->closed ||
	       (!turn->flow->busy && rmt_flow_has_room(turn->flow, turn->size));
}

bool rmt_flow_may_send(struct rmt_flow_turn *turn, uint32_t size)
{
	rmt_list_remove(&turn->deferred.node);
	turn->size = size;
	if (rmt_flow_has_turn(turn))
		return true;
	rmt_list_append(&turn->flow->peer->router->turns, &turn->deferred.node);
	return false;
}

int rmt_flow_send_now(struct rmt_flow *flow, struct rmt_frame *frame, const void *data, size_t size)
{
	if (flow->closed)
		return -EPIPE;
	frame->destination = flow->peer->id;
	frame->handle = flow->handle;
	frame->flags |= RMT_FRAME_COUNTED;
	flow->in_flight += size;
	return rmt_send_frame(flow->peer->router, frame, data, size, false);
}

void rmt_flow_turn_done(struct rmt_flow_turn *turn)
{
	rmt_list_remove(&turn->deferred.node);
}

void rmt_flow_turns_look(ramet_router *router)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->turns, node, following) {
		struct rmt_flow_turn *turn = RMT_CONTAINER(node, struct rmt_flow_turn,
							   deferred.node);

		if (rmt_flow_has_turn(turn))
			rmt_loop_defer(&router->loop, &turn->deferred);
	}
}

/* --- receiving ---------------------------------------------------------------------------- */

struct rmt_inflow *rmt_inflow_find(const ramet_router *router, uint32_t source, uint32_t handle)
{
	struct rmt_table_node *node = rmt_table_find(&router->inflows, rmt_key(source, handle));

	return node ? RMT_CONTAINER(node, struct rmt_inflow, node) : NULL;
}

struct rmt_inflow *rmt_inflow_get(ramet_router *router, uint32_t source, uint32_t handle)
{
	struct rmt_inflow *inflow = rmt_inflow_find(router, source, handle);

	if (inflow)
		return inflow;
	inflow = calloc(1, sizeof(*inflow));
	if (!inflow)
		return NULL;
	inflow->peer = rmt_peer_get(router, source);
	if (!inflow->peer) {
		free(inflow);
		return NULL;
	}
	inflow->handle = handle;
	rmt_assembly_init(&inflow->assembly, router->messages);
	rmt_list_init(&inflow->of_receiver);
	inflow->receiver = handle == RMT_HANDLE_CALL ? NULL : rmt_receiver_find(router, handle);
	if (inflow->receiver)
		rmt_list_append(&inflow->receiver->inflows, &inflow->of_receiver);
	rmt_list_append(&inflow->peer->inflows, &inflow->of_peer);
	rmt_table_add(&router->inflows, &inflow->node, rmt_key(source, handle));
	return inflow;
}

struct rmt_inflow *rmt_inflow_to(ramet_receiver *receiver, uint32_t source)
{
	struct rmt_inflow *inflow = receiver->recent;

	if (!inflow || inflow->peer->id != source)
		inflow = rmt_inflow_get(receiver->router, source, (uint32_t)receiver->node.key);
	receiver->recent = inflow;
	return inflow;
}

void rmt_inflow_free(struct rmt_inflow *inflow)
{
	struct rmt_peer *peer = inflow->peer;

	if (inflow->receiver && inflow->receiver->recent == inflow)
		inflow->receiver->recent = NULL;

	rmt_table_remove(&peer->router->inflows, &inflow->node);
	rmt_list_remove(&inflow->of_receiver);
	rmt_list_remove(&inflow->of_peer);
	rmt_assembly_done(&inflow->assembly);
	free(inflow);
	rmt_peer_collect(peer);
}

static void grant_all(struct rmt_inflow *inflow)
{
	size_t bytes = inflow->granted;

	inflow->granted = 0;
	rmt_control_credit(inflow->peer->router, inflow->peer->id, inflow->handle, bytes);
}

static void grant(struct rmt_inflow *inflow, size_t bytes)
{
	inflow->granted += bytes;
	if (inflow->granted >= RMT_FLOW_GRANT(window(inflow->handle)))
		grant_all(inflow);
}

void rmt_inflow_settle(struct rmt_inflow *inflow)
{
	if (inflow->ended > 0 && inflow->ended >= inflow->given && inflow->waiting == 0 &&
	    inflow->granted > 0)
		grant_all(inflow);
}

static void message_failed(struct rmt_inflow *inflow, const struct rmt_frame *frame, int code)
{
	struct rmt_frame first = *frame;

	grant(inflow, inflow->held);
	inflow->held = 0;
	if (code == -ECANCELED) {
		/* Its sender may have closed meanwhile: then this was the end. */
		if (inflow->receiver)
			rmt_receiver_changed(inflow->receiver);
		return;
	}
	first.flags &= ~(unsigned)RMT_FRAME_CONTINUES;
	/* Its bytes were granted already, and who waits for an answer gets one. */
	if (first.handle == RMT_HANDLE_CALL || first.reply != 0)
		first.flags &= ~(unsigned)RMT_FRAME_COUNTED;
	if (code == -EMSGSIZE)
		rmt_dead_letter(inflow->peer->router, &first, EMSGSIZE,
				"the message is larger than the %u bytes that are allowed here",
				inflow->peer->router->message_size_max);
	else
		rmt_dead_letter(inflow->peer->router, &first, -code,
				"the message could not be put together: %s",
				code == -ENOMEM ? "out of memory" : "its parts do not fit");
	if (inflow->receiver)
		rmt_receiver_message_lost(inflow->receiver, frame->source, code);
}

unsigned char *rmt_inflow_place(ramet_router *router, const struct rmt_frame *frame,
				struct rmt_chunk **ret_chunk)
{
	struct rmt_inflow *inflow;

	if (!(frame->flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES)))
		return NULL;
	inflow = rmt_inflow_find(router, frame->source, frame->handle);
	return inflow && inflow->receiver ? rmt_assembly_place(&inflow->assembly, frame,
							       router->message_size_max, ret_chunk)
					  : NULL;
}

int rmt_inflow_frame(struct rmt_inflow *inflow, const struct rmt_frame *frame,
		     struct rmt_chunk *chunk, const unsigned char *payload,
		     struct rmt_message *ret_message)
{
	bool counted = frame->flags & RMT_FRAME_COUNTED;
	int r;

	if (counted)
		inflow->held += frame->length;
	if (!(frame->flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES))) {
		*ret_message = (struct rmt_message){*frame, rmt_chunk_ref(chunk), payload,
						    frame->length, inflow->held};
		inflow->held = 0;
		inflow->waiting++;
		return 1;
	}
	r = rmt_assembly_add(&inflow->assembly, frame, chunk, payload,
			     inflow->peer->router->message_size_max, &ret_message->chunk,
			     &ret_message->frame);
	if (r < 0) {
		message_failed(inflow, frame, r);
		return r;
	}
	if (r == 0) {
		if (inflow->waiting == 0) {
			grant(inflow, inflow->held);
			inflow->held = 0;
		}
		return 0;
	}
	ret_message->data = ret_message->chunk->data;
	ret_message->size = ret_message->frame.total;
	ret_message->owed = inflow->held;
	ret_message->frame.flags |= frame->flags & RMT_FRAME_COUNTED;
	inflow->held = 0;
	inflow->waiting++;
	return 1;
}

void rmt_inflow_consumed(ramet_router *router, ramet_receiver *receiver,
			 const struct rmt_message *message)
{
	struct rmt_inflow *inflow;

	if (!(message->frame.flags & (RMT_FRAME_COUNTED | RMT_FRAME_MORE)))
		return;
	if (receiver && receiver->recent && receiver->recent->peer->id == message->frame.source)
		inflow = receiver->recent;
	else
		inflow = rmt_inflow_find(router, message->frame.source, message->frame.handle);
	if (!inflow)
		return;
	grant(inflow, message->owed);
	if (inflow->waiting > 0 && --inflow->waiting == 0 && inflow->held > 0) {
		grant(inflow, inflow->held);
		inflow->held = 0;
	}
	rmt_inflow_settle(inflow);
}
