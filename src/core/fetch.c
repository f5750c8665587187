/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "core/peer.h"
#include "core/stream.h"
#include "wire/cbor.h"

static void late(struct rmt_timer *timer)
{
	ramet_receiver *receiver = RMT_CONTAINER(timer, ramet_receiver, timer);

	rmt_receiver_fail(receiver, ETIMEDOUT, "%s did not answer in time",
			  rmt_peer_name(receiver->respondent));
}

/* The receiver is in use until its caller has returned. */
static void arrived(ramet_receiver *receiver)
{
	struct rmt_fetch *fetch = RMT_CONTAINER(receiver, struct rmt_fetch, receiver);

	rmt_loop_defer(&fetch->router->loop, &fetch->next);
}

static void ask(struct rmt_fetch *fetch)
{
	ramet_router *router = fetch->router;
	struct rmt_peer *parent = router->uplink->peer;
	struct rmt_frame frame = {.destination = parent->id, .handle = RMT_HANDLE_CONTROL};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_receiver_expect(&fetch->receiver, parent, "fetch");
	fetch->asked = true;
	fetch->receiver.notify = arrived;
	fetch->receiver.timer.expired = late;
	rmt_loop_timer_start(&router->loop, &fetch->receiver.timer,
			     rmt_after(router->connect_timeout));
	frame.reply = (uint32_t)fetch->receiver.node.key;
	rmt_cbor_put_array(&out, 4);
	rmt_cbor_put_uint(&out, RMT_OP_IMAGE);
	rmt_cbor_put_uint(&out, fetch->part);
	rmt_cbor_put_str(&out, fetch->name);
	rmt_cbor_put_uint(&out, fetch->bytes.size);
	if (out.error < 0 || rmt_send_frame(router, &frame, out.data, out.size, false) < 0)
		rmt_receiver_fail(&fetch->receiver, ENOMEM, "out of memory");
	rmt_buffer_done(&out);
}

/* [total, bytes]: 0, or an error. */
static int take(struct rmt_fetch *fetch)
{
	struct rmt_message *message = &fetch->receiver.inline_entry.message;
	struct rmt_cbor_reader reader;
	uint64_t items, total;
	const void *data;
	size_t size;
	int r = rmt_receiver_failure(&fetch->receiver, &fetch->error);

	if (r < 0)
		return r;
	rmt_cbor_reader_init(&reader, message->data, message->size);
	if (rmt_cbor_read_array(&reader, &items) < 0 || items != 2 ||
	    rmt_cbor_read_u64(&reader, &total) < 0 ||
	    rmt_cbor_read_bytes(&reader, &data, &size) < 0 || size == 0 ||
	    total > RMT_IMAGE_SIZE_MAX || total < fetch->bytes.size ||
	    size > total - fetch->bytes.size)
		return rmt_error_set(&fetch->error, EPROTO, "the answer makes no sense");
	fetch->total = total;
	rmt_buffer_append(&fetch->bytes, data, size);
	if (fetch->bytes.error < 0)
		return rmt_error_set(&fetch->error, ENOMEM, "out of memory");
	return 0;
}

static void next(struct rmt_deferred *deferred)
{
	struct rmt_fetch *fetch = RMT_CONTAINER(deferred, struct rmt_fetch, next);
	int r = take(fetch);

	rmt_receiver_done(&fetch->receiver);
	fetch->asked = false;
	if (r == 0 && fetch->bytes.size < fetch->total) {
		if (fetch->router->uplink) {
			ask(fetch);
			return;
		}
		rmt_error_set(&fetch->error, ECONNRESET, "the parent is gone");
	}
	fetch->done(fetch);
}

int rmt_fetch_start(struct rmt_fetch *fetch, ramet_router *router, enum rmt_part part,
		    const char *name, void (*done)(struct rmt_fetch *fetch))
{
	char *copy;

	if (!router->uplink || !router->uplink->peer)
		return -ENOENT;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	*fetch = (struct rmt_fetch){
		.router = router,
		.next.run = next,
		.part = part,
		.name = copy,
		.bytes = RMT_BUFFER_INIT,
		.error = RAMET_ERROR_INIT,
		.done = done,
		.data = fetch->data,
	};
	rmt_list_init(&fetch->next.node);
	ask(fetch);
	return 0;
}

void rmt_fetch_done(struct rmt_fetch *fetch)
{
	if (!fetch->router)
		return;
	if (fetch->asked)
		rmt_receiver_done(&fetch->receiver);
	rmt_list_remove(&fetch->next.node);
	rmt_buffer_done(&fetch->bytes);
	ramet_error_clear(&fetch->error);
	free(fetch->name);
	*fetch = (struct rmt_fetch){.data = fetch->data};
}

void rmt_fetch_answer(ramet_router *router, uint32_t requester, uint32_t reply, const void *data,
		      size_t size, uint64_t offset)
{
	struct rmt_frame frame = {.destination = requester, .handle = reply};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_peer *peer = rmt_peer_find(router, requester);

	/* A request is a thousandth of its answer: who does not read gets no more of them. */
	if (peer && peer->stream && peer->stream->output.bytes > RMT_IMAGE_SIZE_MAX) {
		rmt_send_failure(router, requester, reply, EBUSY, router->path,
				 "what was asked for before has not been read", false);
		return;
	}
	if (offset >= size) {
		rmt_send_failure(router, requester, reply, EINVAL, router->path,
				 "nothing begins there", false);
		return;
	}
	rmt_cbor_put_array(&out, 2);
	rmt_cbor_put_uint(&out, size);
	rmt_cbor_put_bytes(&out, (const unsigned char *)data + offset,
			   RMT_MIN(size - (size_t)offset, RMT_FETCH_BYTES));
	if (out.error < 0 || rmt_send_frame(router, &frame, out.data, out.size, false) == -ENOMEM)
		rmt_answer_lost(router, requester, reply);
	rmt_buffer_done(&out);
}
