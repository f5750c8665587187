/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/value.h"
#include "fixture.h"

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

static struct rmt_buffer encoded(const ramet_value *value)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_value_encode(value, &out);
	assert_int_equal(out.error, 0);
	assert_int_equal(rmt_cbor_validate(out.data, out.size), 0);
	return out;
}

static ramet_value *decoded(const void *data, size_t size)
{
	struct rmt_cbor_reader reader;
	ramet_value *value = NULL;

	rmt_cbor_reader_init(&reader, data, size);
	assert_int_equal(rmt_value_decode(router, &reader, NULL, &value), 0);
	assert_int_equal(reader.position, size);
	return value;
}

/* There and back; drops the value. */
static ramet_value *round_trip(ramet_value *value)
{
	struct rmt_buffer out = encoded(value);
	ramet_value *back = decoded(out.data, out.size);

	rmt_buffer_done(&out);
	ramet_value_unref(value);
	return back;
}

static void assert_kind(const ramet_value *value, enum ramet_kind kind)
{
	assert_int_equal(ramet_value_kind(value), kind);
	/* Every accessor of another kind says nothing. */
	if (kind != RAMET_KIND_BOOLEAN)
		assert_false(ramet_value_boolean(value));
	if (kind != RAMET_KIND_I64)
		assert_int_equal(ramet_value_i64(value), 0);
	if (kind != RAMET_KIND_I64 && kind != RAMET_KIND_U64)
		assert_int_equal(ramet_value_u64(value), 0);
	if (kind != RAMET_KIND_F64)
		assert_true(ramet_value_f64(value) == 0);
	if (kind != RAMET_KIND_STR)
		assert_null(ramet_value_str(value));
	if (kind != RAMET_KIND_BYTES)
		assert_null(ramet_value_bytes(value).data);
	if (kind != RAMET_KIND_CONTEXT)
		assert_null(ramet_value_context(value));
	if (kind != RAMET_KIND_SENDER)
		assert_null(ramet_value_sender(value));
	if (kind != RAMET_KIND_ARRAY && kind != RAMET_KIND_MAP) {
		assert_int_equal(ramet_value_count(value), 0);
		assert_null(ramet_value_item(value, 0));
	}
	if (kind != RAMET_KIND_MAP)
		assert_null(ramet_value_key(value, 0));
}

static void value_null_is_none(void **state)
{
	ramet_value *none;

	(void)state;
	assert_kind(NULL, RAMET_KIND_NONE);
	ramet_value_unref(NULL);
	none = ramet_value_new_str(NULL);
	assert_kind(none, RAMET_KIND_NONE);
	ramet_value_unref(none);
	none = round_trip(ramet_value_new_none());
	assert_kind(none, RAMET_KIND_NONE);
	ramet_value_unref(none);
}

static void numbers_come_back_with_their_kind(void **state)
{
	static const int64_t i64[] = {0, -1, 23, 24, INT32_MIN, INT64_MIN, INT64_MAX};
	static const uint64_t u64[] = {1ull << 63, UINT64_MAX};
	ramet_value *value;

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(i64); i++) {
		value = round_trip(ramet_value_new_i64(i64[i]));
		assert_kind(value, RAMET_KIND_I64);
		assert_true(ramet_value_i64(value) == i64[i]);
		assert_true(ramet_value_u64(value) == (i64[i] > 0 ? (uint64_t)i64[i] : 0));
		ramet_value_unref(value);
	}
	for (size_t i = 0; i < RMT_COUNT(u64); i++) {
		value = round_trip(ramet_value_new_u64(u64[i]));
		assert_kind(value, RAMET_KIND_U64);
		assert_true(ramet_value_u64(value) == u64[i]);
		ramet_value_unref(value);
	}
	value = ramet_value_new_u64(5);
	assert_kind(value, RAMET_KIND_I64);
	ramet_value_unref(value);
	value = round_trip(ramet_value_new_f64(1.0));
	assert_kind(value, RAMET_KIND_F64);
	assert_true(ramet_value_f64(value) == 1.0);
	ramet_value_unref(value);
	value = round_trip(ramet_value_new_f64(NAN));
	assert_true(isnan(ramet_value_f64(value)));
	ramet_value_unref(value);
	for (int i = 0; i < 2; i++) {
		value = round_trip(ramet_value_new_boolean(i));
		assert_kind(value, RAMET_KIND_BOOLEAN);
		assert_int_equal(ramet_value_boolean(value), i);
		ramet_value_unref(value);
	}
}

