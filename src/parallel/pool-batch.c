/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/batch.h"
#include "core/call.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/value.h"
#include "core/wait.h"
#include "parallel/pool.h"
#include "wire/cbor.h"
#include "wire/handshake.h"

/* Before the arguments, whose number is known last: the head of the message, at most. */
#define HEAD_MAX (2 * RMT_FUNCTION_NAME_MAX + 32)

/* --- putting together ----------------------------------------------------------------------- */

/* Appends the arguments of as many tasks as go together, and returns how many those are. */
static uint64_t put_tasks(struct rmt_pool_map *map, struct rmt_pool_batch *batch)
{
	struct rmt_pool_tasks *tasks = &map->tasks;
	struct rmt_buffer *out = &batch->payload;
	struct rmt_call_target target = {map->router, batch->peer->id};
	size_t max = map->router->message_size_max, last = 0, cap = RMT_POOL_BATCH;
	uint64_t i;

	max = max > HEAD_MAX ? max - HEAD_MAX : 0;
	cap = map->options.batch > 0 ? max : RMT_MIN(cap, max);
	for (i = 0; i < batch->piece.count; i++) {
		size_t before = out->size;

		if (i > 0 && before + last - HEAD_MAX > cap)
			break;
		rmt_type_encode(&tasks->function->arguments,
				rmt_tasks_arguments(tasks, batch->piece.first + i), out,
				&rmt_call_hooks, &target);
		last = out->size - before;
		if (out->error == 0 && i > 0 && out->size - HEAD_MAX > max) {
			rmt_lock(map->router);
			rmt_senders_take_back(map->router, target.context, out->data + before,
					      last);
			rmt_unlock(map->router);
			out->size = before;
			break;
		}
	}
	return i;
}

static void put_head(struct rmt_pool_map *map, struct rmt_pool_batch *batch)
{
	unsigned char memory[HEAD_MAX];
	struct rmt_buffer head;

	rmt_buffer_init(&head, memory, sizeof(memory));
	rmt_cbor_put_array(&head, RMT_BATCH_ITEMS);
	rmt_cbor_put_str(&head, map->tasks.function->name);
	rmt_cbor_put_uint(&head, batch->piece.count);
	rmt_cbor_put_uint(&head,
			  map->options.task_timeout > 0 ? (unsigned)map->options.task_timeout : 0);
	rmt_cbor_put_str(&head, map->combine ? map->combine->name : NULL);
	rmt_cbor_put_array(&head, batch->piece.count);
	batch->begin = HEAD_MAX - head.size;
	batch->bytes = batch->payload.size - batch->begin;
	memcpy(batch->payload.data + batch->begin, head.data, head.size);
	rmt_buffer_done(&head);
}

/* One less is before those that wait. */
static void begin_next(struct rmt_pool_member *member)
{
	struct rmt_list *node = member->batches.next;
	int64_t now = rmt_now();

	for (unsigned i = 0; node != &member->batches; i++, node = node->next) {
		struct rmt_pool_batch *batch = RMT_CONTAINER(node, struct rmt_pool_batch,
							     of_member);

		if (i < batch->at_once && batch->began_at == RMT_NEVER)
			batch->began_at = now;
	}
}

static void arrived(ramet_receiver *receiver)
{
	struct rmt_pool_batch *batch = RMT_CONTAINER(receiver, struct rmt_pool_batch, receiver);
	struct rmt_pool_member *member = batch->member;
	ramet_pool *pool = member->pool;

	batch->answered = true;
	rmt_list_remove(&batch->of_member);
	member->in_flight--;
	begin_next(member);
	rmt_list_remove(&batch->of_map);
	if (batch->map) {
		rmt_list_append(&batch->map->answered, &batch->of_map);
	} else {
		rmt_list_append(&pool->orphans, &batch->of_map);
		/* Whoever calls this still looks at the receiver. */
		if (pool->router->state != RMT_ROUTER_ENDED)
			rmt_loop_defer(&pool->router->loop, &pool->reaper);
	}
	rmt_pool_member_answered(member);
}

