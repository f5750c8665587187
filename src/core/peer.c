/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/control.h"
#include "core/execute.h"
#include "core/flow.h"
#include "core/log.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/stream.h"
#include "core/wait.h"

/* --- peers -------------------------------------------------------------------------------- */

struct rmt_peer *rmt_peer_find(const ramet_router *router, uint32_t id)
{
	struct rmt_table_node *node = rmt_table_find(&router->peers, id);

	return node ? RMT_CONTAINER(node, struct rmt_peer, node) : NULL;
}

struct rmt_peer *rmt_peer_get(ramet_router *router, uint32_t id)
{
	struct rmt_peer *peer = rmt_peer_find(router, id);

	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->router = router;
	peer->id = id;
	peer->alive = router->state != RMT_ROUTER_ENDED;
	peer->handle.router = router;
	peer->handle.peer = peer;
	atomic_init(&peer->handle.id, id);
	rmt_list_init(&peer->pending);
	rmt_list_init(&peer->flows);
	rmt_list_init(&peer->inflows);
	rmt_list_init(&peer->child);
	rmt_table_add(&router->peers, &peer->node, id);
	return peer;
}

void rmt_peer_describe(struct rmt_peer *peer, const char *path, size_t path_size, int pid)
{
	if (!peer->path && path)
		peer->path = rmt_text_new(path, path_size);
	if (pid > 0 && peer->pid == 0)
		peer->pid = pid;
}

const char *rmt_peer_name(const struct rmt_peer *peer)
{
	static _Thread_local char text[32];

	if (peer->path && *peer->path)
		return peer->path;
	if (peer->id ==
	    (rmt_router_is_root(peer->router) ? peer->router->id : peer->router->parents[0]))
		return "the master";
	rmt_format(text, sizeof(text), "context %u", peer->id);
	return text;
}

bool rmt_peer_path_covers(const struct rmt_peer *peer, const char *path)
{
	size_t size = peer->path ? strlen(peer->path) : 0;

	return size > 0 && strncmp(path, peer->path, size) == 0 &&
	       (path[size] == '\0' || path[size] == '/');
}

static void child_lost_timer(struct rmt_timer *timer)
{
	struct rmt_peer *child = RMT_CONTAINER(timer, struct rmt_peer, grace);

	if (child->router->hooks)
		child->router->hooks->kill(child);
}

void rmt_peer_collect(struct rmt_peer *peer)
{
	ramet_router *router = peer->router;

	if (peer->handle.references > 0 || peer->handles > 0 || peer->lent || peer->stream ||
	    peer->process || peer->via || !rmt_list_empty(&peer->pending) ||
	    !rmt_list_empty(&peer->flows) || !rmt_list_empty(&peer->inflows) ||
	    peer == router->self)
		return;
	rmt_table_remove(&router->peers, &peer->node);
	rmt_list_remove(&peer->child);
	rmt_loop_timer_stop(&router->loop, &peer->grace);
	free(peer->path);
	free(peer->reason);
	free(peer->key);
	free(peer->holders);
	free(peer);
}

/* Ends everything here that waits for this peer. */
void rmt_peer_lost(struct rmt_peer *peer, const char *reason)
{
	ramet_router *router = peer->router;
	struct rmt_list *node, *following;

	if (!peer->alive)
		return;
	peer->alive = false;
	peer->reason = strdup(reason);
	peer->handle.references++; /* what follows may drop the last one */
	rmt_list_remove(&peer->child);
	while (!rmt_list_empty(&peer->pending))
		rmt_receiver_fail(rmt_list_first(&peer->pending, ramet_receiver, pending),
				  ECONNRESET, "%s is gone: %s", rmt_peer_name(peer), reason);
	rmt_list_each(&peer->flows, node, following) {
		struct rmt_flow *flow = RMT_CONTAINER(node, struct rmt_flow, of_peer);

		flow->references++;
		rmt_flow_close(flow, reason);
		rmt_flow_unref(flow); /* frees those that nobody uses */
	}
	rmt_list_each(&peer->inflows, node, following) {
		struct rmt_inflow *inflow = RMT_CONTAINER(node, struct rmt_inflow, of_peer);

		ramet_receiver *receiver = inflow->receiver;

		if (receiver && !receiver->result)
			rmt_receiver_source_lost(receiver, inflow, reason);
		rmt_inflow_free(inflow);
		/* What was the last to write may have been it. */
		if (receiver && !receiver->result)
			rmt_receiver_changed(receiver);
	}
	rmt_execute_caller_lost(router, peer->id);
	rmt_wait_changed(router);
	peer->handle.references--;
	rmt_peer_dropped(peer);
}

