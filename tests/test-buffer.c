/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"

static void buffer_append_grows_and_keeps_content(void **state)
{
	struct rmt_buffer buffer = RMT_BUFFER_INIT;

	(void)state;
	for (int i = 0; i < 10000; i++)
		rmt_buffer_append_byte(&buffer, (unsigned char)(i * 7));
	rmt_buffer_append(&buffer, "tail", 4);
	rmt_buffer_append(&buffer, NULL, 0);
	assert_int_equal(buffer.error, 0);
	assert_int_equal(buffer.size, 10004);
	assert_true(buffer.capacity >= buffer.size);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(buffer.data[i], (unsigned char)(i * 7));
	assert_memory_equal(buffer.data + 10000, "tail", 4);
	rmt_buffer_done(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer.capacity, 0);
}

static void buffer_reserve_nothing_is_not_failure(void **state)
{
	struct rmt_buffer buffer = RMT_BUFFER_INIT;

	(void)state;
	assert_non_null(rmt_buffer_reserve(&buffer, 0));
	assert_int_equal(buffer.size, 0);
	rmt_buffer_done(&buffer);
}

static void buffer_reserve_leaves_size_to_caller(void **state)
{
	struct rmt_buffer buffer = RMT_BUFFER_INIT;
	unsigned char *end;

	(void)state;
	rmt_buffer_append(&buffer, "ab", 2);
	end = rmt_buffer_reserve(&buffer, 1000);
	assert_ptr_equal(end, buffer.data + 2);
	assert_int_equal(buffer.size, 2);
	memset(end, 'x', 1000);
	buffer.size += 1000;
	assert_memory_equal(buffer.data, "abxx", 4);
	rmt_buffer_done(&buffer);
}

static void buffer_too_large_error_is_sticky_until_reset(void **state)
{
	struct rmt_buffer buffer = RMT_BUFFER_INIT;
	unsigned char *data;

	(void)state;
	rmt_buffer_append(&buffer, "keep", 4);
	assert_null(rmt_buffer_reserve(&buffer, SIZE_MAX));
	assert_int_equal(buffer.error, -ENOMEM);
	rmt_buffer_append(&buffer, "lost", 4);
	rmt_buffer_printf(&buffer, "%s", "lost");
	assert_null(rmt_buffer_reserve(&buffer, 1));
	assert_int_equal(buffer.size, 4);
	assert_memory_equal(buffer.data, "keep", 4);

	data = buffer.data;
	rmt_buffer_reset(&buffer);
	assert_int_equal(buffer.error, 0);
	assert_int_equal(buffer.size, 0);
	rmt_buffer_append(&buffer, "new", 3);
	assert_ptr_equal(buffer.data, data);
	assert_memory_equal(buffer.data, "new", 3);
	rmt_buffer_done(&buffer);
}

/* Its callers have nothing to free. */
static void buffer_failed_stolen_it_is_empty_and_still_failed(void **state)
{
	struct rmt_buffer buffer = RMT_BUFFER_INIT;

	(void)state;
	rmt_buffer_append(&buffer, "lost", 4);
	assert_null(rmt_buffer_reserve(&buffer, SIZE_MAX));
	assert_null(rmt_buffer_steal_string(&buffer));
	assert_null(buffer.data);
	assert_int_equal(buffer.size, 0);
	assert_int_equal(buffer.error, -ENOMEM);
}

static void buffer_printf_any_length_is_whole(void **state)
{
	(void)state;
	/* Around the sizes at which the first attempt just fits, or just not. */
	for (int width = 1; width < 300; width++) {
		struct rmt_buffer buffer = RMT_BUFFER_INIT;

		rmt_buffer_append(&buffer, "<", 1);
		rmt_buffer_printf(&buffer, "%0*d", width, 7);
		rmt_buffer_printf(&buffer, "%s", ">");
		assert_int_equal(buffer.error, 0);
		assert_int_equal(buffer.size, (size_t)width + 2);
		assert_int_equal(buffer.data[width], '7');
		assert_int_equal(buffer.data[width + 1], '>');
		rmt_buffer_done(&buffer);
	}
}

static void buffer_steal_string_empties_buffer(void **state)
{
	struct rmt_buffer buffer = RMT_BUFFER_INIT;
	char *string;

	(void)state;
	string = rmt_buffer_steal_string(&buffer);
	assert_string_equal(string, "");
	free(string);

	rmt_buffer_printf(&buffer, "%d-%s", 42, "x");
	string = rmt_buffer_steal_string(&buffer);
	assert_string_equal(string, "42-x");
	assert_null(buffer.data);
	assert_int_equal(buffer.size, 0);
	free(string);
	rmt_buffer_done(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_append_grows_and_keeps_content),
		cmocka_unit_test(buffer_reserve_nothing_is_not_failure),
		cmocka_unit_test(buffer_reserve_leaves_size_to_caller),
		cmocka_unit_test(buffer_too_large_error_is_sticky_until_reset),
		cmocka_unit_test(buffer_failed_stolen_it_is_empty_and_still_failed),
		cmocka_unit_test(buffer_printf_any_length_is_whole),
		cmocka_unit_test(buffer_steal_string_empties_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