int rmt_pool_batch_new(struct rmt_pool_map *map, struct rmt_pool_member *member,
		       struct rmt_pool_piece *piece, struct rmt_pool_batch **ret_batch,
		       ramet_error *error)
{
	struct rmt_pool_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return rmt_error_set(error, ENOMEM, "out of memory");
	rmt_receiver_init(&batch->receiver, map->router);
	rmt_list_init(&batch->of_member);
	rmt_list_init(&batch->of_map);
	batch->map = map;
	batch->member = member;
	batch->piece = *piece;
	rmt_lock(map->router);
	member->references++;
	batch->peer = rmt_context_take(member->peer)->peer;
	rmt_unlock(map->router);
	if (rmt_buffer_reserve(&batch->payload, HEAD_MAX))
		batch->payload.size = HEAD_MAX;
	batch->piece.count = put_tasks(map, batch);
	if (batch->payload.error < 0) {
		rmt_lock(map->router);
		if (batch->payload.size > HEAD_MAX)
			rmt_senders_take_back(map->router, batch->peer->id,
					      batch->payload.data + HEAD_MAX,
					      batch->payload.size - HEAD_MAX);
		rmt_pool_batch_free(batch);
		rmt_unlock(map->router);
		return rmt_error_set(error, ENOMEM, "out of memory for the arguments of '%s'",
				     map->tasks.function->name);
	}
	put_head(map, batch);
	*piece = batch->piece;
	*ret_batch = batch;
	return 0;
}

/* --- sending: the lock is held -------------------------------------------------------------- */

static uint32_t next_size(const struct rmt_pool_batch *batch)
{
	size_t left = batch->bytes - batch->sent;

	return left > RMT_FRAME_PAYLOAD_MAX ? RMT_FRAME_PAYLOAD_MAX : (uint32_t)left;
}

bool rmt_pool_batch_can_go_on(const struct rmt_pool_batch *batch)
{
	const struct rmt_flow *flow = batch->flow;

	return flow && (flow->closed || ((batch->busy || !flow->busy) &&
					 rmt_flow_has_room(flow, next_size(batch))));
}

/* The member has the beginning of a message whose rest will not come. */
static void abort_message(struct rmt_pool_batch *batch)
{
	struct rmt_frame frame = {
		.destination = batch->peer->id,
		.handle = RMT_HANDLE_CALL,
		.reply = (uint32_t)batch->receiver.node.key,
		.flags = RMT_FRAME_CONTINUES | RMT_FRAME_ABORT,
	};

	if (!batch->flow->closed)
		rmt_send_frame(batch->member->pool->router, &frame, NULL, 0, false);
}

static void sending_over(struct rmt_pool_batch *batch)
{
	ramet_router *router = batch->member->pool->router;

	if (!batch->flow)
		return;
	if (batch->map)
		batch->map->sending--;
	if (batch->busy && batch->sent < batch->bytes)
		abort_message(batch);
	if (batch->busy) {
		batch->flow->busy = false;
		rmt_flow_turns_look(router);
		rmt_wait_changed(router);
	}
	batch->busy = false;
	rmt_flow_unref(batch->flow);
	batch->flow = NULL;
	rmt_buffer_done(&batch->payload);
}

/* It does not arrive, nor do the senders in it. */
static void fail(struct rmt_pool_batch *batch, int code, const char *text)
{
	rmt_senders_take_back(batch->member->pool->router, batch->peer->id,
			      batch->payload.data + batch->begin, batch->bytes);
	sending_over(batch);
	rmt_receiver_fail(&batch->receiver, code, "%s", text);
}

static int send_piece(struct rmt_pool_batch *batch)
{
	uint32_t size = next_size(batch);
	size_t at = batch->sent, left = batch->bytes - at;
	struct rmt_frame frame = {
		.destination = batch->peer->id,
		.handle = RMT_HANDLE_CALL,
		.reply = (uint32_t)batch->receiver.node.key,
		.flags = RMT_FRAME_COUNTED | (size < left ? RMT_FRAME_MORE : 0) |
			 (at > 0 ? RMT_FRAME_CONTINUES : 0),
		.total = (uint32_t)(at > 0 ? at : left),
	};

	batch->flow->in_flight += size;
	batch->sent += size;
	return rmt_send_frame(batch->member->pool->router, &frame,
			      batch->payload.data + batch->begin + at, size, false);
}