/* They are sorted. */
static bool in_ranges(uint32_t id, const uint32_t (*ranges)[2], size_t count)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges[middle][1] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ranges[low][0] <= id;
}

/* Which neighbours have to hear of it: the parent, for the whole way up; and those that talked to
 * the lost. */
static void tell_neighbours(ramet_router *router, const uint32_t (*ranges)[2], size_t count,
			    const char *reason, struct rmt_stream *from)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);
		bool tell = stream == router->uplink;

		if (stream == from || stream->failed || !stream->peer)
			continue;
		for (size_t i = 0; i < count && !tell; i++)
			tell = rmt_stream_talked(stream, ranges[i][0], ranges[i][1]);
		if (tell)
			rmt_control_gone(stream, ranges, count, reason);
	}
}

/* Without memory to note which they are: the walk begins anew after each. */
static void lose_one_by_one(ramet_router *router, const uint32_t (*ranges)[2], size_t count,
			    const char *reason)
{
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *node;

	while ((node = rmt_table_walk(&router->peers, &walk))) {
		struct rmt_peer *peer = RMT_CONTAINER(node, struct rmt_peer, node);

		if (!peer->alive || peer == router->self || !in_ranges(peer->id, ranges, count))
			continue;
		rmt_peer_lost(peer, reason);
		walk = (struct rmt_table_walk){0};
	}
}

/* What was started for them, also for those of whom nothing else is known here. */
static void unhold(ramet_router *router, const uint32_t (*ranges)[2], size_t count)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->children, node, following) {
		struct rmt_peer *child = RMT_CONTAINER(node, struct rmt_peer, child);

		for (size_t i = child->holder_count; i-- > 0;)
			if (in_ranges(child->holders[i].id, ranges, count))
				rmt_peer_unhold(child, child->holders[i].id, UINT32_MAX);
	}
}

void rmt_peers_renew(ramet_router *router, uint32_t first, uint32_t last)
{
	const uint32_t range[1][2] = {{first, last}};
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *node;

	while ((node = rmt_table_walk(&router->peers, &walk))) {
		struct rmt_peer *peer = RMT_CONTAINER(node, struct rmt_peer, node);

		if (peer->alive || node->key != peer->id || !in_ranges(peer->id, range, 1))
			continue;
		/* Under a key that nobody looks for. */
		rmt_table_remove(&router->peers, node);
		rmt_table_add(&router->peers, node, rmt_key(1, peer->id));
		walk = (struct rmt_table_walk){0};
	}
}

