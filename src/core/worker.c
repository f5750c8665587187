/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/worker.h"

#include <errno.h>
#include <stdlib.h>

#include "base/thread.h"
#include "base/time.h"
#include "core/execute.h"
#include "core/wait.h"

/* Functions of the program run on these stacks; that of a main thread is usually 8 MiB, most of it
 * never touched. */
#define WORKER_STACK (2u << 20)

/* The library's own functions know what they need: trees of directories, looking up owners. */
#define SERVANT_STACK (512u << 10)

/* A worker that had nothing to do for so long ends. */
#define WORKER_IDLE_US 10000000

struct worker {
	ramet_router *router;
	struct rmt_list *list; /* what it works on */
};

/* How many threads wait for work in that list. */
static unsigned *idle_of(struct rmt_execution *execution, const struct rmt_list *list)
{
	if (list == &execution->concurrent)
		return &execution->workers_idle;
	return list == &execution->services ? &execution->servants_idle : &execution->serial_idle;
}

/* Waits for work; false when it is time to end. */
static bool worker_waits(ramet_router *router, struct rmt_list *list)
{
	struct rmt_execution *execution = &router->execution;
	int64_t until = rmt_now() + WORKER_IDLE_US;
	int r = 0;

	++*idle_of(execution, list);
	while (rmt_list_empty(list) && router->state == RMT_ROUTER_RUNNING && r == 0)
		r = rmt_condition_wait(&execution->work, &router->lock, until);
	--*idle_of(execution, list);
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
	else if (worker.list == &execution->services)
		execution->servants--;
	else
		execution->workers--;
	execution->threads--;
	rmt_condition_broadcast(&execution->quiet);
	rmt_router_release(router);
	rmt_threads_ours(-1);
	return NULL;
}

static bool worker_start(ramet_router *router, struct rmt_list *list)
{
	struct worker *worker = malloc(sizeof(*worker));

	if (!worker)
		return false;
	*worker = (struct worker){router, list};
	if (rmt_thread_new(worker_main, worker,
			   list == &router->execution.services ? SERVANT_STACK : WORKER_STACK,
			   NULL) < 0) {
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

/* Those that are idle may not have woken yet: each takes one of the calls that wait. */
static bool idle_enough(struct rmt_execution *execution, const struct rmt_list *list)
{
	unsigned idle = *idle_of(execution, list), waiting = 0;

	for (const struct rmt_list *node = list->next; node != list; node = node->next)
		if (++waiting > idle)
			return false;
	return true;
}

void rmt_worker_wanted(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;

	if (!idle_enough(execution, &execution->concurrent) &&
	    execution->workers < RMT_WORKERS_MAX) {
		if (worker_start(router, &execution->concurrent))
			execution->workers++;
		else if (execution->workers == 0)
			no_thread(&execution->concurrent);
	}
	rmt_condition_broadcast(&execution->work);
}

void rmt_servant_wanted(ramet_router *router)
{
	struct rmt_execution *execution = &router->execution;
	ramet_call *call;

	if (idle_enough(execution, &execution->services)) {
		rmt_condition_broadcast(&execution->work);
	} else if (execution->servants < RMT_SERVANTS_MAX &&
		   worker_start(router, &execution->services)) {
		execution->servants++;
	} else {
		call = RMT_CONTAINER(execution->services.previous, ramet_call, node);
		rmt_list_remove(&call->node);
		rmt_execute_refuse(call, EAGAIN,
				   execution->servants < RMT_SERVANTS_MAX
					   ? "no thread could be started for the service"
					   : "too many services run in this context already");
	}
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
		rmt_condition_broadcast(&execution->work);
	else if (router->loop.waiting)
		rmt_wait_changed(
			router); /* from a worker: nothing arrives that would wake the loop */
}

bool rmt_workers_quiet(ramet_router *router, int64_t until)
{
	struct rmt_execution *execution = &router->execution;

	rmt_condition_broadcast(&execution->work);
	while (execution->threads > 0)
		if (rmt_condition_wait(&execution->quiet, &router->lock, until) < 0)
			return execution->threads == 0;
	return true;
}