/* As much as there is room for. */
static void go_on(struct rmt_pool_batch *batch)
{
	while (batch->flow && rmt_pool_batch_can_go_on(batch)) {
		if (batch->flow->closed) {
			fail(batch, ECONNRESET, "it is gone");
			return;
		}
		batch->busy = batch->flow->busy = true;
		if (send_piece(batch) < 0)
			fail(batch, ENOMEM, "out of memory");
		else if (batch->sent == batch->bytes)
			sending_over(batch);
	}
}

void rmt_pool_batch_send(struct rmt_pool_batch *batch)
{
	struct rmt_pool_member *member = batch->member;
	struct rmt_peer *peer = batch->peer;
	struct rmt_pool_map *map = batch->map;
	char text[512];

	if (batch->flow) {
		go_on(batch);
		return;
	}
	rmt_receiver_expect(&batch->receiver, peer, map->tasks.function->name);
	batch->receiver.notify = arrived;
	batch->sent_at = rmt_now();
	batch->first = member->in_flight == 0;
	rmt_list_append(&member->batches, &batch->of_member);
	rmt_list_append(&map->flying, &batch->of_map);
	batch->at_once = map->at_once;
	batch->began_at = member->in_flight < map->at_once ? batch->sent_at : RMT_NEVER;
	member->in_flight++;
	if (!peer->alive || member->state != RMT_MEMBER_READY) {
		rmt_format(text, sizeof(text), "%s is gone: %s", rmt_peer_name(peer),
			   peer->reason ? peer->reason : "it leaves the pool");
		fail(batch, ECONNRESET, text);
		return;
	}
	if (batch->bytes > map->router->message_size_max) {
		rmt_format(text, sizeof(text),
			   "the arguments of '%s' have %zu bytes, %u are allowed",
			   map->tasks.function->name, batch->bytes, map->router->message_size_max);
		fail(batch, EMSGSIZE, text);
		return;
	}
	batch->flow = rmt_flow_of_calls(peer);
	if (!batch->flow) {
		fail(batch, ENOMEM, "out of memory");
		return;
	}
	map->sending++;
	go_on(batch);
}

/* --- the end: the lock is held -------------------------------------------------------------- */

void rmt_pool_batch_cancel(struct rmt_pool_batch *batch)
{
	ramet_router *router = batch->member->pool->router;

	if (batch->cancelled || batch->answered)
		return;
	batch->cancelled = true;
	if (batch->flow)
		fail(batch, ECANCELED, "it was not sent");
	else if (router->state != RMT_ROUTER_ENDED)
		rmt_control_cancel(router, batch->peer->id, (uint32_t)batch->receiver.node.key);
}

void rmt_pool_batch_free(struct rmt_pool_batch *batch)
{
	sending_over(batch);
	rmt_list_remove(&batch->of_map);
	if (!rmt_list_empty(&batch->of_member))
		batch->member->in_flight--;
	rmt_list_remove(&batch->of_member);
	rmt_receiver_done(&batch->receiver);
	rmt_buffer_done(&batch->payload);
	rmt_context_drop(&batch->peer->handle);
	rmt_pool_member_unref(batch->member);
	free(batch);
}

void rmt_pool_batch_abandon(struct rmt_pool_batch *batch)
{
	batch->map = NULL;
	rmt_list_remove(&batch->of_map);
	rmt_list_append(&batch->member->pool->orphans, &batch->of_map);
}

/* --- the answer ----------------------------------------------------------------------------- */

