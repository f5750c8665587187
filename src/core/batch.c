/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/batch.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "core/function.h"
#include "core/policy.h"
#include "wire/cbor.h"
#include "wire/handshake.h"

/* Behind the results: their number, and the time. */
#define HEAD_MAX 32

struct kept {
	struct kept *next;
	void *arguments;
};

struct batch {
	ramet_call *call;
	struct rmt_executor *executor;
	size_t done; /* results that are written */
	/* how much there was before those that are being combined */
	size_t begin, begin_done;
	struct kept *kept; /* arguments that are not released */
	/* Results that are combined, and written when it is known that no more follow. */
	/* arguments of the function that does it, the result on the left; NULL: none yet */
	char *pair;
	bool pending;
};

int rmt_batch_parse(ramet_call *call, struct rmt_cbor_reader *reader)
{
	const char *name;
	uint32_t patience;
	uint64_t items;
	size_t size;

	if (rmt_cbor_read_u32(reader, &call->count) < 0 ||
	    rmt_cbor_read_u32(reader, &patience) < 0 || patience > INT32_MAX ||
	    rmt_cbor_read_str(reader, &name, &size) < 0 ||
	    rmt_cbor_read_array(reader, &items) < 0 || items != call->count || items == 0)
		return -EBADMSG;
	call->patience = (int)patience;
	if (!name)
		return 0;
	call->combine = rmt_function_find(name, size);
	return call->combine && rmt_policy_calls_function(call->router, name, size,
							  call->message.frame.source,
							  call->message.frame.authority)
		       ? 0
		       : -EBADMSG;
}

/* Types of the same look may have several descriptors. */
bool rmt_batch_combines(const struct ramet_function *combine, const struct ramet_type *result)
{
	const struct ramet_field *sides = combine->arguments.fields;
	uint64_t look = rmt_type_look(result);

	return combine->arguments.count == 2 && result->size > 0 &&
	       rmt_type_look(combine->result) == look && rmt_type_look(sides[0].type) == look &&
	       rmt_type_look(sides[1].type) == look;
}

bool rmt_batch_fits(const ramet_call *call)
{
	return !call->combine || rmt_batch_combines(call->combine, call->function->result);
}

/* What was allocated for arguments and results may go. */
static void release(struct batch *batch)
{
	ramet_call *call = batch->call;

	for (; batch->kept; batch->kept = batch->kept->next)
		if (batch->kept->arguments)
			rmt_type_release(&call->function->arguments, batch->kept->arguments);
	batch->pair = NULL;
	rmt_type_memory_done(&call->memory);
	rmt_type_memory_init(&call->memory, batch->executor->arena, sizeof(batch->executor->arena));
}

/* A message may hold so much. */
static size_t room(const struct batch *batch)
{
	uint32_t max = batch->call->router->message_size_max;

	return max > HEAD_MAX ? max - HEAD_MAX : 0;
}

static void put_failure(struct batch *batch)
{
	struct rmt_buffer *out = &batch->executor->out;
	ramet_error *failure = &batch->call->failure;

	rmt_cbor_put_tag(out, RMT_TAG_FAILURE);
	rmt_failure_encode(-failure->code, failure->where ? failure->where : "",
			   failure->message ? failure->message : "out of memory", out);
	ramet_error_clear(failure);
	batch->done++;
}

/* Writes a result, or that it is too large, or nothing: it is too large together with the others, and
 * the batch is over. */
static bool put_result(struct batch *batch, const void *result)
{
	ramet_call *call = batch->call;
	struct rmt_buffer *out = &batch->executor->out;
	size_t before = out->size;

	rmt_execute_encode(call, batch->executor, result);
	if (out->error < 0)
		return false;
	if (out->size <= room(batch)) {
		batch->done++;
		return true;
	}
	if (batch->done == 0)
		rmt_error_set_at(&call->failure, EMSGSIZE, call->router->path,
				 "the result of '%s' has %zu bytes, %u are allowed",
				 call->function->name, out->size - before,
				 call->router->message_size_max);
	out->size = before;
	if (batch->done > 0)
		return false;
	put_failure(batch);
	return true;
}

