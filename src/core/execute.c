/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/execute.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/thread.h"
#include "base/time.h"
#include "core/account.h"
#include "core/batch.h"
#include "core/call.h"
#include "core/chain.h"
#include "core/flow.h"
#include "core/function.h"
#include "core/log.h"
#include "core/peer.h"
#include "core/policy.h"
#include "core/route.h"
#include "core/stdio.h"
#include "core/value.h"
#include "core/wait.h"
#include "core/worker.h"
#include "wire/cbor.h"
#include "wire/handshake.h"

/* Call objects kept for reuse: as many as fit a window of small calls. */
#define IDLE_CALLS_MAX 4096

/* Calls that are executed before the loop is looked after again. */
#define TURN_EVERY 256

void rmt_execute_init(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;

	rmt_list_init(&execution->serial);
	rmt_list_init(&execution->concurrent);
	rmt_list_init(&execution->services);
	rmt_list_init(&execution->early);
	rmt_list_init(&execution->running);
	rmt_list_init(&execution->deferred);
	rmt_list_init(&execution->idle_calls);
	rmt_condition_init(&execution->work);
	rmt_condition_init(&execution->quiet);
}

/* --- call objects ------------------------------------------------------------------------- */

static ramet_call *call_new(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;
	ramet_call *call;

	if (!rmt_list_empty(&execution->idle_calls)) {
		call = rmt_list_first(&execution->idle_calls, ramet_call, node);
		rmt_list_remove(&call->node);
		execution->idle_call_count--;
	} else {
		call = malloc(sizeof(*call));
		if (!call)
			return NULL;
		rmt_list_init(&call->node);
	}
	call->router = router;
	call->state = RMT_CALL_QUEUED;
	call->chain = 0;
	call->count = 0;
	call->combine = NULL;
	call->deadline = RMT_NEVER;
	call->lost = false;
	atomic_init(&call->cancelled, false);
	call->caller = NULL;
	call->deferral = NULL;
	call->failure = (ramet_error)RAMET_ERROR_INIT;
	return call;
}

/* The lock is held. */
static void call_free(ramet_call *call)
{
	struct rmt_execution *execution = &call->router->execution;

	rmt_list_remove(&call->node);
	rmt_account_settle(&call->message);
	rmt_chunk_unref(call->message.chunk);
	if (call->failure.code)
		ramet_error_clear(&call->failure);
	if (call->caller)
		rmt_context_drop(call->caller);
	if (execution->idle_call_count < IDLE_CALLS_MAX) {
		rmt_list_append(&execution->idle_calls, &call->node);
		execution->idle_call_count++;
	} else {
		free(call);
	}
}

/* --- answers ------------------------------------------------------------------------------ */

/* More calls wait: their answers go out together. */
static bool more_to_come(const ramet_router *router)
{
	return !rmt_list_empty(&router->execution.serial);
}

static void answer_failure(ramet_call *call, int code, const char *where, const char *text)
{
	ramet_router *router = call->router;
	const struct rmt_frame *frame = &call->message.frame;

	rmt_chain_fail(call, code, where, text);
	if (call->lost || router->state == RMT_ROUTER_ENDED)
		return;
	if (frame->reply == 0) {
		rmt_log(router, RMT_LOG_SELF, RAMET_LOG_ERROR,
			"a call of '%s' without an answer failed: %s",
			call->function ? call->function->name : "?", text);
		return;
	}
	rmt_send_failure(router, frame->source, frame->reply, code, where, text,
			 more_to_come(router));
}