static void strings_and_bytes_are_copied_and_come_back(void **state)
{
	char text[] = "caf\xc3\xa9", data[] = "\0\xff\0";
	ramet_value *value = ramet_value_new_str(text);

	(void)state;
	text[0] = 'X';
	assert_string_equal(ramet_value_str(value), "caf\xc3\xa9");
	value = round_trip(value);
	assert_kind(value, RAMET_KIND_STR);
	assert_string_equal(ramet_value_str(value), "caf\xc3\xa9");
	ramet_value_unref(value);
	value = round_trip(ramet_value_new_bytes((ramet_bytes){data, 3}));
	assert_kind(value, RAMET_KIND_BYTES);
	assert_int_equal(ramet_value_bytes(value).size, 3);
	assert_memory_equal(ramet_value_bytes(value).data, data, 3);
	ramet_value_unref(value);
	value = round_trip(ramet_value_new_bytes((ramet_bytes){NULL, 0}));
	assert_int_equal(ramet_value_kind(value), RAMET_KIND_BYTES);
	assert_int_equal(ramet_value_bytes(value).size, 0);
	ramet_value_unref(value);
}

static void array_has_references_of_its_own(void **state)
{
	ramet_value *items[3] = {ramet_value_new_i64(1), ramet_value_new_str("two"),
				 ramet_value_new_none()};
	ramet_value *array = ramet_value_new_array(items, 3);

	(void)state;
	for (int i = 0; i < 3; i++)
		ramet_value_unref(items[i]);
	array = round_trip(array);
	assert_kind(array, RAMET_KIND_ARRAY);
	assert_int_equal(ramet_value_count(array), 3);
	assert_int_equal(ramet_value_i64(ramet_value_item(array, 0)), 1);
	assert_string_equal(ramet_value_str(ramet_value_item(array, 1)), "two");
	assert_kind(ramet_value_item(array, 2), RAMET_KIND_NONE);
	assert_null(ramet_value_item(array, 3));
	assert_null(ramet_value_item(array, SIZE_MAX));
	ramet_value_unref(array);
	array = round_trip(ramet_value_new_array(NULL, 0));
	assert_int_equal(ramet_value_count(array), 0);
	assert_int_equal(ramet_value_kind(array), RAMET_KIND_ARRAY);
	ramet_value_unref(array);
}

