/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "wire/cbor.h"
#include "wire/handle.h"
#include "wire/handshake.h"

#define TEXT(literal) ((struct rmt_text){literal, sizeof(literal) - 1})

/* Decodes from memory of exactly that size, so that a sanitizer sees a step too far. */
struct input {
	unsigned char *data;
	size_t size;
};

static struct input input_of(const void *data, size_t size)
{
	struct input input = {malloc(size ? size : 1), size};

	assert_non_null(input.data);
	if (size > 0)
		memcpy(input.data, data, size);
	return input;
}

enum message { WELCOME, HELLO, REFUSE, FAILURE, MESSAGES };

/* As the program sees it: accepted or not. */
static int decode(enum message message, const void *data, size_t size)
{
	struct input input = input_of(data, size);
	struct rmt_welcome welcome;
	struct rmt_hello hello;
	struct rmt_failure failure;
	struct rmt_text text, env[4];
	int code, r;

	if (message == WELCOME)
		r = rmt_welcome_decode(input.data, size, env, 4, &welcome);
	else if (message == FAILURE)
		r = rmt_failure_decode(input.data, size, &failure);
	else
		r = rmt_hello_decode(input.data, size, &hello, &code, &text);
	free(input.data);
	return r;
}

static const struct rmt_text env[] = {TEXT("A=1"), TEXT("PATH=/bin:\xff")};

static const struct rmt_welcome welcome_example = {
	.program = UINT64_MAX - 1,
	.id = UINT32_MAX - 5,
	.parents = {0, 7, 4000000000u},
	.parent_count = 3,
	.path = TEXT("local/fork/local#2"),
	.message_size_max = 1 << 20,
	.connect_timeout = 30000,
	.allow_siblings = true,
	.log_level = 7,
	.log_rate = 500,
	.log_directory = {"/var/log/tree", 13},
	.heartbeat_interval = 250,
	.heartbeat_misses = 4,
	.setup = {.cwd = TEXT("/tmp/\xe4"), .nice = -5, .umask = 027, .env_count = 2, .env = env},
};

static const struct rmt_hello hello_example = {
	.program = 0x8000000000000001u,
	.pid = 12345,
	.machine = TEXT("Linux x86_64"),
	.host = TEXT("web1"),
};

static void encode(enum message message, struct rmt_buffer *out)
{
	if (message == WELCOME)
		rmt_welcome_encode(&welcome_example, out);
	else if (message == HELLO)
		rmt_hello_encode(&hello_example, out);
	else if (message == REFUSE)
		rmt_refuse_encode(-EACCES, "cwd=/root: Permission denied", out);
	else
		rmt_failure_encode(ENOENT, "local", "cannot open \xff", out);
	assert_int_equal(out->error, 0);
}

static void assert_text(struct rmt_text got, struct rmt_text expected)
{
	assert_int_equal(got.size, expected.size);
	assert_int_equal(!got.data, !expected.data);
	if (expected.data)
		assert_memory_equal(got.data, expected.data, expected.size);
}

static void welcome_comes_back_as_it_was(void **state)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_text got_env[2];
	struct rmt_welcome got;

	(void)state;
	encode(WELCOME, &out);
	assert_int_equal(rmt_welcome_decode(out.data, out.size, got_env, 2, &got), 0);
	assert_true(got.program == welcome_example.program);
	assert_int_equal(got.id, welcome_example.id);
	assert_int_equal(got.parent_count, 3);
	assert_memory_equal(got.parents, welcome_example.parents, 3 * sizeof(uint32_t));
	assert_text(got.path, welcome_example.path);
	assert_int_equal(got.message_size_max, 1 << 20);
	assert_int_equal(got.connect_timeout, 30000);
	assert_true(got.allow_siblings);
	assert_int_equal(got.log_level, 7);
	assert_int_equal(got.log_rate, 500);
	assert_int_equal(got.log_directory.size, 13);
	assert_memory_equal(got.log_directory.data, "/var/log/tree", 13);
	assert_int_equal(got.heartbeat_interval, 250);
	assert_int_equal(got.heartbeat_misses, 4);
	assert_text(got.setup.cwd, welcome_example.setup.cwd);
	assert_int_equal(got.setup.nice, -5);
	assert_int_equal(got.setup.umask, 027);
	assert_int_equal(got.setup.env_count, 2);
	assert_ptr_equal(got.setup.env, got_env);
	assert_text(got_env[0], env[0]);
	assert_text(got_env[1], env[1]);
	/* One entry more than there is room for. */
	assert_int_equal(rmt_welcome_decode(out.data, out.size, got_env, 1, &got), -E2BIG);
	rmt_buffer_done(&out);
}

