/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/managed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/thread.h"
#include "base/time.h"
#include "core/wait.h"
#include "parent/connection-state.h"
#include "parent/gate.h"

/* Passwords may be asked for on it, and the program's callback runs there. */
#define STACK (512u << 10)

#define BACKOFF_MS 500
#define BACKOFF_MAX_MS 60000

enum state {
	CONNECTED, /* as far as is known */
	WAITING,   /* until next_at */
	TRYING,
	GIVEN_UP,
	STOPPED,
};

struct managed {
	struct rmt_managed managed;
	struct rmt_list node; /* in set->threads */
	ramet_router *router;
	pthread_t thread;
	bool running; /* the thread */
	bool dropped; /* nobody has a handle any more */
	enum state state;
	int64_t next_at;
	/* With a reference to its handle each: the one that handles lead to; and the one before, whose
	 * reason may be looked at still. */
	struct rmt_peer *peer, *before;
	char *target; /* the path as it was given */
	int first, longest;
	uint32_t attempts;
	ramet_manage_callback *callback;
	void *data;
	ramet_error error; /* of the last attempt */
};

static struct managed *managed_of(const struct rmt_managed *managed)
{
	return RMT_CONTAINER(managed, struct managed, managed);
}

static void managed_free(struct managed *managed)
{
	if (managed->before)
		rmt_context_drop(&managed->before->handle);
	if (managed->peer)
		rmt_context_drop(&managed->peer->handle);
	ramet_error_clear(&managed->error);
	free(managed->managed.path);
	free(managed->target);
	free(managed);
}

/* --- what the core asks --------------------------------------------------------------------- */

static const char *reason_of(const struct managed *managed)
{
	return managed->peer->reason ? managed->peer->reason : "out of memory";
}

static int absent(const struct rmt_managed *base, ramet_error *error)
{
	const struct managed *managed = managed_of(base);
	const char *path = base->path;

	switch (managed->state) {
	case WAITING:
		return rmt_error_set(
			error, ENOTCONN, "%s is not connected: %s; the next attempt is in %d ms",
			path, managed->error.message ? managed->error.message : reason_of(managed),
			rmt_poll_timeout(managed->next_at, rmt_now()));
	case GIVEN_UP:
		return rmt_error_set(
			error, ENOTCONN, "%s is not connected, and was given up: %s", path,
			managed->error.message ? managed->error.message : reason_of(managed));
	case STOPPED:
		return rmt_error_set(error, ENOTCONN,
				     "%s is not connected, and will not be: it was ended", path);
	default:
		return rmt_error_set(error, ENOTCONN,
				     "%s is not connected: %s; it is being connected now", path,
				     reason_of(managed));
	}
}

static bool stop(struct rmt_managed *base)
{
	struct managed *managed = managed_of(base);

	if (managed->state != GIVEN_UP)
		managed->state = STOPPED;
	rmt_wait_changed(managed->router);
	return managed->running && !pthread_equal(managed->thread, pthread_self());
}

static bool quiet(void *base)
{
	return !managed_of(base)->running;
}

static void dropped(struct rmt_managed *base)
{
	struct managed *managed = managed_of(base);

	managed->dropped = true;
	stop(base);
	/* Its context ends now, whatever the thread is busy with. */
	rmt_context_drop(&managed->peer->handle);
	if (managed->before)
		rmt_context_drop(&managed->before->handle);
	managed->peer = managed->before = NULL;
	if (!managed->running)
		managed_free(managed);
}

/* --- the thread: with the lock ---------------------------------------------------------------- */

static bool goes_on(const struct managed *managed)
{
	return managed->state < GIVEN_UP && managed->router->state == RMT_ROUTER_RUNNING;
}

static bool is_lost(void *argument)
{
	const struct managed *managed = argument;

	return !goes_on(managed) || !managed->peer->alive;
}

static bool is_stopped(void *argument)
{
	return !goes_on(argument);
}

/* Tells the program, without the lock. */
static void tell(struct managed *managed, enum ramet_manage_state state, const char *reason,
		 uint32_t attempt, int next)
{
	ramet_router *router = managed->router;
	ramet_manage_event event = {.state = state, .attempt = attempt, .next = next};
	ramet_context *context;
	char *copy;

	if (!managed->callback || managed->dropped)
		return;
	context = RMT_CONTAINER(managed->managed.handles.next, ramet_context, of_managed);
	context->references++;
	rmt_router_hold(router);
	copy = reason ? strdup(reason) : NULL;
	event.reason = copy ? copy : reason ? "out of memory" : "";
	rmt_unlock(router);
	managed->callback(context, &event, managed->data);
	rmt_lock(router);
	free(copy);
	rmt_context_drop(context);
}

