/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls by name, with arguments that are known at run time; and limits of messages. */
#include "fixture.h"
#include "records.h"

RAMET_STRUCT(point, (f64, x), (f64, y));
RAMET_ARRAY(points, point);

RAMET_FUNCTION(none, nothing)
{
}

RAMET_FUNCTION(i32, add, (i32, a), (i32, b))
{
	return a + b;
}

RAMET_FUNCTION(points, mirror, (points, them))
{
	for (size_t i = 0; i < them.count; i++)
		them.items[i] = (point){them.items[i].y, them.items[i].x};
	return them;
}

RAMET_FUNCTION(bytes, make, (u64, size))
{
	void *data = ramet_call_alloc(call, size);

	memset(data, 1, size);
	return (ramet_bytes){data, size};
}

RAMET_FUNCTION(u64, size_of, (bytes, data))
{
	return data.size;
}

static ramet_router *router;
static struct records records;
static ramet_context *context;

static void open_tree(const char *path, uint32_t message_size_max)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.message_size_max = message_size_max;
	router = records_router(&records, &options);
	context = path ? fixture_connect(router, path)
		       : ramet_context_ref(ramet_router_self(router));
}

static void close_tree(void)
{
	ramet_context_unref(context);
	ramet_router_unref(router);
	records_done(&records);
}

/* A list of the values, which it takes. */
static ramet_value *list(size_t count, ...)
{
	ramet_value *items[8], *array;
	va_list values;

	va_start(values, count);
	for (size_t i = 0; i < count; i++)
		items[i] = va_arg(values, ramet_value *);
	va_end(values);
	array = ramet_value_new_array(items, count);
	for (size_t i = 0; i < count; i++)
		ramet_value_unref(items[i]);
	return array;
}

static ramet_value *number(int64_t value)
{
	return ramet_value_new_i64(value);
}

static void invoke_by_name_gives_the_result_as_a_value(void **state)
{
	static const char *const paths[] = {NULL, "local", "fork/local"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ramet_value *arguments = list(2, number(40), number(2)), *result = NULL;
		ramet_receiver *receiver = NULL;

		open_tree(paths[i], 0);
		assert_int_equal(ramet_invoke(context, "add", arguments, &result, NULL), 0);
		assert_int_equal(ramet_value_kind(result), RAMET_KIND_I64);
		assert_int_equal(ramet_value_i64(result), 42);
		ramet_value_unref(result);
		assert_int_equal(ramet_invoke(context, "nothing", NULL, &result, NULL), 0);
		assert_int_equal(ramet_value_kind(result), RAMET_KIND_NONE);
		ramet_value_unref(result);
		assert_int_equal(ramet_invoke(context, "add", arguments, NULL, NULL), 0);
		assert_int_equal(ramet_invoke_start(context, "add", arguments, &receiver, NULL), 0);
		assert_int_equal(ramet_invoke_finish(receiver, -1, &result, NULL), 0);
		assert_int_equal(ramet_value_i64(result), 42);
		ramet_value_unref(result);
		ramet_receiver_unref(receiver);
		assert_int_equal(ramet_invoke_post(context, "add", arguments, NULL), 0);
		ramet_value_unref(arguments);
		close_tree();
	}
}

static void invoke_with_structures_takes_and_gives_lists(void **state)
{
	ramet_value *them = list(2, list(2, ramet_value_new_f64(1.5), ramet_value_new_f64(-2)),
				 list(2, ramet_value_new_f64(0), ramet_value_new_f64(7)));
	ramet_value *arguments = list(1, them), *result = NULL;

	(void)state;
	open_tree("local", 0);
	assert_int_equal(ramet_invoke(context, "mirror", arguments, &result, NULL), 0);
	assert_int_equal(ramet_value_count(result), 2);
	assert_true(ramet_value_f64(ramet_value_item(ramet_value_item(result, 0), 0)) == -2);
	assert_true(ramet_value_f64(ramet_value_item(ramet_value_item(result, 1), 0)) == 7);
	ramet_value_unref(result);
	ramet_value_unref(arguments);
	close_tree();
}

static void assert_refused(const char *function, ramet_value *arguments, int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *result = NULL;

	assert_int_equal(ramet_invoke(context, function, arguments, &result, &error), code);
	assert_null(result);
	fixture_check_error(&error, code, text, NULL);
	ramet_value_unref(arguments);
}

