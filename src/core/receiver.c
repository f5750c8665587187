/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/receiver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/notice.h"
#include "core/peer.h"
#include "core/select.h"
#include "core/tick.h"
#include "core/value.h"
#include "core/wait.h"
#include "wire/handshake.h"

/* A bijection that nobody knows: numbers are used once, and do not tell which others there are. (Four
 * rounds of a Feistel network over a product; a guess has no better odds than a blind one, which is all
 * that is asked of it.) */
static uint32_t scramble(uint64_t key, uint32_t number)
{
	uint16_t left = (uint16_t)(number >> 16), right = (uint16_t)number;

	for (unsigned round = 0; round < 4; round++) {
		uint64_t mixed = (right + key + round) * 0x9e3779b97f4a7c15u;
		uint16_t next = (uint16_t)(left ^ (mixed ^ key) >> 40);

		left = right;
		right = next;
	}
	return (uint32_t)left << 16 | right;
}

static void register_handle(ramet_receiver *receiver)
{
	ramet_router *router = receiver->router;
	uint32_t handle;

	/* Handles are not used again until 2^32 of them were: an answer that comes too late finds
	 * nobody. */
	do
		handle = scramble(router->handle_key, router->handle_next++);
	while (handle < RMT_HANDLE_FIRST || rmt_table_find(&router->receivers, handle));
	rmt_table_add(&router->receivers, &receiver->node, handle);
	receiver->registered = true;
}

static void unregister_handle(ramet_receiver *receiver)
{
	if (receiver->registered)
		rmt_table_remove(&receiver->router->receivers, &receiver->node);
	receiver->registered = false;
}

ramet_receiver *rmt_receiver_find(const ramet_router *router, uint32_t handle)
{
	struct rmt_table_node *node = rmt_table_find(&router->receivers, handle);

	return node ? RMT_CONTAINER(node, ramet_receiver, node) : NULL;
}

void rmt_receiver_init(ramet_receiver *receiver, ramet_router *router)
{
	*receiver = (ramet_receiver){.router = router, .references = 1};
	rmt_list_init(&receiver->pending);
	rmt_list_init(&receiver->inflows);
	rmt_list_init(&receiver->in_select);
	rmt_list_init(&receiver->announced);
}

void rmt_receiver_changed(ramet_receiver *receiver)
{
	if (receiver->select && rmt_receiver_has_something(receiver))
		rmt_select_announce(receiver->select, receiver);
	rmt_notice_update(receiver->notice, receiver->router);
	if (receiver->notify)
		receiver->notify(receiver);
	rmt_wait_changed(receiver->router);
}

void rmt_receiver_settled(ramet_receiver *receiver)
{
	if (receiver->select && !rmt_receiver_has_something(receiver))
		rmt_select_withdraw(receiver->select, receiver);
	rmt_notice_update(receiver->notice, receiver->router);
}

/* --- the queue ---------------------------------------------------------------------------- */

#define CLOSED "the reader has closed"

static struct rmt_entry *entry_new(ramet_receiver *receiver, const struct rmt_message *message)
{
	bool small = (message->frame.flags & RMT_FRAME_RAW) && message->size <= RMT_MESSAGE_SMALL;
	size_t room = sizeof(struct rmt_entry) + (small ? rmt_value_room(message->size) : 0);
	struct rmt_chunk *block = rmt_chunk_new(receiver->router->blocks, room);
	struct rmt_entry *entry;

	if (!block)
		return NULL;
	entry = (struct rmt_entry *)block->data;
	*entry = (struct rmt_entry){.block = block, .message = *message};
	if (small) {
		entry->value = rmt_value_bytes_in(block, entry + 1, message->data, message->size);
		entry->message.chunk = rmt_chunk_unref(message->chunk);
	}
	return entry;
}

int rmt_receiver_push(ramet_receiver *receiver, const struct rmt_message *message)
{
	struct rmt_entry *entry;

	if (receiver->result) {
		entry = &receiver->inline_entry;
		*entry = (struct rmt_entry){.message = *message};
	} else {
		entry = entry_new(receiver, message);
	}
	if (!entry)
		return -ENOMEM;
	if (receiver->last)
		receiver->last->next = entry;
	else
		receiver->first = entry;
	receiver->last = entry;
	return 0;
}