/* Half of it is chance: what was lost together need not come back together. */
static int backoff(const struct managed *managed, uint32_t attempt)
{
	uint32_t chance = 0;
	int ms = managed->first;

	while (--attempt > 0 && ms < managed->longest)
		ms = ms > managed->longest / 2 ? managed->longest : 2 * ms;
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != (ssize_t)sizeof(chance))
		chance = (uint32_t)rmt_now();
	return ms - (int)(chance % ((uint32_t)ms / 2 + 1));
}

/* All handles lead to another context from now on. */
static void move(struct managed *managed, struct rmt_peer *peer)
{
	struct rmt_list *node, *following;

	rmt_list_each(&managed->managed.handles, node, following) {
		ramet_context *context = RMT_CONTAINER(node, ramet_context, of_managed);

		context->peer->handles--;
		peer->handles++;
		context->peer = peer;
		atomic_store_explicit(&context->id, peer->id, memory_order_relaxed);
	}
	peer->kept = peer->kept || managed->peer->kept;
	rmt_context_take(peer);
	if (managed->before)
		rmt_context_drop(&managed->before->handle);
	managed->before = managed->peer;
	managed->peer = peer;
}

/* One attempt: 0, or why not. */
static int attempt_once(struct managed *managed)
{
	ramet_router *router = managed->router;
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	managed->state = TRYING;
	rmt_unlock(router);
	r = rmt_connect(router, managed->target, &context, &error);
	rmt_lock(router);
	ramet_error_clear(&managed->error);
	if (r < 0)
		rmt_error_move(&managed->error, &error);
	else if (managed->state == TRYING)
		move(managed, context->peer);
	if (context)
		rmt_context_drop(context);
	if (r == 0 && managed->state == TRYING) {
		managed->state = CONNECTED;
		rmt_wait_changed(router);
	}
	return r;
}

/* Until it is there again: true. */
static bool regain(struct managed *managed)
{
	ramet_router *router = managed->router;
	const char *reason = reason_of(managed);
	uint32_t attempt;

	ramet_error_clear(&managed->error);
	managed->state = WAITING;
	managed->next_at = rmt_now();
	tell(managed, RAMET_MANAGE_LOST, reason, 0, 0);
	for (attempt = 1; goes_on(managed); attempt++) {
		int ms;

		if (managed->attempts > 0 && attempt > managed->attempts) {
			managed->state = GIVEN_UP;
			rmt_wait_changed(router);
			tell(managed, RAMET_MANAGE_GIVEN_UP, managed->error.message, attempt - 1,
			     0);
			return false;
		}
		ms = backoff(managed, attempt);
		managed->state = WAITING;
		managed->next_at = rmt_after(ms);
		tell(managed, RAMET_MANAGE_WAITING,
		     managed->error.code ? managed->error.message : reason, attempt, ms);
		if (rmt_wait(router, is_stopped, managed, managed->next_at) != -ETIMEDOUT)
			return false;
		if (attempt_once(managed) == 0 && managed->state == CONNECTED) {
			tell(managed, RAMET_MANAGE_CONNECTED, NULL, attempt, 0);
			return true;
		}
	}
	return false;
}

static void *managed_main(void *argument)
{
	struct managed *managed = argument;
	ramet_router *router = managed->router;

	rmt_lock(router);
	managed->thread = pthread_self();
	while (goes_on(managed) && rmt_wait(router, is_lost, managed, RMT_NEVER) == 0 &&
	       goes_on(managed) && regain(managed))
		;
	managed->running = false;
	rmt_list_remove(&managed->node);
	if (managed->dropped)
		managed_free(managed);
	if (router->hooks_data)
		rmt_condition_broadcast(&((struct rmt_parent *)router->hooks_data)->managed.left);
	rmt_wait_changed(router);
	rmt_router_release(router);
	rmt_threads_ours(-1);
	return NULL;
}

void rmt_managed_init(struct rmt_managed_set *set)
{
	rmt_list_init(&set->threads);
	rmt_condition_init(&set->left);
}

