/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions that run in processes of an exchange when they are called. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/value.h"
#include "parallel/exchange.h"
#include "parallel/state.h"

RMT_PUBLIC int ramet_managed_new(ramet_exchange *exchange, ramet_task *task,
				 const ramet_worker_options *options, ramet_managed **ret_managed)
{
	struct ramet_managed *managed = calloc(1, sizeof(*managed));
	int r;

	if (!managed)
		return -ENOMEM;
	r = rmt_worker_init(&managed->worker, task, options);
	if (r < 0) {
		free(managed);
		return r;
	}
	managed->exchange = exchange;
	rmt_list_init(&managed->calls);
	rmt_list_init(&managed->idle);
	rmt_list_append(&exchange->managed, &managed->node);
	*ret_managed = managed;
	return 0;
}

/* --- calls -------------------------------------------------------------------------------- */

static struct rmt_call *first_call(const struct ramet_managed *managed)
{
	if (rmt_list_empty(&managed->calls))
		return NULL;
	return rmt_list_first(&managed->calls, struct rmt_call, node);
}

static void call_free(struct ramet_managed *managed, struct rmt_call *call)
{
	rmt_list_remove(&call->node);
	managed->exchange->waiting--;
	ramet_value_unref(call->input);
	free(call);
}

static void make_busy(struct ramet_exchange *exchange, struct rmt_entry *entry)
{
	if (!rmt_list_empty(&entry->idle)) {
		rmt_list_remove(&entry->idle);
		exchange->idle--;
	}
}

/* The worker's channel takes what it can now, and the rest by and by. If it is gone, the call is lost with
 * it, which is told when its end is seen. */
static void give(struct ramet_managed *managed, struct rmt_entry *entry, struct rmt_call *call)
{
	struct rmt_run run = {.count = 1, .sent = call->input != NULL};
	struct rmt_buffer message = RMT_BUFFER_INIT;

	make_busy(managed->exchange, entry);
	rmt_buffer_append(&message, &run, sizeof(run));
	if (call->input)
		rmt_value_encode(call->input, &message);
	if (message.error < 0 ||
	    rmt_member_post(&entry->member, RMT_WORK_RUN, message.data, message.size) == -ENOMEM)
		rmt_member_kill(&entry->member);
	rmt_buffer_done(&message);
	entry->calling = true;
	entry->failed = false;
	call_free(managed, call);
}

struct birth {
	const struct rmt_worker *worker;
	const ramet_value *input;
};

static void worker_process(ramet_channel *channel, void *data)
{
	const struct birth *birth = data;

	if (birth->worker->options.fresh)
		rmt_worker_managed_one(birth->worker, channel, birth->input);
	else
		rmt_worker_managed(birth->worker, channel);
}

static int start(struct ramet_managed *managed, struct rmt_call *call, ramet_error *error)
{
	struct birth birth = {&managed->worker, call->input};
	struct rmt_entry *entry;
	ramet_channel *channel;
	int r = ramet_start(worker_process, &birth, &channel);

	if (r < 0)
		return rmt_error_set(error, r, "no worker could be started: %s", rmt_strerror(r));
	r = rmt_exchange_join(managed->exchange, channel, &entry, error);
	if (r < 0) {
		ramet_channel_kill(channel, SIGKILL);
		ramet_channel_close(channel);
		return r;
	}
	entry->worker = true;
	entry->managed = managed;
	if (managed->worker.options.fresh) {
		entry->calling = true;
		call_free(managed, call);
	} else {
		give(managed, entry, call);
	}
	return 0;
}

/* Whose first call has waited longest; NULL: none waits. */
static struct ramet_managed *find_oldest(const struct ramet_exchange *exchange)
{
	struct ramet_managed *oldest = NULL;
	struct rmt_list *node, *following;

	rmt_list_each(&exchange->managed, node, following) {
		struct ramet_managed *managed = RMT_CONTAINER(node, struct ramet_managed, node);
		const struct rmt_call *call = first_call(managed);

		if (call && (!oldest || call->number < first_call(oldest)->number))
			oldest = managed;
	}
	return oldest;
}

