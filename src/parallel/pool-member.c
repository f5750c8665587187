/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/thread.h"
#include "base/time.h"
#include "core/control.h"
#include "core/peer.h"
#include "core/wait.h"
#include "parallel/pool.h"
#include "parent/gate.h"

/* The program's hook runs there. */
#define STACK (512u << 10)

#define RESTARTS 5
#define BACKOFF_MS 10
#define BACKOFF_MAX_MS 10000

/* How long a member may go on with what was cancelled. */
#define STUCK_MS 5000

/* Nothing is expected of its peer any more. */
static void unwatch(struct rmt_pool_member *member)
{
	rmt_loop_timer_stop(&member->pool->router->loop, &member->grace);
	if (member->watched)
		rmt_receiver_done(&member->watch);
	member->watched = false;
	member->stuck = false;
}

void rmt_pool_member_unref(struct rmt_pool_member *member)
{
	ramet_pool *pool = member->pool;

	if (--member->references > 0)
		return;
	unwatch(member);
	rmt_context_drop(&member->peer->handle);
	free(member->path);
	free(member);
	rmt_pool_release(pool);
}

void rmt_pool_member_leave(struct rmt_pool_member *member)
{
	ramet_pool *pool = member->pool;

	if (member->state == RMT_MEMBER_GONE)
		return;
	member->state = RMT_MEMBER_GONE;
	rmt_list_remove(&member->node);
	pool->member_count--;
	rmt_pool_changed(pool);
	/* Batches that it has not answered keep it. */
	rmt_pool_member_unref(member);
}

/* --- starting again ------------------------------------------------------------------------- */

static bool goes_on(const struct rmt_pool_member *member)
{
	return member->pool->users > 0 && member->state == RMT_MEMBER_LOST &&
	       member->pool->router->state == RMT_ROUTER_RUNNING;
}

static bool is_stopped(void *member)
{
	return !goes_on(member);
}

static bool may_try(const struct rmt_pool_member *member)
{
	int restarts = member->pool->options.restarts;

	return restarts >= 0 && member->losses <= (restarts ? (unsigned)restarts : RESTARTS);
}

static int backoff(const struct rmt_pool_member *member)
{
	unsigned times = RMT_MIN(member->losses - 1, 16u);

	return RMT_MIN(BACKOFF_MS << times, BACKOFF_MAX_MS);
}

int rmt_pool_member_set_up(ramet_pool *pool, ramet_context *context, ramet_error *error)
{
	if (!pool->options.setup)
		return 0;
	ramet_error_clear(error);
	int r = pool->options.setup(context, pool->options.data, error);

	return r < 0 && !error->code ? rmt_error_set(error, r, "%s could not be set up: %s",
						     ramet_context_path(context), rmt_strerror(r))
				     : r;
}

/* One attempt, without the lock. */
static int connect_again(struct rmt_pool_member *member, ramet_context **ret_context,
			 bool *ret_set_up, ramet_error *error)
{
	ramet_pool *pool = member->pool;
	bool wanted;
	int r = rmt_connect(pool->router, member->path, ret_context, error);

	if (r < 0)
		return r;
	rmt_lock(pool->router);
	wanted = goes_on(member);
	pool->setups += wanted;
	rmt_unlock(pool->router);
	if (!wanted)
		return 0;
	rmt_threads_ours(-1);
	r = rmt_pool_member_set_up(pool, *ret_context, error);
	rmt_threads_ours(1);
	*ret_set_up = r >= 0;
	rmt_lock(pool->router);
	pool->setups--;
	rmt_wait_changed(pool->router);
	rmt_unlock(pool->router);
	return r;
}

/* The lock is held. False: it is over, one way or the other. */
static bool attempt(struct rmt_pool_member *member)
{
	ramet_pool *pool = member->pool;
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	bool set_up = false, lost;
	int r;

	rmt_unlock(pool->router);
	r = connect_again(member, &context, &set_up, &error);
	rmt_lock(pool->router);
	lost = context && !context->peer->alive;
	if (r >= 0 && goes_on(member) && set_up && !lost)
		rmt_pool_member_ready(member, context->peer);
	if (r < 0)
		rmt_error_move(&pool->last, &error);
	ramet_error_clear(&error);
	member->losses += r < 0 || lost;
	/* What the hook does not want is given up; unless it was the context that was lost. */
	if (r < 0 && context && !lost)
		rmt_pool_member_leave(member);
	if (context)
		rmt_context_drop(context);
	return goes_on(member);
}

