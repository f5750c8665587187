/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/error.h"

/* Values of one channel before the others have their turn. */
#define TURN 256

/* --- entries ------------------------------------------------------------------------------ */

int rmt_exchange_join(struct ramet_exchange *exchange, ramet_channel *channel,
		      struct rmt_entry **ret_entry, ramet_error *error)
{
	struct rmt_entry *entry = calloc(1, sizeof(*entry));
	int r = entry ? rmt_crew_add(&exchange->crew, &entry->member, channel) : -ENOMEM;

	if (r < 0) {
		free(entry);
		return rmt_error_set(error, r, "a channel cannot be watched: %s", rmt_strerror(r));
	}
	rmt_list_append(&exchange->entries, &entry->node);
	rmt_list_init(&entry->idle);
	*ret_entry = entry;
	return 0;
}

static void event_free(struct rmt_event *event)
{
	rmt_list_remove(&event->node);
	ramet_value_unref(event->value);
	ramet_error_clear(&event->failure);
	free(event);
}

void rmt_exchange_forget_events(struct ramet_exchange *exchange, const struct rmt_entry *entry)
{
	struct rmt_list *node, *following;

	rmt_list_each(&exchange->events, node, following) {
		struct rmt_event *event = RMT_CONTAINER(node, struct rmt_event, node);

		if (event->entry == entry)
			event_free(event);
	}
}

static void entry_free(struct rmt_entry *entry, struct ramet_exchange *exchange)
{
	rmt_managed_forget(exchange, entry);
	if (entry->member.channel)
		rmt_member_close(&entry->member);
	rmt_list_remove(&entry->node);
	ramet_error_clear(&entry->failure);
	free(entry);
}

void rmt_exchange_drop(struct rmt_entry *entry, struct ramet_exchange *exchange)
{
	rmt_exchange_forget_events(exchange, entry);
	if (entry == exchange->current)
		entry->gone = true; /* whoever looks at it does the rest */
	else
		entry_free(entry, exchange);
}

/* --- telling ------------------------------------------------------------------------------ */

/* What a function of the program has returned. */
static int returned(int r, ramet_error *error)
{
	if (r >= 0)
		return 0;
	return rmt_error_set(error, r, "a function that takes results has failed: %s",
			     rmt_strerror(r));
}

static int tell_failure(struct ramet_exchange *exchange, struct rmt_entry *entry, int status,
			ramet_error *failure, ramet_error *error)
{
	int r;

	if (exchange->ended) {
		exchange->handling = true;
		r = exchange->ended(exchange, entry->member.channel, status,
				    failure->code < 0 ? failure : NULL, exchange->data);
		exchange->handling = false;
		return returned(r, error);
	}
	if (failure->code < 0 && exchange->failure.code == 0)
		rmt_error_move(&exchange->failure, failure);
	return 0;
}

static int tell_value(struct ramet_exchange *exchange, struct rmt_entry *entry, ramet_value *value,
		      ramet_error *error)
{
	int r;

	exchange->handling = true;
	r = exchange->store(exchange, entry->member.channel, value, exchange->data);
	exchange->handling = false;
	ramet_value_unref(value);
	/* The store may have answered. */
	if (!entry->gone)
		rmt_member_watch(&entry->member);
	return returned(r, error);
}

/* Keeps it for ramet_exchange_next(). */
static int keep(struct ramet_exchange *exchange, struct rmt_entry *entry, int kind,
		ramet_value *value, ramet_error *failure, ramet_error *error)
{
	struct rmt_event *event = calloc(1, sizeof(*event));

	if (!event) {
		ramet_value_unref(value);
		return rmt_error_set(error, ENOMEM, "out of memory");
	}
	event->entry = entry;
	event->kind = kind;
	event->value = value;
	if (failure)
		rmt_error_move(&event->failure, failure);
	rmt_list_append(&exchange->events, &event->node);
	return 0;
}

/* --- taking ------------------------------------------------------------------------------- */

/* A call has failed, or the worker of one is lost. */
static int call_failed(struct ramet_exchange *exchange, struct rmt_entry *entry,
		       ramet_error *failure, ramet_error *error)
{
	int r;

	if (exchange->store) {
		r = tell_failure(exchange, entry, -1, failure, error);
		ramet_error_clear(failure);
		return r;
	}
	return keep(exchange, entry, RMT_EVENT_FAILURE, NULL, failure, error);
}

static int call_over(struct ramet_exchange *exchange, struct rmt_entry *entry,
		     const ramet_value *value, ramet_error *error)
{
	ramet_error failure = RAMET_ERROR_INIT;

	if (rmt_managed_over(exchange, entry, value))
		return 0;
	rmt_error_set(&failure, ECANCELED, "the worker could not begin");
	return call_failed(exchange, entry, &failure, error);
}

static int take_value(struct ramet_exchange *exchange, struct rmt_entry *entry, ramet_value *value,
		      uint32_t tag, ramet_error *error)
{
	int r;

	if (tag == RMT_WORK_RESULTS && entry->worker) {
		r = call_over(exchange, entry, value, error);
		ramet_value_unref(value);
		return r;
	}
	if (exchange->store)
		return tell_value(exchange, entry, value, error);
	return keep(exchange, entry, RMT_EVENT_VALUE, value, NULL, error);
}

static int take_failure(struct ramet_exchange *exchange, struct rmt_entry *entry,
			ramet_error *failure, ramet_error *error)
{
	if (entry->worker) {
		entry->failed = true;
		return call_failed(exchange, entry, failure, error);
	}
	if (entry->failure.code == 0)
		rmt_error_move(&entry->failure, failure);
	return 0;
}

