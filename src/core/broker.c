/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/broker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/limits.h"
#include "base/thread.h"
#include "base/time.h"
#include "core/notice.h"
#include "core/stream.h"
#include "core/wait.h"

/* The loop was taken more often than this since the broker last looked: calls keep coming. */
#define TURNS_OF_IDLE 1

/* The broker dispatches messages and calls a log sink; it never runs functions. */
#define BROKER_STACK (256u << 10)

/* A fork while another thread is inside gcc's address sanitizer, as one that begins is, leaves the copy with a lock that
 * nobody releases. There a router is not ready before its thread runs. */
#ifdef __SANITIZE_ADDRESS__
#define WAIT_FOR_BEGIN 1
#else
#define WAIT_FOR_BEGIN 0
#endif

/* us from now; 0 disarms. */
static void set_timer(struct rmt_waiting *waiting, int64_t us)
{
	struct itimerspec when = {.it_value = rmt_timespec(us)};

	timerfd_settime(waiting->broker_timer, 0, &when, NULL);
	waiting->broker_armed = us > 0;
}

void rmt_broker_expect(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	if (waiting->broker_started && !waiting->broker_armed)
		set_timer(waiting, RMT_BROKER_US);
}

void rmt_broker_relieve(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;
	int64_t now;

	if (!waiting->broker_armed || waiting->broker_watches)
		return;
	/* Twice within its time: let it go off, and see that calls keep coming. */
	now = rmt_now();
	if (now - waiting->relieved_at < RMT_BROKER_US)
		return;
	waiting->relieved_at = now;
	set_timer(waiting, 0);
}

void rmt_broker_flush_soon(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	if (!waiting->broker_started || waiting->broker_armed)
		return;
	/* When it polls itself, it leaves the loop for a moment. */
	if (waiting->polling && !waiting->poller && router->loop.waiting)
		rmt_loop_wake(&router->loop);
	else
		set_timer(waiting, RMT_BROKER_US);
}

/* Runs the loop until some other thread waits, which then gets it, or frames are being gathered. */
static void poll_for_all(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	waiting->polling = true;
	while (!waiting->broker_stop && router->state != RMT_ROUTER_ENDED) {
		rmt_streams_flush(router);
		rmt_loop_run_once(&router->loop, RMT_NEVER);
		rmt_notices_look(&router->watched, router);
		if (!rmt_list_empty(&waiting->sleepers) || !rmt_list_empty(&router->dirty))
			break;
	}
	rmt_wait_call_ready(router);
	rmt_wait_leave(router);
}

static void wait_for_timer(ramet_router *router)
{
	int timer = router->waiting.broker_timer;
	uint64_t count;

	rmt_unlock(router);
	while (read(timer, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	rmt_lock(router);
	router->waiting.broker_armed = false;
}

static void *broker_main(void *argument)
{
	ramet_router *router = argument;
	struct rmt_waiting *waiting = &router->waiting;

	rmt_lock(router);
	waiting->broker_began = true;
	while (!waiting->broker_stop && router->state != RMT_ROUTER_ENDED) {
		uint64_t seen = waiting->turns;

		wait_for_timer(router);
		if (waiting->broker_stop)
			break;
		rmt_streams_flush(router);
		waiting->broker_watches = waiting->turns - seen > TURNS_OF_IDLE;
		if (!waiting->polling && waiting->turns == seen)
			poll_for_all(router);
		else if (!waiting->polling || waiting->broker_watches)
			set_timer(waiting, RMT_BROKER_US);
	}
	rmt_unlock(router);
	rmt_threads_ours(-1);
	return NULL;
}

int rmt_broker_start(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;
	int r;

	waiting->broker_timer = rmt_descriptor_own(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	if (waiting->broker_timer < 0)
		return -errno;
	set_timer(waiting, RMT_BROKER_US);
	pthread_sigmask(SIG_BLOCK, NULL, &waiting->signals);
	r = rmt_thread_new(broker_main, router, BROKER_STACK, &waiting->broker);
	if (r < 0)
		rmt_descriptor_close(waiting->broker_timer);
	else
		waiting->broker_started = true;
	while (WAIT_FOR_BEGIN && r == 0 && !waiting->broker_began) {
		rmt_unlock(router);
		sched_yield();
		rmt_lock(router);
	}
	return r;
}

bool rmt_broker_is_self(const ramet_router *router)
{
	const struct rmt_waiting *waiting = &router->waiting;

	return waiting->broker_started && pthread_equal(waiting->broker, pthread_self());
}

void rmt_broker_stop(ramet_router *router)
{
	struct rmt_waiting *waiting = &router->waiting;

	if (!waiting->broker_started)
		return;
	waiting->broker_stop = true;
	set_timer(waiting, 1);
	if (waiting->polling && !waiting->poller)
		rmt_loop_wake(&router->loop);
	rmt_unlock(router);
	pthread_join(waiting->broker, NULL);
	rmt_lock(router);
	waiting->broker_started = false;
	rmt_descriptor_close(waiting->broker_timer);
}