void rmt_managed_done(struct rmt_managed_set *set, ramet_router *router)
{
	struct rmt_list *node, *following;

	/* The thread that ends the router, in its callback, has nobody to wait for it. */
	rmt_list_each(&set->threads, node, following) {
		if (pthread_equal(RMT_CONTAINER(node, struct managed, node)->thread,
				  pthread_self()))
			rmt_list_remove(node);
	}
	while (!rmt_list_empty(&set->threads))
		rmt_condition_wait(&set->left, &router->lock, RMT_NEVER);
	rmt_condition_done(&set->left);
}

/* --- behind the gate ------------------------------------------------------------------------ */

static int managed_new(ramet_router *router, const char *path, const ramet_manage_options *options,
		       struct managed **ret_managed)
{
	struct managed *managed = calloc(1, sizeof(*managed));

	if (!managed)
		return -ENOMEM;
	rmt_list_init(&managed->managed.handles);
	rmt_list_init(&managed->node);
	managed->managed.absent = absent;
	managed->managed.dropped = dropped;
	managed->managed.stop = stop;
	managed->managed.quiet = quiet;
	managed->router = router;
	managed->first = options->backoff ? options->backoff : BACKOFF_MS;
	managed->longest = options->backoff_max ? options->backoff_max : BACKOFF_MAX_MS;
	managed->longest = RMT_MAX(managed->longest, managed->first);
	managed->attempts = options->attempts;
	managed->callback = options->callback;
	managed->data = options->data;
	managed->target = strdup(path);
	if (!managed->target) {
		free(managed);
		return -ENOMEM;
	}
	*ret_managed = managed;
	return 0;
}

/* The lock is held. On failure `managed` is as it was. */
static int begin(struct managed *managed, struct rmt_peer *peer, ramet_context **ret_context)
{
	struct rmt_parent *parent;
	ramet_context *handle;
	int r;

	if (managed->router->state != RMT_ROUTER_RUNNING)
		return -ESHUTDOWN;
	parent = rmt_parent_of(managed->router);
	handle = calloc(1, sizeof(*handle));
	managed->managed.path = strdup(peer->path ? peer->path : "");
	/* The lock is held, so that the thread begins when this has returned. */
	r = parent && handle && managed->managed.path
		    ? rmt_thread_new(managed_main, managed, STACK, NULL)
		    : -ENOMEM;
	if (r < 0) {
		free(handle);
		return r;
	}
	*handle = (struct ramet_context){
		.router = managed->router,
		.peer = peer,
		.id = peer->id,
		.references = 1,
		.managed = &managed->managed,
	};
	rmt_list_append(&managed->managed.handles, &handle->of_managed);
	peer->handles++;
	rmt_router_hold(managed->router); /* for the handle, and for the thread */
	rmt_router_hold(managed->router);
	managed->peer = rmt_context_take(peer)->peer;
	managed->running = true;
	rmt_list_append(&parent->managed.threads, &managed->node);
	*ret_context = handle;
	return 0;
}

int rmt_connect_managed(ramet_router *router, const char *path, const ramet_manage_options *options,
			ramet_context **ret_context, ramet_error *error)
{
	ramet_manage_options all = RAMET_MANAGE_OPTIONS_INIT;
	ramet_context *context = NULL;
	struct managed *managed;
	int r;

	if (options && (options->size < sizeof(options->size) || options->backoff < 0 ||
			options->backoff_max < 0))
		return rmt_error_set(error, EINVAL, "the options of a managed context are wrong");
	if (options)
		memcpy(&all, options, RMT_MIN(options->size, sizeof(all)));
	r = managed_new(router, path, &all, &managed);
	if (r < 0)
		return rmt_error_set(error, r, "out of memory");
	r = rmt_connect(router, path, &context, error);
	rmt_lock(router);
	rmt_router_hold(router);
	if (r == 0) {
		r = begin(managed, context->peer, ret_context);
		if (r < 0)
			rmt_error_set(error, r, "%s cannot be managed: %s", path, rmt_strerror(r));
		rmt_context_drop(context);
	}
	if (r < 0)
		managed_free(managed);
	rmt_router_release(router);
	return r;
}

static bool is_settled(void *argument)
{
	const ramet_context *context = argument;

	return context->peer->alive ||
	       (context->managed ? managed_of(context->managed)->state >= GIVEN_UP : true);
}

int rmt_context_wait_connected(ramet_context *context, int timeout)
{
	ramet_router *router = context->router;
	int r;

	rmt_lock(router);
	r = rmt_wait(router, is_settled, context, rmt_after(timeout));
	if (r == 0 && !context->peer->alive)
		r = context->router->state == RMT_ROUTER_ENDED ? -ESHUTDOWN : -ENOTCONN;
	rmt_unlock(router);
	return r;
}
