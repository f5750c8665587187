/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams: senders and receivers as values, ends, flow control. */
#include <pthread.h>

#include "fixture.h"
#include "records.h"

#define END_SOON 60000

/* --- functions -------------------------------------------------------------------------------------- */

static ramet_sender *kept;     /* a sender that outlives its call */
static ramet_receiver *served; /* a receiver that does */

/* base, base + 1, ... */
RAMET_FUNCTION(i64, send_numbers, (sender, to), (i64, base), (i64, count))
{
	for (int64_t i = 0; i < count; i++)
		if (ramet_send_i64(to, base + i) < 0)
			return i;
	return count;
}

RAMET_FUNCTION(none, send_kinds, (sender, to))
{
	ramet_value *items[2] = {ramet_value_new_i64(1), ramet_value_new_str("two")};
	ramet_value *array = ramet_value_new_array(items, 2);

	ramet_send_boolean(to, true);
	ramet_send_i64(to, INT64_MIN);
	ramet_send_f64(to, 1.5);
	ramet_send_str(to, "text");
	ramet_send_str(to, "\xff");
	ramet_send_bytes(to, (ramet_bytes){"a\0b", 3});
	ramet_send_bytes(to, (ramet_bytes){NULL, 0});
	ramet_send_value(to, array);
	for (int i = 0; i < 2; i++)
		ramet_value_unref(items[i]);
	ramet_value_unref(array);
	if (ramet_send_str(to, NULL) != -EINVAL || ramet_send_value(to, NULL) != -EINVAL ||
	    ramet_send_bytes(to, (ramet_bytes){NULL, 1}) != -EINVAL)
		ramet_fail(call, EIO, "no value was sent");
}

/* Gives the sender on to a child of its own, and also uses it. */
RAMET_FUNCTION(none, send_through_child, (sender, to), (i64, base), (i64, count))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *child = NULL;
	int64_t sent;

	if (ramet_connect(ramet_call_router(call), "fork", &child, &error) < 0 ||
	    send_numbers_call(child, to, base, count, &sent, &error) < 0)
		ramet_fail_error(call, &error);
	else
		send_numbers(call, to, base + count, count);
	ramet_context_unref(child);
}

RAMET_FUNCTION(none, give_to, (context, whom), (sender, to), (i64, base), (i64, count))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t sent;

	if (send_numbers_call(whom, to, base, count, &sent, &error) < 0)
		ramet_fail_error(call, &error);
}

RAMET_FUNCTION(none, keep_sender, (sender, to))
{
	kept = ramet_sender_ref(to);
}

RAMET_FUNCTION(none, drop_sender)
{
	ramet_sender_unref(kept);
	kept = NULL;
}

RAMET_FUNCTION(boolean, sender_is_closed)
{
	return ramet_sender_closed(kept);
}

RAMET_FUNCTION(i64, send_one, (i64, number), (i32, timeout))
{
	ramet_sender_set_timeout(kept, timeout);
	return ramet_send_i64(kept, number);
}

/* A receiver here, whose sender is the result. */
RAMET_FUNCTION(sender, serve)
{
	if (ramet_receiver_new(ramet_call_router(call), &served) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(served);
}

RAMET_FUNCTION(i64, sum_served)
{
	ramet_value *value;
	int64_t sum = 0;

	while (ramet_receive(served, END_SOON, &value, NULL) > 0) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	return sum;
}

RAMET_FUNCTION(none, close_served)
{
	ramet_receiver_close(served);
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;
static ramet_receiver *receiver;

static void open_tree(bool siblings)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.allow_siblings = siblings;
	router = records_router(&records, &options);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
}

static void close_tree(void)
{
	ramet_receiver_unref(receiver);
	ramet_router_unref(router);
	records_done(&records);
}

static ramet_sender *to(void)
{
	return ramet_receiver_sender(receiver);
}

static int64_t receive_i64(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t number;
	int r = ramet_receive(receiver, END_SOON, &value, &error);

	if (r < 0)
		fail_msg("%s", error.message);
	assert_int_equal(r, 1);
	assert_int_equal(ramet_value_kind(value), RAMET_KIND_I64);
	number = ramet_value_i64(value);
	ramet_value_unref(value);
	return number;
}

static void assert_end(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int r = ramet_receive(receiver, END_SOON, &value, &error);

	if (r < 0)
		fail_msg("%s", error.message);
	assert_int_equal(r, 0);
	assert_null(value);
	/* And it stays at its end. */
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), 0);
	assert_true(ramet_receiver_done(receiver));
}

static const char *const paths[] = {NULL, "local", "fork", "local/local", "fork/local/fork"};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

static ramet_context *reach(size_t i)
{
	return paths[i] ? fixture_connect(router, paths[i])
			: ramet_context_ref(ramet_router_self(router));
}

