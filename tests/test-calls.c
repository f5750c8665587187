/* SPDX-License-Identifier: BSD-3-Clause */
/* Typed and dynamic calls: every kind both ways, over every way to a context; failures. */
#include <math.h>

#include "fixture.h"
#include "records.h"

RAMET_STRUCT(everything, (boolean, flag), (i32, small), (i64, large), (u64, natural), (f64, real),
	     (str, text), (bytes, data));
RAMET_ARRAY(i32s, i32);
RAMET_STRUCT(row, (str, title), (i32s, cells));
RAMET_ARRAY(rows, row);
RAMET_STRUCT(sheet, (rows, lines), (everything, all));

/* --- functions -------------------------------------------------------------------------------------- */

RAMET_FUNCTION(none, nothing)
{
}

RAMET_FUNCTION(boolean, give_boolean, (boolean, it))
{
	return it;
}

RAMET_FUNCTION(i32, give_i32, (i32, it))
{
	return it;
}

RAMET_FUNCTION(i64, give_i64, (i64, it))
{
	return it;
}

RAMET_FUNCTION(u64, give_u64, (u64, it))
{
	return it;
}

RAMET_FUNCTION(f64, give_f64, (f64, it))
{
	return it;
}

RAMET_FUNCTION(str, give_str, (str, it))
{
	return it;
}

RAMET_FUNCTION(bytes, give_bytes, (bytes, it))
{
	return it;
}

RAMET_FUNCTION(value, give_value, (value, it))
{
	return it;
}

RAMET_FUNCTION(context, give_context, (context, it))
{
	return it;
}

RAMET_FUNCTION(sheet, give_sheet, (sheet, it))
{
	return it;
}

RAMET_FUNCTION(i64, process_id)
{
	return getpid();
}

RAMET_FUNCTION(i64, twelve, (i64, a), (i64, b), (i64, c), (i64, d), (i64, e), (i64, f), (i64, g),
	       (i64, h), (i64, i), (i64, j), (i64, k), (i64, l))
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k +
	       12 * l;
}

/* Size and sum, so that large bytes go one way only. */
RAMET_FUNCTION(u64, sum_bytes, (bytes, it))
{
	uint64_t sum = it.size;

	for (size_t i = 0; i < it.size; i++)
		sum = sum * 31 + ((const unsigned char *)it.data)[i];
	return sum;
}

RAMET_FUNCTION(bytes, make_bytes, (u64, size), (i32, seed))
{
	unsigned char *data = ramet_call_alloc(call, size);

	if (!data) {
		ramet_fail(call, ENOMEM, "no memory");
		return (ramet_bytes){NULL, 0};
	}
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(i * 7 + (size_t)seed);
	return (ramet_bytes){data, size};
}

/* Strings and arrays in memory of the call. */
RAMET_FUNCTION(rows, make_rows, (i32, count))
{
	rows made = {ramet_call_alloc(call, (size_t)count * sizeof(row)), (size_t)count};

	for (int32_t i = 0; i < count; i++) {
		char *title = ramet_call_alloc(call, 32);
		int32_t *cells = ramet_call_alloc(call, (size_t)i * sizeof(*cells));

		snprintf(title, 32, "row %d", i);
		for (int32_t k = 0; k < i; k++)
			cells[k] = i * k;
		made.items[i] = (row){title, {cells, (size_t)i}};
	}
	return made;
}

RAMET_FUNCTION(i64, fails, (i32, code), (str, text))
{
	ramet_fail(call, code, "it is about %s", text);
	ramet_fail(call, EIO, "a second failure is not heard");
	return 5;
}

RAMET_FUNCTION(str, caller_path)
{
	ramet_context *caller = ramet_call_caller(call);
	char *text = ramet_call_alloc(call, 64);

	snprintf(text, 64, "%u %s", ramet_context_id(caller), ramet_context_path(caller));
	return text;
}

/* Calls a function that fails in a child of its own, and passes the failure on. */
RAMET_FUNCTION(none, fails_below, (boolean, pass_on))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *child = NULL;
	int64_t result;

	if (ramet_connect(ramet_call_router(call), "fork", &child, &error) == 0 &&
	    fails_call(child, EDOM, "below", &result, &error) < 0 && !pass_on)
		ramet_fail(call, error.code, "wrapped: %s", error.message);
	ramet_fail_error(call, &error);
	ramet_context_unref(child);
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;

