/* SPDX-License-Identifier: BSD-3-Clause */
/* Who sends to a stream: contexts to which senders were given, until each has closed as many. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/route.h"
#include "wire/handshake.h"

/* The reader gets an error in the place of the ends that will not come. */
static void end_source(ramet_receiver *receiver, struct rmt_inflow *inflow, int code,
		       const char *text)
{
	struct rmt_message message = {
		.frame = {.flags = RMT_FRAME_ERROR, .source = inflow->peer->id}};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	/* What it may get a sender for later begins with new credit, as its flow is closed. */
	inflow->ended = inflow->given;
	inflow->taken = 0;
	rmt_failure_encode(code, "", text, &out);
	message.chunk = out.error < 0 ? NULL : rmt_chunk_new(NULL, out.size);
	if (message.chunk) {
		memcpy(message.chunk->data, out.data, out.size);
		message.data = message.chunk->data;
		message.size = out.size;
		if (rmt_receiver_push(receiver, &message) < 0)
			rmt_chunk_unref(message.chunk);
	}
	rmt_buffer_done(&out);
	rmt_receiver_changed(receiver);
}

void rmt_receiver_message_lost(ramet_receiver *receiver, uint32_t source, int code,
			       const char *text)
{
	struct rmt_inflow *inflow;
	char reason[512];

	if (receiver->result) {
		rmt_receiver_fail(receiver, -code,
				  "the answer of %s to '%s' was lost on its arrival: %s",
				  rmt_peer_name(receiver->respondent), receiver->function, text);
		return;
	}
	inflow = rmt_inflow_find(receiver->router, source, (uint32_t)receiver->node.key);
	if ((code == -EDQUOT || code == -ENOBUFS) && inflow && inflow->given > inflow->ended) {
		rmt_format(reason, sizeof(reason), "nothing more is taken from %s: %s",
			   rmt_peer_name(inflow->peer), text);
		end_source(receiver, inflow, -code, reason);
	} else {
		receiver->trouble = code;
		rmt_receiver_changed(receiver);
	}
}

void rmt_receiver_source_lost(ramet_receiver *receiver, struct rmt_inflow *inflow,
			      const char *reason)
{
	char text[512];

	/* The inflow goes with its source; that there was one is what remains of it. */
	receiver->had_senders |= inflow->given > 0 || inflow->ended > 0;
	if (inflow->given <= inflow->ended)
		return;
	rmt_format(text, sizeof(text), "%s, which sent here, is gone: %s",
		   rmt_peer_name(inflow->peer), reason);
	end_source(receiver, inflow, ECONNRESET, text);
}

void rmt_receiver_ended(ramet_receiver *receiver, uint32_t source)
{
	struct rmt_inflow *inflow = rmt_inflow_to(receiver, source);

	if (!inflow)
		return;
	inflow->ended++;
	rmt_inflow_settle(inflow);
	rmt_receiver_changed(receiver);
}

/* The routers between tell of a loss those who have talked to the lost, besides all parents. */
static void make_known(ramet_receiver *receiver, uint32_t context)
{
	ramet_router *router = receiver->router;

	if (!rmt_router_obeys(router, context) && !rmt_route_below(router, context))
		rmt_control_credit(router, router->id, context, (uint32_t)receiver->node.key, 0);
}

int rmt_receiver_given(ramet_receiver *receiver, uint32_t context, struct rmt_account *cause)
{
	struct rmt_inflow *inflow = rmt_inflow_get(receiver->router, context,
						   (uint32_t)receiver->node.key, cause);

	if (!inflow)
		return rmt_inflow_none(receiver->router, cause);
	/* From a context that is gone no END will come. */
	if (inflow->peer->alive) {
		if (inflow->given++ == 0)
			make_known(receiver, context);
		rmt_receiver_settled(receiver);
	} else {
		rmt_inflow_free(inflow);
	}
	return 0;
}

void rmt_receiver_taken_back(ramet_receiver *receiver, uint32_t context)
{
	struct rmt_inflow *inflow = rmt_inflow_find(receiver->router, context,
						    (uint32_t)receiver->node.key);

	if (!inflow || inflow->given == 0)
		return;
	inflow->given--;
	if (inflow->given == 0 && inflow->ended == 0 && inflow->waiting == 0)
		rmt_inflow_free(inflow);
	rmt_receiver_changed(receiver);
}