static void give_to_idle(struct ramet_exchange *exchange)
{
	struct rmt_list *node, *following;

	rmt_list_each(&exchange->managed, node, following) {
		struct ramet_managed *managed = RMT_CONTAINER(node, struct ramet_managed, node);

		while (!rmt_list_empty(&managed->calls) && !rmt_list_empty(&managed->idle))
			give(managed, rmt_list_first(&managed->idle, struct rmt_entry, idle),
			     first_call(managed));
	}
}

int rmt_managed_dispatch(struct ramet_exchange *exchange, ramet_error *error)
{
	struct ramet_managed *managed;
	int r = 0;

	if (exchange->waiting == 0)
		return 0;
	give_to_idle(exchange);
	while (r == 0 && exchange->crew.count < exchange->limit &&
	       (managed = find_oldest(exchange)))
		r = start(managed, first_call(managed), error);
	/* Somebody else's workers have nothing to do. */
	if (exchange->waiting > 0 && exchange->crew.count >= exchange->limit)
		rmt_managed_retire(exchange);
	/* There will be another chance when one of those that run has ended. */
	return r < 0 && exchange->crew.count == 0 ? r : 0;
}

RMT_PUBLIC int ramet_managed_call(ramet_managed *managed, const ramet_value *input,
				  ramet_error *error)
{
	struct ramet_exchange *exchange = managed->exchange;
	struct rmt_call *call;
	int r;

	if (!rmt_value_is_plain(input))
		return rmt_error_set(error, EINVAL, "the input holds a context or a sender");
	call = calloc(1, sizeof(*call));
	if (!call)
		return rmt_error_set(error, ENOMEM, "out of memory");
	call->number = exchange->calls++;
	/* Values do not change: what others have they may have, too. */
	call->input = input ? ramet_value_ref((ramet_value *)input) : NULL;
	rmt_list_append(&managed->calls, &call->node);
	exchange->waiting++;
	r = rmt_managed_dispatch(exchange, error);
	/* Nothing runs that the calls could wait for: this is the last one, and the only one that its
	 * caller can hear of. */
	if (r < 0)
		call_free(managed, call);
	return r;
}

/* --- workers ------------------------------------------------------------------------------ */

bool rmt_managed_over(struct ramet_exchange *exchange, struct rmt_entry *entry,
		      const ramet_value *value)
{
	ramet_bytes bytes = ramet_value_bytes(value);
	struct rmt_results_head head = {0};

	if (bytes.size >= sizeof(head))
		memcpy(&head, bytes.data, sizeof(head));
	if (!entry->calling)
		return true;
	entry->calling = false;
	if (head.broken)
		return entry->failed;
	/* Others end by themselves, or were told to. */
	if (entry->managed && !entry->managed->worker.options.fresh) {
		rmt_list_append(&entry->managed->idle, &entry->idle);
		exchange->idle++;
	}
	return true;
}

void rmt_managed_forget(struct ramet_exchange *exchange, struct rmt_entry *entry)
{
	if (entry->worker)
		make_busy(exchange, entry);
}

static void retire(struct ramet_exchange *exchange, struct rmt_entry *entry)
{
	make_busy(exchange, entry);
	rmt_member_finish(&entry->member);
}

bool rmt_managed_retire(struct ramet_exchange *exchange)
{
	struct rmt_list *node, *following;

	if (exchange->idle == 0)
		return false;
	rmt_list_each(&exchange->managed, node, following) {
		struct ramet_managed *managed = RMT_CONTAINER(node, struct ramet_managed, node);

		if (!rmt_list_empty(&managed->idle)) {
			retire(exchange, rmt_list_first(&managed->idle, struct rmt_entry, idle));
			return true;
		}
	}
	return false;
}

RMT_PUBLIC void ramet_managed_free(ramet_managed *managed)
{
	struct ramet_exchange *exchange;
	struct rmt_list *node, *following;

	if (!managed)
		return;
	exchange = managed->exchange;
	while (!rmt_list_empty(&managed->calls))
		call_free(managed, first_call(managed));
	rmt_list_each(&exchange->entries, node, following) {
		struct rmt_entry *entry = RMT_CONTAINER(node, struct rmt_entry, node);

		if (entry->managed != managed)
			continue;
		entry->managed = NULL;
		/* Behind the call that it may have. */
		if (entry->member.crew && !managed->worker.options.fresh)
			retire(exchange, entry);
	}
	rmt_list_remove(&managed->node);
	free(managed);
}
