/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/assembly.h"

enum { LIMIT = 1 << 20 };

static unsigned char content[LIMIT + 1];
static struct rmt_assembly assembly;
static struct rmt_chunk *const untouched_chunk = (struct rmt_chunk *)&assembly;

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (unsigned char)(i * 31 + (i >> 8));
	rmt_assembly_init(&assembly, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rmt_assembly_done(&assembly);
	return 0;
}

static struct rmt_frame frame_of(unsigned flags, uint32_t length, uint32_t total)
{
	return (struct rmt_frame){
		.flags = (uint8_t)flags,
		.length = length,
		.destination = 1,
		.source = 2,
		.authority = 3,
		.handle = 4,
		.reply = 5,
		.total = total,
	};
}

/* For steps that do not complete a message: outputs stay untouched, and after a failure nothing
 * is held. */
static int add(struct rmt_frame frame, size_t limit)
{
	struct rmt_chunk *chunk = untouched_chunk;
	struct rmt_frame first = {.length = 77};
	int r = rmt_assembly_add(&assembly, &frame, untouched_chunk, content, limit, &chunk,
				 &first);

	assert_true(r <= 0);
	assert_ptr_equal(chunk, untouched_chunk);
	assert_int_equal(first.length, 77);
	if (r < 0)
		assert_null(assembly.chunk);
	else
		assert_non_null(assembly.chunk);
	return r;
}

static void check_message(uint32_t total, uint32_t piece)
{
	struct rmt_chunk *chunk = NULL;
	struct rmt_frame first;

	for (uint32_t offset = 0; offset < total; offset += piece) {
		const uint32_t length = total - offset < piece ? total - offset : piece;
		const bool more = offset + length < total;
		struct rmt_frame frame = frame_of(RMT_FRAME_RAW | (more ? RMT_FRAME_MORE : 0u) |
							  (offset ? RMT_FRAME_CONTINUES : 0u),
						  length, offset ? offset : total);
		int r = rmt_assembly_add(&assembly, &frame, untouched_chunk, content + offset,
					 total, &chunk, &first);

		assert_int_equal(r, more ? 0 : 1);
		/* What is held is in proportion to what came. */
		if (more)
			assert_true(assembly.chunk->capacity <= 2 * (size_t)(offset + length));
	}
	assert_memory_equal(chunk->data, content, total);
	assert_true(rmt_chunk_unshared(chunk));
	assert_int_equal(chunk->capacity, total);
	assert_int_equal(first.total, total);
	assert_int_equal(first.flags, RMT_FRAME_RAW | RMT_FRAME_MORE);
	assert_int_equal(first.reply, 5);
	assert_null(assembly.chunk);
	rmt_chunk_unref(chunk);
}

static void assembly_frames_in_order_give_message(void **state)
{
	(void)state;
	check_message(2, 1);
	check_message(1000, 7);
	check_message(65537, 65536);
	check_message(LIMIT, 65536);
	check_message(LIMIT, 65535);
}

static void assembly_first_over_limit_is_refused(void **state)
{
	(void)state;
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 101), 100), -EMSGSIZE);
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, UINT32_MAX), LIMIT), -EMSGSIZE);
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 100), 100), 0);
}

static void assembly_large_claim_holds_only_what_came(void **state)
{
	(void)state;
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, UINT32_MAX), SIZE_MAX), 0);
	assert_true(assembly.chunk->capacity <= 20);
}

static void assembly_continuation_without_beginning_is_refused(void **state)
{
	(void)state;
	assert_int_equal(add(frame_of(RMT_FRAME_CONTINUES, 10, 10), LIMIT), -EBADMSG);
	assert_int_equal(add(frame_of(RMT_FRAME_CONTINUES | RMT_FRAME_MORE, 10, 10), LIMIT),
			 -EBADMSG);
}

static void assembly_frame_alone_is_refused(void **state)
{
	(void)state;
	assert_int_equal(add(frame_of(0, 10, 10), LIMIT), -EBADMSG);
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 20), LIMIT), 0);
	assert_int_equal(add(frame_of(0, 10, 10), LIMIT), -EBADMSG);
}

static void assembly_wrong_continuation_is_refused(void **state)
{
	const struct {
		const char *what;
		unsigned flags;
		uint32_t length, offset;
	} cases[] = {
		{"before its place", RMT_FRAME_CONTINUES, 90, 9},
		{"behind its place", RMT_FRAME_CONTINUES, 90, 11},
		{"past the end", RMT_FRAME_CONTINUES, 91, 10},
		{"past the end, more", RMT_FRAME_CONTINUES | RMT_FRAME_MORE, 91, 10},
		{"more at the end", RMT_FRAME_CONTINUES | RMT_FRAME_MORE, 90, 10},
		{"last before the end", RMT_FRAME_CONTINUES, 89, 10},
		{"second beginning", RMT_FRAME_MORE, 10, 100},
		{"turned raw", RMT_FRAME_CONTINUES | RMT_FRAME_RAW, 90, 10},
		{"turned error", RMT_FRAME_CONTINUES | RMT_FRAME_ERROR, 90, 10},
		{"turned counted", RMT_FRAME_CONTINUES | RMT_FRAME_COUNTED, 90, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r;

		assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 100), LIMIT), 0);
		r = add(frame_of(cases[i].flags, cases[i].length, cases[i].offset), LIMIT);
		if (r != -EBADMSG)
			fail_msg("%s: %d", cases[i].what, r);
	}
}

static void assembly_continuation_of_another_is_refused(void **state)
{
	(void)state;
	for (int field = 0; field < 5; field++) {
		struct rmt_frame frame = frame_of(RMT_FRAME_CONTINUES, 90, 10);
		uint32_t *fields[] = {&frame.destination, &frame.source, &frame.authority,
				      &frame.handle, &frame.reply};

		*fields[field] += 1;
		assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 100), LIMIT), 0);
		assert_int_equal(add(frame, LIMIT), -EBADMSG);
	}
}

static void assembly_abort_forgets_message(void **state)
{
	(void)state;
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 100), LIMIT), 0);
	assert_int_equal(add(frame_of(RMT_FRAME_CONTINUES | RMT_FRAME_ABORT, 0, 10), LIMIT),
			 -ECANCELED);
	assert_int_equal(add(frame_of(RMT_FRAME_CONTINUES, 90, 10), LIMIT), -EBADMSG);
	assert_int_equal(add(frame_of(RMT_FRAME_CONTINUES | RMT_FRAME_ABORT, 0, 0), LIMIT),
			 -ECANCELED);
}

static void assembly_after_failure_takes_next_message(void **state)
{
	(void)state;
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 100), LIMIT), 0);
	assert_int_equal(add(frame_of(RMT_FRAME_CONTINUES, 10, 50), LIMIT), -EBADMSG);
	check_message(1000, 100);
}

static void assembly_done_in_the_middle_frees(void **state)
{
	(void)state;
	assert_int_equal(add(frame_of(RMT_FRAME_MORE, 10, 100), LIMIT), 0);
	rmt_assembly_done(&assembly);
	assert_null(assembly.chunk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(assembly_frames_in_order_give_message),
		TEST(assembly_first_over_limit_is_refused),
		TEST(assembly_large_claim_holds_only_what_came),
		TEST(assembly_continuation_without_beginning_is_refused),
		TEST(assembly_frame_alone_is_refused),
		TEST(assembly_wrong_continuation_is_refused),
		TEST(assembly_continuation_of_another_is_refused),
		TEST(assembly_abort_forgets_message),
		TEST(assembly_after_failure_takes_next_message),
		TEST(assembly_done_in_the_middle_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