static bool flush(struct batch *batch)
{
	bool written = !batch->pending ||
		       put_result(batch,
				  batch->pair + batch->call->combine->arguments.fields[0].offset);

	batch->pending = false;
	if (!written) {
		batch->executor->out.size = batch->begin;
		batch->done = batch->begin_done;
	}
	return written;
}

/* The result becomes one with those before. */
static void combine(struct batch *batch)
{
	ramet_call *call = batch->call;
	const struct ramet_function *function = call->combine;
	struct rmt_buffer *out = &batch->executor->out;
	size_t size = function->result->size;
	const struct ramet_field *sides = function->arguments.fields;

	if (!batch->pair)
		batch->pair = rmt_type_memory_take(&call->memory, function->arguments.size);
	if (!batch->pair) {
		rmt_execute_no_memory(call);
		return;
	}
	memcpy(batch->pair + sides[batch->pending].offset, batch->executor->result, size);
	if (!batch->pending) {
		batch->begin = out->size;
		batch->begin_done = batch->done;
	} else {
		memset(batch->executor->result, 0, size);
		function->invoke(call, batch->pair, batch->executor->result);
		if (call->failure.code)
			return;
		memcpy(batch->pair + sides[0].offset, batch->executor->result, size);
		rmt_cbor_put_tag(out, RMT_TAG_FAILURE);
		rmt_cbor_put_null(out);
		batch->done++;
	}
	batch->pending = true;
}

/* Executes one set of arguments. False: nothing more is to be executed. */
static bool step(struct batch *batch, struct rmt_cbor_reader *reader)
{
	ramet_call *call = batch->call;
	struct rmt_executor *executor = batch->executor;
	size_t before = reader->position;
	struct kept *kept = rmt_type_memory_take(&call->memory, sizeof(*kept));
	bool written = true;

	if (kept) {
		kept->arguments = rmt_execute_run(call, executor, reader);
		kept->next = batch->kept;
		batch->kept = kept;
	} else {
		rmt_execute_no_memory(call);
	}
	/* It may have noticed. */
	if (!call->failure.code && ramet_call_cancelled(call)) {
		if (call->count > 1)
			return false;
		rmt_error_set_at(&call->failure, ETIMEDOUT, call->router->path,
				 "the call took longer than its caller's time-out");
	}
	if (!call->failure.code && call->combine)
		combine(batch);
	else if (!call->failure.code)
		written = put_result(batch, executor->result);
	if (call->failure.code && executor->out.error == 0) {
		reader->position = before;
		written = flush(batch) && rmt_cbor_skip(reader) == 0;
		written = written && call->failure.code;
		if (written)
			put_failure(batch);
		else
			ramet_error_clear(&call->failure);
	}
	if (!batch->pending)
		release(batch);
	return written && executor->out.size < RMT_MIN(RMT_BATCH_RESULTS_MAX, room(batch) / 2);
}

/* Puts what is known last before the results. */
static void put_head(struct rmt_buffer *out, uint64_t took, size_t count)
{
	unsigned char head[HEAD_MAX];
	size_t before = out->size, size;

	rmt_cbor_put_array(out, 2);
	rmt_cbor_put_uint(out, took);
	rmt_cbor_put_array(out, count);
	size = out->size - before;
	memcpy(head, out->data + before, size);
	memmove(out->data + size, out->data, before);
	memcpy(out->data, head, size);
}

void rmt_batch_invoke(ramet_call *call, struct rmt_executor *executor,
		      struct rmt_cbor_reader *reader)
{
	struct batch batch = {.call = call, .executor = executor};
	int64_t began = rmt_now();

	call->deadline = call->patience > 0 ? rmt_after(call->patience) : RMT_NEVER;
	for (uint32_t i = 0; i < call->count && !atomic_load(&call->cancelled); i++)
		if (!step(&batch, reader))
			break;
	flush(&batch);
	release(&batch);
	call->arguments = reader->position;
	put_head(&executor->out, (uint64_t)(rmt_now() - began) * 1000, batch.done);
	if (executor->out.error < 0)
		rmt_execute_no_memory(call);
}
