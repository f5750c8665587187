/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/exchange.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/time.h"

/* --- making ------------------------------------------------------------------------------- */

RMT_PUBLIC int ramet_exchange_new(int limit, ramet_exchange_store *store, void *data,
				  ramet_exchange **ret_exchange)
{
	struct ramet_exchange *exchange;
	int r;

	if (limit < 0)
		return -EINVAL;
	exchange = calloc(1, sizeof(*exchange));
	if (!exchange)
		return -ENOMEM;
	r = rmt_crew_init(&exchange->crew);
	if (r < 0) {
		free(exchange);
		return r;
	}
	exchange->references = 1;
	exchange->limit = limit > 0 ? (unsigned)limit : (unsigned)ramet_cores();
	exchange->store = store;
	exchange->data = data;
	rmt_list_init(&exchange->entries);
	rmt_list_init(&exchange->events);
	rmt_list_init(&exchange->managed);
	*ret_exchange = exchange;
	return 0;
}

RMT_PUBLIC void ramet_exchange_on_end(ramet_exchange *exchange, ramet_exchange_ended *ended)
{
	exchange->ended = ended;
}

RMT_PUBLIC ramet_exchange *ramet_exchange_ref(ramet_exchange *exchange)
{
	exchange->references++;
	return exchange;
}

RMT_PUBLIC void ramet_exchange_unref(ramet_exchange *exchange)
{
	struct rmt_list *node, *following;

	if (!exchange || --exchange->references > 0)
		return;
	/* All of them first: none is waited for while others go on. */
	rmt_list_each(&exchange->entries, node, following)
		rmt_member_kill(&RMT_CONTAINER(node, struct rmt_entry, node)->member);
	while (!rmt_list_empty(&exchange->entries))
		rmt_exchange_drop(rmt_list_first(&exchange->entries, struct rmt_entry, node),
				  exchange);
	while (!rmt_list_empty(&exchange->managed))
		ramet_managed_free(rmt_list_first(&exchange->managed, struct ramet_managed, node));
	rmt_crew_done(&exchange->crew);
	ramet_error_clear(&exchange->failure);
	free(exchange);
}

/* --- channels ----------------------------------------------------------------------------- */

/* Waits until fewer than the limit run. */
static int make_room(ramet_exchange *exchange, int64_t until, ramet_error *error)
{
	int r = 0;

	while (r >= 0 && exchange->crew.count >= exchange->limit) {
		/* Workers with nothing to do are in the way. */
		if (exchange->waiting == 0)
			rmt_managed_retire(exchange);
		r = rmt_exchange_step(exchange, until, error);
	}
	return r < 0 ? r : 0;
}

static int join(ramet_exchange *exchange, ramet_channel *channel, ramet_error *error)
{
	struct rmt_entry *entry;
	int r = rmt_exchange_join(exchange, channel, &entry, error);

	rmt_crew_signal(&exchange->crew, !rmt_list_empty(&exchange->events));
	return r;
}

/* One of ours that cannot be watched is of no use to anybody. */
static int join_or_kill(ramet_exchange *exchange, ramet_channel *channel, ramet_error *error)
{
	int r = join(exchange, channel, error);

	if (r < 0) {
		ramet_channel_kill(channel, SIGKILL);
		ramet_channel_close(channel);
	}
	return r;
}

RMT_PUBLIC int ramet_exchange_start(ramet_exchange *exchange, ramet_channel_function *function,
				    void *data, ramet_error *error)
{
	ramet_channel *channel;
	int r = make_room(exchange, RMT_NEVER, error);

	if (r < 0)
		return r;
	r = ramet_start(function, data, &channel);
	if (r < 0)
		return rmt_error_set(error, r, "no process could be started: %s", rmt_strerror(r));
	return join_or_kill(exchange, channel, error);
}

RMT_PUBLIC int ramet_exchange_create(ramet_exchange *exchange, ramet_channel **ret_channel,
				     ramet_error *error)
{
	ramet_channel *channel;
	int pid, r = make_room(exchange, RMT_NEVER, error);

	if (r < 0)
		return r;
	pid = ramet_create(&channel);
	if (pid < 0)
		return rmt_error_set(error, pid, "no process could be started: %s",
				     rmt_strerror(pid));
	if (pid == 0) {
		*ret_channel = channel;
		return 0;
	}
	r = join_or_kill(exchange, channel, error);
	return r < 0 ? r : pid;
}

static struct rmt_entry *find(const ramet_exchange *exchange, const ramet_channel *channel)
{
	struct rmt_list *node, *following;

	rmt_list_each(&exchange->entries, node, following) {
		struct rmt_entry *entry = RMT_CONTAINER(node, struct rmt_entry, node);

		if (entry->member.channel == channel && !entry->gone)
			return entry;
	}
	return NULL;
}

