/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/time.h"

static void wake_ready(struct rmt_source *source, unsigned events)
{
	struct rmt_loop *loop = RMT_CONTAINER(source, struct rmt_loop, wake);
	uint64_t count;

	(void)events;
	loop->woken = false;
	while (read(source->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

int rmt_loop_init(struct rmt_loop *loop, const struct rmt_poller_type *type, struct rmt_mutex *lock)
{
	int r;

	*loop = (struct rmt_loop){
		.lock = lock,
		.type = type,
		.wake = {.fd = -1, .events = RMT_READABLE, .ready = wake_ready},
	};
	rmt_list_init(&loop->deferred);
	r = loop->type->new (&loop->poller);
	if (r < 0)
		return r;
	loop->wake.fd = rmt_descriptor_own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	r = loop->wake.fd < 0 ? -errno : rmt_loop_add(loop, &loop->wake);
	if (r < 0)
		rmt_loop_done(loop);
	return r;
}

void rmt_loop_done(struct rmt_loop *loop)
{
	if (loop->wake.fd >= 0)
		rmt_descriptor_close(loop->wake.fd);
	if (loop->poller)
		loop->type->free(loop->poller);
	/* They may live on, and be stopped once more. */
	for (size_t i = 0; i < loop->timer_count; i++)
		loop->timers[i]->index = 0;
	free(loop->timers);
	*loop = (struct rmt_loop){.wake.fd = -1};
}

int rmt_loop_add(struct rmt_loop *loop, struct rmt_source *source)
{
	int r = loop->type->add(loop->poller, source);

	if (r == 0 && loop->waiting && !loop->type->live)
		rmt_loop_wake(loop);
	return r;
}

void rmt_loop_modify(struct rmt_loop *loop, struct rmt_source *source, unsigned events)
{
	if (source->events == events)
		return;
	source->events = events;
	loop->type->modify(loop->poller, source);
	if (loop->waiting && !loop->type->live)
		rmt_loop_wake(loop);
}

void rmt_loop_remove(struct rmt_loop *loop, struct rmt_source *source)
{
	loop->type->remove(loop->poller, source);
	for (int i = loop->ready_next; i < loop->ready_count; i++)
		if (loop->ready[i].source == source)
			loop->ready[i].source = NULL;
	/* A poll(2) under way still looks at the descriptor, which may be somebody else's soon. */
	if (loop->waiting && !loop->type->live)
		rmt_loop_wake(loop);
}

void rmt_loop_wake(struct rmt_loop *loop)
{
	if (loop->woken)
		return;
	loop->woken = true;
	while (write(loop->wake.fd, &(uint64_t){1}, sizeof(uint64_t)) < 0 && errno == EINTR)
		;
}

void rmt_loop_defer(struct rmt_loop *loop, struct rmt_deferred *deferred)
{
	rmt_list_remove(&deferred->node);
	rmt_list_append(&loop->deferred, &deferred->node);
	if (loop->waiting)
		rmt_loop_wake(loop);
}

/* --- timers: a binary heap, the earliest at 0 --------------------------------------------- */

static void place(struct rmt_loop *loop, size_t at, struct rmt_timer *timer)
{
	loop->timers[at] = timer;
	timer->index = at + 1;
}

static void sift(struct rmt_loop *loop, size_t at, struct rmt_timer *timer)
{
	while (at > 0 && loop->timers[(at - 1) / 2]->when > timer->when) {
		place(loop, at, loop->timers[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < loop->timer_count &&
		    loop->timers[child + 1]->when < loop->timers[child]->when)
			child++;
		if (child >= loop->timer_count || loop->timers[child]->when >= timer->when)
			break;
		place(loop, at, loop->timers[child]);
		at = child;
	}
	place(loop, at, timer);
}

int rmt_loop_timer_start(struct rmt_loop *loop, struct rmt_timer *timer, int64_t when)
{
	if (timer->index == 0) {
		if (loop->timer_count == loop->timer_capacity) {
			size_t capacity = loop->timer_capacity ? loop->timer_capacity * 2 : 16;
			struct rmt_timer **grown = realloc(loop->timers, capacity * sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			loop->timers = grown;
			loop->timer_capacity = capacity;
		}
		loop->timer_count++;
		timer->index = loop->timer_count;
		loop->timers[timer->index - 1] = timer;
	}
	timer->when = when;
	sift(loop, timer->index - 1, timer);
	if (loop->waiting && when < loop->waiting_until)
		rmt_loop_wake(loop);
	return 0;
}

void rmt_loop_timer_stop(struct rmt_loop *loop, struct rmt_timer *timer)
{
	size_t at = timer->index;
	struct rmt_timer *last;

	if (at == 0)
		return;
	timer->index = 0;
	last = loop->timers[--loop->timer_count];
	if (last != timer)
		sift(loop, at - 1, last);
}

static void expire(struct rmt_loop *loop)
{
	int64_t now;

	if (loop->timer_count == 0)
		return;
	now = rmt_now();
	while (loop->timer_count > 0 && loop->timers[0]->when <= now) {
		struct rmt_timer *timer = loop->timers[0];

		rmt_loop_timer_stop(loop, timer);
		timer->expired(timer);
	}
}

static void run_deferred(struct rmt_loop *loop)
{
	struct rmt_list now;

	/* What these defer anew is for the next round. */
	rmt_list_init(&now);
	rmt_list_move(&now, &loop->deferred);
	while (!rmt_list_empty(&now)) {
		struct rmt_deferred *deferred = rmt_list_first(&now, struct rmt_deferred, node);

		rmt_list_remove(&deferred->node);
		deferred->run(deferred);
	}
}

void rmt_loop_run_once(struct rmt_loop *loop, int64_t until)
{
	int timeout, n;

	if (!rmt_list_empty(&loop->deferred))
		until = 0;
	if (loop->timer_count > 0 && loop->timers[0]->when < until)
		until = loop->timers[0]->when;
	timeout = until == RMT_NEVER ? -1 : until == 0 ? 0 : rmt_poll_timeout(until, rmt_now());

	loop->waiting = true;
	loop->waiting_until = until;
	n = loop->type->wait(loop->poller, loop->lock, timeout, loop->ready, RMT_LOOP_BATCH);
	loop->waiting = false;

	loop->ready_count = n > 0 ? n : 0;
	for (loop->ready_next = 0; loop->ready_next < loop->ready_count;) {
		struct rmt_ready *ready = &loop->ready[loop->ready_next++];

		if (ready->source)
			ready->source->ready(ready->source, ready->events);
	}
	loop->ready_count = loop->ready_next = 0;
	expire(loop);
	run_deferred(loop);
}