static void welcome_at_its_limits_comes_back(void **state)
{
	struct rmt_welcome welcome = {.path = TEXT(""), .parent_count = RMT_TREE_DEPTH_MAX}, got;
	struct rmt_buffer out = RMT_BUFFER_INIT;

	(void)state;
	welcome.setup.umask = -1;
	welcome.log_rate = UINT32_MAX;
	for (uint32_t i = 0; i < RMT_TREE_DEPTH_MAX; i++)
		welcome.parents[i] = i;
	rmt_welcome_encode(&welcome, &out);
	assert_int_equal(rmt_welcome_decode(out.data, out.size, NULL, 0, &got), 0);
	assert_int_equal(got.parent_count, RMT_TREE_DEPTH_MAX);
	assert_int_equal(got.parents[RMT_TREE_DEPTH_MAX - 1], RMT_TREE_DEPTH_MAX - 1);
	assert_null(got.setup.cwd.data);
	assert_int_equal(got.setup.umask, -1);
	assert_int_equal(got.path.size, 0);
	/* A child without a parent makes no sense. */
	rmt_buffer_reset(&out);
	welcome.parent_count = 0;
	rmt_welcome_encode(&welcome, &out);
	assert_int_equal(rmt_welcome_decode(out.data, out.size, NULL, 0, &got), -EBADMSG);
	rmt_buffer_done(&out);
}

static void hello_and_refusal_come_back_as_they_were(void **state)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_hello got;
	struct rmt_text text;
	int code = 0;

	(void)state;
	encode(HELLO, &out);
	assert_int_equal(rmt_hello_decode(out.data, out.size, &got, &code, &text), 1);
	assert_true(got.program == hello_example.program);
	assert_int_equal(got.pid, 12345);
	assert_text(got.machine, hello_example.machine);
	assert_text(got.host, hello_example.host);
	rmt_buffer_reset(&out);
	encode(REFUSE, &out);
	assert_int_equal(rmt_hello_decode(out.data, out.size, &got, &code, &text), 0);
	assert_int_equal(code, EACCES);
	assert_text(text, TEXT("cwd=/root: Permission denied"));
	rmt_buffer_done(&out);
}

static void failure_comes_back_as_it_was_and_bounded(void **state)
{
	static char text[2 * RMT_ERROR_TEXT_MAX];
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_failure got;

	(void)state;
	encode(FAILURE, &out);
	assert_int_equal(rmt_failure_decode(out.data, out.size, &got), 0);
	assert_int_equal(got.code, ENOENT);
	assert_text(got.where, TEXT("local"));
	assert_text(got.text, TEXT("cannot open \xff"));
	rmt_buffer_reset(&out);
	memset(text, 'x', sizeof(text) - 1);
	rmt_failure_encode(-ENOENT, "", text, &out);
	assert_int_equal(rmt_failure_decode(out.data, out.size, &got), 0);
	assert_int_equal(got.code, ENOENT);
	assert_int_equal(got.text.size, RMT_ERROR_TEXT_MAX);
	rmt_buffer_done(&out);
}

static void message_cut_short_or_too_long_is_refused(void **state)
{
	(void)state;
	for (enum message message = 0; message < MESSAGES; message++) {
		struct rmt_buffer out = RMT_BUFFER_INIT;

		encode(message, &out);
		assert_true(decode(message, out.data, out.size) >= 0);
		for (size_t size = 0; size < out.size; size++)
			assert_int_equal(decode(message, out.data, size), -EBADMSG);
		rmt_buffer_append_byte(&out, 0xf6);
		assert_int_equal(decode(message, out.data, out.size), -EBADMSG);
		rmt_buffer_done(&out);
	}
}

/* The message with its index-th item replaced; what the item is may stay acceptable. */
static void replace(const struct rmt_buffer *whole, unsigned index, const void *item,
		    size_t item_size, struct rmt_buffer *out)
{
	struct rmt_cbor_reader reader;
	uint64_t count;
	size_t begin;

	rmt_cbor_reader_init(&reader, whole->data, whole->size);
	assert_int_equal(rmt_cbor_read_array(&reader, &count), 0);
	for (unsigned i = 0; i < index; i++)
		assert_int_equal(rmt_cbor_skip(&reader), 0);
	begin = reader.position;
	assert_int_equal(rmt_cbor_skip(&reader), 0);
	rmt_buffer_reset(out);
	rmt_buffer_append(out, whole->data, begin);
	rmt_buffer_append(out, item, item_size);
	rmt_buffer_append(out, whole->data + reader.position, whole->size - reader.position);
}