void rmt_peers_lost(ramet_router *router, const uint32_t (*ranges)[2], size_t count,
		    const char *reason, struct rmt_stream *from)
{
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *node;
	uint32_t *ids = NULL;
	size_t known = 0, i = 0;

	if (router->state == RMT_ROUTER_RUNNING)
		tell_neighbours(router, ranges, count, reason, from);
	unhold(router, ranges, count);
	/* Losing one peer may free others, so their ids are noted first. */
	for (node = rmt_table_walk(&router->peers, &walk); node;
	     node = rmt_table_walk(&router->peers, &walk))
		known += in_ranges((uint32_t)node->key, ranges, count);
	if (known == 0)
		return;
	ids = calloc(known, sizeof(*ids));
	walk = (struct rmt_table_walk){0};
	for (node = rmt_table_walk(&router->peers, &walk); node && ids && i < known;
	     node = rmt_table_walk(&router->peers, &walk))
		if (in_ranges((uint32_t)node->key, ranges, count))
			ids[i++] = (uint32_t)node->key;
	if (!ids)
		lose_one_by_one(router, ranges, count, reason);
	for (i = 0; ids && i < known; i++) {
		struct rmt_peer *peer = rmt_peer_find(router, ids[i]);

		if (peer && peer != router->self)
			rmt_peer_lost(peer, reason);
	}
	free(ids);
}

/* --- children ----------------------------------------------------------------------------- */

/* The parent has a stream, too, and so has who has joined us; they are nobody's to end. */
static bool is_child(const struct rmt_peer *peer)
{
	return peer->stream && peer->stream != peer->router->uplink && !peer->stream->guest;
}

static struct rmt_holder *holder_find(struct rmt_peer *child, uint32_t id)
{
	for (size_t i = 0; i < child->holder_count; i++)
		if (child->holders[i].id == id)
			return &child->holders[i];
	return NULL;
}

