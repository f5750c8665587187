/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/time.h"
#include "core/execute.h"
#include "core/wait.h"

/* Functions of the program run on these stacks; that of a main thread is usually 8 MiB, most of it
 * never touched. */
#define WORKER_STACK (2u << 20)

/* A worker that had nothing to do for so long ends. */
#define WORKER_IDLE_US 10000000

struct worker {
	ramet_router *router;
	struct rmt_list *list; /* what it works on */
};

/* Waits for work; false when it is time to end. */
static bool worker_waits(ramet_router *router, struct rmt_list *list)
{
	struct rmt_execution *execution = &router->execution;
	struct timespec until = rmt_timespec(rmt_now() + WORKER_IDLE_US);
	int r = 0;

	execution->workers_idle += list == &execution->concurrent;
	while (rmt_list_empty(list) && router->state == RMT_ROUTER_RUNNING && r == 0)
		r = pthread_cond_timedwait(&execution->work, &router->lock, &until);
	execution->workers_idle -= list == &execution->concurrent;
	return !rmt_list_empty(list);
}

static void *worker_main(void *argument)
{
	struct worker worker = *(struct worker *)argument;
	ramet_router *router = worker.router;
	struct rmt_execution *execution = &router->execution;
	struct rmt_executor executor = {0};

	free(argument);
	rmt_lock(router);
	while (!rmt_list_empty(worker.list) || worker_waits(router, worker.list))
		rmt_execute_one(rmt_execute_take(worker.list), &executor);
	rmt_executor_done(&executor);
	if (worker.list == &execution->serial)
		execution->serial_thread = false;
	else
		execution->workers--;
	execution->threads--;
	pthread_cond_broadcast(&execution->quiet);
	rmt_router_release(router);
	return NULL;
}

static bool worker_start(ramet_router *router, struct rmt_list *list)
{
	struct worker *worker = malloc(sizeof(*worker));
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	if (!worker)
		return false;
	*worker = (struct worker){router, list};
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WORKER_STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attributes, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (r != 0) {
		free(worker);
		return false;
	}
	/* A function may outlast the router's end. */
	rmt_router_hold(router);
	router->execution.threads++;
	return true;
}

static void no_thread(struct rmt_list *list)
{
	while (!rmt_list_empty(list))
		rmt_execute_refuse(rmt_execute_take(list), EAGAIN,
				   "no thread could be started for the call");
}

void rmt_worker_wanted(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;
	struct rmt_list *node;
	unsigned waiting = 0;

	/* Those that are idle may not have woken yet: each takes one of the calls that wait. */
	for (node = execution->concurrent.next; node != &execution->concurrent; node = node->next)
		if (++waiting > execution->workers_idle)
			break;
	if (waiting > execution->workers_idle && execution->workers < RMT_WORKERS_MAX) {
		if (worker_start(router, &execution->concurrent))
			execution->workers++;
		else if (execution->workers == 0)
			no_thread(&execution->concurrent);
	}
	pthread_cond_broadcast(&execution->work);
}

void rmt_serial_wanted(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;

	if (!execution->serial_thread) {
		/* Nobody's main thread works for us here: the master, or a process that was joined.
		 */
		if (worker_start(router, &execution->serial))
			execution->serial_thread = true;
		else
			no_thread(&execution->serial);
	}
	if (!router->is_child)
		pthread_cond_broadcast(&execution->work);
	else if (router->loop.waiting)
		rmt_wait_changed(
			router); /* from a worker: nothing arrives that would wake the loop */
}

bool rmt_workers_quiet(ramet_router *router, int64_t until)
{
	struct rmt_execution *execution = &router->execution;

	pthread_cond_broadcast(&execution->work);
	while (execution->threads > 0) {
		struct timespec at = rmt_timespec(until);
		int r = until == RMT_NEVER
				? pthread_cond_wait(&execution->quiet, &router->lock)
				: pthread_cond_timedwait(&execution->quiet, &router->lock, &at);

		if (r == ETIMEDOUT)
			return execution->threads == 0;
	}
	return true;
}
