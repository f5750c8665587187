/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/call.h"
#include "core/function.h"
#include "core/receiver.h"
#include "core/type.h"
#include "fixture.h"

RMT_PRINTF(1, 2) static const char *formatted(const char *format, ...)
{
	static char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

RAMET_STRUCT(plain, (boolean, flag), (i32, small), (i64, large), (u64, natural), (f64, real));
RAMET_STRUCT(texts, (str, name), (bytes, data), (str, none));
RAMET_ARRAY(numbers, i32);
RAMET_ARRAY(names, str);
RAMET_STRUCT(row, (str, title), (numbers, cells));
RAMET_ARRAY(rows, row);
RAMET_STRUCT(sheet, (rows, lines), (names, tags), (plain, total));
RAMET_STRUCT(handles, (value, any), (context, where), (sender, to));
RAMET_ARRAY(handle_list, handles);

static ramet_router *router;

static int open_router(void **state)
{
	assert_int_equal(fixture_begin(state), 0);
	return ramet_router_new(NULL, &router);
}

static int close_router(void **state)
{
	ramet_router_unref(router);
	return fixture_end(state);
}

static void encode(const struct ramet_type *type, const void *object, struct rmt_buffer *out)
{
	struct rmt_call_target target = {router, 0};

	rmt_type_encode(type, object, out, &rmt_call_hooks, &target);
	assert_int_equal(out->error, 0);
}

/* Decodes exactly those bytes. */
static int decode(const struct ramet_type *type, const void *data, size_t size, void *object,
		  struct rmt_type_memory *memory, char *where, size_t where_size)
{
	struct rmt_cbor_reader reader;
	int r;

	rmt_cbor_reader_init(&reader, data, size);
	r = rmt_type_decode(type, &reader, object, memory, &rmt_call_hooks, router, where,
			    where_size);
	if (r == 0)
		assert_int_equal(reader.position, size);
	return r;
}

static struct rmt_type_memory separate(void)
{
	struct rmt_type_memory memory;

	rmt_type_memory_init(&memory, NULL, 0);
	return memory;
}

/* There and back in memory of its own. */
static void round_trip(const struct ramet_type *type, const void *object, void *back)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_type_memory memory = separate();
	char where[64] = "";

	encode(type, object, &out);
	assert_int_equal(decode(type, out.data, out.size, back, &memory, where, sizeof(where)), 0);
	rmt_buffer_done(&out);
}

static void numbers_at_their_limits_come_back(void **state)
{
	static const plain cases[] = {
		{true, INT32_MIN, INT64_MIN, 0, -0.0},
		{false, INT32_MAX, INT64_MAX, UINT64_MAX, INFINITY},
		{true, -1, -1, 1ull << 63, 0.1},
		{false, 0, 0, INT64_MAX, 5e-324},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		plain back;

		memset(&back, 0x55, sizeof(back));
		round_trip(ramet_type_plain, &cases[i], &back);
		assert_int_equal(back.flag, cases[i].flag);
		assert_int_equal(back.small, cases[i].small);
		assert_true(back.large == cases[i].large);
		assert_true(back.natural == cases[i].natural);
		assert_memory_equal(&back.real, &cases[i].real, sizeof(double));
	}
	plain nan = {.real = NAN}, back;
	round_trip(ramet_type_plain, &nan, &back);
	assert_true(isnan(back.real));
}

static void strings_of_all_sorts_come_back(void **state)
{
	texts there = {"caf\xc3\xa9", {"a\0b", 3}, NULL}, back;

	(void)state;
	round_trip(ramet_type_texts, &there, &back);
	assert_string_equal(back.name, there.name);
	assert_int_equal(back.data.size, 3);
	assert_memory_equal(back.data.data, "a\0b", 3);
	assert_null(back.none);
	texts_clear(&back);
	assert_null(back.name);
	assert_null(back.data.data);

	there = (texts){"", {NULL, 0}, "\xff not UTF-8"};
	round_trip(ramet_type_texts, &there, &back);
	assert_string_equal(back.name, "");
	assert_int_equal(back.data.size, 0);
	assert_string_equal(back.none, "\xff not UTF-8");
	texts_clear(&back);
}

