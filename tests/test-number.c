/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"

static void number_parse_whole_range_is_read(void **state)
{
	static const struct {
		const char *text;
		unsigned base;
		int64_t number;
	} table[] = {
		{"0", 10, 0},
		{"-0", 10, 0},
		{"007", 10, 7},
		{"19", 10, 19},
		{"-20", 10, -20},
		{"777", 8, 0777},
		{"9223372036854775807", 10, INT64_MAX},
		{"-9223372036854775808", 10, INT64_MIN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		int64_t number = -1;

		assert_true(rmt_number_parse(table[i].text, table[i].base, INT64_MIN, INT64_MAX,
					     &number));
		assert_true(number == table[i].number);
	}
}

static void number_parse_other_text_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"-",
		"--1",
		"+1",
		" 1",
		"1 ",
		"1x",
		"0x1",
		"1e3",
		"1.0",
		"9223372036854775808",
		"-9223372036854775809",
		"/",
		":",
	};
	int64_t number = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_false(rmt_number_parse(texts[i], 10, INT64_MIN, INT64_MAX, &number));
	assert_false(rmt_number_parse("8", 8, 0, 100, &number));
	assert_int_equal(number, 42);
}

static void number_parse_bounds_are_inclusive(void **state)
{
	int64_t number;

	(void)state;
	assert_true(rmt_number_parse("-20", 10, -20, 19, &number));
	assert_true(rmt_number_parse("19", 10, -20, 19, &number));
	assert_false(rmt_number_parse("-21", 10, -20, 19, &number));
	assert_false(rmt_number_parse("20", 10, -20, 19, &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_parse_whole_range_is_read),
		cmocka_unit_test(number_parse_other_text_is_refused),
		cmocka_unit_test(number_parse_bounds_are_inclusive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
