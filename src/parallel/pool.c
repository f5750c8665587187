/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/peer.h"
#include "core/wait.h"
#include "parallel/pool.h"
#include "parent/gate.h"
#include "parent/path.h"

void rmt_pool_release(ramet_pool *pool)
{
	if (--pool->references > 0)
		return;
	rmt_list_remove(&pool->reaper.node);
	ramet_error_clear(&pool->last);
	pool->router->references--; /* whoever calls this has one of its own */
	free(pool);
}

void rmt_pool_changed(ramet_pool *pool)
{
	for (struct rmt_list *node = pool->maps.next; node != &pool->maps; node = node->next)
		RMT_CONTAINER(node, struct rmt_pool_map, node)->changed = true;
	rmt_wait_changed(pool->router);
}

/* Frees what nobody waits for, and looks at members that have finished. */
static void reap(struct rmt_deferred *deferred)
{
	ramet_pool *pool = RMT_CONTAINER(deferred, ramet_pool, reaper);
	struct rmt_list *node, *following;

	pool->references++;
	rmt_list_each(&pool->orphans, node, following) {
		struct rmt_pool_batch *batch = RMT_CONTAINER(node, struct rmt_pool_batch, of_map);

		if (batch->answered)
			rmt_pool_batch_free(batch);
	}
	rmt_list_each(&pool->members, node, following)
		rmt_pool_member_look(RMT_CONTAINER(node, struct rmt_pool_member, node));
	rmt_pool_release(pool);
}

/* --- members -------------------------------------------------------------------------------- */

static struct rmt_pool_member *find(const ramet_pool *pool, const struct rmt_peer *peer)
{
	for (struct rmt_list *node = pool->members.next; node != &pool->members;
	     node = node->next) {
		struct rmt_pool_member *member = RMT_CONTAINER(node, struct rmt_pool_member, node);

		if (member->peer == peer)
			return member;
	}
	return NULL;
}

int rmt_pool_join(ramet_pool *pool, struct rmt_peer *peer, char *path)
{
	struct rmt_pool_member *member;

	if (find(pool, peer))
		return -EEXIST;
	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	member->pool = pool;
	member->references = 1;
	member->path = path;
	rmt_list_init(&member->batches);
	rmt_list_append(&pool->members, &member->node);
	pool->references++;
	pool->member_count++;
	rmt_pool_member_ready(member, peer);
	return 0;
}

/* --- paths of single members ---------------------------------------------------------------- */

struct leaves {
	const struct rmt_path *path;
	char **texts;
	size_t count, capacity;
};