static sheet sheet_example(void)
{
	static int32_t first[] = {1, -2, 3}, second[] = {4};
	static row lines[] = {{"one", {first, 3}}, {NULL, {NULL, 0}}, {"three", {second, 1}}};
	static const char *tags[] = {"x", NULL, "\xfe"};

	return (sheet){{lines, 3}, {tags, 3}, {true, 1, 2, 3, 4.5}};
}

static void assert_sheet(const sheet *got)
{
	assert_int_equal(got->lines.count, 3);
	assert_string_equal(got->lines.items[0].title, "one");
	assert_int_equal(got->lines.items[0].cells.count, 3);
	assert_int_equal(got->lines.items[0].cells.items[1], -2);
	assert_null(got->lines.items[1].title);
	assert_int_equal(got->lines.items[1].cells.count, 0);
	assert_null(got->lines.items[1].cells.items);
	assert_string_equal(got->lines.items[2].title, "three");
	assert_int_equal(got->lines.items[2].cells.items[0], 4);
	assert_int_equal(got->tags.count, 3);
	assert_null(got->tags.items[1]);
	assert_string_equal(got->tags.items[2], "\xfe");
	assert_int_equal(got->total.natural, 3);
	assert_true(got->total.real == 4.5);
}

static void structures_and_arrays_nested_come_back(void **state)
{
	sheet there = sheet_example(), back;

	(void)state;
	round_trip(ramet_type_sheet, &there, &back);
	assert_sheet(&back);
	sheet_clear(&back);
	assert_int_equal(back.lines.count, 0);
	assert_null(back.lines.items);
	/* Clearing what is clear changes nothing. */
	sheet_clear(&back);
}

static void encoding_is_what_the_protocol_says(void **state)
{
	plain there = {true, -1, 23, 24, 1.5};
	numbers list = {(int32_t[]){1, 2}, 2};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	(void)state;
	encode(ramet_type_plain, &there, &out);
	assert_int_equal(out.size, 9);
	assert_memory_equal(out.data, "\x85\xf5\x20\x17\x18\x18\xf9\x3e\x00", 9);
	rmt_buffer_reset(&out);
	encode(ramet_type_numbers, &list, &out);
	assert_int_equal(out.size, 3);
	assert_memory_equal(out.data, "\x82\x01\x02", 3);
	rmt_buffer_reset(&out);
	encode(ramet_type_none, NULL, &out);
	assert_int_equal(out.size, 1);
	assert_memory_equal(out.data, "\xf6", 1);
	rmt_buffer_done(&out);
}

static void arena_holds_everything_and_bytes_stay_where_they_are(void **state)
{
	unsigned char first[64] __attribute__((aligned(16)));
	struct rmt_type_memory memory;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	sheet there = sheet_example(), back;
	texts small = {"name", {"data", 4}, NULL}, small_back;
	char where[64];

	(void)state;
	encode(ramet_type_sheet, &there, &out);
	rmt_type_memory_init(&memory, first, sizeof(first));
	assert_int_equal(
		decode(ramet_type_sheet, out.data, out.size, &back, &memory, where, sizeof(where)),
		0);
	assert_sheet(&back);
	assert_non_null(memory.blocks);
	rmt_type_release(ramet_type_sheet, &back);
	rmt_type_memory_done(&memory);

	rmt_buffer_reset(&out);
	encode(ramet_type_texts, &small, &out);
	rmt_type_memory_init(&memory, first, sizeof(first));
	assert_int_equal(decode(ramet_type_texts, out.data, out.size, &small_back, &memory, where,
				sizeof(where)),
			 0);
	assert_null(memory.blocks);
	assert_in_range((uintptr_t)small_back.name, (uintptr_t)first,
			(uintptr_t)first + sizeof(first));
	assert_in_range((uintptr_t)small_back.data.data, (uintptr_t)out.data,
			(uintptr_t)out.data + out.size);
	rmt_type_memory_done(&memory);
	rmt_buffer_done(&out);
}