/* Takes the first message out; its chunk and its block are the caller's. */
static struct rmt_entry *pop(ramet_receiver *receiver)
{
	struct rmt_entry *entry = receiver->first;

	receiver->first = entry->next;
	if (!receiver->first)
		receiver->last = NULL;
	rmt_inflow_consumed(receiver->router, receiver, &entry->message);
	return entry;
}

static void entry_free(struct rmt_entry *entry)
{
	rmt_chunk_unref(entry->message.chunk);
	if (entry->block)
		rmt_chunk_unref(entry->block);
}

/* Tells a sender that waits for it what became of its value; code 0: it was taken. */
static void confirm(ramet_router *router, const struct rmt_frame *value, int code, const char *text)
{
	struct rmt_frame frame = {.destination = value->source, .handle = value->reply};

	if (value->reply == 0 || router->state == RMT_ROUTER_ENDED)
		return;
	if (code != 0)
		rmt_send_failure(router, value->source, value->reply, code, router->path, text,
				 false);
	else if (rmt_send_frame(router, &frame, NULL, 0, false) == -ENOMEM)
		rmt_answer_lost(router, value->source, value->reply);
}

/* Nobody takes them: not those who wait for that, nor the senders in them. */
static void discard_messages(ramet_receiver *receiver)
{
	while (receiver->first) {
		struct rmt_entry *entry = pop(receiver);
		const struct rmt_message *message = &entry->message;

		if (!receiver->result && !(message->frame.flags & RMT_FRAME_ERROR)) {
			confirm(receiver->router, &message->frame, EPIPE, CLOSED);
			if (!(message->frame.flags & RMT_FRAME_RAW))
				rmt_senders_end(receiver->router, message->data, message->size);
		}
		entry_free(entry);
	}
}

/* --- results of calls --------------------------------------------------------------------- */

static void result_done(ramet_receiver *receiver)
{
	struct rmt_peer *respondent = receiver->respondent;

	receiver->done = true;
	unregister_handle(receiver);
	/* From here on the receiver may outlive it. */
	rmt_list_remove(&receiver->pending);
	receiver->respondent = NULL;
	rmt_loop_timer_stop(&receiver->router->loop, &receiver->timer);
	rmt_peer_collect(respondent);
	rmt_receiver_changed(receiver);
}

void rmt_receiver_expect(ramet_receiver *receiver, struct rmt_peer *respondent,
			 const char *function)
{
	rmt_receiver_init(receiver, respondent->router);
	register_handle(receiver);
	receiver->result = true;
	receiver->respondent = respondent;
	receiver->function = function;
	rmt_list_append(&respondent->pending, &receiver->pending);
}

void rmt_receiver_done(ramet_receiver *receiver)
{
	struct rmt_peer *respondent = receiver->respondent;

	unregister_handle(receiver);
	if (receiver->select)
		rmt_select_leave(receiver->select, receiver);
	rmt_notice_free(receiver->notice);
	discard_messages(receiver);
	while (!rmt_list_empty(&receiver->inflows))
		rmt_inflow_free(rmt_list_first(&receiver->inflows, struct rmt_inflow, of_receiver));
	rmt_loop_timer_stop(&receiver->router->loop, &receiver->timer);
	rmt_list_remove(&receiver->pending);
	free(receiver->text);
	receiver->text = NULL;
	receiver->respondent = NULL;
	if (respondent && rmt_list_empty(&respondent->pending))
		rmt_peer_collect(respondent);
}

void rmt_receiver_fail(ramet_receiver *receiver, int code, const char *format, ...)
{
	va_list arguments;

	if (receiver->done)
		return;
	va_start(arguments, format);
	receiver->text = rmt_format_newv(format, arguments);
	va_end(arguments);
	receiver->code = -code;
	result_done(receiver);
}

static void result_arrived(ramet_receiver *receiver, struct rmt_message *message)
{
	rmt_receiver_push(receiver, message);
	result_done(receiver);
}

