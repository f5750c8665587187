/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/format.h"

/* Formats here are made up, and wrong on purpose. */
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-security"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif

#define TEXT_MAX 4096
#define RANDOM_FORMATS 100000

/* Ours is the system's. */
#define CHECK(...)                                                               \
	do {                                                                     \
		char ours_[TEXT_MAX], theirs_[TEXT_MAX];                         \
		size_t size_ = rmt_format(ours_, sizeof(ours_), __VA_ARGS__);    \
		int expected_ = snprintf(theirs_, sizeof(theirs_), __VA_ARGS__); \
                                                                                 \
		assert_string_equal(ours_, theirs_);                             \
		assert_int_equal(size_, (size_t)expected_);                      \
	} while (0)

static void format_text_is_that_of_snprintf(void **state)
{
	static const char unterminated[3] = {'a', 'b', 'c'};

	(void)state;
	CHECK("%s", "");
	CHECK("plain");
	CHECK("100%% of %s%s", "it", "!");
	CHECK("[%10s|%-10s|%.2s|%-8.3s|%.0s]", "right", "left", "cut", "both", "none");
	CHECK("[%.*s|%*s|%-*s|%*s]", 3, unterminated, 7, "w", 7, "x", -7, "y");
	CHECK("[%.*s]", -1, "a negative precision is none");
	CHECK("[%c%5c%-5c]", 'a', 'b', 'c');
	CHECK("[%s]", (char *)NULL);
	CHECK("[%p|%20p|%-20p]", (void *)state, (void *)0x1234, (void *)1);
	CHECK("[%p|%10p]", NULL, NULL);
	errno = ENOENT;
	CHECK("[%m|%30m]");
}

static void format_integer_is_that_of_snprintf(void **state)
{
	(void)state;
	CHECK("%d %i %u %o %x %X", INT_MIN, INT_MAX, UINT_MAX, 0755u, 0xbeefu, 0xbeefu);
	CHECK("%ld %lu %lld %llu", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX);
	CHECK("%zu %zd %jd %ju %td", SIZE_MAX, (ssize_t)-1, INTMAX_MIN, UINTMAX_MAX, PTRDIFF_MIN);
	CHECK("%hd %hu %hhd %hhu %hhx", 70000, 70000, 300, 300, -1);
	CHECK("[%5d|%-5d|%05d|%+d|% d|%+5d|%-+5d]", 42, 42, 42, 42, 42, 42, 42);
	CHECK("[%5d|%-5d|%05d|%+d|% d|%+5d|%-+5d]", -42, -42, -42, -42, -42, -42, -42);
	CHECK("[%.0d|%.0u|%.0x|%.0o|%#.0o|%+.0d]", 0, 0, 0, 0, 0, 0);
	CHECK("[%.5d|%8.5d|%-8.5d|%08.5d|%.0d]", 42, 42, 42, 42, 42);
	CHECK("[%#x|%#X|%#o|%#x|%#o|%#10x|%#010x|%#.5o]", 255, 255, 8, 0, 0, 255, 255, 8);
	CHECK("[%*d|%-*d|%0*d|%.*d]", 6, 1, 6, 2, 6, 3, 6, 4);
	CHECK("[%*.*d]", -8, -3, 5);
}

