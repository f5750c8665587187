/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "vectors.h"
#include "wire/cbor.h"

/* --- vectors -------------------------------------------------------------------------------- */

static void print_float(struct rmt_buffer *out, double value)
{
	char text[64];

	if (isnan(value)) {
		rmt_buffer_printf(out, "NaN");
		return;
	}
	if (isinf(value)) {
		rmt_buffer_printf(out, value < 0 ? "-Infinity" : "Infinity");
		return;
	}
	snprintf(text, sizeof(text), "%.17g", value);
	rmt_buffer_printf(out, strpbrk(text, ".e") ? "%s" : "%s.0", text);
}

static void print_nint(struct rmt_buffer *text, struct rmt_buffer *copy, uint64_t n)
{
	if (n == UINT64_MAX)
		rmt_buffer_printf(text, "-18446744073709551616");
	else
		rmt_buffer_printf(text, "-%" PRIu64, n + 1);
	/* The writer has no value below INT64_MIN: its head is that of an unsigned integer, but
	 * for one bit. */
	if (n > INT64_MAX) {
		rmt_cbor_put_uint(copy, n);
		copy->data[copy->size - 9] |= 0x20;
	} else {
		rmt_cbor_put_int(copy, -1 - (int64_t)n);
	}
}

/* Items that contain no others. */
static void print_leaf(const struct rmt_cbor_item *item, struct rmt_buffer *text,
		       struct rmt_buffer *copy)
{
	switch (item->type) {
	case RMT_CBOR_UINT:
		rmt_buffer_printf(text, "%" PRIu64, item->uint);
		rmt_cbor_put_uint(copy, item->uint);
		break;
	case RMT_CBOR_NINT:
		print_nint(text, copy, item->uint);
		break;
	case RMT_CBOR_BYTES:
		rmt_buffer_printf(text, "h'");
		for (size_t i = 0; i < item->size; i++)
			rmt_buffer_printf(text, "%02x", item->data[i]);
		rmt_buffer_printf(text, "'");
		rmt_cbor_put_bytes(copy, item->data, item->size);
		break;
	case RMT_CBOR_TEXT:
		rmt_buffer_printf(text, "\"");
		for (size_t i = 0; i < item->size; i++)
			rmt_buffer_printf(text, strchr("\"\\", item->data[i]) ? "\\%c" : "%c",
					  item->data[i]);
		rmt_buffer_printf(text, "\"");
		rmt_cbor_put_text(copy, (const char *)item->data, item->size);
		break;
	case RMT_CBOR_FLOAT:
		print_float(text, item->f64);
		rmt_cbor_put_f64(copy, item->f64);
		break;
	case RMT_CBOR_NULL:
		rmt_buffer_printf(text, "null");
		rmt_cbor_put_null(copy);
		break;
	default:
		rmt_buffer_printf(text, item->type == RMT_CBOR_TRUE ? "true" : "false");
		rmt_cbor_put_bool(copy, item->type == RMT_CBOR_TRUE);
	}
}

/* Diagnostic notation of the next item into text, and the item written again into copy. */
static void print_item(struct rmt_cbor_reader *reader, struct rmt_buffer *text,
		       struct rmt_buffer *copy)
{
	struct rmt_cbor_item item;

	assert_int_equal(rmt_cbor_read(reader, &item), 1);
	switch (item.type) {
	case RMT_CBOR_ARRAY:
		rmt_cbor_put_array(copy, item.uint);
		rmt_buffer_printf(text, "[");
		for (uint64_t i = 0; i < item.uint; i++) {
			rmt_buffer_printf(text, i ? ", " : "");
			print_item(reader, text, copy);
		}
		rmt_buffer_printf(text, "]");
		break;
	case RMT_CBOR_MAP:
		rmt_cbor_put_map(copy, item.uint);
		rmt_buffer_printf(text, "{");
		for (uint64_t i = 0; i < item.uint; i++) {
			rmt_buffer_printf(text, i ? ", " : "");
			print_item(reader, text, copy);
			rmt_buffer_printf(text, ": ");
			print_item(reader, text, copy);
		}
		rmt_buffer_printf(text, "}");
		break;
	case RMT_CBOR_TAG:
		rmt_cbor_put_tag(copy, item.uint);
		rmt_buffer_printf(text, "%" PRIu64 "(", item.uint);
		print_item(reader, text, copy);
		rmt_buffer_printf(text, ")");
		break;
	default:
		print_leaf(&item, text, copy);
	}
}