int rmt_receiver_failure(ramet_receiver *receiver, ramet_error *error)
{
	struct rmt_message *message = &receiver->inline_entry.message;
	struct rmt_failure failure;
	struct rmt_buffer where = RMT_BUFFER_INIT;
	char *place;
	int code;

	if (receiver->code < 0)
		return rmt_error_set_at(error, receiver->code, "", "%s",
					receiver->text ? receiver->text : "out of memory");
	if (!(message->frame.flags & RMT_FRAME_ERROR))
		return 0;
	if (rmt_failure_decode(message->data, message->size, &failure) < 0)
		return rmt_error_set(error, EPROTO, "the failure that came back makes no sense");
	rmt_buffer_append(&where, failure.where.data, failure.where.size);
	place = rmt_buffer_steal_string(&where);
	code = rmt_error_set_text(error, failure.code, place ? place : "", failure.text.data,
				  failure.text.size);
	free(place);
	return code;
}

/* --- streams ------------------------------------------------------------------------------ */

static int stream_new(ramet_router *router, const ramet_receiver_options *options,
		      ramet_receiver *receiver)
{
	if (router->state == RMT_ROUTER_ENDED)
		return -ESHUTDOWN;
	rmt_receiver_init(receiver, router);
	register_handle(receiver);
	receiver->policy = options->policy ? options->policy : RAMET_POLICY_GIVEN;
	receiver->message_size_max = options->message_size_max;
	receiver->sender = rmt_sender_new(router, router->id, (uint32_t)receiver->node.key, true);
	if (!receiver->sender) {
		rmt_receiver_done(receiver);
		return -ENOMEM;
	}
	rmt_router_hold(router);
	return 0;
}

RMT_PUBLIC int ramet_receiver_new_with(ramet_router *router, const ramet_receiver_options *options,
				       ramet_receiver **ret_receiver)
{
	ramet_receiver_options all = RAMET_RECEIVER_OPTIONS_INIT;
	ramet_receiver *receiver;
	int r;

	if (options->size < sizeof(options->size) || options->policy > RAMET_POLICY_ANY)
		return -EINVAL;
	memcpy(&all, options, RMT_MIN(options->size, sizeof(all)));
	receiver = malloc(sizeof(*receiver));
	if (!receiver)
		return -ENOMEM;
	rmt_lock(router);
	r = stream_new(router, &all, receiver);
	rmt_unlock(router);
	if (r < 0)
		free(receiver);
	else
		*ret_receiver = receiver;
	return r;
}

RMT_PUBLIC int ramet_receiver_new(ramet_router *router, ramet_receiver **ret_receiver)
{
	static const ramet_receiver_options options = RAMET_RECEIVER_OPTIONS_INIT;

	return ramet_receiver_new_with(router, &options, ret_receiver);
}

void rmt_receiver_arrived(ramet_receiver *receiver, struct rmt_message *message)
{
	if (receiver->result) {
		result_arrived(receiver, message);
		return;
	}
	if (rmt_receiver_push(receiver, message) < 0) {
		rmt_inflow_consumed(receiver->router, receiver, message);
		confirm(receiver->router, &message->frame, ENOMEM, "out of memory");
		rmt_receiver_message_lost(receiver, message->frame.source, -ENOMEM,
					  rmt_strerror(ENOMEM));
		rmt_chunk_unref(message->chunk);
	} else if (receiver->first == receiver->last)
		rmt_receiver_changed(receiver);
}

/* --- the reader --------------------------------------------------------------------------- */

/* Every sender that was given away is closed. */
static bool all_ended(const ramet_receiver *receiver)
{
	struct rmt_list *node;

	if (rmt_list_empty(&receiver->inflows))
		return receiver->had_senders;
	for (node = receiver->inflows.next; node != &receiver->inflows; node = node->next) {
		struct rmt_inflow *inflow = RMT_CONTAINER(node, struct rmt_inflow, of_receiver);

		if (inflow->ended < inflow->given || inflow->ended == 0 || inflow->assembly.chunk)
			return false;
	}
	return true;
}

bool rmt_receiver_has_ended(const ramet_receiver *receiver)
{
	return receiver->closed || all_ended(receiver);
}

bool rmt_receiver_is_done(void *argument)
{
	ramet_receiver *receiver = argument;

	if (receiver->result)
		return receiver->done;
	if (receiver->closed || receiver->ticks)
		return receiver->closed;
	return !receiver->first && !receiver->trouble && all_ended(receiver);
}