/* A failure in the place of a result; or, *ret_part, nothing: the next one has it in it. */
static int read_failure(struct rmt_cbor_reader *reader, ramet_error *failure, bool *ret_part)
{
	struct rmt_cbor_reader ahead = *reader;
	struct rmt_failure found;
	struct rmt_cbor_item item;
	size_t begin = reader->position;
	char *where;

	if (rmt_cbor_skip(reader) < 0 || rmt_cbor_read(&ahead, &item) <= 0)
		return -EPROTO;
	*ret_part = item.type == RMT_CBOR_NULL;
	if (*ret_part)
		return 0;
	if (rmt_failure_decode(reader->data + begin, reader->position - begin, &found) < 0)
		return -EPROTO;
	where = rmt_text_new(found.where.data ? found.where.data : "", found.where.size);
	rmt_error_set_text(failure, found.code, where ? where : "", found.text.data,
			   found.text.size);
	free(where);
	return 0;
}

static bool is_failure(struct rmt_cbor_reader *reader)
{
	struct rmt_cbor_reader ahead = *reader;
	struct rmt_cbor_item item;

	/* Tags are the major type 6. */
	if (reader->position == reader->size || reader->data[reader->position] >> 5 != 6 ||
	    rmt_cbor_read(&ahead, &item) <= 0 || item.uint != RMT_TAG_FAILURE)
		return false;
	*reader = ahead;
	return true;
}

/* *ret_part: nothing, the next one has it in it. */
static int read_result(struct rmt_pool_batch *batch, struct rmt_cbor_reader *reader, uint64_t index,
		       struct rmt_type_memory *memory, bool *ret_part, ramet_error *error)
{
	struct rmt_pool_tasks *tasks = &batch->map->tasks;
	const struct ramet_type *type = tasks->function->result;
	ramet_error failure = RAMET_ERROR_INIT;
	bool after_part = *ret_part;
	char where[160] = "";
	int r;

	*ret_part = false;
	if (is_failure(reader)) {
		r = read_failure(reader, &failure, ret_part);
		if (r == 0 && (*ret_part ? !batch->map->combine : after_part))
			r = -EPROTO;
		if (r == 0 && *ret_part)
			rmt_tasks_over(tasks, index, RMT_TASK_OVER);
		else if (r == 0)
			r = rmt_tasks_failed(tasks, index, &failure, error);
		else
			rmt_error_set(error, r, "a failure that came back makes no sense");
		ramet_error_clear(&failure);
		return r;
	}
	r = type->size == 0 ? rmt_cbor_skip(reader)
			    : rmt_type_decode(type, reader, rmt_tasks_slot(tasks, index), memory,
					      &rmt_call_hooks, tasks->router, where, sizeof(where));
	if (r < 0)
		return rmt_error_set(error, r == -ENOMEM ? ENOMEM : EPROTO,
				     "the result of '%s' is not what it should be: %s",
				     tasks->function->name, where);
	rmt_tasks_over(tasks, index, RMT_TASK_RESULT);
	return 0;
}

int rmt_pool_batch_read(struct rmt_pool_batch *batch, uint64_t *ret_read, uint64_t *ret_took,
			ramet_error *error)
{
	const struct rmt_message *message = &batch->receiver.inline_entry.message;
	struct rmt_type_memory memory;
	struct rmt_cbor_reader reader;
	uint64_t items, results = 0;
	bool part = false;
	int r = 0;

	rmt_cbor_reader_init(&reader, message->data, message->size);
	rmt_type_memory_init(&memory, NULL, 0);
	if (rmt_cbor_read_array(&reader, &items) < 0 || items != 2 ||
	    rmt_cbor_read_u64(&reader, ret_took) < 0 ||
	    rmt_cbor_read_array(&reader, &results) < 0 || results > batch->piece.count ||
	    (results == 0 && batch->piece.count == 1))
		return rmt_error_set(error, EPROTO, "the results of '%s' make no sense",
				     batch->map->tasks.function->name);
	*ret_read = 0;
	for (; *ret_read < results && r == 0; ++*ret_read)
		r = read_result(batch, &reader, batch->piece.first + *ret_read, &memory, &part,
				error);
	if (r == 0 && part)
		return rmt_error_set(error, EPROTO, "the sum of '%s' did not come back",
				     batch->map->tasks.function->name);
	return r;
}
