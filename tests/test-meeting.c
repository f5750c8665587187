/* SPDX-License-Identifier: BSD-3-Clause */
/* What trees that meet say to each other, and ranges of ids. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "parent/meeting.h"
#include "wire/handle.h"

static struct rmt_region region_of(uint32_t ranges[][2], size_t count)
{
	return (struct rmt_region){ranges, count};
}

static void tree_comes_back(void **state)
{
	uint32_t ranges[2][2] = {{65536, 131071}, {4000000000u, 4000000063u}};
	struct rmt_tree_hello tree = {
		.hello = {.program = UINT64_MAX,
			  .pid = 77,
			  .machine = {"Linux x86_64", 12},
			  .host = {"h\xff", 2}},
		.id = 65536,
		.region = region_of(ranges, 2),
	};
	struct rmt_tree_hello got;
	struct rmt_buffer out = RMT_BUFFER_INIT;

	(void)state;
	rmt_tree_hello_encode(&tree, &out);
	assert_int_equal(out.error, 0);
	assert_int_equal(rmt_tree_hello_decode(out.data, out.size, &got), 0);
	assert_true(got.hello.program == UINT64_MAX && got.hello.pid == 77 && got.id == 65536);
	assert_int_equal(got.hello.host.size, 2);
	assert_memory_equal(got.hello.host.data, "h\xff", 2);
	assert_int_equal(got.region.count, 2);
	assert_memory_equal(got.region.ranges, ranges, sizeof(ranges));
	rmt_region_done(&got.region);
	/* Every beginning of it is refused, and so is more. */
	for (size_t size = 0; size < out.size; size++)
		assert_int_equal(rmt_tree_hello_decode(out.data, size, &got), -EBADMSG);
	rmt_buffer_append_byte(&out, 0);
	assert_int_equal(rmt_tree_hello_decode(out.data, out.size, &got), -EBADMSG);
	rmt_buffer_reset(&out);
	/* Its id is among its ids. */
	tree.id = 65535;
	rmt_tree_hello_encode(&tree, &out);
	assert_int_equal(rmt_tree_hello_decode(out.data, out.size, &got), -EBADMSG);
	rmt_buffer_done(&out);
}

static void join_comes_back(void **state)
{
	uint32_t ranges[1][2] = {{131072, 196607}};
	struct rmt_join join = {
		.chain = {131072, 131073, 131080},
		.chain_count = 3,
		.region = region_of(ranges, 1),
	};
	struct rmt_join got;
	struct rmt_buffer out = RMT_BUFFER_INIT;

	(void)state;
	rmt_join_encode(&join, &out);
	assert_int_equal(rmt_join_decode(out.data, out.size, &got), 0);
	assert_int_equal(got.chain_count, 3);
	assert_memory_equal(got.chain, join.chain, 3 * sizeof(*join.chain));
	assert_int_equal(got.region.count, 1);
	assert_memory_equal(got.region.ranges, ranges, sizeof(ranges));
	rmt_region_done(&got.region);
	assert_false(rmt_joined_decode(out.data, out.size));
	for (size_t size = 0; size < out.size; size++)
		assert_int_equal(rmt_join_decode(out.data, size, &got), -EBADMSG);
	rmt_buffer_reset(&out);
	/* Nobody else's ids are in the chain. */
	join.chain[1] = 7;
	rmt_join_encode(&join, &out);
	assert_int_equal(rmt_join_decode(out.data, out.size, &got), -EBADMSG);
	rmt_buffer_reset(&out);
	join.chain_count = 0;
	rmt_join_encode(&join, &out);
	assert_int_equal(rmt_join_decode(out.data, out.size, &got), -EBADMSG);
	rmt_buffer_reset(&out);
	rmt_joined_encode(&out);
	assert_true(rmt_joined_decode(out.data, out.size));
	assert_int_equal(rmt_join_decode(out.data, out.size, &got), -EBADMSG);
	rmt_buffer_done(&out);
}

static void ranges_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		uint64_t items;
		uint64_t numbers[4];
		int result;
	} cases[] = {
		{2, {1, 1}, 0},
		{4, {5, 9, 20, 30}, 0},
		{1, {5}, -EBADMSG},                            /* no last one */
		{2, {0, 5}, -EBADMSG},                         /* nobody's id */
		{2, {9, 5}, -EBADMSG},                         /* backwards */
		{2, {9, 1ull << 32}, -EBADMSG},                /* no id */
		{4, {5, 9}, -EBADMSG},                         /* not there */
		{2 * RMT_ID_RANGES_MAX + 2, {1, 1}, -EBADMSG}, /* a claim */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t there = cases[i].items == 4 && cases[i].numbers[2] == 0 ? 2 : cases[i].items;
		struct rmt_buffer out = RMT_BUFFER_INIT;
		struct rmt_region region = RMT_REGION_INIT;
		struct rmt_cbor_reader reader;

		for (size_t j = 0; j < there && j < 4; j++)
			rmt_cbor_put_uint(&out, cases[i].numbers[j]);
		rmt_cbor_reader_init(&reader, out.data, out.size);
		assert_int_equal(rmt_region_read(&reader, cases[i].items, &region),
				 cases[i].result);
		rmt_region_done(&region);
		rmt_buffer_done(&out);
	}
}

/* A tree without what has detached itself. */
static void cut_leaves_what_is_beside(void **state)
{
	static const uint32_t left[][2] = {{100, 104}, {106, 199}, {310, 399}, {500, 599}};
	uint32_t gone[][2] = {{105, 105}, {200, 309}, {400, 450}};
	struct rmt_region region = region_of(gone, 3);
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	struct rmt_ids *ids = &router->ids;

	(void)state;
	rmt_lock(router);
	ids->block_count = 3;
	ids->blocks = realloc(ids->blocks, 3 * sizeof(*ids->blocks));
	assert_non_null(ids->blocks);
	memcpy(ids->blocks, (uint32_t[3][2]){{100, 299}, {300, 399}, {500, 599}},
	       3 * sizeof(*ids->blocks));
	rmt_region_cut(router, &region);
	assert_int_equal(ids->block_count, 4);
	assert_memory_equal(ids->blocks, left, sizeof(left));
	rmt_unlock(router);
	ramet_router_unref(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(tree_comes_back),
		FIXTURE_TEST(join_comes_back),
		FIXTURE_TEST(ranges_that_make_no_sense_are_refused),
		FIXTURE_TEST(cut_leaves_what_is_beside),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