static void answer_value(ramet_call *call, const struct rmt_buffer *out)
{
	ramet_router *router = call->router;
	struct rmt_frame frame = {.destination = call->message.frame.source,
				  .handle = call->message.frame.reply};
	struct rmt_flow *flow;
	char text[128];
	int64_t until;
	int r;

	if (frame.handle == 0 || call->lost || router->state == RMT_ROUTER_ENDED)
		return;
	if (out->size <= RMT_FRAME_PAYLOAD_MAX) {
		r = rmt_send_frame(router, &frame, out->data, out->size, more_to_come(router));
		if (r == -ENOMEM)
			rmt_answer_lost(router, frame.destination, frame.handle);
		return;
	}
	/* A parent may take its time; a child must not keep this thread from what others want. */
	until = rmt_account_of(router, frame.destination) ? rmt_after(RMT_RESULT_MS) : RMT_NEVER;
	flow = rmt_flow_get(router, frame.destination, frame.handle);
	r = flow ? rmt_flow_send(flow, &frame, out->data, out->size, until, false) : -ENOMEM;
	rmt_flow_unref(flow);
	if (r == -EMSGSIZE) {
		rmt_format(text, sizeof(text), "the result of '%s' has %zu bytes, %u are allowed",
			   call->function->name, out->size, router->message_size_max);
		answer_failure(call, EMSGSIZE, router->path, text);
	} else if (r == -ETIMEDOUT) {
		answer_failure(call, ETIMEDOUT, router->path, "the result was not taken in time");
	} else if (r == -ENOMEM) {
		answer_failure(call, ENOMEM, router->path, "out of memory for the result");
	}
}

/* --- arriving ----------------------------------------------------------------------------- */

/* [name, [arguments...]] or [name, [arguments...], chain or null, timeout ms or null]: the options
 * lie behind the arguments, so these are stepped over. */
static int read_options(ramet_call *call, struct rmt_cbor_reader *reader)
{
	uint32_t number;

	if (rmt_cbor_skip(reader) < 0 || rmt_cbor_read_u32(reader, &call->chain) < 0 ||
	    rmt_cbor_read_u32(reader, &number) < 0)
		return -EBADMSG;
	if (number > 0)
		call->deadline = rmt_after(number > INT32_MAX ? INT32_MAX : (int)number);
	return 0;
}

static int parse(ramet_call *call, const char **ret_name, size_t *ret_size)
{
	struct rmt_cbor_reader reader;
	uint64_t items;

	rmt_cbor_reader_init(&reader, call->message.data, call->message.size);
	if (rmt_cbor_read_array(&reader, &items) < 0 ||
	    (items != 2 && items != 4 && items != RMT_BATCH_ITEMS) ||
	    rmt_cbor_read_str(&reader, ret_name, ret_size) < 0 || !*ret_name ||
	    *ret_size > RMT_FUNCTION_NAME_MAX)
		return -EBADMSG;
	if (items == RMT_BATCH_ITEMS && rmt_batch_parse(call, &reader) < 0)
		return -EBADMSG;
	call->arguments = reader.position;
	return items == 4 ? read_options(call, &reader) : 0;
}

/* It was answered without being executed. */
static void call_refused(ramet_call *call)
{
	rmt_inflow_consumed(call->router, NULL, &call->message);
	rmt_senders_end(call->router, call->message.data, call->message.size);
	call_free(call);
}

static void refuse(ramet_call *call, int code, const char *text)
{
	answer_failure(call, code, call->router->path, text);
	call_refused(call);
}

static bool is_service(const char *name, size_t size)
{
	return size > strlen(RMT_SERVICE_PREFIX) &&
	       memcmp(name, RMT_SERVICE_PREFIX, strlen(RMT_SERVICE_PREFIX)) == 0;
}

/* 0: call->function is set; else as rmt_parent_hooks.service says. */
static int find_function(ramet_call *call, const char *name, size_t size, const char **ret_text)
{
	const struct rmt_parent_hooks *hooks = call->router->hooks;

	if (hooks && call->count == 0 && is_service(name, size))
		return hooks->service(call->router, name, size, &call->function, ret_text);
	call->function = rmt_function_find(name, size);
	return call->function && (call->count == 0 || rmt_batch_fits(call)) ? 0 : -ENOSYS;
}