int rmt_peer_hold(struct rmt_peer *child, uint32_t id)
{
	struct rmt_holder *holder = holder_find(child, id), *grown;

	if (!holder) {
		grown = realloc(child->holders, (child->holder_count + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		child->holders = grown;
		holder = &grown[child->holder_count++];
		*holder = (struct rmt_holder){.id = id};
	}
	holder->count++;
	return 0;
}

/* A child whom nobody holds ends. */
static void end_unheld(struct rmt_peer *child)
{
	if (is_child(child) && child->alive && !child->kept && child->handle.references == 0 &&
	    child->handles == 0 && child->holder_count == 0 &&
	    child->router->state == RMT_ROUTER_RUNNING)
		rmt_child_leave(child, child->router->shutdown_timeout);
}

void rmt_peer_unhold(struct rmt_peer *child, uint32_t id, uint32_t count)
{
	struct rmt_holder *holder = holder_find(child, id);

	if (!holder)
		return;
	holder->count -= RMT_MIN(count, holder->count);
	if (holder->count > 0)
		return;
	*holder = child->holders[--child->holder_count];
	end_unheld(child);
}

static void child_end(struct rmt_peer *child, int ms, bool leave)
{
	ramet_router *router = child->router;
	int64_t until = ms < 0 ? RMT_NEVER : rmt_after(ms);

	if (!is_child(child) || child->stream->failed)
		return;
	child->grace.expired = child_lost_timer;
	if (until != RMT_NEVER && (child->grace.index == 0 || until < child->grace.when) &&
	    rmt_loop_timer_start(&router->loop, &child->grace, until) < 0)
		child_lost_timer(&child->grace);
	if (child->ending)
		return;
	child->ending = true;
	/* It needs a little less than we have, to end its own children by force and still end by
	 * itself. */
	if (leave)
		rmt_control_leave(child->stream);
	else
		rmt_control_shutdown(router, child->id,
				     ms < 0 ? RMT_SHUTDOWN_CHILD_MS : ms - ms / 4);
}

void rmt_child_end(struct rmt_peer *child, int ms)
{
	child_end(child, ms, false);
}

void rmt_child_leave(struct rmt_peer *child, int ms)
{
	child_end(child, ms, child->joined);
}

void rmt_child_lost(struct rmt_peer *child, const char *reason)
{
	ramet_router *router = child->router;
	struct rmt_stream *stream = child->stream;
	uint32_t(*ranges)[2] = NULL, all[1][2];
	size_t count = 0;

	for (size_t i = 0; i < router->route_count; i++)
		count += router->routes[i].stream == stream;
	ranges = calloc(count ? count : 1, sizeof(*ranges));
	count = 0;
	for (size_t i = 0; i < router->route_count; i++) {
		if (router->routes[i].stream != stream)
			continue;
		/* Without memory, one after the other. */
		all[0][0] = router->routes[i].first;
		all[0][1] = router->routes[i].last;
		if (ranges)
			memcpy(ranges[count++], all[0], sizeof(all[0]));
		else
			rmt_peers_lost(router, (const uint32_t(*)[2])all, 1, reason, stream);
	}
	rmt_route_remove(router, stream);
	rmt_loop_timer_stop(&router->loop, &child->grace);
	rmt_log_child_lost(stream);
	child->stream = NULL;
	child->handle.references++;
	rmt_stream_free(stream);
	rmt_peers_lost(router, (const uint32_t(*)[2])ranges, count, reason, NULL);
	rmt_peer_lost(child, reason);
	free(ranges);
	child->handle.references--;
	rmt_peer_collect(child);
	rmt_wait_changed(router);
}

/* --- handles ------------------------------------------------------------------------------ */

ramet_context *rmt_context_take(struct rmt_peer *peer)
{
	peer->handle.references++;
	rmt_router_hold(peer->router);
	return &peer->handle;
}

/* The last handle to what was started from here is gone. */
void rmt_peer_dropped(struct rmt_peer *peer)
{
	struct rmt_peer *via = peer->via;
	ramet_router *router = peer->router;

	if (peer->handle.references > 0 || peer->handles > 0)
		return;
	/* One that is kept keeps those on the way to it. */
	if (via && (!peer->kept || !peer->alive)) {
		for (; peer->holds > 0; peer->holds--)
			if (peer->alive && via->alive && router->state == RMT_ROUTER_RUNNING)
				rmt_control_release(router, via->id, peer->id, RMT_UNHOLD);
		peer->via = NULL;
		rmt_peer_collect(peer);
		rmt_context_drop(&via->handle);
		return;
	}
	end_unheld(peer);
	rmt_peer_collect(peer);
}

void rmt_context_drop(ramet_context *context)
{
	struct rmt_peer *peer = context->peer;
	struct rmt_managed *managed = context->managed;

	peer->router->references--; /* the caller holds the router otherwise */
	if (--context->references > 0)
		return;
	if (context != &peer->handle) {
		if (managed)
			rmt_list_remove(&context->of_managed);
		free(context);
		peer->handles--;
	}
	rmt_peer_dropped(peer);
	if (managed && rmt_list_empty(&managed->handles))
		managed->dropped(managed);
}

RMT_PUBLIC ramet_context *ramet_context_ref(ramet_context *context)
{
	ramet_router *router = context->router;

	rmt_lock(router);
	context->references++;
	rmt_router_hold(router);
	rmt_unlock(router);
	return context;
}

RMT_PUBLIC void ramet_context_unref(ramet_context *context)
{
	ramet_router *router;

	if (!context)
		return;
	router = context->router;
	rmt_lock(router);
	rmt_router_hold(router);
	rmt_context_drop(context);
	rmt_router_release(router);
}

RMT_PUBLIC void ramet_context_keep(ramet_context *context)
{
	struct rmt_peer *peer = context->peer;

	rmt_lock(peer->router);
	/* Whoever has started it need not hear from us again, should we be gone before it. */
	if (peer->via && !peer->kept && peer->alive)
		rmt_control_release(peer->router, peer->via->id, peer->id, RMT_KEEP);
	peer->kept = true;
	rmt_unlock(peer->router);
}

RMT_PUBLIC const char *ramet_context_path(const ramet_context *context)
{
	const char *path;

	rmt_lock(context->router);
	path = context->managed ? context->managed->path : context->peer->path;
	rmt_unlock(context->router);
	return path ? path : "";
}

RMT_PUBLIC uint32_t ramet_context_id(const ramet_context *context)
{
	return atomic_load_explicit(&context->id, memory_order_relaxed);
}

RMT_PUBLIC int ramet_context_pid(const ramet_context *context)
{
	int pid;

	rmt_lock(context->router);
	pid = context->peer->pid;
	rmt_unlock(context->router);
	return pid;
}

RMT_PUBLIC bool ramet_context_alive(const ramet_context *context)
{
	bool alive;

	rmt_lock(context->router);
	alive = context->peer->alive;
	rmt_unlock(context->router);
	return alive;
}

static bool peer_is_gone(void *argument)
{
	struct rmt_peer *peer = argument;

	/* A child of ours is gone when its process is, too. */
	return !peer->alive && !peer->process;
}

/* The peer of a handle, which stays while the lock is given up even if the handle gets another one. */
static struct rmt_peer *pin(const ramet_context *context)
{
	return rmt_context_take(context->peer)->peer;
}

RMT_PUBLIC int ramet_context_wait(ramet_context *context, int timeout, const char **ret_reason)
{
	ramet_router *router = context->router;
	struct rmt_peer *peer;
	int r;

	rmt_lock(router);
	peer = pin(context);
	r = rmt_wait(router, peer_is_gone, peer, rmt_after(timeout));
	if (r == 0 && ret_reason)
		*ret_reason = peer->reason ? peer->reason : "out of memory";
	rmt_context_drop(&peer->handle);
	rmt_unlock(router);
	return r == 0 ? 1 : r == -ETIMEDOUT ? 0 : r;
}

RMT_PUBLIC int ramet_context_shutdown(ramet_context *context, int timeout, ramet_error *error)
{
	ramet_router *router = context->router;
	struct rmt_managed *managed = context->managed;
	struct rmt_peer *peer;
	bool wait;
	int ms, r = 0;

	rmt_lock(router);
	wait = managed && managed->stop(managed);
	peer = pin(context);
	ms = timeout < 0 ? router->shutdown_timeout : timeout;
	if (is_child(peer) || peer->process)
		rmt_child_end(peer, ms);
	else if (peer->via && peer->alive)
		rmt_control_release(router, peer->via->id, peer->id, ms);
	else if (peer->alive)
		r = rmt_error_set(error, EPERM, "%s was not connected from here",
				  rmt_peer_name(peer));
	/* TERM and KILL need a moment after the grace. */
	if (r == 0)
		r = rmt_wait(router, peer_is_gone, peer, rmt_after(ms + 2000));
	if (r == 0 && wait)
		r = rmt_wait(router, managed->quiet, managed, rmt_after(ms + 2000));
	if (r == -ETIMEDOUT)
		rmt_error_set(error, ETIMEDOUT, "%s has not ended", rmt_peer_name(peer));
	rmt_context_drop(&peer->handle);
	rmt_unlock(router);
	return r;
}

RMT_PUBLIC int ramet_context_with(ramet_context *context, const ramet_call_options *options,
				  ramet_context **ret_context)
{
	ramet_context *handle = calloc(1, sizeof(*handle));
	ramet_router *router = context->router;

	if (!handle)
		return -ENOMEM;
	rmt_lock(router);
	*handle = (struct ramet_context){
		.router = router,
		.peer = context->peer,
		.id = context->peer->id,
		.references = 1,
		.timeout = options->timeout,
		.chain = options->chain ? ++router->chain_next : 0,
		.managed = context->managed,
	};
	if (handle->managed)
		rmt_list_append(&handle->managed->handles, &handle->of_managed);
	handle->peer->handles++;
	rmt_router_hold(router);
	rmt_unlock(router);
	*ret_context = handle;
	return 0;
}

RMT_PUBLIC int ramet_context_reset(ramet_context *context)
{
	ramet_router *router = context->router;

	rmt_lock(router);
	if (context->chain != 0 && context->peer->alive)
		rmt_control_reset(router, context->peer->id, context->chain);
	rmt_unlock(router);
	return 0;
}