static void arena_gives_aligned_memory_of_any_size(void **state)
{
	static const size_t sizes[] = {1, 15, 16, 17, 4096, 1, 5000, 100000, 3, 0};
	unsigned char first[100] __attribute__((aligned(16)));
	struct rmt_type_memory memory;

	(void)state;
	rmt_type_memory_init(&memory, first, sizeof(first));
	for (int round = 0; round < 50; round++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			unsigned char *taken = rmt_type_memory_take(&memory, sizes[i]);

			assert_non_null(taken);
			assert_int_equal((uintptr_t)taken % 16, 0);
			memset(taken, round, sizes[i]);
		}
	assert_null(rmt_type_memory_take(&memory, SIZE_MAX));
	assert_null(rmt_type_memory_take(&memory, SIZE_MAX - 20));
	rmt_type_memory_done(&memory);
}

static void mismatch_names_the_place_and_what_was_expected(void **state)
{
	static const struct {
		const struct ramet_type *type;
		const char *data;
		size_t size;
		int code;
		const char *where;
	} cases[] = {
		{ramet_type_i32, "\x1a\x80\0\0\0", 5, -ERANGE, "the number does not fit i32"},
		{ramet_type_i32, "\x3a\x80\0\0\0", 5, -ERANGE, "the number does not fit i32"},
		{ramet_type_i64, "\x1b\x80\0\0\0\0\0\0\0", 9, -ERANGE,
		 "the number does not fit i64"},
		{ramet_type_u64, "\x20", 1, -ERANGE, "the number does not fit u64"},
		{ramet_type_i32, "\xf9\x3c\x00", 3, -EINVAL,
		 "expected i32, got a number with a point"},
		{ramet_type_f64, "\x01", 1, -EINVAL, "expected f64, got an integer"},
		{ramet_type_boolean, "\x01", 1, -EINVAL, "expected boolean, got an integer"},
		{ramet_type_str, "\x80", 1, -EINVAL, "expected str, got a list"},
		{ramet_type_bytes, "\xf6", 1, -EINVAL, "expected bytes, got none"},
		{ramet_type_bytes, "\x61x", 2, -EINVAL, "expected bytes, got text"},
		{ramet_type_none, "\xf5", 1, -EINVAL, "expected none, got a boolean"},
		{ramet_type_numbers, "\xa0", 1, -EINVAL, "expected numbers, got a map"},
		{ramet_type_numbers, "\x82\x01", 2, -EBADMSG, "expected numbers, got the end"},
		{ramet_type_plain, "\x81\x01", 2, -EINVAL, "1 values for the 5 of plain"},
		{ramet_type_plain, "\x85\xf5\x01\x02\x20\xf9\x3c\x00", 8, -ERANGE,
		 "natural: the number does not fit u64"},
		{ramet_type_row, "\x82\xf6\x83\x01\x02\xf5", 6, -EINVAL,
		 "cells: 2: expected i32, got a boolean"},
		{ramet_type_sheet, "\x83\x82\x82\xf6\x80\x82\xf6\x81\x61x\x80\x80", 11, -EINVAL,
		 "lines: 1: cells: 0: expected i32, got text"},
		{ramet_type_row, "\x82\x42\x61\x62\x80", 5, -EINVAL,
		 "title: expected str, got bytes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int arena = 0; arena < 2; arena++) {
			unsigned char first[32] __attribute__((aligned(16)));
			struct rmt_type_memory memory;
			union {
				sheet sheet;
				plain plain;
			} object;
			char where[128] = "", zero[sizeof(object)] = {0};

			rmt_type_memory_init(&memory, arena ? first : NULL, sizeof(first));
			memset(&object, 0x55, sizeof(object));
			assert_int_equal(decode(cases[i].type, cases[i].data, cases[i].size,
						&object, &memory, where, sizeof(where)),
					 cases[i].code);
			assert_string_equal(where, cases[i].where);
			assert_memory_equal(&object, zero, cases[i].type->size);
			rmt_type_memory_done(&memory);
		}
	}
}