/* Finds its function and queues it, or refuses it. */
static void accept(ramet_call *call)
{
	ramet_router *router = call->router;
	struct rmt_execution *execution = &router->execution;
	const char *name, *why = NULL;
	const ramet_error *failed;
	char text[RMT_FUNCTION_NAME_MAX + 64];
	size_t name_size;
	int r;

	if (parse(call, &name, &name_size) < 0) {
		refuse(call, EPROTO, "the call makes no sense");
		return;
	}
	if (!rmt_policy_calls_function(router, name, name_size, call->message.frame.source,
				       call->message.frame.authority)) {
		router->dropped++;
		rmt_format(text, sizeof(text), "context %u may not call '%.*s' here",
			   call->message.frame.authority, (int)name_size, name);
		refuse(call, EPERM, text);
		return;
	}
	if (!rmt_chain_has_room(router, call->message.frame.source, call->chain)) {
		call->chain = 0;
		refuse(call, EDQUOT, "too many chains of calls have failed and were not reset");
		return;
	}
	r = find_function(call, name, name_size, &why);
	failed = rmt_chain_failure(router, call->message.frame.source, call->chain);
	if (r == -EAGAIN && router->state == RMT_ROUTER_RUNNING) {
		rmt_list_append(&execution->early, &call->node);
	} else if (r < 0) {
		rmt_format(text, sizeof(text), "there is no function '%.*s' in this program",
			   (int)name_size, name);
		refuse(call, -r, why ? why : text);
	} else if (failed) {
		answer_failure(call, failed->code, failed->where ? failed->where : "",
			       failed->message ? failed->message : "out of memory");
		call_refused(call);
	} else if (router->state != RMT_ROUTER_RUNNING) {
		refuse(call, ESHUTDOWN, "this context is ending");
	} else if ((call->function->flags & RAMET_FUNCTION_CONCURRENT) &&
		   is_service(name, name_size)) {
		rmt_list_append(&execution->services, &call->node);
		rmt_servant_wanted(router);
	} else if (call->function->flags & RAMET_FUNCTION_CONCURRENT &&
		   (!call->combine || call->combine->flags & RAMET_FUNCTION_CONCURRENT)) {
		rmt_list_append(&execution->concurrent, &call->node);
		rmt_worker_wanted(router);
	} else {
		rmt_list_append(&execution->serial, &call->node);
		rmt_serial_wanted(router);
	}
}

void rmt_execute_resume(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;
	struct rmt_list early;

	rmt_list_init(&early);
	while (!rmt_list_empty(&execution->early)) {
		struct rmt_list *node = execution->early.next;

		rmt_list_remove(node);
		rmt_list_append(&early, node);
	}
	while (!rmt_list_empty(&early))
		accept(rmt_execute_take(&early));
}

void rmt_execute_arrived(ramet_router *router, struct rmt_message *message)
{
	ramet_call *call = call_new(router);

	if (!call) {
		rmt_inflow_consumed(router, NULL, message);
		message->frame.flags &= ~(unsigned)RMT_FRAME_COUNTED; /* granted, that is */
		rmt_dead_letter(router, &message->frame, ENOMEM, "out of memory");
		rmt_chunk_unref(message->chunk);
		return;
	}
	call->message = *message;
	call->function = NULL;
	accept(call);
}

static ramet_call *find(struct rmt_list *list, uint32_t caller, uint32_t reply)
{
	for (struct rmt_list *node = list->next; node != list; node = node->next) {
		ramet_call *call = RMT_CONTAINER(node, ramet_call, node);

		if (call->message.frame.source == caller && call->message.frame.reply == reply)
			return call;
	}
	return NULL;
}

static void cancel_queued(ramet_call *call)
{
	static const char text[] = "the call was cancelled before it began";

	/* While a record of it is written the lock is released: no thread may find it then. */
	rmt_chain_fail(call, ECANCELED, call->router->path, text);
	rmt_list_remove(&call->node);
	call->router->counters.calls_cancelled++;
	answer_failure(call, ECANCELED, call->router->path, text);
	call_refused(call);
}

