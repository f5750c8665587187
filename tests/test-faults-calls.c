/* SPDX-License-Identifier: BSD-3-Clause */
/* What callers get wrong, and what they call too late: each is an error that says so, and the tree works on. */
#include "fixture.h"

RAMET_FUNCTION(i64, add, (i64, a), (i64, b))
{
	return a + b;
}

RAMET_FUNCTION(i64, narrow, (i32, number), (boolean, negative), (str, text), (bytes, data),
	       (f64, factor))
{
	return negative ? -number : number;
}

RAMET_FUNCTION(bytes, blob, (i64, size))
{
	void *data = ramet_call_alloc(call, (size_t)size);

	if (!data) {
		ramet_fail(call, ENOMEM, "no memory for a blob");
		return (ramet_bytes){NULL, 0};
	}
	memset(data, 'x', (size_t)size);
	return (ramet_bytes){data, (size_t)size};
}

RAMET_FUNCTION(i64, size_of, (bytes, data))
{
	return (int64_t)data.size;
}

RAMET_FUNCTION(none, fail_with, (i64, code), (str, text))
{
	ramet_fail(call, (int)code, "%s", text);
}

/* Sends numbers until it cannot: how that ended. */
RAMET_FUNCTION(i64, send_on, (sender, out), (i64, most))
{
	int r = 0;

	for (int64_t i = 0; i < most && r == 0; i++)
		r = ramet_send_i64(out, i);
	return r;
}