static void check_valid(const struct vector *vector)
{
	struct rmt_buffer text = RMT_BUFFER_INIT, copy = RMT_BUFFER_INIT;
	struct rmt_cbor_reader reader;
	struct rmt_cbor_item item;
	char *string;

	if (rmt_cbor_validate(vector->data, vector->size) != 0)
		fail_msg("line %d: not valid", vector->line);
	/* Every shorter piece is cut short. */
	for (size_t size = 0; size < vector->size; size++)
		if (rmt_cbor_validate(vector->data, size) != -EBADMSG)
			fail_msg("line %d: %zu bytes of it are valid", vector->line, size);

	rmt_cbor_reader_init(&reader, vector->data, vector->size);
	print_item(&reader, &text, &copy);
	assert_int_equal(rmt_cbor_read(&reader, &item), 0);
	string = rmt_buffer_steal_string(&text);
	if (strcmp(string, vector->rest) != 0)
		fail_msg("line %d: %s instead of %s", vector->line, string, vector->rest);
	if (copy.size != vector->size || memcmp(copy.data, vector->data, copy.size) != 0)
		fail_msg("line %d: written in another way", vector->line);
	free(string);
	rmt_buffer_done(&copy);
}

static void cbor_vectors_are_judged_as_said(void **state)
{
	struct vector vector = {0};
	FILE *file = vectors_open("cbor.txt");
	int r, valid = 0, invalid = 0;

	(void)state;
	assert_non_null(file);
	while ((r = vectors_next(file, &vector)) > 0) {
		if (strcmp(vector.word, "valid") == 0) {
			check_valid(&vector);
			valid++;
		} else {
			assert_string_equal(vector.word, "invalid");
			if (rmt_cbor_validate(vector.data, vector.size) != -EBADMSG)
				fail_msg("line %d: accepted: %s", vector.line, vector.rest);
			invalid++;
		}
	}
	if (r < 0)
		fail_msg("line %d: cannot be read", vector.line);
	fclose(file);
	assert_true(valid > 60);
	assert_true(invalid > 100);
}

/* --- bounds --------------------------------------------------------------------------------- */

static void cbor_nesting_is_bounded(void **state)
{
	/* An array, a tag and a map with one pair: what nests. */
	const unsigned char heads[3][2] = {{0x81}, {0xc1}, {0xa1, 0x00}};
	const size_t sizes[3] = {1, 1, 2};

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		for (unsigned depth = 0; depth < RMT_CBOR_DEPTH_MAX + 3; depth++) {
			struct rmt_buffer buffer = RMT_BUFFER_INIT;

			for (unsigned i = 0; i < depth; i++)
				rmt_buffer_append(&buffer, heads[kind], sizes[kind]);
			rmt_cbor_put_uint(&buffer, 0);
			assert_int_equal(rmt_cbor_validate(buffer.data, buffer.size),
					 depth <= RMT_CBOR_DEPTH_MAX ? 0 : -EBADMSG);
			rmt_buffer_done(&buffer);
		}
	}
}

static void cbor_deep_input_does_not_exhaust_stack(void **state)
{
	const size_t size = 4 << 20;
	unsigned char *data = malloc(size);

	(void)state;
	assert_non_null(data);
	memset(data, 0x81, size);
	assert_int_equal(rmt_cbor_validate(data, size), -EBADMSG);
	memset(data, 0xa1, size);
	assert_int_equal(rmt_cbor_validate(data, size), -EBADMSG);
	free(data);
}

