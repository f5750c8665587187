/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/format.h"
#include "base/time.h"
#include "core/broker.h"
#include "core/child.h"
#include "core/control.h"
#include "core/execute.h"
#include "core/flow.h"
#include "core/ids.h"
#include "core/log.h"
#include "core/notice.h"
#include "core/peer.h"
#include "core/policy.h"
#include "core/receiver.h"
#include "core/stream.h"
#include "core/wait.h"
#include "core/worker.h"
#include "wire/assembly.h"
#include "wire/input.h"

/* Room for what is read at once, and for a full frame whose beginning was read with it; few are
 * free at a time. */
#define CHUNK_CAPACITY (2 * (size_t)RMT_INPUT_CHUNK)
#define CHUNKS_KEPT 16

/* One that is read, one that is put together. */
#define MESSAGES_KEPT 2

/* An entry with a small message; as many as fit a fraction of a flow's window. */
#define BLOCK_CAPACITY 352
#define BLOCKS_KEPT 4096

/* After force was used, the kernel needs a moment to end processes. */
#define FORCE_MS 2000

int rmt_router_options(const ramet_router_options *options, ramet_router_options *ret_all)
{
	ramet_router_options all = RAMET_ROUTER_OPTIONS_INIT;

	if (options) {
		if (options->size < sizeof(options->size) || options->connect_timeout < 0 ||
		    options->shutdown_timeout < 0 || options->poller > RAMET_POLLER_POLL)
			return -EINVAL;
		/* A program that was compiled with an older header knows fewer members. */
		memcpy(&all, options, RMT_MIN(options->size, sizeof(all)));
	}
	*ret_all = all;
	return 0;
}

void rmt_router_set_options(ramet_router *router, const ramet_router_options *options)
{
	router->message_size_max = options->message_size_max ? options->message_size_max
							     : RMT_MESSAGE_SIZE_MAX;
	router->connect_timeout = options->connect_timeout > 0 ? options->connect_timeout
							       : RMT_CONNECT_TIMEOUT_MS;
	router->shutdown_timeout = options->shutdown_timeout > 0 ? options->shutdown_timeout
								 : RMT_SHUTDOWN_MASTER_MS;
	router->allow_siblings = options->allow_siblings;
	router->quota = (struct rmt_quota){
		.bytes = options->quota_bytes ? options->quota_bytes
					      : RMT_MAX((uint64_t)RMT_QUOTA_BYTES,
							2 * (uint64_t)router->message_size_max),
		.unread = options->quota_unread ? options->quota_unread : RMT_QUOTA_UNREAD,
		.flows = options->quota_flows ? options->quota_flows : RMT_QUOTA_FLOWS,
		.contexts = options->quota_contexts ? options->quota_contexts : RMT_QUOTA_CONTEXTS,
	};
	rmt_log_options(router, options);
	router->heartbeat_interval = options->heartbeat_interval;
	router->heartbeat_misses = options->heartbeat_misses ? options->heartbeat_misses
							     : RMT_HEARTBEAT_MISSES;
	router->password = options->password;
	router->password_data = options->password_data;
}

static void router_init(ramet_router *router)
{
	rmt_mutex_init(&router->lock);
	rmt_log_init(router);
	rmt_list_init(&router->waiting.sleepers);
	rmt_list_init(&router->streams);
	rmt_list_init(&router->dirty);
	rmt_list_init(&router->notices);
	rmt_list_init(&router->watched);
	rmt_list_init(&router->turns);
	rmt_list_init(&router->children);
	rmt_list_init(&router->ids.below);
	rmt_list_init(&router->allowed);
	rmt_execute_init(router);
	router->message_size_max = RMT_MESSAGE_SIZE_MAX;
	router->connect_timeout = RMT_CONNECT_TIMEOUT_MS;
	router->shutdown_timeout = RMT_SHUTDOWN_CHILD_MS;
	router->counters.started_at = rmt_now();
	router->references = router->users = 1;
	router->file_limit.root = -1;
}

static void router_free(ramet_router *router)
{
	rmt_execute_done(router);
	rmt_policy_done(router);
	rmt_table_done(&router->peers);
	rmt_table_done(&router->receivers);
	rmt_table_done(&router->flows);
	rmt_table_done(&router->inflows);
	rmt_chunk_pool_unref(router->chunks);
	rmt_chunk_pool_unref(router->messages);
	rmt_chunk_pool_unref(router->blocks);
	rmt_descriptor_close(router->file_limit.root);
	free(router->routes);
	free(router->path);
	rmt_mutex_done(&router->lock);
	free(router);
}

