/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/batch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

void rmt_batches_init(struct rmt_batches *batches)
{
	rmt_list_init(&batches->all);
	rmt_list_init(&batches->waiting);
	rmt_list_init(&batches->ready);
	batches->held = 0;
}

void rmt_batches_done(struct rmt_batches *batches)
{
	while (!rmt_list_empty(&batches->all))
		rmt_batch_free(rmt_list_first(&batches->all, struct rmt_batch, node));
}

static struct rmt_batch *batch_alloc(struct rmt_batches *batches, uint64_t first, uint32_t count)
{
	struct rmt_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->batches = batches;
	batch->first = first;
	batch->count = count;
	rmt_list_init(&batch->node);
	rmt_list_init(&batch->turn);
	rmt_list_init(&batch->ready);
	rmt_results_reader_init(&batch->results);
	return batch;
}

struct rmt_batch *rmt_batch_new(struct rmt_batches *batches, uint64_t first, uint32_t count)
{
	struct rmt_batch *batch = batch_alloc(batches, first, count);

	if (batch) {
		rmt_list_append(&batches->all, &batch->node);
		rmt_list_append(&batches->waiting, &batch->turn);
	}
	return batch;
}

void rmt_batch_free(struct rmt_batch *batch)
{
	rmt_list_remove(&batch->node);
	rmt_list_remove(&batch->turn);
	rmt_list_remove(&batch->ready);
	batch->batches->held -= batch->results.held;
	rmt_results_reader_done(&batch->results);
	rmt_chunk_unref(batch->chunk);
	ramet_value_unref(batch->input);
	ramet_error_clear(&batch->failure);
	free(batch);
}

/* The inputs behind the first `count` ones. They are what rmt_value_encode() made. */
static void skip_inputs(struct rmt_batch *rest, const struct rmt_batch *batch, uint32_t count)
{
	struct rmt_cbor_reader reader;

	if (!batch->chunk)
		return;
	rmt_cbor_reader_init(&reader, batch->inputs, batch->inputs_size);
	while (count-- > 0)
		rmt_cbor_skip(&reader);
	rest->chunk = rmt_chunk_ref(batch->chunk);
	rest->inputs = batch->inputs + reader.position;
	rest->inputs_size = batch->inputs_size - reader.position;
}

struct rmt_batch *rmt_batch_split(struct rmt_batch *batch, uint32_t count)
{
	struct rmt_batch *rest = batch_alloc(batch->batches, batch->first + count,
					     batch->count - count);

	if (!rest)
		return NULL;
	skip_inputs(rest, batch, count);
	if (rest->chunk)
		batch->inputs_size -= rest->inputs_size;
	if (count == 0 && batch->input) {
		rest->input = batch->input;
		batch->input = NULL;
	}
	batch->count = count;
	rmt_list_append(batch->node.next, &rest->node); /* in front of the one behind it */
	return rest;
}

void rmt_batch_wait(struct rmt_batch *batch)
{
	struct rmt_list *behind = batch->batches->waiting.next;

	/* There are few, and those that come back are in front. */
	while (behind != &batch->batches->waiting &&
	       RMT_CONTAINER(behind, struct rmt_batch, turn)->first < batch->first)
		behind = behind->next;
	rmt_list_remove(&batch->turn);
	rmt_list_append(behind, &batch->turn);
}

static void make_ready(struct rmt_batch *batch)
{
	if (rmt_list_empty(&batch->ready))
		rmt_list_append(&batch->batches->ready, &batch->ready);
}

int rmt_batch_add(struct rmt_batch *batch, ramet_value *home, const void *data, size_t size)
{
	int r = rmt_results_add(&batch->results, home, data, size);

	if (r == 0)
		batch->batches->held += size;
	return r;
}

int rmt_batch_add_value(struct rmt_batch *batch, ramet_value *value)
{
	size_t size = ramet_value_bytes(value).size;
	int r = rmt_results_add_value(&batch->results, value);

	if (r == 0)
		batch->batches->held += size;
	return r;
}

int rmt_batch_arrived(struct rmt_batch *batch, uint32_t tasks)
{
	if (tasks > batch->count - batch->arrived)
		return -EBADMSG;
	batch->arrived += tasks;
	if (tasks > 0)
		make_ready(batch);
	return 0;
}

void rmt_batch_fail(struct rmt_batch *batch, ramet_error *failure)
{
	rmt_error_move(&batch->failure, failure);
	batch->arrived = batch->count;
	make_ready(batch);
}

static int take(struct rmt_batch *batch, uint32_t *ret_tasks, ramet_value **ret_value,
		ramet_error *error)
{
	size_t held = batch->results.held;
	int r;

	if (batch->failure.code < 0) {
		*ret_tasks = 1;
		return rmt_error_move(error, &batch->failure);
	}
	r = rmt_results_next(&batch->results, ret_tasks, ret_value, error);
	batch->batches->held -= held - batch->results.held;
	if (r == 0 || *ret_tasks > batch->arrived - batch->taken) {
		if (r == 1)
			ramet_value_unref(*ret_value);
		*ret_tasks = 1;
		r = rmt_error_set(error, EBADMSG, "what a worker has sent is damaged");
	}
	return r;
}

int rmt_batch_take(struct rmt_batch *batch, uint32_t *ret_tasks, ramet_value **ret_value,
		   bool *ret_gone, ramet_error *error)
{
	ramet_value *value = NULL;
	int r;

	*ret_gone = false;
	if (batch->taken == batch->arrived)
		return 0;
	r = take(batch, ret_tasks, &value, error);
	if (r == 1)
		*ret_value = value;
	batch->taken += *ret_tasks;
	if (batch->taken == batch->arrived)
		rmt_list_remove(&batch->ready);
	/* A worker that has not said yet that it is done with it will: then it goes. */
	if (batch->taken == batch->count && rmt_list_empty(&batch->turn)) {
		rmt_batch_free(batch);
		*ret_gone = true;
	}
	return r;
}