static void open_tree(void)
{
	router = records_router(&records, NULL);
}

static void close_tree(void)
{
	ramet_router_unref(router);
	records_done(&records);
}

/* Runs a check over every kind of way: to itself, to children of both sorts, and through others. */
static void over_every_way(void (*check)(ramet_context *context))
{
	static const char *const paths[] = {"local", "fork", "local/local", "fork/local/fork",
					    "local#1/fork"};

	open_tree();
	check(ramet_router_self(router));
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		ramet_context *context = fixture_connect(router, paths[i]);

		check(context);
		ramet_context_unref(context);
	}
	close_tree();
}

#define CALL(function, ...)                                                \
	do {                                                               \
		ramet_error call_error = RAMET_ERROR_INIT;                 \
		if (function##_call(__VA_ARGS__, &call_error) < 0)         \
			fail_msg("%s: %s", #function, call_error.message); \
	} while (0)

/* --- kinds ------------------------------------------------------------------------------------------ */

static void check_numbers(ramet_context *context)
{
	static const int64_t i64s[] = {0, 1, -1, INT64_MIN, INT64_MAX, 1ll << 32};
	static const uint64_t u64s[] = {0, INT64_MAX, 1ull << 63, UINT64_MAX};
	static const double f64s[] = {0.0, -0.0, 1.5, 0.1, INFINITY, -INFINITY, 5e-324, 1e308};
	bool flag = false;
	int32_t i32 = 0;
	int64_t i64 = 0;
	uint64_t u64 = 0;
	double f64 = 0;

	CALL(nothing, context);
	CALL(give_boolean, context, true, &flag);
	assert_true(flag);
	CALL(give_i32, context, INT32_MIN, &i32);
	assert_int_equal(i32, INT32_MIN);
	CALL(give_i32, context, INT32_MAX, &i32);
	assert_int_equal(i32, INT32_MAX);
	for (size_t i = 0; i < sizeof(i64s) / sizeof(*i64s); i++) {
		CALL(give_i64, context, i64s[i], &i64);
		assert_true(i64 == i64s[i]);
	}
	for (size_t i = 0; i < sizeof(u64s) / sizeof(*u64s); i++) {
		CALL(give_u64, context, u64s[i], &u64);
		assert_true(u64 == u64s[i]);
	}
	for (size_t i = 0; i < sizeof(f64s) / sizeof(*f64s); i++) {
		CALL(give_f64, context, f64s[i], &f64);
		assert_memory_equal(&f64, &f64s[i], sizeof(f64));
	}
	CALL(give_f64, context, NAN, &f64);
	assert_true(isnan(f64));
	CALL(twelve, context, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, &i64);
	assert_int_equal(i64, 650);
}

static void call_numbers_come_back(void **state)
{
	(void)state;
	over_every_way(check_numbers);
}

static void check_strings(ramet_context *context)
{
	static const char *const texts[] = {
		"", "plain", "caf\xc3\xa9", "\xff\xfe not UTF-8", "\xed\xa0\x80", "a\nb\t"};
	const char *text = NULL;
	ramet_bytes bytes = {NULL, 0};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		CALL(give_str, context, texts[i], &text);
		assert_string_equal(text, texts[i]);
		ramet_free(text);
	}
	CALL(give_str, context, NULL, &text);
	assert_null(text);
	CALL(give_bytes, context, ((ramet_bytes){"\0\xff\0", 3}), &bytes);
	assert_int_equal(bytes.size, 3);
	assert_memory_equal(bytes.data, "\0\xff\0", 3);
	ramet_free(bytes.data);
	CALL(give_bytes, context, ((ramet_bytes){NULL, 0}), &bytes);
	assert_int_equal(bytes.size, 0);
	ramet_free(bytes.data);
}

static void call_strings_and_bytes_come_back(void **state)
{
	(void)state;
	over_every_way(check_strings);
}

static void check_large_bytes(ramet_context *context)
{
	const size_t size = 5 << 20;
	unsigned char *data = malloc(size);
	uint64_t expected = size, sum = 0;
	ramet_bytes made = {NULL, 0};

	assert_non_null(data);
	for (size_t i = 0; i < size; i++) {
		data[i] = (unsigned char)(i * 13 + i / 251);
		expected = expected * 31 + data[i];
	}
	CALL(sum_bytes, context, ((ramet_bytes){data, size}), &sum);
	assert_true(sum == expected);
	CALL(give_bytes, context, ((ramet_bytes){data, size}), &made);
	assert_int_equal(made.size, size);
	assert_memory_equal(made.data, data, size);
	ramet_free(made.data);
	CALL(make_bytes, context, size + 1, 3, &made);
	assert_int_equal(made.size, size + 1);
	for (size_t i = 0; i < size; i += 997)
		assert_int_equal(((const unsigned char *)made.data)[i], (unsigned char)(i * 7 + 3));
	ramet_free(made.data);
	free(data);
}

static void call_large_bytes_go_both_ways(void **state)
{
	(void)state;
	over_every_way(check_large_bytes);
}

static void check_structures(ramet_context *context)
{
	int32_t cells[] = {3, -4};
	row lines[] = {{"first", {cells, 2}}, {NULL, {NULL, 0}}};
	sheet there = {{lines, 2}, {true, -5, 6, 7, 8.5, "text", {"data", 4}}}, back;
	rows made;

	CALL(give_sheet, context, there, &back);
	assert_int_equal(back.lines.count, 2);
	assert_string_equal(back.lines.items[0].title, "first");
	assert_int_equal(back.lines.items[0].cells.items[1], -4);
	assert_null(back.lines.items[1].title);
	assert_int_equal(back.lines.items[1].cells.count, 0);
	assert_int_equal(back.all.small, -5);
	assert_true(back.all.real == 8.5);
	assert_string_equal(back.all.text, "text");
	assert_memory_equal(back.all.data.data, "data", 4);
	sheet_clear(&back);
	CALL(make_rows, context, 100, &made);
	assert_int_equal(made.count, 100);
	for (int32_t i = 0; i < 100; i++) {
		char title[32];

		snprintf(title, sizeof(title), "row %d", i);
		assert_string_equal(made.items[i].title, title);
		assert_int_equal(made.items[i].cells.count, i);
		for (int32_t k = 0; k < i; k++)
			assert_int_equal(made.items[i].cells.items[k], i * k);
	}
	rows_clear(&made);
}

static void call_structures_and_arrays_come_back(void **state)
{
	(void)state;
	over_every_way(check_structures);
}

static void check_handles(ramet_context *context)
{
	ramet_value *items[2] = {ramet_value_new_str("x"), ramet_value_new_context(context)};
	ramet_value *value = ramet_value_new_array(items, 2), *back = NULL;
	ramet_context *got = NULL;

	CALL(give_value, context, value, &back);
	assert_int_equal(ramet_value_count(back), 2);
	assert_string_equal(ramet_value_str(ramet_value_item(back, 0)), "x");
	assert_int_equal(ramet_context_id(ramet_value_context(ramet_value_item(back, 1))),
			 ramet_context_id(context));
	ramet_value_unref(back);
	CALL(give_value, context, NULL, &back);
	assert_int_equal(ramet_value_kind(back), RAMET_KIND_NONE);
	ramet_value_unref(back);
	CALL(give_context, context, context, &got);
	assert_int_equal(ramet_context_id(got), ramet_context_id(context));
	assert_string_equal(ramet_context_path(got), ramet_context_path(context));
	assert_int_equal(ramet_context_pid(got), ramet_context_pid(context));
	ramet_context_unref(got);
	CALL(give_context, context, NULL, &got);
	assert_null(got);
	for (int i = 0; i < 2; i++)
		ramet_value_unref(items[i]);
	ramet_value_unref(value);
}

static void call_values_and_contexts_come_back(void **state)
{
	(void)state;
	over_every_way(check_handles);
}

/* --- failures --------------------------------------------------------------------------------------- */

static void check_failure(ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 99;

	/* The sign of the code is either. */
	assert_int_equal(fails_call(context, ENOENT, "files", &result, &error), -ENOENT);
	assert_string_equal(error.where, ramet_context_path(context));
	assert_string_equal(error.message, "it is about files");
	assert_int_equal(fails_call(context, -EACCES, "rights", &result, &error), -EACCES);
	assert_int_equal(error.code, -EACCES);
	assert_string_equal(error.message, "it is about rights");
	/* Nothing is written, and an error is not necessary. */
	assert_int_equal(fails_call(context, EPERM, "x", &result, NULL), -EPERM);
	assert_int_equal(result, 99);
	ramet_error_clear(&error);
	CALL(give_i64, context, 4, &result);
	assert_int_equal(result, 4);
}

static void call_failure_has_code_place_and_message(void **state)
{
	(void)state;
	over_every_way(check_failure);
}

static void call_failure_passed_on_keeps_its_place(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local");
	assert_int_equal(fails_below_call(context, true, &error), -EDOM);
	assert_string_equal(error.where, "local/fork");
	assert_string_equal(error.message, "it is about below");
	assert_int_equal(fails_below_call(context, false, &error), -EDOM);
	assert_string_equal(error.where, "local");
	assert_string_equal(error.message, "wrapped: it is about below");
	ramet_error_clear(&error);
	ramet_context_unref(context);
	close_tree();
}

static void post_runs_and_its_failure_becomes_a_record(void **state)
{
	ramet_context *context;
	int64_t pid;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/fork");
	CALL(nothing, context);
	assert_int_equal(nothing_post(context, NULL), 0);
	assert_int_equal(fails_post(context, EIO, "posts", NULL), 0);
	records_wait(&records, 0, "local/fork", "ramet", "it is about posts");
	records_wait(&records, 0, "local/fork", "ramet", "'fails'");
	CALL(process_id, context, &pid);
	assert_int_equal(records_count(&records, "ramet", "without an answer"), 1);
	ramet_context_unref(context);
	close_tree();
}

/* --- who calls whom --------------------------------------------------------------------------------- */

static void caller_is_who_called(void **state)
{
	static const char *const paths[] = {"local", "local/fork"};
	const char *text = NULL;
	char expected[16];

	(void)state;
	open_tree();
	snprintf(expected, sizeof(expected), "%u ", ramet_context_id(ramet_router_self(router)));
	CALL(caller_path, ramet_router_self(router), &text);
	assert_string_equal(text, expected);
	ramet_free(text);
	for (size_t i = 0; i < 2; i++) {
		ramet_context *context = fixture_connect(router, paths[i]);

		CALL(caller_path, context, &text);
		assert_string_equal(text, expected);
		ramet_free(text);
		ramet_context_unref(context);
	}
	close_tree();
}

static void routers_of_one_process_share_nothing(void **state)
{
	ramet_router *routers[3];
	ramet_context *contexts[3];
	int64_t pids[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		routers[i] = fixture_router(i % 2 ? RAMET_POLLER_POLL : RAMET_POLLER_EPOLL, 0);
		contexts[i] = fixture_connect(routers[i], i == 2 ? "fork" : "local");
	}
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 3; i++) {
			CALL(process_id, contexts[i], &pids[i]);
			assert_int_equal(pids[i], ramet_context_pid(contexts[i]));
		}
	assert_true(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2]);
	/* Their ids are those of trees of their own. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(ramet_context_id(contexts[i]),
				 ramet_context_id(ramet_router_self(routers[i])) + 1);
	ramet_context_unref(contexts[0]);
	ramet_router_unref(routers[0]);
	CALL(process_id, contexts[1], &pids[1]);
	for (int i = 1; i < 3; i++) {
		ramet_context_unref(contexts[i]);
		ramet_router_unref(routers[i]);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(call_numbers_come_back),
		FIXTURE_TEST(call_strings_and_bytes_come_back),
		FIXTURE_TEST(call_large_bytes_go_both_ways),
		FIXTURE_TEST(call_structures_and_arrays_come_back),
		FIXTURE_TEST(call_values_and_contexts_come_back),
		FIXTURE_TEST(call_failure_has_code_place_and_message),
		FIXTURE_TEST(call_failure_passed_on_keeps_its_place),
		FIXTURE_TEST(post_runs_and_its_failure_becomes_a_record),
		FIXTURE_TEST(caller_is_who_called),
		FIXTURE_TEST(routers_of_one_process_share_nothing),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