/* --- values ----------------------------------------------------------------------------------------- */

static void stream_of_a_sender_ends_when_its_call_returns(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		int64_t sent = 0;

		open_tree(false);
		context = reach(i);
		assert_int_equal(send_numbers_call(context, to(), 5, 1000, &sent, NULL), 0);
		assert_int_equal(sent, 1000);
		for (int64_t k = 0; k < 1000; k++)
			assert_int_equal(receive_i64(), 5 + k);
		assert_end();
		ramet_context_unref(context);
		close_tree();
	}
}

static void stream_carries_every_kind(void **state)
{
	static const enum ramet_kind kinds[] = {
		RAMET_KIND_BOOLEAN, RAMET_KIND_I64,   RAMET_KIND_F64,   RAMET_KIND_STR,
		RAMET_KIND_BYTES,   RAMET_KIND_BYTES, RAMET_KIND_BYTES, RAMET_KIND_ARRAY};

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;

		open_tree(false);
		context = reach(i);
		assert_int_equal(send_kinds_call(context, to(), NULL), 0);
		for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
			ramet_value *value = NULL;

			assert_int_equal(ramet_receive(receiver, END_SOON, &value, NULL), 1);
			assert_int_equal(ramet_value_kind(value), kinds[k]);
			if (k == 5)
				assert_memory_equal(ramet_value_bytes(value).data, "a\0b", 3);
			if (k == 7)
				assert_string_equal(ramet_value_str(ramet_value_item(value, 1)),
						    "two");
			ramet_value_unref(value);
		}
		assert_end();
		ramet_context_unref(context);
		close_tree();
	}
}

static void receiver_in_a_child_is_written_by_the_master(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_sender *sender = NULL;
		ramet_context *context;
		int64_t sum = 0;

		open_tree(false);
		context = reach(i);
		assert_int_equal(serve_call(context, &sender, NULL), 0);
		assert_false(ramet_sender_closed(sender));
		for (int64_t k = 1; k <= 1000; k++)
			assert_int_equal(ramet_send_i64(sender, k), 0);
		ramet_sender_close(sender);
		assert_true(ramet_sender_closed(sender));
		assert_int_equal(ramet_send_i64(sender, 1), -EPIPE);
		assert_int_equal(sum_served_call(context, &sum, NULL), 0);
		assert_int_equal(sum, 500500);
		ramet_sender_unref(sender);
		assert_int_equal(close_served_call(context, NULL), 0);
		ramet_receiver_unref(paths[i] ? NULL : served);
		ramet_context_unref(context);
		close_tree();
	}
}

/* --- several senders -------------------------------------------------------------------------------- */

static void values_of_several_senders_each_stay_in_order(void **state)
{
	enum { SENDERS = 4, COUNT = 500 };
	static const char *const several[SENDERS] = {"local", "fork", "local/fork", "fork#1"};
	ramet_context *contexts[SENDERS];
	ramet_receiver *calls[SENDERS];
	int64_t next[SENDERS] = {0}, sent;

	(void)state;
	open_tree(false);
	for (int i = 0; i < SENDERS; i++)
		contexts[i] = fixture_connect(router, several[i]);
	for (int i = 0; i < SENDERS; i++)
		assert_int_equal(
			send_numbers_start(contexts[i], to(), i * 1000000, COUNT, &calls[i], NULL),
			0);
	for (int k = 0; k < SENDERS * COUNT; k++) {
		int64_t number = receive_i64();

		assert_int_equal(number % 1000000, next[number / 1000000]++);
	}
	/* Only now has it ended: when the last of them has. */
	assert_end();
	for (int i = 0; i < SENDERS; i++) {
		assert_int_equal(next[i], COUNT);
		assert_int_equal(send_numbers_finish(calls[i], -1, &sent, NULL), 0);
		ramet_receiver_unref(calls[i]);
		ramet_context_unref(contexts[i]);
	}
	close_tree();
}

static void stream_ends_only_when_the_last_sender_has(void **state)
{
	ramet_context *first, *second;
	ramet_value *value = NULL;
	int64_t sent;

	(void)state;
	open_tree(false);
	first = fixture_connect(router, "local");
	second = fixture_connect(router, "local#1");
	assert_int_equal(keep_sender_call(first, to(), NULL), 0);
	assert_int_equal(send_numbers_call(second, to(), 7, 1, &sent, NULL), 0);
	assert_int_equal(receive_i64(), 7);
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), -ETIMEDOUT);
	assert_false(ramet_receiver_done(receiver));
	/* The same context may have it several times. */
	assert_int_equal(send_numbers_call(first, to(), 8, 1, &sent, NULL), 0);
	assert_int_equal(receive_i64(), 8);
	assert_int_equal(ramet_receive(receiver, 10, &value, NULL), -ETIMEDOUT);
	assert_int_equal(drop_sender_call(first, NULL), 0);
	assert_end();
	ramet_context_unref(first);
	ramet_context_unref(second);
	close_tree();
}

