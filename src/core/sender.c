/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/message.h"
#include "core/notice.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/value.h"
#include "core/wait.h"
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
		sender->flow->lasting = true;
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
	ramet_receiver *receiver;

	if (!flow)
		return;
	sender->flow = NULL;
	/* The reader's own end was given to nobody, and counts nevertheless. */
	receiver = sender->own ? rmt_receiver_find(sender->router, sender->handle) : NULL;
	if (receiver && sender->router->state != RMT_ROUTER_ENDED)
		rmt_receiver_ended(receiver, sender->router->id);
	/* Also where a value was refused: that reader may wait for the end. */
	else if (!sender->own && flow->peer->alive && sender->router->state != RMT_ROUTER_ENDED)
		rmt_send_frame(sender->router, &end, NULL, 0, false);
	rmt_flow_unref(flow);
	/* Another thread may be in the middle of a send. */
	rmt_wait_changed(sender->router);
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
	rmt_notice_free(sender->notice);
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

/* The flow to what the receiver reads that it belongs to is made when it is used. */
static struct rmt_flow *flow_of(ramet_sender *sender)
{
	ramet_router *router = sender->router;

	if (sender->own && !sender->flow && router->state != RMT_ROUTER_ENDED &&
	    rmt_receiver_find(router, sender->handle))
		sender->flow = rmt_flow_get(router, sender->destination, sender->handle);
	if (sender->flow)
		sender->flow->lasting = true;
	return sender->flow;
}

/* What a refusal means to who sends: most are that nobody reads there. */
static int refused(struct rmt_flow *flow, ramet_receiver *receiver)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = rmt_receiver_failure(receiver, &error);

	if (r == -EHOSTUNREACH || r == -ECONNRESET || r == -ESHUTDOWN)
		r = -EPIPE;
	if (r == -EPIPE)
		rmt_flow_close(flow, error.message ? error.message : "out of memory");
	ramet_error_clear(&error);
	return r;
}

/* The senders in a value that does not go were given to nobody. */
static int send_or_take_back(ramet_sender *sender, const struct rmt_frame *frame, const void *data,
			     size_t size, int64_t until, bool gather)
{
	int r = rmt_flow_send_held(&sender->flow, frame, data, size, until, gather);

	if (r < 0 && !(frame->flags & RMT_FRAME_RAW))
		rmt_senders_take_back(sender->router, sender->destination, data, size);
	return r;
}

/* Sends it with a handle for the answer, which comes when it was taken. */
static int send_acknowledged(ramet_sender *sender, struct rmt_frame *frame, const void *data,
			     size_t size, int64_t until)
{
	struct rmt_flow *flow = sender->flow;
	ramet_receiver answer;
	int r;

	rmt_receiver_expect(&answer, flow->peer, "a value");
	frame->reply = (uint32_t)answer.node.key;
	flow->references++;
	r = send_or_take_back(sender, frame, data, size, until, false);
	if (r == -ETIMEDOUT)
		r = -EAGAIN; /* -ETIMEDOUT says that it was sent */
	else if (r == 0)
		r = rmt_wait(sender->router, rmt_receiver_is_done, &answer, until);
	if (r == 0)
		r = refused(flow, &answer);
	rmt_receiver_done(&answer);
	rmt_flow_unref(flow);
	return r;
}

static int send_message(ramet_sender *sender, unsigned flags, const void *data, size_t size)
{
	ramet_router *router = sender->router;
	struct rmt_frame frame = {.flags = (uint8_t)flags, .handle = sender->handle};
	int64_t until = sender->timeout == 0 ? RMT_AT_ONCE : rmt_after(sender->timeout);
	int r;

	rmt_lock(router);
	if (!flow_of(sender)) {
		r = -EPIPE;
		if (!(flags & RMT_FRAME_RAW))
			rmt_senders_take_back(router, sender->destination, data, size);
	} else if (sender->acknowledged)
		r = send_acknowledged(sender, &frame, data, size, until);
	else
		r = send_or_take_back(sender, &frame, data, size, until, size < RMT_CORK_BYTES / 8);
	rmt_notices_look(&router->watched, router);
	rmt_unlock(router);
	return r == -ESHUTDOWN ? -EPIPE : r;
}

static int send_buffer(ramet_sender *sender, struct rmt_buffer *out)
{
	int r = out->error < 0 ? out->error : send_message(sender, 0, out->data, out->size);

	rmt_buffer_done(out);
	return r;
}

int rmt_sender_send_item(ramet_sender *sender, const struct rmt_buffer *item)
{
	return item->error < 0 ? item->error : send_message(sender, 0, item->data, item->size);
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

RMT_PUBLIC void ramet_sender_set_acknowledged(ramet_sender *sender, bool acknowledged)
{
	sender->acknowledged = acknowledged;
}

/* A small value would not wait. */
static bool sender_is_ready(void *argument)
{
	ramet_sender *sender = argument;
	struct rmt_flow *flow = sender->flow;

	if (!flow || (sender->own && !rmt_receiver_find(sender->router, sender->handle)))
		return true;
	return flow->closed || (!flow->busy && rmt_flow_has_room(flow, SMALL));
}

RMT_PUBLIC int ramet_sender_fd(ramet_sender *sender)
{
	int fd;

	rmt_lock(sender->router);
	flow_of(sender);
	fd = rmt_notice_fd(&sender->notice, sender->router, true, sender_is_ready, sender);
	rmt_unlock(sender->router);
	return fd;
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