bool rmt_receiver_has_something(void *argument)
{
	ramet_receiver *receiver = argument;

	return receiver->first || receiver->trouble || receiver->expired ||
	       rmt_receiver_is_done(receiver);
}

static int take_message(ramet_receiver *receiver, struct rmt_message *message,
			ramet_value **ret_value, ramet_error *error)
{
	struct rmt_failure failure;
	char where[256];
	int r;

	if (message->frame.flags & RMT_FRAME_ERROR) {
		if (rmt_failure_decode(message->data, message->size, &failure) < 0)
			return rmt_error_set(error, EPROTO,
					     "a failure arrived that makes no sense");
		rmt_format(where, sizeof(where), "%.*s", (int)failure.where.size,
			   failure.where.data);
		return rmt_error_set_text(error, failure.code, where, failure.text.data,
					  failure.text.size);
	}
	r = rmt_value_from_message(receiver->router, message, ret_value);
	if (r < 0)
		return rmt_error_set(error, r, "context %u sent a value that cannot be read: %s",
				     message->frame.source, rmt_strerror(r));
	return 1;
}

/* Takes a value's confirmation behind its decoding, which is done without the lock. */
static void confirm_taken(ramet_router *router, const struct rmt_frame *frame, int r)
{
	if (frame->reply == 0)
		return;
	rmt_lock(router);
	if (r < 0)
		confirm(router, frame, -r, "the value cannot be read");
	else
		confirm(router, frame, 0, NULL);
	rmt_unlock(router);
}

/* The lock is held, and given up. */
static int take_tick(ramet_receiver *receiver, ramet_value **ret_value, ramet_error *error)
{
	int r = rmt_tick_take(receiver, ret_value);

	rmt_receiver_settled(receiver);
	rmt_unlock(receiver->router);
	return r < 0 ? rmt_error_set(error, r, "out of memory") : 1;
}

RMT_PUBLIC int ramet_receive(ramet_receiver *receiver, int timeout, ramet_value **ret_value,
			     ramet_error *error)
{
	ramet_router *router = receiver->router;
	struct rmt_entry *entry;
	int r;

	rmt_lock(router);
	if (receiver->result) {
		rmt_unlock(router);
		return rmt_error_set(
			error, EINVAL,
			"this is the result of a call: take it with the call's _finish");
	}
	/* Nearly as long as taking a small message is asking for the time. */
	r = receiver->first
		    ? 0
		    : rmt_wait(router, rmt_receiver_has_something, receiver, rmt_after(timeout));
	if (r == 0 && receiver->trouble) {
		r = receiver->trouble;
		receiver->trouble = 0;
		rmt_receiver_settled(receiver);
		rmt_unlock(router);
		return rmt_error_set(error, r, "a value was lost on its arrival: %s",
				     rmt_strerror(r));
	}
	if (r == 0 && receiver->expired)
		return take_tick(receiver, ret_value, error);
	if (r < 0 || !receiver->first) {
		rmt_unlock(router);
		if (r == -ETIMEDOUT)
			return rmt_error_set(error, ETIMEDOUT, "nothing arrived within %d ms",
					     timeout);
		return r < 0 ? rmt_error_set(error, r, "the router has ended") : 0;
	}
	entry = pop(receiver);
	rmt_receiver_settled(receiver);
	if (entry->value) {
		confirm(router, &entry->message.frame, 0, NULL);
		rmt_unlock(router);
		*ret_value = entry->value; /* which keeps the block */
		return 1;
	}
	rmt_unlock(router);
	r = take_message(receiver, &entry->message, ret_value, error);
	confirm_taken(router, &entry->message.frame, r);
	entry_free(entry);
	return r;
}

int rmt_receiver_take_bytes(ramet_receiver *receiver, ramet_value **ret_value)
{
	struct rmt_entry *entry;
	int r;

	if (receiver->trouble) {
		r = receiver->trouble;
		receiver->trouble = 0;
		return r;
	}
	if (!receiver->first)
		return rmt_receiver_is_done(receiver) ? -EPIPE : 0;
	entry = pop(receiver);
	if (entry->value) {
		*ret_value = entry->value;
		return 1;
	}
	if (entry->message.frame.flags & RMT_FRAME_RAW)
		r = rmt_value_from_message(receiver->router, &entry->message, ret_value);
	else if (entry->message.frame.flags & RMT_FRAME_ERROR)
		r = -ECONNRESET;
	else
		r = -EINVAL;
	if (r == -EINVAL)
		rmt_senders_end(receiver->router, entry->message.data, entry->message.size);
	entry_free(entry);
	return r < 0 ? r : 1;
}