static void invoke_with_what_does_not_fit_is_refused(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	open_tree("local", 0);
	assert_refused("no_such", NULL, -ENOSYS, "'no_such'");
	assert_refused("", NULL, -ENOSYS, "''");
	assert_refused("ad", list(2, number(1), number(2)), -ENOSYS, "'ad'");
	/* The library's own are looked for elsewhere. */
	assert_refused("rmt_no_such", NULL, -ENOSYS, "'rmt_no_such'");
	assert_refused(name, NULL, -EINVAL, "255");
	name[255] = '\0';
	assert_refused(name, NULL, -ENOSYS, "nnnn");
	assert_refused("add", NULL, -EINVAL, "0 values for the 2 of add");
	assert_refused("add", list(1, number(1)), -EINVAL, "1 values for the 2 of add");
	assert_refused("add", list(3, number(1), number(2), number(3)), -EINVAL,
		       "3 values for the 2 of add");
	assert_refused("add", list(2, number(1), ramet_value_new_str("x")), -EINVAL,
		       "b: expected i32, got text");
	assert_refused("add", list(2, number(1), number(1ll << 31)), -EINVAL,
		       "b: the number does not fit i32");
	assert_refused("add", list(2, number(-(1ll << 31) - 1), number(1)), -EINVAL,
		       "a: the number does not fit i32");
	assert_refused("size_of", list(1, ramet_value_new_none()), -EINVAL,
		       "data: expected bytes, got none");
	assert_refused("make", list(1, number(-1)), -EINVAL, "size: the number does not fit u64");
	assert_refused("mirror", list(1, list(1, list(1, number(1)))), -EINVAL,
		       "them: 0: 1 values for the 2 of point");
	assert_refused("add", number(1), -EINVAL, "not a list");
	close_tree();
}

/* A structure nested deeper than a message may be cannot be sent at all, or is refused: never lost. */
static void invoke_with_arguments_nested_too_deep_is_refused(void **state)
{
	ramet_value *value = number(1);

	(void)state;
	for (int i = 0; i < 40; i++)
		value = list(1, value);
	open_tree("local", 0);
	assert_true(ramet_invoke(context, "nothing", value, NULL, NULL) < 0);
	ramet_value_unref(value);
	assert_int_equal(nothing_call(context, NULL), 0);
	close_tree();
}

static void message_above_the_limit_is_refused_both_ways(void **state)
{
	static const char *const paths[] = {NULL, "local", "local/fork"};
	const size_t limit = 1 << 20;
	unsigned char *data = calloc(1, 2 * limit);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_bytes made = {NULL, 0};
		uint64_t size = 0;

		open_tree(paths[i], (uint32_t)limit);
		assert_int_equal(
			size_of_call(context, (ramet_bytes){data, limit - 100}, &size, &error), 0);
		assert_int_equal(size, limit - 100);
		assert_int_equal(size_of_call(context, (ramet_bytes){data, limit}, &size, &error),
				 -EMSGSIZE);
		fixture_check_error(&error, -EMSGSIZE, "size_of", "1048576", NULL);
		assert_int_equal(make_call(context, limit - 100, &made, &error), 0);
		assert_int_equal(made.size, limit - 100);
		ramet_free(made.data);
		made = (ramet_bytes){NULL, 0};
		assert_int_equal(make_call(context, limit, &made, &error), -EMSGSIZE);
		fixture_check_error(&error, -EMSGSIZE, "make", NULL);
		assert_null(made.data);
		/* Nothing is lost with it. */
		assert_int_equal(make_call(context, 5, &made, &error), 0);
		assert_int_equal(made.size, 5);
		ramet_free(made.data);
		close_tree();
	}
	free(data);
}

static void receiver_of_the_other_sort_is_refused(void **state)
{
	ramet_receiver *result = NULL, *stream = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	(void)state;
	open_tree("local", 0);
	assert_int_equal(nothing_start(context, &result, NULL), 0);
	assert_int_equal(ramet_receive(result, -1, &value, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "result of a call", NULL);
	assert_null(ramet_receiver_sender(result));
	assert_int_equal(ramet_receiver_new(router, &stream), 0);
	assert_int_equal(ramet_invoke_finish(stream, -1, &value, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "stream", NULL);
	assert_int_equal(nothing_finish(result, -1, NULL), 0);
	ramet_receiver_unref(result);
	ramet_receiver_unref(stream);
	close_tree();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(invoke_by_name_gives_the_result_as_a_value),
		FIXTURE_TEST(invoke_with_structures_takes_and_gives_lists),
		FIXTURE_TEST(invoke_with_what_does_not_fit_is_refused),
		FIXTURE_TEST(invoke_with_arguments_nested_too_deep_is_refused),
		FIXTURE_TEST(message_above_the_limit_is_refused_both_ways),
		FIXTURE_TEST(receiver_of_the_other_sort_is_refused),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