static void mismatch_with_little_room_for_the_text_is_cut(void **state)
{
	(void)state;
	for (size_t size = 1; size < 60; size++) {
		struct rmt_type_memory memory = separate();
		char *where = malloc(size);
		sheet object;

		where[0] = '\0';
		assert_int_equal(decode(ramet_type_sheet, "\x83\x81\x82\xf6\x81\x61x\x80\x80", 9,
					&object, &memory, where, size),
				 -EINVAL);
		assert_in_range(strlen(where), 0, size - 1);
		free(where);
	}
}

static void input_cut_short_leaves_nothing_behind(void **state)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	sheet there = sheet_example();

	(void)state;
	encode(ramet_type_sheet, &there, &out);
	for (size_t size = 0; size < out.size; size++) {
		struct rmt_type_memory memory = separate();
		unsigned char *copy = malloc(size ? size : 1);
		sheet back;
		char where[128] = "";

		memcpy(copy, out.data, size);
		assert_int_equal(
			decode(ramet_type_sheet, copy, size, &back, &memory, where, sizeof(where)),
			-EBADMSG);
		assert_true(*where);
		assert_null(back.lines.items);
		free(copy);
	}
	rmt_buffer_done(&out);
}

static void claim_of_many_items_takes_no_memory(void **state)
{
	/* 2^32 items, 2^61 items: not even a byte each is there. */
	static const char *const claims[] = {"\x9b\0\0\0\1\0\0\0\0", "\x9b\x20\0\0\0\0\0\0\0"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rmt_type_memory memory = separate();
		numbers list;
		char where[64];

		assert_int_equal(decode(ramet_type_numbers, claims[i], 9, &list, &memory, where,
					sizeof(where)),
				 -EBADMSG);
	}
}

static void handles_come_back_and_are_released(void **state)
{
	ramet_receiver *receiver = NULL;
	handles there, back;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	there = (handles){ramet_value_new_str("text"), ramet_router_self(router),
			  ramet_receiver_sender(receiver)};
	round_trip(ramet_type_handles, &there, &back);
	assert_string_equal(ramet_value_str(back.any), "text");
	assert_ptr_equal(back.where, ramet_router_self(router));
	assert_ptr_not_equal(back.to, there.to);
	assert_int_equal(ramet_send_i64(back.to, 5), 0);
	handles_clear(&back);
	assert_null(back.any);

	ramet_value *got = NULL;
	assert_int_equal(ramet_receive(receiver, -1, &got, NULL), 1);
	assert_int_equal(ramet_value_i64(got), 5);
	ramet_value_unref(got);
	ramet_value_unref(there.any);
	/* None of each. */
	there = (handles){NULL, NULL, NULL};
	round_trip(ramet_type_handles, &there, &back);
	assert_int_equal(ramet_value_kind(back.any), RAMET_KIND_NONE);
	assert_null(back.where);
	assert_null(back.to);
	handles_clear(&back);
	ramet_receiver_unref(receiver);
}

/* Handles that were decoded before the mistake are dropped: a sanitizer or the router's end would tell. */
static void handles_before_a_mistake_are_released(void **state)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	ramet_receiver *receiver = NULL;
	handles items[2];
	handle_list list = {items, 2}, back;
	struct rmt_type_memory memory = separate();
	char where[64];

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	items[0] = items[1] = (handles){NULL, ramet_router_self(router),
					ramet_receiver_sender(receiver)};
	encode(ramet_type_handle_list, &list, &out);
	/* none, in the place of the last handle, a number of two or four bytes */
	out.data[out.size - (ramet_receiver_sender(receiver)->handle > UINT16_MAX ? 5 : 3)] = 0xf6;
	assert_true(decode(ramet_type_handle_list, out.data, out.size, &back, &memory, where,
			   sizeof(where)) < 0);
	assert_string_equal(formatted("%.6s", where), "1: to:");
	assert_null(back.items);
	rmt_buffer_done(&out);
	ramet_receiver_unref(receiver);
}