static void cancel_begun(ramet_call *call)
{
	atomic_store(&call->cancelled, true);
	if (call->state == RMT_CALL_DEFERRED)
		call->deferral->cancelled(call->deferral);
}

void rmt_execute_cancel(ramet_router *router, uint32_t caller, uint32_t reply)
{
	struct rmt_execution *execution = &router->execution;
	ramet_call *call;

	if (reply == 0)
		return;
	call = find(&execution->serial, caller, reply);
	if (!call)
		call = find(&execution->concurrent, caller, reply);
	if (!call)
		call = find(&execution->services, caller, reply);
	if (!call)
		call = find(&execution->early, caller, reply);
	if (call) {
		cancel_queued(call);
		return;
	}
	call = find(&execution->running, caller, reply);
	if (!call)
		call = find(&execution->deferred, caller, reply);
	if (call)
		cancel_begun(call);
}

static void lose_queued(struct rmt_list *list, uint32_t caller)
{
	struct rmt_list *node, *following;

	rmt_list_each(list, node, following) {
		ramet_call *call = RMT_CONTAINER(node, ramet_call, node);

		if (call->message.frame.source == caller)
			call_free(call);
	}
}

static void lose_begun(struct rmt_list *list, uint32_t caller)
{
	struct rmt_list *node, *following;

	rmt_list_each(list, node, following) {
		ramet_call *call = RMT_CONTAINER(node, ramet_call, node);

		if (call->message.frame.source == caller) {
			call->lost = true;
			cancel_begun(call);
		}
	}
}

void rmt_execute_caller_lost(ramet_router *router, uint32_t caller)
{
	struct rmt_execution *execution = &router->execution;

	lose_queued(&execution->serial, caller);
	lose_queued(&execution->concurrent, caller);
	lose_queued(&execution->services, caller);
	lose_queued(&execution->early, caller);
	lose_begun(&execution->running, caller);
	lose_begun(&execution->deferred, caller);
	rmt_chains_forget(router, caller);
}

void rmt_execute_cancel_all(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;
	struct rmt_list *node, *following;

	while (!rmt_list_empty(&execution->serial))
		cancel_queued(rmt_list_first(&execution->serial, ramet_call, node));
	while (!rmt_list_empty(&execution->concurrent))
		cancel_queued(rmt_list_first(&execution->concurrent, ramet_call, node));
	while (!rmt_list_empty(&execution->services))
		cancel_queued(rmt_list_first(&execution->services, ramet_call, node));
	while (!rmt_list_empty(&execution->early))
		cancel_queued(rmt_list_first(&execution->early, ramet_call, node));
	rmt_list_each(&execution->running, node, following)
		cancel_begun(RMT_CONTAINER(node, ramet_call, node));
	rmt_list_each(&execution->deferred, node, following)
		cancel_begun(RMT_CONTAINER(node, ramet_call, node));
	rmt_condition_broadcast(&execution->work);
}

/* --- executing ---------------------------------------------------------------------------- */

void rmt_execute_no_memory(ramet_call *call)
{
	rmt_error_set_at(&call->failure, ENOMEM, call->router->path, "out of memory for '%s'",
			 call->function->name);
}

static bool reserve(struct rmt_executor *executor, size_t size)
{
	void *grown;

	if (size <= executor->result_size)
		return true;
	grown = realloc(executor->result, size);
	if (!grown)
		return false;
	executor->result = grown;
	executor->result_size = size;
	return true;
}

void *rmt_execute_run(ramet_call *call, struct rmt_executor *executor,
		      struct rmt_cbor_reader *reader)
{
	const struct ramet_function *function = call->function;
	size_t size = function->arguments.size;
	void *arguments = rmt_type_memory_take(&call->memory, size ? size : 1);
	char where[160] = "";
	int r;