static void cbor_claim_beyond_input_is_refused_at_its_head(void **state)
{
	const struct {
		const char *data;
		size_t size;
		int r;
	} cases[] = {
		{"\x82\0\0", 3, 1},
		{"\x83\0\0", 3, -EBADMSG},
		{"\xa1\0\0", 3, 1},
		{"\xa2\0\0", 3, -EBADMSG},
		{"\xc1\0", 2, 1},
		{"\xc1", 1, -EBADMSG},
		{"\x41x", 2, 1},
		{"\x42x", 2, -EBADMSG},
		{"\xbb\x80\0\0\0\0\0\0\0\0", 10, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rmt_cbor_reader reader;
		struct rmt_cbor_item item;

		rmt_cbor_reader_init(&reader, cases[i].data, cases[i].size);
		if (rmt_cbor_read(&reader, &item) != cases[i].r)
			fail_msg("case %zu", i);
	}
}

static void cbor_skip_stands_behind_item(void **state)
{
	struct rmt_buffer buffer = RMT_BUFFER_INIT;
	struct rmt_cbor_reader reader;
	uint64_t value;

	(void)state;
	rmt_cbor_put_map(&buffer, 2);
	rmt_cbor_put_uint(&buffer, 1);
	rmt_cbor_put_tag(&buffer, 60001);
	rmt_cbor_put_text(&buffer, "x", 1);
	rmt_cbor_put_uint(&buffer, 2);
	rmt_cbor_put_array(&buffer, 0);
	rmt_cbor_put_uint(&buffer, 77);
	rmt_cbor_reader_init(&reader, buffer.data, buffer.size);
	assert_int_equal(rmt_cbor_skip(&reader), 0);
	assert_int_equal(rmt_cbor_read_u64(&reader, &value), 0);
	assert_int_equal(value, 77);
	assert_int_equal(rmt_cbor_skip(&reader), -EBADMSG);
	rmt_buffer_done(&buffer);
}

/* --- typed forms ---------------------------------------------------------------------------- */

static struct rmt_buffer written;

static struct rmt_cbor_reader *rewind_reader(void)
{
	static struct rmt_cbor_reader reader;

	rmt_cbor_reader_init(&reader, written.data, written.size);
	return &reader;
}

/* What every integer reader says to the integer in `written`. */
static void check_integer(int r_u32, int r_u64, int r_i64, uint64_t unsigned_value,
			  int64_t signed_value)
{
	uint32_t u32 = 0xa5a5a5a5;
	uint64_t u64 = 0xa5a5a5a5;
	int64_t i64 = 0xa5a5a5a5;
	double f64 = 0.5;

	assert_int_equal(rmt_cbor_read_u32(rewind_reader(), &u32), r_u32);
	assert_true(u32 == (r_u32 < 0 ? 0xa5a5a5a5 : unsigned_value));
	assert_int_equal(rmt_cbor_read_u64(rewind_reader(), &u64), r_u64);
	assert_true(u64 == (r_u64 < 0 ? 0xa5a5a5a5 : unsigned_value));
	assert_int_equal(rmt_cbor_read_i64(rewind_reader(), &i64), r_i64);
	assert_true(i64 == (r_i64 < 0 ? 0xa5a5a5a5 : signed_value));
	assert_int_equal(rmt_cbor_read_f64(rewind_reader(), &f64), -EINVAL);
	assert_true(f64 == 0.5);
	rmt_buffer_reset(&written);
}

static void cbor_read_integer_checks_range(void **state)
{
	(void)state;
	rmt_cbor_put_uint(&written, 0);
	check_integer(0, 0, 0, 0, 0);
	rmt_cbor_put_uint(&written, UINT32_MAX);
	check_integer(0, 0, 0, UINT32_MAX, UINT32_MAX);
	rmt_cbor_put_int(&written, (int64_t)UINT32_MAX + 1);
	check_integer(-ERANGE, 0, 0, (uint64_t)UINT32_MAX + 1, (int64_t)UINT32_MAX + 1);
	rmt_cbor_put_int(&written, INT64_MAX);
	check_integer(-ERANGE, 0, 0, INT64_MAX, INT64_MAX);
	rmt_cbor_put_uint(&written, (uint64_t)INT64_MAX + 1);
	check_integer(-ERANGE, 0, -ERANGE, (uint64_t)INT64_MAX + 1, 0);
	rmt_cbor_put_uint(&written, UINT64_MAX);
	check_integer(-ERANGE, 0, -ERANGE, UINT64_MAX, 0);
	rmt_cbor_put_int(&written, -1);
	check_integer(-ERANGE, -ERANGE, 0, 0, -1);
	rmt_cbor_put_int(&written, INT64_MIN);
	check_integer(-ERANGE, -ERANGE, 0, 0, INT64_MIN);
	rmt_buffer_append(&written, "\x3b\x80\0\0\0\0\0\0\0", 9); /* INT64_MIN - 1 */
	check_integer(-ERANGE, -ERANGE, -ERANGE, 0, 0);
	rmt_cbor_put_f64(&written, 1.0);
	assert_int_equal(rmt_cbor_read_u64(rewind_reader(), &(uint64_t){0}), -EINVAL);
	assert_int_equal(rmt_cbor_read_i64(rewind_reader(), &(int64_t){0}), -EINVAL);
	rmt_buffer_done(&written);
}

static void cbor_read_of_other_type_is_refused(void **state)
{
	uint64_t count;
	bool boolean = true;
	double f64;

	(void)state;
	rmt_cbor_put_bool(&written, false);
	assert_int_equal(rmt_cbor_read_bool(rewind_reader(), &boolean), 0);
	assert_false(boolean);
	assert_int_equal(rmt_cbor_read_array(rewind_reader(), &count), -EINVAL);
	assert_int_equal(rmt_cbor_read_map(rewind_reader(), &count), -EINVAL);
	assert_int_equal(rmt_cbor_read_f64(rewind_reader(), &f64), -EINVAL);
	rmt_buffer_reset(&written);

	rmt_cbor_put_array(&written, 0);
	assert_int_equal(rmt_cbor_read_array(rewind_reader(), &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(rmt_cbor_read_map(rewind_reader(), &count), -EINVAL);
	assert_int_equal(rmt_cbor_read_bool(rewind_reader(), &boolean), -EINVAL);
	rmt_buffer_reset(&written);

	rmt_cbor_put_map(&written, 1);
	rmt_cbor_put_null(&written);
	rmt_cbor_put_null(&written);
	assert_int_equal(rmt_cbor_read_map(rewind_reader(), &count), 0);
	assert_int_equal(count, 1);
	rmt_buffer_reset(&written);

	assert_int_equal(rmt_cbor_read_u64(rewind_reader(), &count), -EBADMSG);
	assert_int_equal(rmt_cbor_read_bool(rewind_reader(), &boolean), -EBADMSG);
	rmt_buffer_done(&written);
}

static void check_str(const char *string, unsigned char head)
{
	const char *data = "untouched";
	size_t size = 77, expected = string ? strlen(string) : 0;

	rmt_buffer_reset(&written);
	rmt_cbor_put_str(&written, string);
	assert_int_equal(written.data[0] & 0xe0, head);
	assert_int_equal(rmt_cbor_read_str(rewind_reader(), &data, &size), 0);
	assert_int_equal(size, expected);
	if (string)
		assert_memory_equal(data, string, size);
	else
		assert_null(data);
}

static void cbor_str_comes_back_as_it_was(void **state)
{
	const void *bytes;
	const char *data;
	size_t size;

	(void)state;
	check_str(NULL, 0xe0);
	check_str("", 0x60);
	check_str("hello", 0x60);
	check_str("\xc3\xbc", 0x60);
	check_str("/tmp/\xff\xfe", 0x40);
	check_str("\xed\xa0\x80", 0x40);
	assert_int_equal(rmt_cbor_read_bytes(rewind_reader(), &bytes, &size), 0);
	assert_int_equal(size, 3);

	rmt_buffer_reset(&written);
	rmt_cbor_put_bytes(&written, "text", 4);
	assert_int_equal(rmt_cbor_read_str(rewind_reader(), &data, &size), -EINVAL);
	rmt_buffer_reset(&written);
	rmt_cbor_put_text(&written, "a\0b", 3);
	assert_int_equal(rmt_cbor_read_str(rewind_reader(), &data, &size), -EINVAL);
	rmt_buffer_reset(&written);
	rmt_cbor_put_bytes(&written, "\xff\0", 2);
	assert_int_equal(rmt_cbor_read_str(rewind_reader(), &data, &size), -EINVAL);
	rmt_buffer_reset(&written);
	rmt_cbor_put_uint(&written, 1);
	assert_int_equal(rmt_cbor_read_str(rewind_reader(), &data, &size), -EINVAL);
	rmt_buffer_done(&written);
}

static void cbor_bytes_null_is_empty(void **state)
{
	const void *data = NULL;
	size_t size = 77;

	(void)state;
	rmt_cbor_put_bytes(&written, NULL, 0);
	assert_int_equal(written.size, 1);
	assert_int_equal(written.data[0], 0x40);
	assert_int_equal(rmt_cbor_read_bytes(rewind_reader(), &data, &size), 0);
	assert_int_equal(size, 0);
	rmt_buffer_reset(&written);
	rmt_cbor_put_null(&written);
	assert_int_equal(rmt_cbor_read_bytes(rewind_reader(), &data, &size), -EINVAL);
	rmt_buffer_reset(&written);
	rmt_cbor_put_text(&written, "text", 4);
	assert_int_equal(rmt_cbor_read_bytes(rewind_reader(), &data, &size), -EINVAL);
	rmt_buffer_done(&written);
}

/* --- UTF-8 ---------------------------------------------------------------------------------- */

/* Encodes what may be encoded; 0 for surrogates and beyond. */
static size_t encode(uint32_t point, unsigned char out[4])
{
	if (point >= 0xd800 && point <= 0xdfff)
		return 0;
	if (point < 0x80) {
		out[0] = (unsigned char)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (unsigned char)(0xc0 | point >> 6);
		out[1] = (unsigned char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (unsigned char)(0xe0 | point >> 12);
		out[1] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
		out[2] = (unsigned char)(0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | point >> 18);
	out[1] = (unsigned char)(0x80 | (point >> 12 & 0x3f));
	out[2] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
	out[3] = (unsigned char)(0x80 | (point & 0x3f));
	return 4;
}

static void utf8_every_code_point_is_valid_and_nothing_else(void **state)
{
	uint32_t valid[5] = {0}, counted[5] = {0};

	(void)state;
	for (uint32_t point = 0; point <= 0x10ffff; point++) {
		unsigned char bytes[4];
		const size_t size = encode(point, bytes);

		if (size > 0 && !rmt_utf8_valid(bytes, size))
			fail_msg("U+%04" PRIX32 " is refused", point);
		valid[size]++;
	}
	/* Of all sequences of 2, 3 and 4 bytes as many are valid as there are code points of
	 * that length. */
	for (uint32_t i = 0; i < 1u << 24; i++) {
		const unsigned char bytes[3] = {(unsigned char)(i >> 16), (unsigned char)(i >> 8),
						(unsigned char)i};

		if (bytes[0] < 0x80)
			continue;
		if (bytes[2] == 0)
			counted[2] += rmt_utf8_valid(bytes, 2);
		/* Otherwise a shorter sequence and something behind it. */
		if (bytes[0] >= 0xe0)
			counted[3] += rmt_utf8_valid(bytes, 3);
	}
	for (uint32_t i = 0; i < 1u << 22; i++) {
		const unsigned char bytes[4] = {(unsigned char)(0xf0 | i >> 18),
						(unsigned char)(0x80 | (i >> 12 & 0x3f)),
						(unsigned char)(0x80 | (i >> 6 & 0x3f)),
						(unsigned char)(0x80 | (i & 0x3f))};

		counted[4] += rmt_utf8_valid(bytes, 4);
	}
	assert_int_equal(counted[2], valid[2]);
	assert_int_equal(counted[3], valid[3]);
	assert_int_equal(counted[4], valid[4]);
}

static void utf8_bad_byte_anywhere_is_found(void **state)
{
	unsigned char text[40];

	(void)state;
	for (size_t at = 0; at < sizeof(text); at++) {
		memset(text, 'a', sizeof(text));
		assert_true(rmt_utf8_valid(text, sizeof(text)));
		text[at] = 0xff;
		assert_false(rmt_utf8_valid(text, sizeof(text)));
		text[at] = 0x80;
		assert_false(rmt_utf8_valid(text, sizeof(text)));
	}
	assert_true(rmt_utf8_valid(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cbor_vectors_are_judged_as_said),
		cmocka_unit_test(cbor_nesting_is_bounded),
		cmocka_unit_test(cbor_deep_input_does_not_exhaust_stack),
		cmocka_unit_test(cbor_claim_beyond_input_is_refused_at_its_head),
		cmocka_unit_test(cbor_skip_stands_behind_item),
		cmocka_unit_test(cbor_read_integer_checks_range),
		cmocka_unit_test(cbor_read_of_other_type_is_refused),
		cmocka_unit_test(cbor_str_comes_back_as_it_was),
		cmocka_unit_test(cbor_bytes_null_is_empty),
		cmocka_unit_test(utf8_every_code_point_is_valid_and_nothing_else),
		cmocka_unit_test(utf8_bad_byte_anywhere_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
