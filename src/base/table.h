/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An intrusive hash table from 64-bit keys to whatever embeds a node. Adding never fails: when
 * there is no memory to grow, chains get longer. Keys need not be unique; the caller that wants
 * them so looks first.
 *
 *	struct rmt_table_node *node = rmt_table_find(&table, id);
 *	if (node)
 *		peer = RMT_CONTAINER(node, struct rmt_peer, node);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct rmt_table_node {
	uint64_t key;
	struct rmt_table_node *next;
};

struct rmt_table {
	struct rmt_table_node **buckets;
	/* the only one before the first growth: an empty table owns no memory */
	struct rmt_table_node *first_bucket;
	size_t mask; /* buckets - 1 */
	size_t count;
};

void rmt_table_init(struct rmt_table *table);
void rmt_table_done(struct rmt_table *table); /* the nodes are not touched */
void rmt_table_add(struct rmt_table *table, struct rmt_table_node *node, uint64_t key);
void rmt_table_remove(struct rmt_table *table, struct rmt_table_node *node);
struct rmt_table_node *rmt_table_find(const struct rmt_table *table, uint64_t key);

/* The next node with the same key as this one, or NULL. */
struct rmt_table_node *rmt_table_find_next(const struct rmt_table_node *node);

/* Walks all nodes: begin with {0}. The current node may be removed meanwhile, nothing else. */
struct rmt_table_walk {
	size_t bucket;
	struct rmt_table_node *next;
};
struct rmt_table_node *rmt_table_walk(const struct rmt_table *table, struct rmt_table_walk *walk);

static inline uint64_t rmt_key(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}