/* --- signatures ------------------------------------------------------------------------------------- */

static struct ramet_function function_of(const char *name, const struct ramet_type *result,
					 unsigned count, const struct ramet_field *fields)
{
	return (struct ramet_function){
		.name = name,
		.result = result,
		.arguments = {"args", RAMET_KIND_STRUCT, count, 64, fields, NULL},
	};
}

static void signature_changes_with_name_and_types_only(void **state)
{
	const struct ramet_field ab[] = {{"a", ramet_type_i64, 0}, {"b", ramet_type_row, 8}};
	const struct ramet_field xy[] = {{"x", ramet_type_i64, 0}, {"y", ramet_type_row, 8}};
	const struct ramet_field ba[] = {{"a", ramet_type_row, 0}, {"b", ramet_type_i64, 8}};
	const struct ramet_field u64[] = {{"a", ramet_type_u64, 0}, {"b", ramet_type_row, 8}};
	const struct ramet_field deep[] = {{"a", ramet_type_i64, 0}, {"b", ramet_type_texts, 8}};
	const struct ramet_field list[] = {{"a", ramet_type_numbers, 0}, {"b", ramet_type_row, 8}};
	const struct ramet_field strings[] = {{"a", ramet_type_names, 0}, {"b", ramet_type_row, 8}};
	const struct ramet_function functions[] = {
		function_of("f", ramet_type_i64, 2, ab),
		function_of("g", ramet_type_i64, 2, ab),
		function_of("f", ramet_type_i32, 2, ab),
		function_of("f", ramet_type_none, 2, ab),
		function_of("f", ramet_type_i64, 1, ab),
		function_of("f", ramet_type_i64, 0, ab),
		function_of("f", ramet_type_i64, 2, ba),
		function_of("f", ramet_type_i64, 2, u64),
		function_of("f", ramet_type_i64, 2, deep),
		function_of("f", ramet_type_i64, 2, list),
		function_of("f", ramet_type_i64, 2, strings),
	};
	const struct ramet_function same = function_of("f", ramet_type_i64, 2, xy);
	const size_t count = sizeof(functions) / sizeof(*functions);

	(void)state;
	assert_true(rmt_function_signature(&functions[0]) == rmt_function_signature(&same));
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++)
			assert_true(rmt_function_signature(&functions[i]) !=
				    rmt_function_signature(&functions[j]));
}

#define ROUTER_TEST(name) cmocka_unit_test_setup_teardown(name, open_router, close_router)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(numbers_at_their_limits_come_back),
		FIXTURE_TEST(strings_of_all_sorts_come_back),
		FIXTURE_TEST(structures_and_arrays_nested_come_back),
		FIXTURE_TEST(encoding_is_what_the_protocol_says),
		FIXTURE_TEST(arena_holds_everything_and_bytes_stay_where_they_are),
		FIXTURE_TEST(arena_gives_aligned_memory_of_any_size),
		FIXTURE_TEST(mismatch_names_the_place_and_what_was_expected),
		FIXTURE_TEST(mismatch_with_little_room_for_the_text_is_cut),
		FIXTURE_TEST(input_cut_short_leaves_nothing_behind),
		FIXTURE_TEST(claim_of_many_items_takes_no_memory),
		ROUTER_TEST(handles_come_back_and_are_released),
		ROUTER_TEST(handles_before_a_mistake_are_released),
		FIXTURE_TEST(signature_changes_with_name_and_types_only),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
