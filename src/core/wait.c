/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/wait.h"

#include <errno.h>
#include <signal.h>

#include "base/time.h"
#include "core/stream.h"

/* When the loop was taken no more often than this during one look of the broker, calls do not keep
 * coming: being woken for the next one costs less than looking until then. */
#define TURNS_OF_IDLE 1

/* The broker dispatches messages and calls a log sink; it never runs functions. */
#define BROKER_STACK (256u << 10)

struct rmt_waiter {
	struct rmt_list node;
	pthread_cond_t called;
	bool awake; /* was called already */
	bool (*ready)(void *argument);
	void *argument;
};

static void call(struct rmt_waiter *waiter)
{
	if (!waiter->awake) {
		waiter->awake = true;
		pthread_cond_signal(&waiter->called);
	}
}

/* Calls the sleepers whose wait is over. */
static void call_ready(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;
	struct rmt_list *node, *following;

	rmt_list_each(&waiting->sleepers, node, following) {
		struct rmt_waiter *waiter = RMT_CONTAINER(node, struct rmt_waiter, node);

		if (!waiter->awake &&
		    (router->state == RMT_ROUTER_ENDED || waiter->ready(waiter->argument)))
			call(waiter);
	}
}

void rmt_wait_changed(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	call_ready(router);
	if (waiting->poller && router->loop.waiting &&
	    (router->state == RMT_ROUTER_ENDED ||
	     waiting->poller->ready(waiting->poller->argument)))
		rmt_loop_wake(&router->loop);
}

void rmt_wait_soon(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	if (waiting->broker_asleep)
		pthread_cond_signal(&waiting->broker_call);
	else if (waiting->polling && !waiting->poller && router->loop.waiting)
		rmt_loop_wake(&router->loop);
}

/* The loop is nobody's now: gives it to a sleeper, or lets the broker know. */
static void leave_loop(struct rmt_waiting *waiting)
{
	waiting->polling = false;
	waiting->poller = NULL;
	if (!rmt_list_empty(&waiting->sleepers))
		call(rmt_list_first(&waiting->sleepers, struct rmt_waiter, node));
	else if (waiting->broker_asleep)
		pthread_cond_signal(&waiting->broker_call);
	if (waiting->broker_stop)
		pthread_cond_signal(&waiting->broker_call);
}

static void poll_until(ramet_router *router, struct rmt_waiter *self, int64_t until)
{
	struct rmt_waiting *waiting = &router->waiting;

	waiting->polling = true;
	waiting->poller = self;
	waiting->turns++;
	while (router->state != RMT_ROUTER_ENDED && !self->ready(self->argument) &&
	       (until == RMT_NEVER || rmt_now() < until)) {
		rmt_streams_flush(router);
		rmt_loop_run_once(&router->loop, until);
		rmt_streams_flush(router);
		if (!rmt_list_empty(&waiting->sleepers))
			call_ready(router);
	}
	leave_loop(waiting);
}

void rmt_wait_turn(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	if (waiting->polling || router->state == RMT_ROUTER_ENDED)
		return;
	waiting->polling = true;
	waiting->turns++;
	rmt_streams_flush(router);
	rmt_loop_run_once(&router->loop, 0);
	call_ready(router);
	leave_loop(waiting);
}

static void sleep_until(ramet_router *router, struct rmt_waiter *self, int64_t until)
{
	rmt_list_append(&router->waiting.sleepers, &self->node);
	self->awake = false;
	if (until == RMT_NEVER) {
		pthread_cond_wait(&self->called, &router->lock);
	} else {
		struct timespec at = rmt_timespec(until);

		pthread_cond_timedwait(&self->called, &router->lock, &at);
	}
	rmt_list_remove(&self->node);
}

int rmt_condition_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;
	int r = pthread_condattr_init(&attributes);

	if (r != 0)
		return -r;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	r = pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
	return -r;
}

int rmt_wait(ramet_router *router, bool (*ready)(void *argument), void *argument, int64_t until)
{
	struct rmt_waiting *waiting = &router->waiting;
	struct rmt_waiter self = {.ready = ready, .argument = argument};
	bool slept = false;
	int r = 0;

	if (ready(argument))
		return 0;
	while (!ready(argument)) {
		if (router->state == RMT_ROUTER_ENDED) {
			r = -ESHUTDOWN;
			break;
		}
		if (until != RMT_NEVER && rmt_now() >= until) {
			r = -ETIMEDOUT;
			break;
		}
		if (!waiting->polling) {
			poll_until(router, &self, until);
			continue;
		}
		if (!slept) {
			rmt_streams_flush(router);
			rmt_condition_init(&self.called);
			slept = true;
		}
		sleep_until(router, &self, until);
	}
	if (slept)
		pthread_cond_destroy(&self.called);
	/* It may have been called to take the loop, and found its own wait over instead. */
	if (slept && !waiting->polling && router->state != RMT_ROUTER_ENDED)
		leave_loop(waiting);
	return r;
}

/* Runs the loop until some other thread waits, which then gets it. */
static void broker_poll(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	waiting->polling = true;
	while (!waiting->broker_stop && router->state != RMT_ROUTER_ENDED) {
		rmt_streams_flush(router);
		rmt_loop_run_once(&router->loop, RMT_NEVER);
		/* Frames are being gathered: let them, for one short wait. */
		if (!rmt_list_empty(&waiting->sleepers) || !rmt_list_empty(&router->dirty))
			break;
	}
	call_ready(router);
	leave_loop(waiting);
}

static void *broker_main(void *argument)
{
	ramet_router *router = argument;
	struct rmt_waiting *waiting = &router->waiting;

	rmt_lock(router);
	while (!waiting->broker_stop && router->state != RMT_ROUTER_ENDED) {
		struct timespec until = rmt_timespec(rmt_now() + RMT_BROKER_US);
		uint64_t seen = waiting->turns;

		pthread_cond_timedwait(&waiting->broker_call, &router->lock, &until);
		rmt_streams_flush(router);
		if (waiting->broker_stop || router->state == RMT_ROUTER_ENDED)
			break;
		if (!waiting->polling && waiting->turns == seen) {
			broker_poll(router);
		} else if (waiting->polling && waiting->turns - seen <= TURNS_OF_IDLE) {
			/* Somebody polls, and did not leave the loop in a while: whoever leaves it
			 * next calls. */
			waiting->broker_asleep = true;
			pthread_cond_wait(&waiting->broker_call, &router->lock);
			waiting->broker_asleep = false;
		}
	}
	rmt_unlock(router);
	return NULL;
}

int rmt_broker_start(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;
	pthread_attr_t attributes;
	sigset_t all, before;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, BROKER_STACK);
	/* The program's signals are for the program's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&waiting->broker, &attributes, broker_main, router);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (r != 0)
		return -r;
	waiting->signals = before;
	waiting->broker_started = true;
	return 0;
}

bool rmt_broker_is_self(const ramet_router *router)
{
	return router->waiting.broker_started &&
	       pthread_equal(router->waiting.broker, pthread_self());
}

void rmt_broker_stop(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	waiting->broker_stop = true;
	if (waiting->broker_started) {
		waiting->broker_started = false;
		pthread_cond_signal(&waiting->broker_call);
		if (waiting->polling && !waiting->poller)
			rmt_loop_wake(&router->loop);
		rmt_unlock(router);
		pthread_join(waiting->broker, NULL);
		rmt_lock(router);
	}
	/* A thread of the program may poll: it was woken, and must not find the loop gone. */
	while (waiting->polling)
		pthread_cond_wait(&waiting->broker_call, &router->lock);
}