static void sender_given_on_counts_until_the_last_has_ended(void **state)
{
	bool seen[20] = {false};
	ramet_context *context;

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		open_tree(false);
		context = reach(i);
		memset(seen, 0, sizeof(seen));
		assert_int_equal(send_through_child_call(context, to(), 0, 10, NULL), 0);
		for (int k = 0; k < 20; k++)
			seen[receive_i64()] = true;
		for (int k = 0; k < 20; k++)
			assert_true(seen[k]);
		assert_end();
		ramet_context_unref(context);
		close_tree();
	}
}

/* From a child to the child of a sibling, who sends to the master. */
static void sender_given_to_a_sibling_works_where_that_is_allowed(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *giver, *taker;

	(void)state;
	open_tree(true);
	giver = fixture_connect(router, "local");
	taker = fixture_connect(router, "local#1/fork");
	/* A sibling is no parent: it may send, but not call. */
	assert_int_equal(give_to_call(giver, taker, to(), 0, 5, &error), -EPERM);
	ramet_error_clear(&error);
	ramet_context_unref(giver);
	giver = fixture_connect(router, "local#1");
	assert_int_equal(give_to_call(giver, taker, to(), 0, 5, &error), 0);
	for (int k = 0; k < 5; k++)
		assert_int_equal(receive_i64(), k);
	ramet_context_unref(giver);
	ramet_context_unref(taker);
	close_tree();
}

/* --- closing ---------------------------------------------------------------------------------------- */

static void reader_that_closes_stops_its_senders(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		ramet_value *value = NULL;
		bool closed = false;
		int64_t r = 0;

		open_tree(false);
		context = reach(i);
		assert_int_equal(keep_sender_call(context, to(), NULL), 0);
		assert_int_equal(send_one_call(context, 1, -1, &r, NULL), 0);
		assert_int_equal(r, 0);
		assert_int_equal(sender_is_closed_call(context, &closed, NULL), 0);
		assert_false(closed);
		assert_int_equal(receive_i64(), 1);
		ramet_receiver_close(receiver);
		assert_int_equal(ramet_receive(receiver, 0, &value, NULL), 0);
		/* The news was sent before this call. */
		assert_int_equal(send_one_call(context, 2, -1, &r, NULL), 0);
		assert_int_equal(r, -EPIPE);
		assert_int_equal(sender_is_closed_call(context, &closed, NULL), 0);
		assert_true(closed);
		assert_int_equal(drop_sender_call(context, NULL), 0);
		ramet_context_unref(context);
		close_tree();
	}
}

static void sender_of_a_reader_that_closed_before_is_refused(void **state)
{
	ramet_context *context;
	int64_t sent = -1;

	(void)state;
	open_tree(false);
	context = fixture_connect(router, "local");
	ramet_receiver_close(receiver);
	assert_true(ramet_sender_closed(to()));
	assert_int_equal(ramet_send_i64(to(), 1), -EPIPE);
	/* It learns it from the answer to what it sends. */
	assert_int_equal(send_numbers_call(context, to(), 0, 1 << 20, &sent, NULL), 0);
	assert_true(sent < 1 << 20);
	ramet_context_unref(context);
	close_tree();
}

static void *receive_until_closed(void *argument)
{
	ramet_value *value = NULL;

	(void)argument;
	return (void *)(intptr_t)ramet_receive(receiver, -1, &value, NULL);
}

static void reader_that_waits_is_woken_by_its_close(void **state)
{
	ramet_context *context;
	pthread_t thread;
	void *result;

	(void)state;
	open_tree(false);
	context = fixture_connect(router, "local");
	assert_int_equal(keep_sender_call(context, to(), NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, receive_until_closed, NULL), 0);
	ramet_receiver_close(receiver);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	ramet_context_unref(context);
	close_tree();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(stream_of_a_sender_ends_when_its_call_returns),
		FIXTURE_TEST(stream_carries_every_kind),
		FIXTURE_TEST(receiver_in_a_child_is_written_by_the_master),
		FIXTURE_TEST(values_of_several_senders_each_stay_in_order),
		FIXTURE_TEST(stream_ends_only_when_the_last_sender_has),
		FIXTURE_TEST(sender_given_on_counts_until_the_last_has_ended),
		FIXTURE_TEST(sender_given_to_a_sibling_works_where_that_is_allowed),
		FIXTURE_TEST(reader_that_closes_stops_its_senders),
		FIXTURE_TEST(sender_of_a_reader_that_closed_before_is_refused),
		FIXTURE_TEST(reader_that_waits_is_woken_by_its_close),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