/* What may stand at each place: U unsigned, I integer, S string, N string or null, B boolean, L list. */
static const char *const shapes[MESSAGES] = {
	[WELCOME] = "UUULSUIBINIIL",
	[HELLO] = "UUUNN",
	[REFUSE] = "UUS",
	[FAILURE] = "USS",
};

static void item_of_a_wrong_type_is_refused(void **state)
{
	static const struct {
		char type; /* of the shapes that take it; 0: none does */
		const char *item;
		size_t size;
	} wrong[] = {
		{0, "\xf9\x3c\x00", 3},
		{0, "\xa0", 1},
		{'S', "\x61x", 2},
		{'B', "\xf5", 1},
		{'L', "\x80", 1},
		{0, "\xc1\x61x", 3},
		{'N', "\xf6", 1},
		{'I', "\x20", 1},
		{0, "\xff", 1},
		{0, "\x61\x00", 2},
		{0, "\x81\xf6", 2},
		{0, "\x82\x00\x80", 3},
		{0, "\x1b\x80\0\0\0\0\0\0\0", 9},
	};

	(void)state;
	for (enum message message = 0; message < MESSAGES; message++) {
		struct rmt_buffer whole = RMT_BUFFER_INIT, out = RMT_BUFFER_INIT;

		encode(message, &whole);
		for (unsigned i = 0; shapes[message][i]; i++) {
			for (size_t k = 0; k < RMT_COUNT(wrong); k++) {
				char shape = shapes[message][i];

				if (wrong[k].type == shape ||
				    (shape == 'N' && wrong[k].type == 'S'))
					continue;
				/* The program's identity is any number of 64 bits; an empty list of parents is refused. */
				if (k == RMT_COUNT(wrong) - 1 && shape == 'U' && i == 1 &&
				    message <= HELLO)
					continue;
				replace(&whole, i, wrong[k].item, wrong[k].size, &out);
				assert_int_equal(decode(message, out.data, out.size), -EBADMSG);
			}
		}
		rmt_buffer_done(&whole);
		rmt_buffer_done(&out);
	}
}

static void number_out_of_range_is_refused(void **state)
{
	static const struct {
		enum message message;
		unsigned index;
		uint64_t number;
	} cases[] = {
		{WELCOME, 0, RMT_OP_HELLO},
		{WELCOME, 2, 1ull << 32},
		{WELCOME, 5, 1ull << 32},
		{WELCOME, 6, 1ull << 31},
		{WELCOME, 8, 1ull << 31},
		{WELCOME, 10, 1ull << 31},
		{HELLO, 0, RMT_OP_WELCOME},
		{HELLO, 2, 1ull << 32},
		{REFUSE, 1, 0},
		{REFUSE, 1, 1ull << 31},
		{REFUSE, 0, RMT_OP_HELLO},
		{FAILURE, 0, 0},
		{FAILURE, 0, 1ull << 31},
		{HELLO, 0, RMT_OP_REFUSE + 1},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		struct rmt_buffer whole = RMT_BUFFER_INIT, out = RMT_BUFFER_INIT,
				  item = RMT_BUFFER_INIT;

		encode(cases[i].message, &whole);
		rmt_cbor_put_uint(&item, cases[i].number);
		replace(&whole, cases[i].index, item.data, item.size, &out);
		assert_int_equal(decode(cases[i].message, out.data, out.size), -EBADMSG);
		rmt_buffer_done(&whole);
		rmt_buffer_done(&out);
		rmt_buffer_done(&item);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(welcome_comes_back_as_it_was),
		FIXTURE_TEST(welcome_at_its_limits_comes_back),
		FIXTURE_TEST(hello_and_refusal_come_back_as_they_were),
		FIXTURE_TEST(failure_comes_back_as_it_was_and_bounded),
		FIXTURE_TEST(message_cut_short_or_too_long_is_refused),
		FIXTURE_TEST(item_of_a_wrong_type_is_refused),
		FIXTURE_TEST(number_out_of_range_is_refused),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