/* Its channel has come to its end; failure: not as it should. */
static void note_end(struct rmt_entry *entry, ramet_error *failure)
{
	if (failure->code < 0 && entry->failure.code == 0)
		rmt_error_move(&entry->failure, failure);
	if (entry->calling && entry->failure.code == 0)
		rmt_error_set(&entry->failure, ECONNRESET,
			      "a worker has ended with its call in hand");
}

/* The end of both: it counts no longer. */
static int leave(struct ramet_exchange *exchange, struct rmt_entry *entry, ramet_error *error)
{
	struct rmt_member *member = &entry->member;
	char text[80];
	int r;

	if (member->status > 0 && entry->failure.code == 0) {
		rmt_status_describe(member->status, text, sizeof(text));
		rmt_error_set(&entry->failure, ECONNRESET, "process %d %s",
			      ramet_channel_pid(member->channel), text);
	}
	rmt_crew_remove(member);
	rmt_managed_forget(exchange, entry);
	if (!exchange->store) {
		rmt_channel_release(member->channel);
		return keep(exchange, entry, RMT_EVENT_END, NULL, NULL, error);
	}
	r = tell_failure(exchange, entry, member->status, &entry->failure, error);
	entry->gone = true;
	return r;
}

/* Takes what has come of one; *count: values and ends. 0 or a negative errno. */
static int look_at(struct ramet_exchange *exchange, struct rmt_entry *entry, int *count,
		   ramet_error *error)
{
	struct rmt_member *member = &entry->member;
	ramet_error failure = RAMET_ERROR_INIT;
	enum rmt_arrival arrival = RMT_ARRIVAL_VALUE;
	ramet_value *value;
	uint32_t tag;
	int r = 0, turn = 0;

	while (r == 0 && !entry->gone && turn++ < TURN) {
		arrival = rmt_member_take(member, &value, &tag, &failure);
		if (arrival == RMT_ARRIVAL_VALUE)
			r = take_value(exchange, entry, value, tag, error);
		else if (arrival == RMT_ARRIVAL_FAILURE)
			r = take_failure(exchange, entry, &failure, error);
		else
			break;
		++*count;
	}
	if (arrival == RMT_ARRIVAL_END || arrival == RMT_ARRIVAL_LOST)
		note_end(entry, &failure);
	ramet_error_clear(&failure);
	if (!entry->gone && (arrival == RMT_ARRIVAL_VALUE || arrival == RMT_ARRIVAL_FAILURE))
		rmt_member_again(member);
	if (!entry->gone && rmt_member_over(member)) {
		++*count;
		r = leave(exchange, entry, error);
	}
	return r;
}

bool rmt_exchange_busy(const struct ramet_exchange *exchange)
{
	return exchange->crew.count > exchange->idle || exchange->waiting > 0;
}

int rmt_exchange_refuse(ramet_error *error)
{
	return rmt_error_set(error, EDEADLK,
			     "a function that takes results must not wait for others");
}

int rmt_exchange_await(struct ramet_exchange *exchange, int64_t until, ramet_error *error)
{
	int r = rmt_crew_wait(&exchange->crew, until);

	if (r < 0)
		return rmt_error_set(error, r,
				     "the exchange belongs to the parent of this process");
	return r > 0 ? r : rmt_error_set(error, ETIMEDOUT, "nothing has come in time");
}

int rmt_exchange_step(struct ramet_exchange *exchange, int64_t until, ramet_error *error)
{
	struct rmt_member *member;
	int count = 0, ready, r;

	if (exchange->handling)
		return rmt_exchange_refuse(error);
	r = rmt_managed_dispatch(exchange, error);
	if (r < 0)
		return r;
	ready = rmt_exchange_await(exchange, until, error);
	if (ready < 0)
		return ready;
	while (r == 0 && ready-- > 0 && (member = rmt_crew_next(&exchange->crew))) {
		struct rmt_entry *entry = RMT_CONTAINER(member, struct rmt_entry, member);

		exchange->current = entry;
		r = look_at(exchange, entry, &count, error);
		exchange->current = NULL;
		if (entry->gone)
			entry_free(entry, exchange);
	}
	if (r == 0)
		r = rmt_managed_dispatch(exchange, error);
	rmt_crew_signal(&exchange->crew, !rmt_list_empty(&exchange->events));
	return r < 0 ? r : count;
}

/* What has come is no value: its function of the program may remove the channel meanwhile. */
static int tell_event(struct ramet_exchange *exchange, struct rmt_event *event, ramet_error *error)
{
	struct rmt_entry *entry = event->entry;
	bool end = event->kind == RMT_EVENT_END;
	int r;

	rmt_list_remove(&event->node);
	exchange->current = entry;
	if (end)
		r = tell_failure(exchange, entry, entry->member.status, &entry->failure, error);
	else
		r = tell_failure(exchange, entry, -1, &event->failure, error);
	exchange->current = NULL;
	event_free(event);
	if (end)
		entry_free(entry, exchange);
	if (r == 0 && exchange->failure.code < 0)
		r = rmt_error_move(error, &exchange->failure);
	return r;
}

int rmt_exchange_pop(struct ramet_exchange *exchange, struct rmt_entry **ret_entry,
		     ramet_value **ret_value, ramet_error *error)
{
	int r = 0;

	while (r == 0 && !rmt_list_empty(&exchange->events)) {
		struct rmt_event *event = rmt_list_first(&exchange->events, struct rmt_event, node);

		if (event->kind != RMT_EVENT_VALUE) {
			r = tell_event(exchange, event, error);
			continue;
		}
		*ret_entry = event->entry;
		*ret_value = event->value;
		event->value = NULL;
		event_free(event);
		return 1;
	}
	return r;
}