	if (!arguments || !reserve(executor, function->result->size)) {
		rmt_execute_no_memory(call);
		return NULL;
	}
	r = rmt_type_decode(&function->arguments, reader, arguments, &call->memory, &rmt_call_hooks,
			    call->router, where, sizeof(where));
	if (r < 0) {
		rmt_error_set_at(&call->failure, r == -ENOMEM ? ENOMEM : EINVAL, call->router->path,
				 "%s: %s", function->name, *where ? where : rmt_strerror(r));
		return NULL;
	}
	if (function->result->size > 0)
		memset(executor->result, 0, function->result->size);
	function->invoke(call, arguments, executor->result);
	return arguments;
}

void rmt_execute_encode(ramet_call *call, struct rmt_executor *executor, const void *result)
{
	struct rmt_call_target target = {call->router, call->message.frame.source};

	rmt_type_encode(call->function->result, result, &executor->out, &rmt_call_hooks, &target);
	if (executor->out.error < 0)
		rmt_execute_no_memory(call);
}

/* Decodes, runs, encodes: without the lock. */
static void invoke(ramet_call *call, struct rmt_executor *executor)
{
	struct rmt_cbor_reader reader;
	void *arguments;

	rmt_cbor_reader_init(&reader, call->message.data, call->message.size);
	reader.position = call->arguments;
	if (call->count > 0) {
		rmt_batch_invoke(call, executor, &reader);
		return;
	}
	arguments = rmt_execute_run(call, executor, &reader);
	if (!arguments)
		return;
	if (!call->failure.code && !call->deferral && call->message.frame.reply != 0)
		rmt_execute_encode(call, executor, executor->result);
	rmt_type_release(&call->function->arguments, arguments);
}

void rmt_call_defer(ramet_call *call, struct rmt_deferral *deferral)
{
	deferral->call = call;
	call->deferral = deferral;
}

static void defer(ramet_call *call)
{
	struct rmt_execution *execution = &call->router->execution;

	rmt_list_remove(&call->node);
	rmt_list_append(&execution->deferred, &call->node);
	call->state = RMT_CALL_DEFERRED;
	call->message.chunk = rmt_chunk_unref(call->message.chunk);
	if (call->router->state == RMT_ROUTER_ENDED) {
		call->deferral->ended(call->deferral);
		call_free(call);
		return;
	}
	call->deferral->begin(call->deferral);
	if (atomic_load(&call->cancelled))
		call->deferral->cancelled(call->deferral);
	if (rmt_list_empty(&execution->running))
		rmt_wait_changed(call->router);
}

void rmt_call_answer(struct rmt_deferral *deferral, const void *result)
{
	ramet_call *call = deferral->call;
	struct rmt_call_target target = {call->router, call->message.frame.source};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	ramet_router *router = call->router;

	call->state = RMT_CALL_QUEUED;
	rmt_type_encode(call->function->result, result, &out, &rmt_call_hooks, &target);
	if (out.error == 0 && out.size > RMT_FRAME_PAYLOAD_MAX)
		out.error = -EMSGSIZE;
	if (out.error < 0)
		answer_failure(call, -out.error, router->path, "the result could not be sent");
	else
		answer_value(call, &out);
	rmt_buffer_done(&out);
	call_free(call);
	rmt_wait_changed(router);
}

void rmt_execute_ended(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;

	while (!rmt_list_empty(&execution->deferred)) {
		ramet_call *call = rmt_list_first(&execution->deferred, ramet_call, node);

		call->deferral->ended(call->deferral);
		call_free(call);
	}
}