int rmt_router_new(const struct rmt_poller_type *poller, const struct rmt_parent_hooks *hooks,
		   ramet_router **ret_router)
{
	ramet_router *router;
	int r;

	router = calloc(1, sizeof(*router));
	if (!router)
		return -ENOMEM;
	router_init(router);
	/* Without randomness, right after the boot of a machine, handles are only as good as before. */
	if (getrandom(&router->handle_key, sizeof(router->handle_key), GRND_NONBLOCK) < 0)
		router->handle_key = (uint64_t)rmt_now();
	router->chunks = rmt_chunk_pool_new(CHUNK_CAPACITY, CHUNKS_KEPT);
	router->messages = rmt_chunk_pool_new(RMT_ASSEMBLY_CHUNK, MESSAGES_KEPT);
	router->blocks = rmt_chunk_pool_new(BLOCK_CAPACITY, BLOCKS_KEPT);
	r = router->chunks && router->messages && router->blocks
		    ? rmt_loop_init(&router->loop, poller, &router->lock)
		    : -ENOMEM;
	if (r < 0) {
		router_free(router);
		return r;
	}
	router->hooks = hooks;
	*ret_router = router;
	return 0;
}

int rmt_router_identify(ramet_router *router, uint32_t id, const char *path, size_t path_size)
{
	int r = 0;

	if (id == 0)
		r = rmt_ids_draw(router);
	if (r < 0)
		return r;
	router->id = id ? id : router->ids.next++;
	router->path = rmt_text_new(path, path_size);
	router->self = router->path ? rmt_peer_get(router, router->id) : NULL;
	if (!router->self)
		return -ENOMEM;
	rmt_peer_describe(router->self, path, path_size, getpid());
	return 0;
}

void rmt_router_release(ramet_router *router)
{
	bool last = --router->references == 0;

	rmt_unlock(router);
	if (last)
		router_free(router);
}

bool rmt_router_obeys(const ramet_router *router, uint32_t id)
{
	if (id == router->id)
		return true;
	for (size_t i = 0; i < router->parent_count; i++)
		if (router->parents[i] == id)
			return true;
	return false;
}

/* --- the end ------------------------------------------------------------------------------ */

void rmt_router_end(ramet_router *router, int ms)
{
	struct rmt_list *node, *following;

	if (router->state == RMT_ROUTER_ENDED)
		return;
	if (router->state == RMT_ROUTER_RUNNING) {
		router->state = RMT_ROUTER_ENDING;
		router->end_by = rmt_after(ms);
		if (router->hooks)
			router->hooks->cancel(router);
		if (router->is_child)
			rmt_child_ending(router);
	}
	rmt_list_each(&router->children, node, following)
		rmt_child_leave(RMT_CONTAINER(node, struct rmt_peer, child), ms);
	rmt_execute_cancel_all(router);
	rmt_wait_changed(router);
}

static bool nothing_below(void *argument)
{
	ramet_router *router = argument;
	struct rmt_list *node;

	for (node = router->streams.next; node != &router->streams; node = node->next) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);

		if (stream != router->uplink && !stream->guest)
			return false;
	}
	if (!rmt_list_empty(&router->execution.deferred))
		return false;
	return !router->hooks || !router->hooks->busy(router);
}

/* What could not be written yet has to get out: the last answers, the last lines of output. */
static bool all_written(void *argument)
{
	ramet_router *router = argument;
	struct rmt_list *node;

	if (rmt_log_waits(router))
		return false;
	for (node = router->streams.next; node != &router->streams; node = node->next) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);

		if (!stream->failed && !rmt_stream_idle(stream))
			return false;
	}
	return true;
}

/* Those who have joined us hear that this is no accident. */
static void leave_guests(ramet_router *router)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);

		if (stream->guest && stream->peer && !stream->failed)
			rmt_control_leave(stream);
	}
}

static void kill_children(ramet_router *router)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->children, node, following)
		if (router->hooks)
			router->hooks->kill(RMT_CONTAINER(node, struct rmt_peer, child));
}