RMT_PUBLIC int ramet_exchange_add(ramet_exchange *exchange, ramet_channel *channel,
				  ramet_error *error)
{
	int r;

	if (find(exchange, channel))
		return rmt_error_set(error, EEXIST, "the channel is in this exchange already");
	r = make_room(exchange, RMT_NEVER, error);
	return r < 0 ? r : join(exchange, channel, error);
}

RMT_PUBLIC int ramet_exchange_remove(ramet_exchange *exchange, ramet_channel *channel)
{
	struct rmt_entry *entry = channel ? find(exchange, channel) : NULL;

	if (!entry || entry->worker)
		return -ENOENT;
	rmt_crew_remove(&entry->member);
	entry->member.channel = NULL;
	rmt_exchange_drop(entry, exchange);
	return 0;
}

RMT_PUBLIC int ramet_exchange_running(const ramet_exchange *exchange)
{
	return (int)exchange->crew.count;
}

RMT_PUBLIC size_t ramet_exchange_waiting(const ramet_exchange *exchange)
{
	return exchange->waiting;
}

RMT_PUBLIC int ramet_exchange_fd(ramet_exchange *exchange)
{
	return exchange->crew.epoll;
}

/* --- waiting ------------------------------------------------------------------------------ */

RMT_PUBLIC int ramet_exchange_ready(ramet_exchange *exchange, int timeout, ramet_error *error)
{
	int r;

	if (exchange->handling)
		return rmt_exchange_refuse(error);
	if (!rmt_list_empty(&exchange->events))
		return 1;
	r = rmt_managed_dispatch(exchange, error);
	if (r < 0 || !rmt_exchange_busy(exchange))
		return r;
	r = rmt_exchange_await(exchange, rmt_after(timeout), error);
	if (r < 0)
		return r;
	rmt_crew_signal(&exchange->crew, false);
	return 1;
}

RMT_PUBLIC int ramet_exchange_handle(ramet_exchange *exchange, int timeout, ramet_error *error)
{
	int64_t until = rmt_after(timeout);
	int r = 0;

	while (r == 0 && rmt_exchange_busy(exchange))
		r = rmt_exchange_step(exchange, until, error);
	return r;
}

/* The next value, see rmt_exchange_pop(). */
static int next(ramet_exchange *exchange, int64_t until, struct rmt_entry **ret_entry,
		ramet_value **ret_value, ramet_error *error)
{
	int r;

	while ((r = rmt_exchange_pop(exchange, ret_entry, ret_value, error)) == 0) {
		if (!rmt_exchange_busy(exchange))
			return 0;
		r = rmt_exchange_step(exchange, until, error);
		if (r < 0)
			return r;
	}
	return r;
}

RMT_PUBLIC int ramet_exchange_next(ramet_exchange *exchange, int timeout,
				   ramet_channel **ret_channel, ramet_value **ret_value,
				   ramet_error *error)
{
	struct rmt_entry *entry;
	ramet_value *value;
	int r;

	if (exchange->store)
		return rmt_error_set(error, EINVAL, "the exchange has a store");
	if (exchange->handling)
		return rmt_exchange_refuse(error);
	r = next(exchange, rmt_after(timeout), &entry, &value, error);
	rmt_crew_signal(&exchange->crew, !rmt_list_empty(&exchange->events));
	if (r != 1)
		return r;
	if (ret_channel)
		*ret_channel = entry->member.channel;
	*ret_value = value;
	return 1;
}

RMT_PUBLIC int ramet_exchange_wait(ramet_exchange *exchange, int timeout, ramet_error *error)
{
	return make_room(exchange, rmt_after(timeout), error);
}

/* The first failure that waits to be taken, where there is no store. */
static int first_failure(ramet_exchange *exchange, ramet_error *error)
{
	struct rmt_list *node, *following;

	rmt_list_each(&exchange->events, node, following) {
		struct rmt_event *event = RMT_CONTAINER(node, struct rmt_event, node);
		ramet_error *failure = event->kind == RMT_EVENT_END ? &event->entry->failure
								    : &event->failure;

		/* It is not told again. */
		if (event->kind != RMT_EVENT_VALUE && failure->code < 0)
			return rmt_error_move(error, failure);
	}
	return 0;
}

RMT_PUBLIC int ramet_exchange_finish(ramet_exchange *exchange, int timeout, ramet_error *error)
{
	int64_t until = rmt_after(timeout);
	int r;

	while (exchange->crew.count > 0 || exchange->waiting > 0) {
		if (exchange->waiting == 0)
			while (rmt_managed_retire(exchange))
				;
		r = rmt_exchange_step(exchange, until, error);
		if (r < 0)
			return r;
	}
	if (exchange->ended)
		return 0;
	if (exchange->failure.code < 0)
		return rmt_error_move(error, &exchange->failure);
	return first_failure(exchange, error);
}
