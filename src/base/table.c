/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/table.h"

#include <stdlib.h>

static size_t slot(uint64_t key, size_t mask)
{
	/* Fibonacci hashing: the high bits of the product depend on all bits of the key. */
	return (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & mask;
}

/* The table may be moved while it is embedded, so the address of its own bucket is never stored. */
static struct rmt_table_node **buckets(const struct rmt_table *table)
{
	return table->buckets ? table->buckets : (struct rmt_table_node **)&table->first_bucket;
}

void rmt_table_init(struct rmt_table *table)
{
	*table = (struct rmt_table){0};
}

void rmt_table_done(struct rmt_table *table)
{
	free(table->buckets);
	rmt_table_init(table);
}

static void grow(struct rmt_table *table)
{
	size_t size = (table->mask + 1) * 4;
	struct rmt_table_node **grown = calloc(size, sizeof(*grown));

	if (!grown)
		return;
	for (size_t i = 0; i <= table->mask; i++) {
		struct rmt_table_node *node = buckets(table)[i], *next;

		for (; node; node = next) {
			struct rmt_table_node **bucket = &grown[slot(node->key, size - 1)];

			next = node->next;
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(table->buckets);
	table->buckets = grown;
	table->mask = size - 1;
}

void rmt_table_add(struct rmt_table *table, struct rmt_table_node *node, uint64_t key)
{
	struct rmt_table_node **bucket;

	if (table->count > table->mask)
		grow(table);
	bucket = &buckets(table)[slot(key, table->mask)];
	node->key = key;
	node->next = *bucket;
	*bucket = node;
	table->count++;
}

void rmt_table_remove(struct rmt_table *table, struct rmt_table_node *node)
{
	struct rmt_table_node **link = &buckets(table)[slot(node->key, table->mask)];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	table->count--;
}

struct rmt_table_node *rmt_table_find(const struct rmt_table *table, uint64_t key)
{
	struct rmt_table_node *node = buckets(table)[slot(key, table->mask)];

	while (node && node->key != key)
		node = node->next;
	return node;
}

struct rmt_table_node *rmt_table_find_next(const struct rmt_table_node *node)
{
	uint64_t key = node->key;

	do
		node = node->next;
	while (node && node->key != key);
	return (struct rmt_table_node *)node;
}

struct rmt_table_node *rmt_table_walk(const struct rmt_table *table, struct rmt_table_walk *walk)
{
	struct rmt_table_node *node = walk->next;

	while (!node && walk->bucket <= table->mask)
		node = buckets(table)[walk->bucket++];
	walk->next = node ? node->next : NULL;
	return node;
}