/* In whatever order a map is made, its bytes are the same, sorted by the bytes of the keys. */
static void map_is_sorted_by_its_encoded_keys(void **state)
{
	static const unsigned order[4][4] = {
		{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
	struct rmt_buffer first = RMT_BUFFER_INIT;
	ramet_value *all[4] = {ramet_value_new_i64(100), ramet_value_new_i64(-1),
			       ramet_value_new_str("b"), ramet_value_new_str("aa")};

	(void)state;
	for (int i = 0; i < 4; i++) {
		ramet_value *keys[4], *values[4], *map;
		struct rmt_buffer out;

		for (int k = 0; k < 4; k++) {
			keys[k] = all[order[i][k]];
			values[k] = ramet_value_new_i64(order[i][k]);
		}
		map = ramet_value_new_map(keys, values, 4);
		assert_kind(map, RAMET_KIND_MAP);
		assert_ptr_equal(ramet_value_key(map, 0), keys[0]);
		for (int k = 0; k < 4; k++)
			ramet_value_unref(values[k]);
		out = encoded(map);
		if (i == 0)
			first = out;
		assert_int_equal(out.size, first.size);
		assert_memory_equal(out.data, first.data, out.size);
		if (i > 0)
			rmt_buffer_done(&out);
		map = round_trip(map);
		/* 100 is 1864, -1 is 20, "b" is 6162, "aa" is 626161. */
		for (unsigned k = 0; k < 4; k++)
			assert_int_equal(ramet_value_i64(ramet_value_item(map, k)), k);
		assert_int_equal(ramet_value_i64(ramet_value_key(map, 0)), 100);
		assert_string_equal(ramet_value_str(ramet_value_key(map, 3)), "aa");
		assert_null(ramet_value_key(map, 4));
		assert_null(ramet_value_item(map, 4));
		ramet_value_unref(map);
	}
	rmt_buffer_done(&first);
	for (int i = 0; i < 4; i++)
		ramet_value_unref(all[i]);
}

static void values_shared_inside_are_written_each_time(void **state)
{
	ramet_value *leaf = ramet_value_new_str("leaf"), *list[2] = {leaf, leaf};
	ramet_value *pair = ramet_value_new_array(list, 2), *pairs[3] = {pair, pair, leaf};
	ramet_value *value = round_trip(ramet_value_new_array(pairs, 3));

	(void)state;
	assert_string_equal(ramet_value_str(ramet_value_item(ramet_value_item(value, 1), 1)),
			    "leaf");
	assert_string_equal(ramet_value_str(ramet_value_item(value, 2)), "leaf");
	/* What was shared lives on. */
	assert_string_equal(ramet_value_str(leaf), "leaf");
	ramet_value_unref(value);
	ramet_value_unref(pair);
	ramet_value_unref(leaf);
}

static ramet_value *nest(unsigned depth)
{
	ramet_value *value = ramet_value_new_i64(1);

	for (unsigned i = 0; i < depth; i++) {
		ramet_value *outer = ramet_value_new_array(&value, 1);

		ramet_value_unref(value);
		value = outer;
	}
	return value;
}

static void value_nested_to_the_limit_comes_back_and_no_deeper(void **state)
{
	ramet_value *value = nest(RMT_CBOR_DEPTH_MAX), *back = NULL;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_cbor_reader reader;

	(void)state;
	value = round_trip(value);
	assert_int_equal(ramet_value_count(value), 1);
	ramet_value_unref(value);
	value = nest(RMT_CBOR_DEPTH_MAX + 1);
	rmt_value_encode(value, &out);
	rmt_cbor_reader_init(&reader, out.data, out.size);
	assert_int_equal(rmt_value_decode(router, &reader, NULL, &back), -EBADMSG);
	assert_null(back);
	rmt_buffer_done(&out);
	ramet_value_unref(value);
}

static void bad_bytes_are_refused(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		int code;
	} cases[] = {
		{"", 0, -EBADMSG},
		{"\x18\x17", 2, -EBADMSG},               /* not the shortest head */
		{"\x82\x01", 2, -EBADMSG},               /* cut short */
		{"\x9b\x10\0\0\0\0\0\0\0", 9, -EBADMSG}, /* a claim */
		{"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", 9, -EBADMSG},
		{"\xa2\x02\x01\x01\x01", 5, -EBADMSG},     /* keys out of order */
		{"\xa2\x01\x01\x01\x01", 5, -EBADMSG},     /* the same key twice */
		{"\x62\x61\0", 3, -EINVAL},                /* NUL in a text */
		{"\xc1\x01", 2, -EINVAL},                  /* a tag of nobody */
		{"\x3b\x80\0\0\0\0\0\0\0", 9, -ERANGE},    /* below INT64_MIN */
		{"\x82\x61x\xc1\x01", 5, -EINVAL},         /* behind something good */
		{"\xd9\xea\x61\x01", 4, -EBADMSG},         /* a context that is a number */
		{"\xd9\xea\x62\x82\x01\x01", 6, -EBADMSG}, /* a sender to a handle that is none */
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		struct rmt_cbor_reader reader;
		ramet_value *value = NULL;

		rmt_cbor_reader_init(&reader, cases[i].data, cases[i].size);
		assert_int_equal(rmt_value_decode(router, &reader, NULL, &value), cases[i].code);
		assert_null(value);
	}
}

static void context_and_sender_come_back_usable(void **state)
{
	ramet_receiver *receiver = NULL;
	ramet_value *value, *got = NULL;

	(void)state;
	value = round_trip(ramet_value_new_context(ramet_router_self(router)));
	assert_kind(value, RAMET_KIND_CONTEXT);
	assert_ptr_equal(ramet_value_context(value), ramet_router_self(router));
	ramet_value_unref(value);

	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	value = round_trip(ramet_value_new_sender(ramet_receiver_sender(receiver)));
	assert_kind(value, RAMET_KIND_SENDER);
	assert_int_equal(ramet_send_str(ramet_value_sender(value), "hello"), 0);
	assert_int_equal(ramet_receive(receiver, -1, &got, NULL), 1);
	assert_string_equal(ramet_value_str(got), "hello");
	ramet_value_unref(got);
	ramet_value_unref(value);
	ramet_receiver_unref(receiver);
}

/* Large bytes stay in the chunk in which they came. */
static void large_bytes_share_the_message(void **state)
{
	enum { SIZE = 100000 };
	struct rmt_message message = {0};
	ramet_value *value = NULL;

	(void)state;
	message.chunk = rmt_chunk_new(NULL, SIZE);
	message.data = memset(message.chunk->data, 7, SIZE);
	message.size = SIZE;
	message.frame.flags = RMT_FRAME_RAW;
	assert_int_equal(rmt_value_from_message(router, &message, &value), 0);
	assert_ptr_equal(ramet_value_bytes(value).data, message.data);
	assert_int_equal(ramet_value_bytes(value).size, SIZE);
	assert_false(rmt_chunk_unshared(message.chunk));
	ramet_value_unref(value);
	assert_true(rmt_chunk_unshared(message.chunk));
	/* A message that is not raw is one item and nothing behind it. */
	message.frame.flags = 0;
	memcpy(message.chunk->data, "\x01\x02", 2);
	message.size = 2;
	assert_int_equal(rmt_value_from_message(router, &message, &value), -EBADMSG);
	message.size = 0;
	assert_int_equal(rmt_value_from_message(router, &message, &value), -EBADMSG);
	rmt_chunk_unref(message.chunk);
}

static void *hold_and_drop(void *argument)
{
	for (int i = 0; i < 20000; i++)
		ramet_value_unref(ramet_value_ref(argument));
	ramet_value_unref(argument);
	return NULL;
}

static void value_is_shared_between_threads(void **state)
{
	ramet_value *value = nest(3);
	pthread_t threads[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, hold_and_drop, ramet_value_ref(value)),
			0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(ramet_value_count(value), 1);
	ramet_value_unref(value);
}

#define ROUTER_TEST(name) cmocka_unit_test_setup_teardown(name, open_router, close_router)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROUTER_TEST(value_null_is_none),
		ROUTER_TEST(numbers_come_back_with_their_kind),
		ROUTER_TEST(strings_and_bytes_are_copied_and_come_back),
		ROUTER_TEST(array_has_references_of_its_own),
		ROUTER_TEST(map_is_sorted_by_its_encoded_keys),
		ROUTER_TEST(values_shared_inside_are_written_each_time),
		ROUTER_TEST(value_nested_to_the_limit_comes_back_and_no_deeper),
		ROUTER_TEST(bad_bytes_are_refused),
		ROUTER_TEST(context_and_sender_come_back_usable),
		ROUTER_TEST(large_bytes_share_the_message),
		FIXTURE_TEST(value_is_shared_between_threads),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
