/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/table.h"
#include "fixture.h"

enum { MANY = 20000 };

struct thing {
	struct rmt_table_node node;
	unsigned seen;
	bool in;
};

static void table_empty_has_nothing(void **state)
{
	struct rmt_table table;
	struct rmt_table_walk walk = {0};

	(void)state;
	rmt_table_init(&table);
	assert_null(rmt_table_find(&table, 0));
	assert_null(rmt_table_walk(&table, &walk));
	assert_null(rmt_table_walk(&table, &walk));
	assert_null(table.buckets);
	rmt_table_done(&table);
}

static void table_with_one_owns_no_memory_and_can_be_moved(void **state)
{
	struct rmt_table table, moved;
	struct thing thing = {0};

	(void)state;
	rmt_table_init(&table);
	rmt_table_add(&table, &thing.node, 77);
	assert_null(table.buckets);
	moved = table;
	assert_ptr_equal(rmt_table_find(&moved, 77), &thing.node);
	rmt_table_remove(&moved, &thing.node);
	assert_null(rmt_table_find(&moved, 77));
	assert_int_equal(moved.count, 0);
	rmt_table_done(&moved);
}

static void table_finds_all_keys_after_growth(void **state)
{
	struct thing *things = calloc(MANY, sizeof(*things));
	struct rmt_table table;

	(void)state;
	rmt_table_init(&table);
	/* Keys that differ in the high half, the low half, or both. */
	for (uint32_t i = 0; i < MANY; i++)
		rmt_table_add(&table, &things[i].node, i % 2 ? rmt_key(i, 1) : rmt_key(1, i));
	assert_int_equal(table.count, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_ptr_equal(rmt_table_find(&table, i % 2 ? rmt_key(i, 1) : rmt_key(1, i)),
				 &things[i].node);
	assert_null(rmt_table_find(&table, rmt_key(2, 2)));
	assert_null(rmt_table_find(&table, UINT64_MAX));
	for (uint32_t i = 0; i < MANY; i += 3)
		rmt_table_remove(&table, &things[i].node);
	for (uint32_t i = 0; i < MANY; i++)
		assert_ptr_equal(rmt_table_find(&table, i % 2 ? rmt_key(i, 1) : rmt_key(1, i)),
				 i % 3 ? &things[i].node : NULL);
	rmt_table_done(&table);
	free(things);
}

static void table_same_key_is_found_again_and_again(void **state)
{
	struct thing things[100] = {0};
	struct rmt_table table;
	struct rmt_table_node *node;
	unsigned count = 0;

	(void)state;
	rmt_table_init(&table);
	for (int i = 0; i < 100; i++)
		rmt_table_add(&table, &things[i].node, (uint64_t)(i % 4));
	for (node = rmt_table_find(&table, 2); node; node = rmt_table_find_next(node)) {
		struct thing *thing = RMT_CONTAINER(node, struct thing, node);

		assert_int_equal((thing - things) % 4, 2);
		assert_int_equal(thing->seen++, 0);
		count++;
	}
	assert_int_equal(count, 25);
	/* The one that is taken out is that one, and no other of the key. */
	rmt_table_remove(&table, &things[6].node);
	for (node = rmt_table_find(&table, 2); node; node = rmt_table_find_next(node))
		assert_ptr_not_equal(node, &things[6].node);
	rmt_table_done(&table);
}

static void table_walk_sees_each_once_while_the_current_is_removed(void **state)
{
	static struct thing things[1000];
	struct rmt_table table;
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *node;

	(void)state;
	rmt_table_init(&table);
	for (uint64_t i = 0; i < 1000; i++)
		rmt_table_add(&table, &things[i].node, i * i);
	while ((node = rmt_table_walk(&table, &walk))) {
		struct thing *thing = RMT_CONTAINER(node, struct thing, node);

		thing->seen++;
		if ((thing - things) % 2)
			rmt_table_remove(&table, node);
	}
	assert_int_equal(table.count, 500);
	walk = (struct rmt_table_walk){0};
	while ((node = rmt_table_walk(&table, &walk)))
		RMT_CONTAINER(node, struct thing, node)->seen++;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(things[i].seen, i % 2 ? 1 : 2);
	rmt_table_done(&table);
}

static void table_changed_by_chance_agrees_with_a_list(void **state)
{
	static struct thing things[500];
	struct rmt_table table;
	uint32_t seed = 99;
	size_t count = 0;

	(void)state;
	rmt_table_init(&table);
	for (int step = 0; step < 50000; step++) {
		struct thing *thing;

		seed = seed * 1664525 + 1013904223;
		thing = &things[(seed >> 10) % 500];
		if (thing->in)
			rmt_table_remove(&table, &thing->node);
		else
			rmt_table_add(&table, &thing->node, (uint64_t)(thing - things) << 40);
		thing->in = !thing->in;
		count += thing->in ? 1 : -1;
		assert_int_equal(table.count, count);
	}
	for (uint64_t i = 0; i < 500; i++)
		assert_ptr_equal(rmt_table_find(&table, i << 40),
				 things[i].in ? &things[i].node : NULL);
	rmt_table_done(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(table_empty_has_nothing),
		FIXTURE_TEST(table_with_one_owns_no_memory_and_can_be_moved),
		FIXTURE_TEST(table_finds_all_keys_after_growth),
		FIXTURE_TEST(table_same_key_is_found_again_and_again),
		FIXTURE_TEST(table_walk_sees_each_once_while_the_current_is_removed),
		FIXTURE_TEST(table_changed_by_chance_agrees_with_a_list),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
