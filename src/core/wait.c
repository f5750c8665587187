/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/wait.h"

#include <errno.h>

#include "base/time.h"
#include "core/broker.h"
#include "core/notice.h"
#include "core/stream.h"

struct rmt_waiter {
	struct rmt_list node;
	struct rmt_condition called;
	bool awake; /* was called already */
	bool (*ready)(void *argument);
	void *argument;
};

static void call(struct rmt_waiter *waiter)
{
	if (!waiter->awake) {
		waiter->awake = true;
		rmt_condition_signal(&waiter->called);
	}
}

void rmt_wait_call_ready(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;
	struct rmt_list *node, *following;

	rmt_notices_look(&router->watched, router);
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

	rmt_wait_call_ready(router);
	if (waiting->poller && router->loop.waiting &&
	    (router->state == RMT_ROUTER_ENDED ||
	     waiting->poller->ready(waiting->poller->argument)))
		rmt_loop_wake(&router->loop);
}

void rmt_wait_leave(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	waiting->polling = false;
	waiting->poller = NULL;
	if (!rmt_list_empty(&waiting->sleepers))
		call(rmt_list_first(&waiting->sleepers, struct rmt_waiter, node));
	else
		rmt_broker_expect(router);
	if (waiting->left)
		rmt_condition_signal(waiting->left);
}

void rmt_wait_end(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;
	struct rmt_condition left;

	rmt_condition_init(&left);
	waiting->left = &left;
	while (waiting->polling)
		rmt_condition_wait(&left, &router->lock, RMT_NEVER);
	waiting->left = NULL;
	rmt_condition_done(&left);
}

static void take_loop(ramet_router *router, struct rmt_waiter *self)
{
	struct rmt_waiting *waiting = &router->waiting;

	waiting->polling = true;
	waiting->poller = self;
	waiting->turns++;
	rmt_broker_relieve(router);
}

static void poll_until(ramet_router *router, struct rmt_waiter *self, int64_t until)
{
	take_loop(router, self);
	while (router->state != RMT_ROUTER_ENDED && !self->ready(self->argument) &&
	       (until == RMT_NEVER || rmt_now() < until)) {
		rmt_streams_flush(router);
		rmt_loop_run_once(&router->loop, until);
		rmt_streams_flush(router);
		rmt_wait_call_ready(router);
	}
	rmt_wait_leave(router);
}

void rmt_wait_turn(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	if (waiting->polling || router->state == RMT_ROUTER_ENDED)
		return;
	take_loop(router, NULL);
	rmt_streams_flush(router);
	rmt_loop_run_once(&router->loop, 0);
	rmt_wait_call_ready(router);
	rmt_wait_leave(router);
}

static void sleep_until(ramet_router *router, struct rmt_waiter *self, int64_t until)
{
	rmt_list_append(&router->waiting.sleepers, &self->node);
	self->awake = false;
	rmt_condition_wait(&self->called, &router->lock, until);
	rmt_list_remove(&self->node);
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
		rmt_condition_done(&self.called);
	/* It may have been called to take the loop, and found its own wait over instead. */
	if (slept && !waiting->polling && router->state != RMT_ROUTER_ENDED)
		rmt_wait_leave(router);
	return r;
}