static int add_leaf(struct leaves *leaves, const char *text)
{
	if (leaves->count == leaves->capacity) {
		size_t capacity = leaves->capacity ? 2 * leaves->capacity : 16;
		char **grown = realloc(leaves->texts, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		leaves->texts = grown;
		leaves->capacity = capacity;
	}
	leaves->texts[leaves->count] = strdup(text);
	return leaves->texts[leaves->count] ? (leaves->count++, 0) : -ENOMEM;
}

static int add_hop(struct leaves *leaves, const char *before, size_t depth);

/* "METHOD:TARGET#INDEX?KEYS", for each member that the hop stands for. */
static int add_member(struct leaves *leaves, const char *before, size_t depth,
		      const struct rmt_hop *hop)
{
	size_t size = strcspn(hop->text, "?");
	int r = 0;

	for (uint32_t i = 0; i < hop->count && r == 0; i++) {
		char *text = rmt_format_new("%s%s%.*s#%u%s", before, *before ? "/" : "", (int)size,
					    hop->text, hop->index + i, hop->text + size);

		if (!text)
			r = -ENOMEM;
		else if (depth + 1 < leaves->path->count)
			r = add_hop(leaves, text, depth + 1);
		else
			r = add_leaf(leaves, text);
		free(text);
	}
	return r;
}

static int add_hop(struct leaves *leaves, const char *before, size_t depth)
{
	const struct rmt_hop *hop = &leaves->path->hops[depth];
	int r = 0;

	if (hop->member_count == 0)
		return add_member(leaves, before, depth, hop);
	for (size_t i = 0; i < hop->member_count && r == 0; i++)
		r = add_member(leaves, before, depth, &hop->members[i]);
	return r;
}

/* The paths have been connected, so they make sense. In the order of the group. */
static int find_leaves(const char *paths, struct leaves *leaves)
{
	int r = 0;

	for (const char *at = paths; r == 0;) {
		size_t size = rmt_path_size(at);
		struct rmt_path path;

		r = rmt_path_parse(at, size, &path, NULL);
		if (r < 0)
			break;
		leaves->path = &path;
		r = add_hop(leaves, "", 0);
		rmt_path_done(&path);
		if (!at[size])
			break;
		at += size + 1;
	}
	return r;
}

static void leaves_done(struct leaves *leaves)
{
	for (size_t i = 0; i < leaves->count; i++)
		free(leaves->texts[i]);
	free(leaves->texts);
}

/* --- joining -------------------------------------------------------------------------------- */

static int check_new(ramet_pool *pool, ramet_group *group)
{
	for (size_t i = 0; i < ramet_group_size(group); i++) {
		const struct rmt_peer *peer = ramet_group_get(group, i)->peer;

		if (find(pool, peer))
			return -EEXIST;
		for (size_t j = 0; j < i; j++)
			if (ramet_group_get(group, j)->peer == peer)
				return -EEXIST;
	}
	return 0;
}

static int set_up_all(ramet_pool *pool, ramet_group *group, ramet_error *error)
{
	ramet_error failure = RAMET_ERROR_INIT;
	int r = 0;

	for (size_t i = 0; i < ramet_group_size(group) && r >= 0; i++)
		r = rmt_pool_member_set_up(pool, ramet_group_get(group, i), &failure);
	if (r < 0)
		return rmt_error_move(error, &failure);
	ramet_error_clear(&failure);
	return 0;
}

static int join_all(ramet_pool *pool, ramet_group *group, struct leaves *leaves)
{
	int r = 0;

	for (size_t i = 0; i < leaves->count && r == 0; i++) {
		r = rmt_pool_join(pool, ramet_group_get(group, i)->peer, leaves->texts[i]);
		if (r == 0)
			leaves->texts[i] = NULL;
	}
	return r;
}

int rmt_pool_add(ramet_pool *pool, const char *paths, ramet_error *error)
{
	struct leaves leaves = {0};
	ramet_group *group = NULL;
	int r = rmt_connect_all(pool->router, paths, &group, error);

	if (r < 0)
		return r;
	rmt_lock(pool->router);
	r = check_new(pool, group);
	rmt_unlock(pool->router);
	if (r < 0)
		rmt_error_set(error, r, "a context of '%s' is in the pool already", paths);
	else
		r = set_up_all(pool, group, error);
	if (r == 0) {
		r = find_leaves(paths, &leaves);
		rmt_lock(pool->router);
		r = r < 0 ? r : join_all(pool, group, &leaves);
		rmt_unlock(pool->router);
		if (r < 0)
			rmt_error_set(error, r, "'%s' cannot join the pool: %s", paths,
				      rmt_strerror(r));
	}
	leaves_done(&leaves);
	ramet_group_unref(group);
	return r;
}

int rmt_pool_add_context(ramet_pool *pool, ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	if (context->router != pool->router)
		return -EINVAL;
	rmt_lock(pool->router);
	r = find(pool, context->peer) ? -EEXIST : 0;
	rmt_unlock(pool->router);
	if (r == 0)
		r = rmt_pool_member_set_up(pool, context, &error);
	ramet_error_clear(&error);
	if (r < 0)
		return r;
	rmt_lock(pool->router);
	r = context->peer->alive ? rmt_pool_join(pool, context->peer, NULL) : -ECONNRESET;
	rmt_unlock(pool->router);
	return r;
}

int rmt_pool_remove(ramet_pool *pool, ramet_context *context)
{
	struct rmt_pool_member *member;

	rmt_lock(pool->router);
	member = find(pool, context->peer);
	if (member && member->state == RMT_MEMBER_READY) {
		member->state = RMT_MEMBER_LEAVING;
		rmt_pool_member_look(member);
		rmt_pool_changed(pool);
	} else if (member && member->state == RMT_MEMBER_LOST) {
		rmt_pool_member_leave(member);
	}
	rmt_unlock(pool->router);
	return member ? 0 : -ENOENT;
}

size_t rmt_pool_size(ramet_pool *pool)
{
	size_t size;

	rmt_lock(pool->router);
	size = pool->member_count;
	rmt_unlock(pool->router);
	return size;
}

ramet_context *rmt_pool_get(ramet_pool *pool, size_t index)
{
	ramet_context *context = NULL;
	struct rmt_list *node;

	rmt_lock(pool->router);
	for (node = pool->members.next; node != &pool->members && index > 0; node = node->next)
		index--;
	if (node != &pool->members)
		context = rmt_context_take(RMT_CONTAINER(node, struct rmt_pool_member, node)->peer);
	rmt_unlock(pool->router);
	return context;
}

/* --- pools ---------------------------------------------------------------------------------- */

int rmt_pool_new(ramet_router *router, const char *paths, const ramet_pool_options *options,
		 ramet_pool **ret_pool, ramet_error *error)
{
	ramet_pool_options all = RAMET_POOL_OPTIONS_INIT;
	ramet_pool *pool;
	int r;

	if (options && options->size < sizeof(options->size))
		return rmt_error_set(error, EINVAL, "the options of a pool are wrong");
	if (options)
		memcpy(&all, options, RMT_MIN(options->size, sizeof(all)));
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return rmt_error_set(error, ENOMEM, "out of memory");
	pool->router = router;
	pool->options = all;
	pool->users = pool->references = 1;
	pool->reaper.run = reap;
	rmt_list_init(&pool->reaper.node);
	rmt_list_init(&pool->members);
	rmt_list_init(&pool->maps);
	rmt_list_init(&pool->orphans);
	rmt_lock(router);
	rmt_router_hold(router);
	rmt_unlock(router);
	r = rmt_pool_add(pool, paths, error);
	if (r < 0)
		rmt_pool_unref(pool);
	else
		*ret_pool = pool;
	return r;
}

void rmt_pool_ref(ramet_pool *pool)
{
	rmt_lock(pool->router);
	pool->users++;
	rmt_unlock(pool->router);
}

static bool no_setups(void *pool)
{
	return ((ramet_pool *)pool)->setups == 0;
}

void rmt_pool_unref(ramet_pool *pool)
{
	ramet_router *router = pool->router;
	struct rmt_list *node, *following;

	rmt_lock(router);
	if (--pool->users > 0) {
		rmt_unlock(router);
		return;
	}
	rmt_router_hold(router);
	/* What nobody waits for, and the program's hook is done with its data. */
	rmt_list_each(&pool->orphans, node, following)
		rmt_pool_batch_free(RMT_CONTAINER(node, struct rmt_pool_batch, of_map));
	rmt_list_each(&pool->members, node, following)
		rmt_pool_member_leave(RMT_CONTAINER(node, struct rmt_pool_member, node));
	rmt_wait(router, no_setups, pool, RMT_NEVER);
	rmt_pool_release(pool);
	rmt_router_release(router);
}

void rmt_pool_cancel(ramet_pool *pool)
{
	rmt_lock(pool->router);
	for (struct rmt_list *node = pool->maps.next; node != &pool->maps; node = node->next)
		RMT_CONTAINER(node, struct rmt_pool_map, node)->cancelled = true;
	rmt_wait_changed(pool->router);
	rmt_unlock(pool->router);
}
