/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "core/peer.h"
#include "core/router.h"

/* The contexts from the one behind this one down to `peer`; of this one: none. */
struct chain {
	struct rmt_peer *peers[RMT_TREE_DEPTH_MAX];
	unsigned count;
};

static void chain_make(struct chain *chain, struct rmt_peer *peer)
{
	const ramet_router *router = peer->router;

	chain->count = 0;
	for (; peer && peer != router->self && chain->count < RMT_TREE_DEPTH_MAX; peer = peer->via)
		chain->peers[chain->count++] = peer;
	for (unsigned i = 0; i < chain->count / 2; i++) {
		struct rmt_peer *other = chain->peers[i];

		chain->peers[i] = chain->peers[chain->count - 1 - i];
		chain->peers[chain->count - 1 - i] = other;
	}
}

static int node_add(struct rmt_way *way, struct rmt_peer *peer, int above, bool up)
{
	struct rmt_way_node *grown;

	if (way->count == way->capacity) {
		int capacity = way->capacity ? 2 * way->capacity : 16;

		grown = realloc(way->nodes, (size_t)capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		way->nodes = grown;
		way->capacity = capacity;
	}
	way->nodes[way->count] = (struct rmt_way_node){.context = rmt_context_take(peer),
						       .above = above,
						       .outcome = -1,
						       .child = -1,
						       .up = up};
	if (above >= 0) {
		way->nodes[above].children++;
		way->nodes[above].child = way->count;
	}
	return way->count++;
}

static int node_find(const struct rmt_way *way, const struct rmt_peer *peer)
{
	for (int i = 1; i < way->count; i++)
		if (way->nodes[i].context->peer == peer)
			return i;
	return -1;
}

/* The node for peer, which is reached from node `above`. */
static int node_get(struct rmt_way *way, struct rmt_peer *peer, int above, bool up)
{
	int found = node_find(way, peer);

	return found >= 0 ? found : node_add(way, peer, above, up);
}

/* Up from the source to where the ways part, then down to the target. */
static int add_target(struct rmt_way *way, const struct chain *from, struct rmt_peer *self,
		      struct rmt_peer *target, int outcome)
{
	struct chain to;
	unsigned common = 0;
	int at = 0;

	chain_make(&to, target);
	while (common < from->count && common < to.count && from->peers[common] == to.peers[common])
		common++;
	/* from->peers[count - 1] is the source itself. */
	for (unsigned i = from->count; i-- > common && at >= 0;)
		at = node_get(way, i > 0 ? from->peers[i - 1] : self, at, true);
	for (unsigned i = common; i < to.count && at >= 0; i++)
		at = node_get(way, to.peers[i], at, false);
	/* The source's own context is a target, too. */
	if (at == 0)
		at = node_get(way, target, 0, false);
	if (at < 0)
		return at;
	if (way->nodes[at].outcome >= 0)
		return -EINVAL;
	way->nodes[at].outcome = outcome;
	return 0;
}

/* A node that only passes on to one other is left to the routers; but not where the way turns, unless
 * siblings may talk. Children stand behind those above them. */
static void contract(struct rmt_way *way, bool siblings)
{
	for (int i = 1; i < way->count; i++) {
		struct rmt_way_node *node = &way->nodes[i];
		int child = node->child;

		if (node->outcome >= 0 || node->children != 1 ||
		    (node->up && !way->nodes[child].up && !siblings))
			continue;
		way->nodes[child].above = node->above;
		if (way->nodes[node->above].child == i)
			way->nodes[node->above].child = child;
		node->dropped = true;
	}
	for (int i = way->count - 1; i > 0; i--) {
		struct rmt_way_node *above = &way->nodes[way->nodes[i].above];

		if (!way->nodes[i].dropped && above->height <= way->nodes[i].height)
			above->height = way->nodes[i].height + 1;
	}
}

int rmt_way_make(struct rmt_way *way, ramet_context *source, ramet_context *const *targets,
		 size_t count)
{
	ramet_router *router = source->peer->router;
	struct chain from;
	int r;

	*way = (struct rmt_way){0};
	rmt_lock(router);
	chain_make(&from, source->peer);
	r = node_add(way, source->peer, -1, false);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = add_target(way, &from, router->self, targets[i]->peer, (int)i);
	if (r >= 0)
		contract(way, router->allow_siblings);
	rmt_unlock(router);
	return r < 0 ? r : 0;
}

void rmt_way_done(struct rmt_way *way)
{
	for (int i = 0; i < way->count; i++)
		ramet_context_unref(way->nodes[i].context);
	free(way->nodes);
}