static void *restart_main(void *argument)
{
	struct rmt_pool_member *member = argument;
	ramet_router *router = member->pool->router;

	/* A copy that a fork makes has these signals, too. */
	pthread_sigmask(SIG_SETMASK, &router->waiting.signals, NULL);
	rmt_lock(router);
	while (goes_on(member)) {
		if (!may_try(member)) {
			rmt_pool_member_leave(member);
			break;
		}
		if (rmt_wait(router, is_stopped, member, rmt_after(backoff(member))) !=
			    -ETIMEDOUT ||
		    !attempt(member))
			break;
	}
	rmt_pool_member_unref(member);
	rmt_router_release(router);
	rmt_threads_ours(-1);
	return NULL;
}

/* The lock is held. */
static int start_thread(struct rmt_pool_member *member)
{
	int r = rmt_thread_new(restart_main, member, STACK, NULL);

	if (r == 0) {
		member->references++;
		rmt_router_hold(member->pool->router);
	}
	return r;
}

/* --- the peer ------------------------------------------------------------------------------- */

/* The loop calls this; whoever it was that waited for the peer learns it from its own receiver. */
static void lost(ramet_receiver *watch)
{
	struct rmt_pool_member *member = RMT_CONTAINER(watch, struct rmt_pool_member, watch);
	ramet_pool *pool = member->pool;

	if (member->state == RMT_MEMBER_GONE)
		return;
	rmt_error_set(&pool->last, watch->code ? watch->code : -ECONNRESET, "%s",
		      watch->text ? watch->text : "out of memory");
	member->losses++;
	if (member->state == RMT_MEMBER_READY)
		member->state = RMT_MEMBER_LOST;
	rmt_loop_timer_stop(&pool->router->loop, &member->grace);
	member->stuck = false;
	rmt_pool_changed(pool);
	/* Not in here: the receiver is still looked at. */
	rmt_loop_defer(&pool->router->loop, &pool->reaper);
}

void rmt_pool_member_look(struct rmt_pool_member *member)
{
	bool gone = member->watched && member->watch.done;

	if (member->state == RMT_MEMBER_LEAVING && (gone || member->in_flight == 0)) {
		rmt_pool_member_leave(member);
		return;
	}
	if (member->state != RMT_MEMBER_LOST || !gone || member->in_flight > 0)
		return;
	unwatch(member);
	if (!member->path || !goes_on(member) || !may_try(member) || start_thread(member) < 0)
		rmt_pool_member_leave(member);
}

static void grace_over(struct rmt_timer *timer)
{
	struct rmt_pool_member *member = RMT_CONTAINER(timer, struct rmt_pool_member, grace);
	struct rmt_peer *peer = member->peer;
	ramet_router *router = member->pool->router;

	if (!member->path)
		rmt_pool_member_leave(member);
	else if (peer->process)
		rmt_child_end(peer, 0);
	else if (peer->via && peer->alive)
		rmt_control_release(router, peer->via->id, peer->id, 0);
}

void rmt_pool_member_ready(struct rmt_pool_member *member, struct rmt_peer *peer)
{
	struct rmt_peer *before = member->peer;

	member->peer = rmt_context_take(peer)->peer;
	if (before)
		rmt_context_drop(&before->handle);
	member->state = RMT_MEMBER_READY;
	member->grace.expired = grace_over;
	rmt_receiver_expect(&member->watch, peer, "a pool");
	member->watch.notify = lost;
	member->watched = true;
	if (!peer->alive)
		rmt_receiver_fail(&member->watch, ECONNRESET, "%s is gone: %s", rmt_peer_name(peer),
				  peer->reason ? peer->reason : "out of memory");
	rmt_pool_changed(member->pool);
}

void rmt_pool_member_stuck(struct rmt_pool_member *member)
{
	ramet_router *router = member->pool->router;

	if (member->stuck)
		return;
	member->stuck = true;
	if (router->state == RMT_ROUTER_RUNNING)
		rmt_loop_timer_start(&router->loop, &member->grace, rmt_after(STUCK_MS));
}

void rmt_pool_member_answered(struct rmt_pool_member *member)
{
	ramet_pool *pool = member->pool;

	if (member->stuck && member->in_flight == 0) {
		member->stuck = false;
		rmt_loop_timer_stop(&pool->router->loop, &member->grace);
		rmt_pool_changed(pool);
	}
	if (member->in_flight > 0)
		return;
	if (member->state != RMT_MEMBER_READY)
		rmt_loop_defer(&pool->router->loop, &pool->reaper);
}
