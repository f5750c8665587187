/* SPDX-License-Identifier: BSD-3-Clause */
/* What an exchange is made of: exchange.c is what programs call, exchange-run.c takes what comes, managed.c
 * calls functions in workers. */
#pragma once

#include "parallel/crew.h"
#include "parallel/worker.h"

/* A channel in an exchange. It counts until it leaves the crew; and is here until its end has been told. */
struct rmt_entry {
	struct rmt_member member;
	struct rmt_list node; /* in entries */
	struct rmt_list idle; /* a worker that waits for a call: in those of its function */
	struct ramet_managed *managed;
	bool worker;         /* of a managed function, which may be gone */
	bool calling;        /* a worker that has a call in hand, */
	bool failed;         /* which has failed */
	bool gone;           /* removed while it was looked at */
	ramet_error failure; /* the first */
};

/* What has come and was not taken yet, where there is no store. */
struct rmt_event {
	struct rmt_list node;
	struct rmt_entry *entry;
	ramet_value *value; /* of kind VALUE */
	enum { RMT_EVENT_VALUE, RMT_EVENT_FAILURE, RMT_EVENT_END } kind;
	ramet_error failure; /* of a call */
};

struct ramet_exchange {
	unsigned references;
	unsigned limit;
	ramet_exchange_store *store;
	ramet_exchange_ended *ended;
	void *data;
	struct rmt_crew crew;
	struct rmt_list entries;
	struct rmt_list events;
	struct rmt_list managed;   /* all managed functions */
	struct rmt_entry *current; /* that is looked at */
	bool handling;             /* a function of the program runs */
	unsigned idle;             /* workers that wait for a call */
	size_t waiting;            /* calls */
	uint64_t calls;            /* so far, for their order */
	ramet_error failure;       /* the first, where nobody hears of them */
};

struct rmt_call {
	struct rmt_list node;
	uint64_t number;
	ramet_value *input; /* NULL: none */
};

struct ramet_managed {
	struct ramet_exchange *exchange;
	struct rmt_list node;  /* of the exchange */
	struct rmt_list calls; /* that wait */
	struct rmt_list idle;  /* workers that do */
	struct rmt_worker worker;
};

/* A channel joins; it is the exchange's then. 0 or a negative errno, and the channel is the caller's. */
int rmt_exchange_join(struct ramet_exchange *exchange, ramet_channel *channel,
		      struct rmt_entry **ret_entry, ramet_error *error);

/* Drops one, with what waits of it, and its channel. */
void rmt_exchange_drop(struct rmt_entry *entry, struct ramet_exchange *exchange);

/* Forgets what waits of it. */
void rmt_exchange_forget_events(struct ramet_exchange *exchange, const struct rmt_entry *entry);

/* What would wait while a function of the program runs fails with -EDEADLK. */
int rmt_exchange_refuse(ramet_error *error);

/* Waits until then for something to come: of how many. Errors: -ETIMEDOUT, -EBADF (in a copy). */
int rmt_exchange_await(struct ramet_exchange *exchange, int64_t until, ramet_error *error);

/* Waits until then for something to come and takes it: how many values and ends; 0: what came was neither.
 * Errors: -ETIMEDOUT, -EDEADLK (a function of the program runs), -ENOMEM, what a store returned. */
int rmt_exchange_step(struct ramet_exchange *exchange, int64_t until, ramet_error *error);

/* The next of what waits, where there is no store: 1, a value, with its entry; 0: nothing waits; or a
 * failure that nobody else hears of, or what an `ended` function returned. */
int rmt_exchange_pop(struct ramet_exchange *exchange, struct rmt_entry **ret_entry,
		     ramet_value **ret_value, ramet_error *error);

/* Whether there is anything to wait for: workers without a call are not. */
bool rmt_exchange_busy(const struct ramet_exchange *exchange);

/* --- managed.c ---------------------------------------------------------------------------- */

/* Gives calls that wait to workers, starting these. 0; or what starting one has failed with, when nothing
 * runs that it could wait for. */
int rmt_managed_dispatch(struct ramet_exchange *exchange, ramet_error *error);

/* A worker has said that its call is over. False: it could not even begin, and has not said why. */
bool rmt_managed_over(struct ramet_exchange *exchange, struct rmt_entry *entry,
		      const ramet_value *value);

/* A worker leaves. */
void rmt_managed_forget(struct ramet_exchange *exchange, struct rmt_entry *entry);

/* Ends a worker that waits for a call; false: there is none. */
bool rmt_managed_retire(struct ramet_exchange *exchange);