/* Nobody reads any more: all who might still send are told. */
static void close_stream(ramet_receiver *receiver)
{
	ramet_router *router = receiver->router;
	uint32_t handle = (uint32_t)receiver->node.key;

	if (receiver->closed)
		return;
	receiver->closed = true;
	unregister_handle(receiver);
	while (!rmt_list_empty(&receiver->inflows)) {
		struct rmt_inflow *inflow = rmt_list_first(&receiver->inflows, struct rmt_inflow,
							   of_receiver);

		/* Also those that have closed, but keep in mind what was not consumed. */
		if (inflow->ended < inflow->given || inflow->given == 0 || inflow->waiting > 0 ||
		    inflow->granted > 0)
			rmt_control_closed(router, router->id, inflow->peer->id, handle, EPIPE,
					   CLOSED);
		if (inflow->assembly.chunk)
			confirm(router, &inflow->assembly.first, EPIPE, CLOSED);
		rmt_inflow_free(inflow);
	}
	rmt_loop_timer_stop(&router->loop, &receiver->timer);
	receiver->expired = false;
	discard_messages(receiver);
	rmt_receiver_changed(receiver);
}

RMT_PUBLIC void ramet_receiver_close(ramet_receiver *receiver)
{
	ramet_router *router = receiver->router;

	rmt_lock(router);
	if (!receiver->result)
		close_stream(receiver);
	rmt_unlock(router);
}

/* --- both --------------------------------------------------------------------------------- */

void rmt_receiver_drop(ramet_receiver *receiver)
{
	receiver->router->references--;
	if (--receiver->references > 0)
		return;
	if (!receiver->result) {
		close_stream(receiver);
		if (receiver->sender)
			rmt_sender_drop(receiver->sender);
	}
	rmt_receiver_done(receiver);
	free(receiver);
}

RMT_PUBLIC ramet_receiver *ramet_receiver_ref(ramet_receiver *receiver)
{
	rmt_lock(receiver->router);
	receiver->references++;
	rmt_router_hold(receiver->router);
	rmt_unlock(receiver->router);
	return receiver;
}

RMT_PUBLIC void ramet_receiver_unref(ramet_receiver *receiver)
{
	ramet_router *router;

	if (!receiver)
		return;
	router = receiver->router;
	rmt_lock(router);
	rmt_router_hold(router);
	rmt_receiver_drop(receiver);
	rmt_router_release(router);
}

RMT_PUBLIC ramet_sender *ramet_receiver_sender(ramet_receiver *receiver)
{
	return receiver->sender;
}

RMT_PUBLIC void ramet_receiver_cancel(ramet_receiver *receiver)
{
	ramet_router *router = receiver->router;

	rmt_lock(router);
	if (receiver->result && !receiver->done && !receiver->cancelled) {
		receiver->cancelled = true;
		rmt_control_cancel(router, receiver->respondent->id, (uint32_t)receiver->node.key);
	}
	rmt_unlock(router);
}

RMT_PUBLIC bool ramet_receiver_done(ramet_receiver *receiver)
{
	bool done;

	rmt_lock(receiver->router);
	done = rmt_receiver_is_done(receiver);
	rmt_unlock(receiver->router);
	return done;
}

RMT_PUBLIC int ramet_receiver_fd(ramet_receiver *receiver)
{
	int fd;

	rmt_lock(receiver->router);
	fd = rmt_notice_fd(&receiver->notice, receiver->router, false, rmt_receiver_has_something,
			   receiver);
	rmt_unlock(receiver->router);
	return fd;
}

RMT_PUBLIC void ramet_receiver_set_data(ramet_receiver *receiver, void *data)
{
	receiver->data = data;
}

RMT_PUBLIC void *ramet_receiver_data(const ramet_receiver *receiver)
{
	return receiver->data;
}
