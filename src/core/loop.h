/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop of a router: descriptors, timers, deferred calls, and a wake-up from other
 * threads. It belongs to whichever thread holds the router's lock; that lock is given up only while
 * it waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/lock.h"
#include "core/poller.h"
#include "ramet.h"

#define RMT_LOOP_BATCH 32

struct rmt_timer {
	int64_t when; /* rmt_now() */
	size_t index; /* in the heap, plus one; 0: not running */
	void (*expired)(struct rmt_timer *timer);
};

/* A call that is made by the loop, outside of whatever asked for it. */
struct rmt_deferred {
	struct rmt_list node;
	void (*run)(struct rmt_deferred *deferred);
};

struct rmt_loop {
	struct rmt_mutex *lock;
	const struct rmt_poller_type *type;
	void *poller;
	struct rmt_source wake; /* an eventfd */
	bool waiting;           /* a thread is in type->wait */
	bool woken;             /* the eventfd was written and not read yet */
	int64_t waiting_until;
	struct rmt_timer **timers; /* a binary heap by `when` */
	size_t timer_count, timer_capacity;
	struct rmt_list deferred;
	struct rmt_ready ready[RMT_LOOP_BATCH]; /* being dispatched: [next, count) */
	int ready_next, ready_count;
};

int rmt_loop_init(struct rmt_loop *loop, const struct rmt_poller_type *type,
		  struct rmt_mutex *lock);
void rmt_loop_done(struct rmt_loop *loop);

/* source->fd, events and ready are set by the caller. A source may be removed at any time, also by
 * its own callback; no event that was already collected for it is delivered afterwards. */
int rmt_loop_add(struct rmt_loop *loop, struct rmt_source *source);
void rmt_loop_modify(struct rmt_loop *loop, struct rmt_source *source, unsigned events);
void rmt_loop_remove(struct rmt_loop *loop, struct rmt_source *source);

/* Starts a timer, or moves one that runs. -ENOMEM only when it did not run. */
int rmt_loop_timer_start(struct rmt_loop *loop, struct rmt_timer *timer, int64_t when);
void rmt_loop_timer_stop(struct rmt_loop *loop, struct rmt_timer *timer);

/* deferred->node must be initialised; deferring twice is once. */
void rmt_loop_defer(struct rmt_loop *loop, struct rmt_deferred *deferred);

/* Ends a wait that is under way. */
void rmt_loop_wake(struct rmt_loop *loop);

/* Waits until something happens, or `until`, and handles what happened: events, timers, deferred
 * calls. */
void rmt_loop_run_once(struct rmt_loop *loop, int64_t until);
