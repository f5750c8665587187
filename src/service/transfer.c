/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "core/receiver.h"
#include "core/value.h"

/* How often a thread that waits looks whether it was cancelled, ms. */
#define LOOK_EVERY 200

int rmt_fan_init(struct rmt_fan *fan, ramet_call *call, ramet_sender *events,
		 const rmt_file_targets *targets)
{
	if (targets->senders.count != targets->nodes.count)
		return -EINVAL;
	*fan = (struct rmt_fan){call, events, targets, NULL, targets->senders.count};
	fan->dead = calloc(fan->alive ? fan->alive : 1, sizeof(*fan->dead));
	for (size_t i = 0; i < fan->alive; i++)
		if (!targets->senders.items[i])
			return -EINVAL;
	return fan->dead ? 0 : -ENOMEM;
}

void rmt_fan_done(struct rmt_fan *fan)
{
	free(fan->dead);
	fan->dead = NULL;
}

/* What is sent: one of these. */
struct what {
	const void *data; /* bytes */
	size_t size;
	const struct rmt_buffer *item;
	const ramet_value *value;
};

static int send_once(ramet_sender *sender, const struct what *what, int timeout)
{
	int r;

	ramet_sender_set_timeout(sender, timeout);
	if (what->item)
		r = rmt_sender_send_item(sender, what->item);
	else if (what->value)
		r = ramet_send_value(sender, what->value);
	else
		r = ramet_send_bytes(sender, (ramet_bytes){what->data, what->size});
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

/* What was not sent within a time-out was not sent at all, and is sent again. Who has waited for its
 * elder siblings in vain gets a moment of its own. */
static int send_until(struct rmt_fan *fan, ramet_sender *sender, const struct what *what,
		      int64_t until)
{
	for (;;) {
		int64_t now = rmt_now();
		int r = send_once(sender, what, LOOK_EVERY);

		if (r != -ETIMEDOUT)
			return r;
		if (ramet_call_cancelled(fan->call))
			return -ECANCELED;
		if (now >= until)
			return -ETIMEDOUT;
	}
}

static int send_to_all(struct rmt_fan *fan, const struct what *what)
{
	const rmt_file_targets *targets = fan->targets;
	int64_t until = rmt_after(targets->patience);

	if (ramet_call_cancelled(fan->call))
		return -ECANCELED;
	for (size_t i = 0; i < targets->senders.count; i++) {
		int r;

		if (fan->dead[i])
			continue;
		r = send_until(fan, targets->senders.items[i], what, until);
		if (r == 0)
			continue;
		if (r != -EPIPE && r != -ETIMEDOUT)
			return r;
		/* One that has closed says itself why. */
		if (r == -ETIMEDOUT)
			rmt_event_send(fan->events, 0, RMT_FILE_DROPPED,
				       (uint64_t)targets->nodes.items[i], 0, NULL);
		ramet_sender_close(targets->senders.items[i]);
		fan->dead[i] = true;
		fan->alive--;
	}
	return fan->alive > 0 || targets->senders.count == 0 ? 0 : -EPIPE;
}

int rmt_fan_bytes(struct rmt_fan *fan, const void *data, size_t size)
{
	return send_to_all(fan, &(struct what){.data = data, .size = size});
}

int rmt_fan_value(struct rmt_fan *fan, const ramet_value *value)
{
	return send_to_all(fan, &(struct what){.value = value});
}

int rmt_fan_record(struct rmt_fan *fan, const rmt_file_record *record)
{
	struct rmt_buffer item = RMT_BUFFER_INIT;
	int r;

	rmt_type_encode(ramet_type_rmt_file_record, record, &item, &rmt_call_hooks, NULL);
	r = send_to_all(fan, &(struct what){.item = &item});
	rmt_buffer_done(&item);
	return r;
}

int rmt_event_send(ramet_sender *events, int node, enum rmt_file_event kind, uint64_t first,
		   uint64_t second, ramet_value *value)
{
	ramet_value *items[] = {ramet_value_new_i64(node), ramet_value_new_i64(kind),
				ramet_value_new_u64(first), ramet_value_new_u64(second),
				value ? value : ramet_value_new_none()};
	ramet_value *event = NULL;
	int r = -ENOMEM;

	/* A stream whose sender could not be made is not ready. */
	if (items[0] && items[1] && items[2] && items[3] && items[4] &&
	    (value || kind != RMT_FILE_READY))
		event = ramet_value_new_array(items, RMT_COUNT(items));
	if (event)
		r = ramet_send_value(events, event);
	ramet_value_unref(event);
	for (size_t i = 0; i < RMT_COUNT(items); i++)
		ramet_value_unref(items[i]);
	return r;
}

int rmt_record_read(const ramet_value *value, rmt_file_record *ret_record)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_type_memory memory;
	struct rmt_cbor_reader reader;
	char where[64];
	int r;

	/* Names are any bytes, of which a value does not say whether they were meant as text. */
	rmt_value_encode(value, &out);
	rmt_cbor_reader_init(&reader, out.data, out.size);
	rmt_type_memory_init(&memory, NULL, 0);
	r = out.error < 0 ? out.error
			  : rmt_type_decode(ramet_type_rmt_file_record, &reader, ret_record,
					    &memory, &rmt_call_hooks, NULL, where, sizeof(where));
	rmt_buffer_done(&out);
	return r == -ENOMEM ? r : r < 0 ? -EPROTO : 0;
}

int rmt_transfer_receive(ramet_call *call, ramet_receiver *receiver, ramet_value **ret_value,
			 ramet_error *error)
{
	while (!ramet_call_cancelled(call)) {
		int r = ramet_receive(receiver, LOOK_EVERY, ret_value, error);

		if (r != -ETIMEDOUT)
			return r;
		ramet_error_clear(error);
	}
	return rmt_error_set(error, ECANCELED, "the transfer was cancelled");
}
