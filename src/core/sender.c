/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/value.h"
#include "wire/cbor.h"

ramet_sender *rmt_sender_new(ramet_router *router, uint32_t destination, uint32_t handle, bool own)
{
	ramet_sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		return NULL;
	*sender = (ramet_sender){
		.router = router,
		.references = 1,
		.destination = destination,
		.handle = handle,
		.timeout = -1,
		.own = own,
	};
	/* A receiver's own sender mostly only travels. */
	if (!own) {
		sender->flow = rmt_flow_get(router, destination, handle);
		if (!sender->flow) {
			free(sender);
			return NULL;
		}
	}
	rmt_router_hold(router);
	return sender;
}

static void sender_close(ramet_sender *sender)
{
	struct rmt_frame end = {.flags = RMT_FRAME_END,
				.destination = sender->destination,
				.handle = sender->handle};
	struct rmt_flow *flow = sender->flow;

	if (!flow)
		return;
	sender->flow = NULL;
	if (!flow->closed && sender->router->state != RMT_ROUTER_ENDED)
		rmt_send_frame(sender->router, &end, NULL, 0, false);
	rmt_flow_unref(flow);
}

void rmt_sender_drop(ramet_sender *sender)
{
	if (--sender->references > 0)
		return;
	if (sender->own) {
		/* Closing it is the reader's own affair. */
		rmt_flow_unref(sender->flow);
		sender->flow = NULL;
	}
	sender_close(sender);
	sender->router->references--;
	free(sender);
}

int rmt_sender_give(ramet_sender *sender, uint32_t context)
{
	ramet_router *router = sender->router;
	ramet_receiver *receiver;

	if (sender->destination != router->id) {
		rmt_control_given(router, sender->destination, sender->handle, context);
		return 0;
	}
	receiver = rmt_receiver_find(router, sender->handle);
	return receiver ? rmt_receiver_given(receiver, context, NULL) : 0;
}

/* Holds any number, and most lines of text. */
#define SMALL 256

/* --- sending ------------------------------------------------------------------------------ */

static int send_message(ramet_sender *sender, unsigned flags, const void *data, size_t size)
{
	ramet_router *router = sender->router;
	struct rmt_frame frame = {.flags = (uint8_t)flags, .handle = sender->handle};
	int64_t until = rmt_after(sender->timeout);
	int r;

	rmt_lock(router);
	if (sender->own && !sender->flow && router->state != RMT_ROUTER_ENDED &&
	    rmt_receiver_find(router, sender->handle))
		sender->flow = rmt_flow_get(router, sender->destination, sender->handle);
	if (!sender->flow)
		r = -EPIPE;
	else
		r = rmt_flow_send(sender->flow, &frame, data, size, until,
				  size < RMT_CORK_BYTES / 8);
	rmt_unlock(router);
	if (r == -ESHUTDOWN)
		return -EPIPE;
	return r == -ETIMEDOUT && sender->timeout == 0 ? -EAGAIN : r;
}

static int send_buffer(ramet_sender *sender, struct rmt_buffer *out)
{
	int r = out->error < 0 ? out->error : send_message(sender, 0, out->data, out->size);

	rmt_buffer_done(out);
	return r;
}

RMT_PUBLIC int ramet_send_boolean(ramet_sender *sender, bool value)
{
	struct rmt_buffer out;
	unsigned char small[SMALL];

	rmt_buffer_init(&out, small, sizeof(small));
	rmt_cbor_put_bool(&out, value);
	return send_buffer(sender, &out);
}

RMT_PUBLIC int ramet_send_i64(ramet_sender *sender, int64_t value)
{
	struct rmt_buffer out;
	unsigned char small[SMALL];

	rmt_buffer_init(&out, small, sizeof(small));
	rmt_cbor_put_int(&out, value);
	return send_buffer(sender, &out);
}

RMT_PUBLIC int ramet_send_f64(ramet_sender *sender, double value)
{
	struct rmt_buffer out;
	unsigned char small[SMALL];

	rmt_buffer_init(&out, small, sizeof(small));
	rmt_cbor_put_f64(&out, value);
	return send_buffer(sender, &out);
}

RMT_PUBLIC int ramet_send_str(ramet_sender *sender, const char *value)
{
	struct rmt_buffer out;
	unsigned char small[SMALL];

	if (!value)
		return -EINVAL;
	rmt_buffer_init(&out, small, sizeof(small));
	rmt_cbor_put_str(&out, value);
	return send_buffer(sender, &out);
}

/* Bytes travel as they are: nothing is copied on their way to the descriptor. */
RMT_PUBLIC int ramet_send_bytes(ramet_sender *sender, ramet_bytes value)
{
	if (!value.data && value.size > 0)
		return -EINVAL;
	return send_message(sender, RMT_FRAME_RAW, value.data, value.size);
}

RMT_PUBLIC int ramet_send_value(ramet_sender *sender, const ramet_value *value)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	int r;

	if (!value)
		return -EINVAL;
	if (ramet_value_kind(value) == RAMET_KIND_BYTES)
		return ramet_send_bytes(sender, ramet_value_bytes(value));
	rmt_value_encode(value, &out);
	rmt_lock(sender->router);
	r = rmt_value_give(value, sender->router, sender->destination);
	rmt_unlock(sender->router);
	if (out.error == 0)
		out.error = r;
	return send_buffer(sender, &out);
}

/* --- handles ------------------------------------------------------------------------------ */

RMT_PUBLIC ramet_sender *ramet_sender_ref(ramet_sender *sender)
{
	rmt_lock(sender->router);
	sender->references++;
	rmt_unlock(sender->router);
	return sender;
}

RMT_PUBLIC void ramet_sender_unref(ramet_sender *sender)
{
	ramet_router *router;

	if (!sender)
		return;
	router = sender->router;
	rmt_lock(router);
	rmt_router_hold(router);
	rmt_sender_drop(sender);
	rmt_router_release(router);
}

RMT_PUBLIC void ramet_sender_set_timeout(ramet_sender *sender, int timeout)
{
	sender->timeout = timeout;
}

RMT_PUBLIC void ramet_sender_close(ramet_sender *sender)
{
	rmt_lock(sender->router);
	if (sender->own && !sender->flow)
		sender->flow = rmt_flow_get(sender->router, sender->destination, sender->handle);
	sender_close(sender);
	rmt_unlock(sender->router);
}

RMT_PUBLIC bool ramet_sender_closed(ramet_sender *sender)
{
	bool closed;

	rmt_lock(sender->router);
	closed = sender->own ? !rmt_receiver_find(sender->router, sender->handle)
			     : !sender->flow || sender->flow->closed;
	rmt_unlock(sender->router);
	return closed;
}