static void format_float_is_that_of_snprintf(void **state)
{
	static const double values[] = {
		0.0,         -0.0,  1.0,    -1.0,          0.5,      1.5,       2.5,
		0.125,       0.375, 9.5,    9.995,         0.1,      99.5,      999.999,
		9.9999995,   1e5,   1e6,    999999.5,      1e15,     1e16,      1e22,
		1e23,        1e-4,  1e-5,   9.99e-5,       5e-324,   DBL_MIN,   DBL_MAX,
		DBL_EPSILON, M_PI,  -1e100, 123456789.125, INFINITY, -INFINITY, NAN,
	};
	static const char *const formats[] = {
		"%f",      "%.0f",     "%.1f",  "%.3f", "%.20f",   "%#.0f",   "%+f",     "% .2f",
		"%012.3f", "%-12.3f|", "%e",    "%.0e", "%#.0e",   "%.3e",    "%.30E",   "%+15.2e",
		"%015.2e", "%g",       "%.0g",  "%.1g", "%.3g",    "%#.12g",  "%.17g",   "%G",
		"%#.9g",   "%-15g|",   "%015g", "%F",   "%.1100f", "%.1500e", "%.1200g", "%#.1200g",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		for (size_t k = 0; k < sizeof(formats) / sizeof(*formats); k++)
			CHECK(formats[k], values[i]);
	CHECK("[%Lf|%s]", 2.5L, "the next argument is found");
}

static void append(char *format, const char *choice, unsigned *seed)
{
	size_t end = strlen(format);

	format[end] = choice[(size_t)rand_r(seed) % strlen(choice)];
	format[end + 1] = '\0';
}

static void append_number(char *format, unsigned *seed)
{
	if (rand_r(seed) % 2)
		append(format, "1234567890", seed);
	if (rand_r(seed) % 3 == 0)
		append(format, "1234567890", seed);
}

/* One conversion with random flags, width and precision. */
static char random_format(char *format, unsigned *seed)
{
	static const char *const lengths[] = {"", "hh", "h", "l", "ll", "j", "z", "t"};
	char kind[2] = "";

	strcpy(format, "<%");
	while (rand_r(seed) % 2)
		append(format, "-+ #0'", seed);
	if (rand_r(seed) % 2)
		append(format, "123456789", seed);
	append_number(format, seed);
	if (rand_r(seed) % 2) {
		strcat(format, ".");
		append_number(format, seed);
	}
	append(kind, "diuoxXfFeEgGsc", seed);
	if (strchr("diuoxX", *kind))
		strcat(format, lengths[(size_t)rand_r(seed) % 8]);
	strcat(format, kind);
	strcat(format, ">");
	return *kind;
}

static uint64_t random_bits(unsigned *seed)
{
	uint64_t bits = 0;

	for (int i = 0; i < 5; i++)
		bits = bits << 15 ^ (uint64_t)rand_r(seed);
	return bits >> (unsigned)rand_r(seed) % 64;
}

static void format_at_random_is_that_of_snprintf(void **state)
{
	unsigned seed = 20240229;

	(void)state;
	for (int i = 0; i < RANDOM_FORMATS; i++) {
		char format[64], kind = random_format(format, &seed);
		uint64_t bits = random_bits(&seed);
		double number;

		if (kind == 's')
			CHECK(format, "some text");
		else if (kind == 'c')
			CHECK(format, 'c');
		else if (strchr("fFeEgG", kind)) {
			/* Any bits, or a number that people have. */
			memcpy(&number, &bits, sizeof(number));
			if (rand_r(&seed) % 2)
				number = (double)(int64_t)bits / (1 << rand_r(&seed) % 20);
			CHECK(format, number);
		} else if (strpbrk(format, "ljzt"))
			CHECK(format, bits);
		else
			CHECK(format, (int)bits);
	}
}

static void format_short_of_room_is_cut_and_whole_length_told(void **state)
{
	char text[32];

	(void)state;
	for (size_t size = 0; size < sizeof(text); size++) {
		char expected[32];

		memset(text, '#', sizeof(text));
		memset(expected, '#', sizeof(expected));
		snprintf(expected, size, "%s-%05d-%-6s|", "begin", 42, "end");
		assert_int_equal(rmt_format(text, size, "%s-%05d-%-6s|", "begin", 42, "end"), 19);
		assert_memory_equal(text, expected, sizeof(text));
	}
	assert_int_equal(rmt_format(NULL, 0, "%100s", "x"), 100);
	assert_int_equal(rmt_format(text, sizeof(text), "%*d", INT_MIN, 1), INT_MAX);
}

static void format_unknown_conversion_leaves_rest_as_it_stands(void **state)
{
	static const char *const rests[] = {"%n", "%a %d", "%1$s", "%ls", "%lc",
					    "%y", "%",     "%5",   "%.3l"};
	char text[64], expected[64];
	int count = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(rests) / sizeof(*rests); i++) {
		char format[64] = "before %d, ";

		strcat(format, rests[i]);
		rmt_format(text, sizeof(text), format, 7, &count, 8);
		snprintf(expected, sizeof(expected), "before 7, %s", rests[i]);
		assert_string_equal(text, expected);
	}
	assert_int_equal(count, -1);
}

static void format_new_any_length_is_whole(void **state)
{
	(void)state;
	for (int width = 1; width < 300; width++) {
		char *text = rmt_format_new("%*s", width, "x");

		assert_int_equal(strlen(text), (size_t)width);
		assert_int_equal(text[width - 1], 'x');
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_text_is_that_of_snprintf),
		cmocka_unit_test(format_integer_is_that_of_snprintf),
		cmocka_unit_test(format_float_is_that_of_snprintf),
		cmocka_unit_test(format_at_random_is_that_of_snprintf),
		cmocka_unit_test(format_short_of_room_is_cut_and_whole_length_told),
		cmocka_unit_test(format_unknown_conversion_leaves_rest_as_it_stands),
		cmocka_unit_test(format_new_any_length_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