/* Runs one call, which is in no list. The lock is held, and released meanwhile. */
void rmt_execute_one(ramet_call *call, struct rmt_executor *executor)
{
	ramet_router *router = call->router;
	bool refused = call->failure.code != 0;

	call->state = RMT_CALL_RUNNING;
	rmt_inflow_consumed(router, NULL, &call->message);
	rmt_type_memory_init(&call->memory, executor->arena, sizeof(executor->arena));
	rmt_list_append(&router->execution.running, &call->node);
	rmt_unlock(router);
	/* Else its chain failed while it waited. */
	if (!refused) {
		/* All threads that come here are ours. */
		rmt_threads_ours(-1);
		invoke(call, executor);
		rmt_threads_ours(1);
	}
	rmt_type_memory_done(&call->memory);
	rmt_lock(router);
	router->counters.calls_executed += call->count ? call->count : 1;
	router->counters.calls_failed += call->failure.code != 0;
	if (refused)
		rmt_senders_end(router, call->message.data, call->message.size);
	if (call->deferral && !call->failure.code) {
		defer(call);
		return;
	}
	if (call->failure.code)
		answer_failure(call, call->failure.code,
			       call->failure.where ? call->failure.where : "",
			       call->failure.message ? call->failure.message : "out of memory");
	else if (atomic_load(&call->cancelled) && ++router->counters.calls_cancelled)
		answer_failure(call, ECANCELED, router->path, "the call was cancelled");
	else if (call->count == 0 && ramet_call_cancelled(call))
		answer_failure(call, ETIMEDOUT, router->path,
			       "the call took longer than its caller's time-out");
	else
		answer_value(call, &executor->out);
	rmt_buffer_reset(&executor->out);
	call_free(call);
	if (rmt_list_empty(&router->execution.running)) {
		if (router->detaching)
			router->hooks->detaching(router, NULL);
		rmt_wait_changed(router);
	}
}

void rmt_executor_done(struct rmt_executor *executor)
{
	rmt_buffer_done(&executor->out);
	free(executor->result);
}

/* --- on the main thread of a child -------------------------------------------------------- */

static bool serial_has_work(void *argument)
{
	ramet_router *router = argument;

	return !rmt_list_empty(&router->execution.serial) || router->state != RMT_ROUTER_RUNNING;
}

ramet_call *rmt_execute_take(struct rmt_list *list)
{
	ramet_call *call = rmt_list_first(list, ramet_call, node);

	rmt_list_remove(&call->node);
	return call;
}

void rmt_execute_main(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;
	struct rmt_executor executor = {0};
	unsigned executed = 0;

	execution->serial_thread = true;
	while (router->state == RMT_ROUTER_RUNNING) {
		if (rmt_list_empty(&execution->serial) &&
		    rmt_wait(router, serial_has_work, router, RMT_NEVER) < 0)
			break;
		if (router->state != RMT_ROUTER_RUNNING || rmt_list_empty(&execution->serial))
			break;
		rmt_execute_one(rmt_execute_take(&execution->serial), &executor);
		/* While calls keep coming, this thread reads the next ones, too: the broker would
		 * only be in its way. */
		if (++executed % TURN_EVERY == 0 && !rmt_list_empty(&execution->serial))
			rmt_wait_turn(router);
		/* What the function printed is a log record now, not when the buffer is full. */
		if (rmt_list_empty(&execution->serial)) {
			rmt_unlock(router);
			rmt_fork_hold();
			rmt_stdout_flush();
			rmt_fork_allow();
			rmt_lock(router);
		}
	}
	rmt_executor_done(&executor);
}

/* --- the end ------------------------------------------------------------------------------ */

void rmt_execute_refuse(ramet_call *call, int code, const char *text)
{
	refuse(call, code, text);
}

void rmt_execute_done(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;

	while (!rmt_list_empty(&execution->idle_calls)) {
		ramet_call *call = rmt_list_first(&execution->idle_calls, ramet_call, node);

		rmt_list_remove(&call->node);
		free(call);
	}
	rmt_chains_done(router);
	rmt_condition_done(&execution->work);
	rmt_condition_done(&execution->quiet);
}