static void check_works(ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t sum = 0;

	if (add_call(context, 2, 3, &sum, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(sum, 5);
}

/* Takes the items. */
static ramet_value *list(size_t count, ...)
{
	ramet_value *items[8], *value;
	va_list arguments;

	va_start(arguments, count);
	for (size_t i = 0; i < count; i++)
		items[i] = va_arg(arguments, ramet_value *);
	va_end(arguments);
	value = ramet_value_new_array(items, count);
	for (size_t i = 0; i < count; i++)
		ramet_value_unref(items[i]);
	return value;
}

static void call_of_unknown_function_fails_with_its_name(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *contexts[3], *child = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	contexts[0] = ramet_router_self(router);
	contexts[1] = child;
	contexts[2] = fixture_connect(router, "local/fork");
	for (int i = 0; i < 3; i++) {
		ramet_value *value = NULL;

		assert_int_equal(ramet_invoke(contexts[i], "no_such", NULL, &value, &error),
				 -ENOSYS);
		assert_null(value);
		assert_string_equal(error.where, ramet_context_path(contexts[i]));
		fixture_check_error(&error, -ENOSYS, "no_such", NULL);
		check_works(contexts[i]);
	}
	ramet_context_unref(contexts[2]);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void call_with_wrong_arguments_fails_and_names_them(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;
	const struct {
		const char *function, *text;
		ramet_value *arguments;
	} calls[] = {
		{"add", "add", NULL},
		{"add", "add", list(1, ramet_value_new_i64(1))},
		{"add", "add",
		 list(3, ramet_value_new_i64(1), ramet_value_new_i64(1), ramet_value_new_i64(1))},
		{"add", "b", list(2, ramet_value_new_i64(1), ramet_value_new_str("1"))},
		{"add", "a", list(2, ramet_value_new_f64(1), ramet_value_new_i64(1))},
		{"add", "b", list(2, ramet_value_new_i64(1), ramet_value_new_u64(UINT64_MAX))},
		{"add", "a", list(2, ramet_value_new_none(), ramet_value_new_i64(1))},
		{"narrow", "number",
		 list(5, ramet_value_new_i64(INT64_C(1) << 31), ramet_value_new_boolean(true),
		      ramet_value_new_str(""), ramet_value_new_bytes((ramet_bytes){NULL, 0}),
		      ramet_value_new_f64(0))},
		{"narrow", "negative",
		 list(5, ramet_value_new_i64(1), ramet_value_new_i64(1), ramet_value_new_str(""),
		      ramet_value_new_bytes((ramet_bytes){NULL, 0}), ramet_value_new_f64(0))},
		{"narrow", "data",
		 list(5, ramet_value_new_i64(1), ramet_value_new_boolean(true),
		      ramet_value_new_str(""), ramet_value_new_none(), ramet_value_new_f64(0))},
		{"narrow", "factor",
		 list(5, ramet_value_new_i64(1), ramet_value_new_boolean(true),
		      ramet_value_new_str(""), ramet_value_new_bytes((ramet_bytes){"x", 1}),
		      ramet_value_new_i64(0))},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		ramet_value *value = NULL;

		assert_int_equal(
			ramet_invoke(child, calls[i].function, calls[i].arguments, &value, &error),
			-EINVAL);
		assert_string_equal(error.where, "local");
		fixture_check_error(&error, -EINVAL, calls[i].function, calls[i].text, NULL);
		ramet_value_unref(calls[i].arguments);
	}
	check_works(child);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void call_with_arguments_that_are_no_list_fails(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *number = ramet_value_new_i64(1), *value = NULL;
	char name[300];

	(void)state;
	assert_int_equal(ramet_invoke(child, "add", number, &value, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "add", "list", NULL);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(ramet_invoke(child, name, NULL, &value, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "255", NULL);
	assert_int_equal(ramet_invoke(child, "", NULL, &value, &error), -ENOSYS);
	fixture_check_error(&error, -ENOSYS, "''", NULL);
	check_works(child);
	ramet_value_unref(number);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void error_of_function_keeps_code_text_and_place(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local/local");
	ramet_error error = RAMET_ERROR_INIT;
	char *text = malloc(100001);

	(void)state;
	assert_int_equal(fail_with_call(child, ENOTDIR, "it is %s no directory", &error), -ENOTDIR);
	assert_string_equal(error.where, "local/local");
	fixture_check_error(&error, -ENOTDIR, "it is %s no directory", NULL);
	/* A text of any length arrives, cut if need be. */
	memset(text, 't', 100000);
	text[100000] = '\0';
	assert_int_equal(fail_with_call(child, EIO, text, &error), -EIO);
	fixture_check_error(&error, -EIO, "tttttttt", NULL);
	/* A text that is not UTF-8. */
	assert_int_equal(fail_with_call(child, EIO, "caf\xe9 \xff", &error), -EIO);
	fixture_check_error(&error, -EIO, "caf", NULL);
	check_works(child);
	free(text);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void path_malformed_fails_and_names_position(void **state)
{
	static const struct {
		const char *path, *position;
		int code;
	} paths[] = {
		{"", "character 1", -EINVAL},
		{"/", "character 1", -EINVAL},
		{"local/", "character 7", -EINVAL},
		{"/local", "character 1", -EINVAL},
		{"local//local", "character 7", -EINVAL},
		{"local?", "character 7", -EINVAL},
		{"local?nice", "character 11", -EINVAL},
		{"local?=5", "character 7", -EINVAL},
		{"local?nice=1&", "character 14", -EINVAL},
		{"local?nice=1&nice=2", "twice", -EINVAL},
		{"local*", "character 7", -EINVAL},
		{"local*0", "character 7", -EINVAL},
		{"local*x", "character 7", -EINVAL},
		{"local*100001", "character 7", -EINVAL},
		{"local*99999999999999999999", "character 7", -EINVAL},
		{"local#", "character 7", -EINVAL},
		{"local#-1", "character 7", -EINVAL},
		{"local#1*2", "index or a count", -EINVAL},
		{"local*2x", "character 8", -EINVAL},
		{"local:a%2", "character 8", -EINVAL},
		{"local:%zz", "character 7", -EINVAL},
		{"local:%00", "character 7", -EINVAL},
		{"local%", "character 6", -EINVAL},
		{"local=", "character 6", -EINVAL},
		{"local:x", "no target", -EINVAL},
		{"fork:x", "no target", -EINVAL},
		{"local?colour=red", "colour", -EINVAL},
		{"local?nice=20", "nice=20", -EINVAL},
		{"local?nice=", "nice=", -EINVAL},
		{"local?umask=9", "umask=9", -EINVAL},
		{"local?umask=1000", "umask=1000", -EINVAL},
		{"local?cwd=", "cwd=", -EINVAL},
		{"local?name=", "name=", -EINVAL},
		{"local?name=a%2Fb", "name=a/b", -EINVAL},
		{"local?env.=x", "env.", -EINVAL},
		{"telepathy", "telepathy", -EPROTONOSUPPORT},
		{"telepathy:host?x=1", "telepathy", -EPROTONOSUPPORT},
		{"local/telepathy", "telepathy", -EPROTONOSUPPORT},
		{"local/local?colour=red", "colour", -EINVAL},
		{"LOCAL", "LOCAL", -EPROTONOSUPPORT},
		{"local?cwd=%2Fno%2Fsuch%2Fdirectory", "cwd=/no/such/directory", -ENOENT},
		{"local/local?cwd=%2Fno%2Fsuch%2Fdirectory", "cwd=/no/such/directory", -ENOENT},
		{"fork?cwd=%2Fno%2Fsuch%2Fdirectory", "cwd=/no/such/directory", -ENOENT},
		{"local*2", "several", -EINVAL},
	};
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		context = NULL;
		assert_int_not_equal(ramet_connect(router, paths[i].path, &context, &error), 0);
		assert_null(context);
		fixture_check_error(&error, paths[i].code, paths[i].position, NULL);
	}
	context = fixture_connect(router, "local");
	check_works(context);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void connect_all_one_fails_all_fail_and_end(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;

	(void)state;
	assert_int_equal(
		ramet_connect_all(router, "local*3,local/telepathy,local*2/fork", &group, &error),
		-EPROTONOSUPPORT);
	assert_null(group);
	assert_string_equal(error.where, "local");
	fixture_check_error(&error, -EPROTONOSUPPORT, "telepathy", NULL);
	assert_int_equal(ramet_connect_all(router, "local,,local", &group, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "character 1", NULL);
	ramet_router_unref(router);
}

static void call_over_message_size_max_fails_both_ways(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	static const char *const paths[] = {"local", "local/local", "fork"};
	ramet_error error = RAMET_ERROR_INIT;
	static char data[200000];
	ramet_router *router;
	ramet_bytes bytes = {NULL, 0};
	int64_t size;

	(void)state;
	options.message_size_max = 100000;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	for (int i = 0; i < 3; i++) {
		ramet_context *child = fixture_connect(router, paths[i]);

		assert_int_equal(
			size_of_call(child, (ramet_bytes){data, sizeof(data)}, &size, &error),
			-EMSGSIZE);
		fixture_check_error(&error, -EMSGSIZE, "size_of", "200", "100000", NULL);
		assert_int_equal(blob_call(child, sizeof(data), &bytes, &error), -EMSGSIZE);
		assert_null(bytes.data);
		assert_string_equal(error.where, paths[i]);
		fixture_check_error(&error, -EMSGSIZE, "blob", "200", "100000", NULL);
		assert_int_equal(blob_call(child, 99000, &bytes, &error), 0);
		assert_int_equal(bytes.size, 99000);
		ramet_free(bytes.data);
		bytes.data = NULL;
		assert_int_equal(size_of_call(child, (ramet_bytes){data, 99000}, &size, &error), 0);
		assert_int_equal(size, 99000);
		check_works(child);
		ramet_context_unref(child);
	}
	/* To itself, too. */
	assert_int_equal(size_of_call(ramet_router_self(router), (ramet_bytes){data, sizeof(data)},
				      &size, &error),
			 -EMSGSIZE);
	fixture_check_error(&error, -EMSGSIZE, "size_of", NULL);
	assert_int_equal(blob_call(ramet_router_self(router), sizeof(data), &bytes, &error),
			 -EMSGSIZE);
	fixture_check_error(&error, -EMSGSIZE, "blob", NULL);
	ramet_router_unref(router);
}

static void send_over_message_size_max_fails(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	static char data[8192];
	ramet_router *router;
	ramet_receiver *receiver;

	(void)state;
	options.message_size_max = 4096;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(ramet_send_bytes(ramet_receiver_sender(receiver),
					  (ramet_bytes){data, sizeof(data)}),
			 -EMSGSIZE);
	ramet_receiver_unref(receiver);
	ramet_router_unref(router);
}

static void call_of_context_that_ended_fails_with_reason(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local"),
		      *below = fixture_connect(router, "local/local");
	ramet_context *other = fixture_connect(router, "local#1");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL;
	const char *reason = NULL;
	int64_t sum = 0;

	(void)state;
	assert_int_equal(ramet_context_shutdown(child, -1, &error), 0);
	assert_false(ramet_context_alive(child));
	assert_int_equal(ramet_context_wait(child, 0, &reason), 1);
	assert_non_null(strstr(reason, "ended"));
	assert_int_equal(add_call(child, 1, 2, &sum, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local is gone", "ended", NULL);
	assert_int_equal(add_start(child, 1, 2, &receiver, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local is gone", NULL);
	assert_int_equal(add_post(child, 1, 2, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local is gone", NULL);
	assert_int_equal(add_call(below, 1, 2, &sum, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local/local is gone", NULL);
	assert_int_equal(ramet_context_shutdown(child, -1, &error), 0);
	check_works(other);
	ramet_context_unref(below);
	ramet_context_unref(child);
	/* The hop is free again. */
	child = fixture_connect(router, "local");
	check_works(child);
	ramet_context_unref(child);
	ramet_context_unref(other);
	ramet_router_unref(router);
}

/* The context at the end of a path that somebody else made: known by its number only. */
RAMET_FUNCTION(context, child_of, (str, path))
{
	ramet_context *child = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_connect(ramet_call_router(call), path, &child, &error) < 0)
		ramet_fail_error(call, &error);
	return child;
}

/* The handle that the function made is lost on purpose: the child lives as long as its parent. */
static void call_of_context_that_was_never_told_gone_fails(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local"), *below = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t sum = 0;

	(void)state;
	assert_int_equal(child_of_call(child, "local", &below, &error), 0);
	assert_string_equal(ramet_context_path(below), "local/local");
	check_works(below);
	assert_int_equal(ramet_context_shutdown(child, -1, &error), 0);
	assert_int_equal(add_call(below, 1, 2, &sum, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local/local is gone", NULL);
	ramet_context_unref(below);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void context_shutdown_of_what_is_not_ours_is_refused(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(ramet_context_shutdown(ramet_router_self(router), 0, &error), -EPERM);
	fixture_check_error(&error, -EPERM, "not connected", NULL);
	ramet_router_unref(router);
}

/* The sender was counted as given before the call turned out to be too large. */
static void sender_in_call_that_cannot_be_sent_is_not_waited_for(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL;
	ramet_value *items[2], *arguments, *value = NULL;
	size_t size = (128u << 20) + 1;
	char *large = calloc(1, size);

	(void)state;
	assert_non_null(large);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	items[0] = ramet_value_new_sender(ramet_receiver_sender(receiver));
	items[1] = ramet_value_new_bytes((ramet_bytes){large, size});
	free(large);
	arguments = ramet_value_new_array(items, 2);
	assert_non_null(arguments);
	assert_int_equal(ramet_invoke_post(child, "none", arguments, &error), -EMSGSIZE);
	ramet_error_clear(&error);
	/* Nobody has one: nothing comes, and the stream ends with its own sender. */
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), -ETIMEDOUT);
	ramet_sender_close(ramet_receiver_sender(receiver));
	assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 0);
	ramet_value_unref(arguments);
	ramet_value_unref(items[0]);
	ramet_value_unref(items[1]);
	ramet_receiver_unref(receiver);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void sender_whose_reader_closed_fails_with_epipe(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local/local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL, *call = NULL;
	ramet_value *value = NULL;
	int64_t result = 0;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(
		send_on_start(child, ramet_receiver_sender(receiver), INT64_MAX, &call, &error), 0);
	assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 1);
	ramet_value_unref(value);
	ramet_receiver_close(receiver);
	/* What is there already may still be taken. */
	while (ramet_receive(receiver, 0, &value, &error) == 1)
		ramet_value_unref(value);
	assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 0);
	assert_int_equal(send_on_finish(call, SOON, &result, &error), 0);
	assert_int_equal(result, -EPIPE);
	ramet_receiver_unref(call);
	/* One that was closed before it was used. */
	assert_int_equal(
		send_on_call(child, ramet_receiver_sender(receiver), INT64_MAX, &result, &error),
		0);
	assert_int_equal(result, -EPIPE);
	assert_int_equal(ramet_send_i64(ramet_receiver_sender(receiver), 1), -EPIPE);
	assert_true(ramet_sender_closed(ramet_receiver_sender(receiver)));
	ramet_receiver_unref(receiver);
	check_works(child);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

/* Works until it is told to stop, so that calls behind it wait. */
RAMET_FUNCTION(none, hold_up, (sender, begun))
{
	ramet_send_i64(begun, 1);
	while (!ramet_call_cancelled(call))
		;
	ramet_fail(call, EBUSY, "held up");
}

static ramet_receiver *start_sending(ramet_router *router, ramet_context *child,
				     ramet_receiver **ret_stream)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *call = NULL;

	assert_int_equal(ramet_receiver_new(router, ret_stream), 0);
	if (send_on_start(child, ramet_receiver_sender(*ret_stream), 1, &call, &error) < 0)
		fail_msg("%s", error.message);
	return call;
}

static void check_stream_ends(ramet_receiver *stream)
{
	ramet_value *value = NULL;

	assert_int_equal(ramet_receive(stream, SOON, &value, NULL), 0);
	ramet_receiver_unref(stream);
}

/* A sender that travels with a call that nobody executes: its reader must not wait for it. */
static void sender_in_call_not_executed_is_ended(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local"), *chain = NULL;
	ramet_receiver *streams[4], *calls[3], *begun = NULL, *busy = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *arguments, *value = NULL;
	int64_t result = 0;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &streams[0]), 0);
	arguments = list(1, ramet_value_new_sender(ramet_receiver_sender(streams[0])));
	assert_int_equal(ramet_invoke(child, "no_such", arguments, &value, &error), -ENOSYS);
	ramet_value_unref(arguments);
	check_stream_ends(streams[0]);
	assert_int_equal(ramet_context_with(child, &(ramet_call_options){.chain = true}, &chain),
			 0);
	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(hold_up_start(chain, ramet_receiver_sender(begun), &busy, &error), 0);
	assert_int_equal(ramet_receive(begun, SOON, &value, &error), 1);
	ramet_value_unref(value);
	ramet_receiver_unref(begun);
	calls[1] = start_sending(router, child, &streams[1]); /* is cancelled while it waits */
	calls[2] = start_sending(router, chain, &streams[2]); /* its chain fails while it waits */
	ramet_receiver_cancel(calls[1]);
	assert_int_equal(send_on_finish(calls[1], SOON, &result, &error), -ECANCELED);
	check_stream_ends(streams[1]);
	ramet_receiver_cancel(busy);
	assert_true(hold_up_finish(busy, SOON, &error) < 0);
	assert_true(send_on_finish(calls[2], SOON, &result, &error) < 0);
	check_stream_ends(streams[2]);
	/* Its chain has failed already. */
	calls[0] = start_sending(router, chain, &streams[3]);
	assert_true(send_on_finish(calls[0], SOON, &result, &error) < 0);
	check_stream_ends(streams[3]);
	for (int i = 0; i < 3; i++)
		ramet_receiver_unref(calls[i]);
	ramet_receiver_unref(busy);
	ramet_error_clear(&error);
	ramet_context_unref(chain);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

/* Options that make no sense are refused before anything is made. */
static void router_new_bad_options_refused(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	(void)state;
	options.connect_timeout = -1;
	assert_int_equal(ramet_router_new(&options, &router), -EINVAL);
	options.connect_timeout = 0;
	options.shutdown_timeout = -5;
	assert_int_equal(ramet_router_new(&options, &router), -EINVAL);
	options.shutdown_timeout = 0;
	options.poller = (enum ramet_poller)7;
	assert_int_equal(ramet_router_new(&options, &router), -EINVAL);
	options.poller = RAMET_POLLER_DEFAULT;
	options.size = 0;
	assert_int_equal(ramet_router_new(&options, &router), -EINVAL);
	assert_null(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(call_of_unknown_function_fails_with_its_name),
		FIXTURE_TEST(call_with_wrong_arguments_fails_and_names_them),
		FIXTURE_TEST(call_with_arguments_that_are_no_list_fails),
		FIXTURE_TEST(error_of_function_keeps_code_text_and_place),
		FIXTURE_TEST(path_malformed_fails_and_names_position),
		FIXTURE_TEST(connect_all_one_fails_all_fail_and_end),
		FIXTURE_TEST(call_over_message_size_max_fails_both_ways),
		FIXTURE_TEST(send_over_message_size_max_fails),
		FIXTURE_TEST(call_of_context_that_ended_fails_with_reason),
		FIXTURE_TEST(call_of_context_that_was_never_told_gone_fails),
		FIXTURE_TEST(context_shutdown_of_what_is_not_ours_is_refused),
		FIXTURE_TEST(sender_in_call_that_cannot_be_sent_is_not_waited_for),
		FIXTURE_TEST(sender_whose_reader_closed_fails_with_epipe),
		FIXTURE_TEST(sender_in_call_not_executed_is_ended),
		FIXTURE_TEST(router_new_bad_options_refused),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