/* All that still waits here ends. */
static void lose_everything(ramet_router *router)
{
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *node;

	while ((node = rmt_table_walk(&router->receivers, &walk))) {
		ramet_receiver *receiver = RMT_CONTAINER(node, ramet_receiver, node);

		if (receiver->result)
			rmt_receiver_fail(receiver, ESHUTDOWN, "the router has ended");
	}
	/* Losing one peer may free another, so the walk begins anew after each. */
	do {
		walk = (struct rmt_table_walk){0};
		while ((node = rmt_table_walk(&router->peers, &walk))) {
			struct rmt_peer *peer = RMT_CONTAINER(node, struct rmt_peer, node);

			if (peer->alive) {
				rmt_peer_lost(peer, "the router has ended");
				break;
			}
		}
	} while (node);
}

static void free_peers(ramet_router *router)
{
	struct rmt_table_walk walk;
	struct rmt_table_node *node;
	bool again = true;

	router->self = NULL;
	while (again) {
		size_t before = router->peers.count;

		again = false;
		walk = (struct rmt_table_walk){0};
		while ((node = rmt_table_walk(&router->peers, &walk))) {
			struct rmt_peer *peer = RMT_CONTAINER(node, struct rmt_peer, node);

			peer->lent = false;
			rmt_peer_collect(peer);
			if (router->peers.count != before) {
				again = true;
				break;
			}
		}
	}
}

void rmt_router_finish(ramet_router *router)
{
	int64_t by = router->end_by;

	if (rmt_wait(router, nothing_below, router, by) == -ETIMEDOUT) {
		kill_children(router);
		rmt_wait(router, nothing_below, router, rmt_after(FORCE_MS));
	}
	rmt_workers_quiet(router, RMT_MAX(by, rmt_now()));
	rmt_log_finish(router);
	leave_guests(router);
	rmt_wait(router, all_written, router, rmt_after(FORCE_MS));
	router->state = RMT_ROUTER_ENDED;
	rmt_wait_changed(router);
	rmt_notices_look(&router->notices, router);
	rmt_broker_stop(router);
	rmt_wait_end(router);
	rmt_execute_ended(router);
	lose_everything(router);
	if (router->hooks)
		router->hooks->done(router);
	while (!rmt_list_empty(&router->streams)) {
		struct rmt_stream *stream = rmt_list_first(&router->streams, struct rmt_stream,
							   node);

		if (stream->peer && stream->peer->stream == stream)
			stream->peer->stream = NULL;
		rmt_stream_free(stream);
	}
	router->uplink = NULL;
	router->route_count = 0;
	rmt_ids_done(router);
	rmt_log_done(router);
	free_peers(router);
	rmt_loop_done(&router->loop);
}

/* --- the public face ---------------------------------------------------------------------- */

RMT_PUBLIC ramet_router *ramet_router_ref(ramet_router *router)
{
	rmt_lock(router);
	router->users++;
	rmt_router_hold(router);
	rmt_unlock(router);
	return router;
}

RMT_PUBLIC void ramet_router_unref(ramet_router *router)
{
	if (!router)
		return;
	rmt_lock(router);
	if (--router->users == 0) {
		rmt_router_end(router, router->shutdown_timeout);
		rmt_router_finish(router);
	}
	rmt_router_release(router);
}

RMT_PUBLIC ramet_context *ramet_router_self(ramet_router *router)
{
	return router->self ? &router->self->handle : NULL;
}

RMT_PUBLIC ramet_context *ramet_router_parent(ramet_router *router)
{
	ramet_context *context = NULL;

	rmt_lock(router);
	if (router->uplink && router->uplink->peer) {
		router->uplink->peer->lent = true;
		context = &router->uplink->peer->handle;
	}
	rmt_unlock(router);
	return context;
}

RMT_PUBLIC ramet_context *ramet_router_child(ramet_router *router, size_t index)
{
	ramet_context *context = NULL;
	struct rmt_list *node, *following;

	rmt_lock(router);
	rmt_list_each(&router->children, node, following) {
		struct rmt_peer *peer = RMT_CONTAINER(node, struct rmt_peer, child);

		if (index-- > 0)
			continue;
		peer->lent = true;
		context = &peer->handle;
		break;
	}
	rmt_unlock(router);
	return context;
}
