/* SPDX-License-Identifier: BSD-3-Clause */
/* Senders that want to know: acknowledged sends, readers that go away, what is closed while it is used. */
#include <pthread.h>

#include "core/router.h"
#include "fixture.h"
#include "records.h"

#define END_SOON 60000

/* --- functions -------------------------------------------------------------------------------------- */

static ramet_sender *kept;     /* a sender that outlives its call */
static ramet_receiver *served; /* a receiver that does */

RAMET_FUNCTION(none, keep_sender, (sender, to), (boolean, acknowledged), (i32, timeout))
{
	kept = ramet_sender_ref(to);
	ramet_sender_set_acknowledged(kept, acknowledged);
	ramet_sender_set_timeout(kept, timeout);
}

RAMET_FUNCTION(none, drop_sender)
{
	ramet_sender_unref(kept);
	kept = NULL;
}

/* One value of so many bytes; what the send said. */
RAMET_CONCURRENT_FUNCTION(i64, send_bytes, (u64, size))
{
	void *data = calloc(1, size + 1);
	int r = ramet_send_bytes(kept, (ramet_bytes){data, size});

	free(data);
	return r;
}

RAMET_CONCURRENT_FUNCTION(i64, send_number, (i64, number))
{
	return ramet_send_i64(kept, number);
}

/* Values until it fails; then how. */
RAMET_CONCURRENT_FUNCTION(i64, send_until_failure, (u64, size))
{
	char *data = calloc(1, size);
	int r;

	do
		r = ramet_send_bytes(kept, (ramet_bytes){data, size});
	while (r == 0);
	free(data);
	return r;
}

/* A receiver here, whose sender is the result. */
RAMET_FUNCTION(sender, serve)
{
	if (ramet_receiver_new(ramet_call_router(call), &served) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(served);
}

RAMET_FUNCTION(i64, take_served)
{
	ramet_value *value = NULL;
	int64_t number = -1;

	if (ramet_receive(served, END_SOON, &value, NULL) > 0)
		number = ramet_value_kind(value) == RAMET_KIND_BYTES
				 ? (int64_t)ramet_value_bytes(value).size
				 : ramet_value_i64(value);
	ramet_value_unref(value);
	return number;
}

RAMET_FUNCTION(none, drop_served)
{
	ramet_receiver_unref(served);
	served = NULL;
}

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

/* Its sender to the next of `depth` children, and then closes its own. */
RAMET_FUNCTION(none, pass_on, (sender, to), (i32, depth))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *child = NULL;

	if (depth > 0 && (ramet_connect(ramet_call_router(call), "fork", &child, &error) < 0 ||
			  pass_on_call(child, to, depth - 1, &error) < 0))
		ramet_fail_error(call, &error);
	else if (ramet_send_i64(to, depth) < 0)
		ramet_fail(call, EIO, "it cannot send");
	ramet_sender_close(to);
	ramet_context_unref(child);
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;
static ramet_receiver *receiver;

static void open_tree(void)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.allow_siblings = true;
	options.log_level = RAMET_LOG_DEBUG;
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

static ramet_value *receive(ramet_receiver *from)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int r = ramet_receive(from, END_SOON, &value, &error);

	if (r < 0)
		fail_msg("%s", error.message);
	assert_int_equal(r, 1);
	return value;
}

static int64_t receive_i64(void)
{
	ramet_value *value = receive(receiver);
	int64_t number = ramet_value_i64(value);

	ramet_value_unref(value);
	return number;
}

static const char *const paths[] = {NULL, "local", "fork", "local/local", "fork/local/fork"};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

static ramet_context *reach(size_t i)
{
	return paths[i] ? fixture_connect(router, paths[i])
			: ramet_context_ref(ramet_router_self(router));
}

/* Where it writes, and how the sending ends. */
static int64_t finish_number(ramet_receiver *sending)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t r = 1;

	if (send_number_finish(sending, END_SOON, &r, &error) < 0)
		fail_msg("%s", error.message);
	ramet_receiver_unref(sending);
	return r;
}

static int64_t finish_bytes(ramet_receiver *sending)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t r = 1;

	if (send_bytes_finish(sending, END_SOON, &r, &error) < 0)
		fail_msg("%s", error.message);
	ramet_receiver_unref(sending);
	return r;
}

static int64_t finish_failure(ramet_receiver *sending)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t r = 1;

	if (send_until_failure_finish(sending, END_SOON, &r, &error) < 0)
		fail_msg("%s", error.message);
	ramet_receiver_unref(sending);
	return r;
}

/* --- acknowledged sends ----------------------------------------------------------------------------- */

static void acknowledged_send_returns_when_the_value_was_taken(void **state)
{
	static const uint64_t sizes[] = {0, 1, 100, 5000, 65536, 65537, 3000000};

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_receiver *sending = NULL;
		ramet_context *context;

		open_tree();
		context = reach(i);
		assert_int_equal(keep_sender_call(context, to(), true, -1, NULL), 0);
		assert_int_equal(send_number_start(context, 7, &sending, NULL), 0);
		/* The answer to this comes behind what was sent before, had it been. */
		assert_int_equal(nothing_call(context, NULL), 0);
		assert_false(ramet_receiver_done(sending));
		assert_int_equal(receive_i64(), 7);
		assert_int_equal(finish_number(sending), 0);
		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
			ramet_value *value;

			sending = NULL;
			assert_int_equal(send_bytes_start(context, sizes[k], &sending, NULL), 0);
			value = receive(receiver);
			assert_int_equal(ramet_value_bytes(value).size, sizes[k]);
			ramet_value_unref(value);
			assert_int_equal(finish_bytes(sending), 0);
		}
		assert_int_equal(drop_sender_call(context, NULL), 0);
		ramet_context_unref(context);
		close_tree();
	}
}

/* Nobody takes it in time: it was sent all the same, and is there. */
static void acknowledged_send_that_times_out_was_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		int64_t r = 0;

		open_tree();
		context = reach(i);
		for (int timeout = 0; timeout <= 20; timeout += 20) {
			assert_int_equal(keep_sender_call(context, to(), true, timeout, NULL), 0);
			assert_int_equal(send_number_call(context, 3 + timeout, &r, NULL), 0);
			assert_int_equal(r, -ETIMEDOUT);
			assert_int_equal(receive_i64(), 3 + timeout);
			assert_int_equal(drop_sender_call(context, NULL), 0);
		}
		ramet_context_unref(context);
		close_tree();
	}
}

/* Behind a reader that takes nothing: in the end no more goes, which is another answer. */
static void acknowledged_send_that_cannot_go_says_so(void **state)
{
	ramet_context *context;
	ramet_value *value = NULL;
	int64_t r = 0, sent = 0, got = 0;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/local");
	assert_int_equal(keep_sender_call(context, to(), true, 5, NULL), 0);
	do {
		assert_int_equal(send_bytes_call(context, 60000, &r, NULL), 0);
		sent += r == -ETIMEDOUT;
	} while (r == -ETIMEDOUT);
	assert_int_equal(r, -EAGAIN);
	assert_in_range(sent, 1, (1 << 20) / 60000 + 1);
	while (ramet_receive(receiver, 0, &value, NULL) == 1) {
		ramet_value_unref(value);
		got++;
	}
	assert_int_equal(got, sent);
	assert_int_equal(drop_sender_call(context, NULL), 0);
	ramet_context_unref(context);
	close_tree();
}

static void acknowledged_send_learns_that_the_reader_closed(void **state)
{
	static const uint64_t sizes[] = {100, 60000, 3000000};

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		for (size_t k = 0; k < 3; k++) {
			ramet_receiver *sending = NULL;
			ramet_context *context;
			int64_t r = 0;

			open_tree();
			context = reach(i);
			assert_int_equal(keep_sender_call(context, to(), true, -1, NULL), 0);
			assert_int_equal(send_bytes_start(context, sizes[k], &sending, NULL), 0);
			assert_int_equal(nothing_call(context, NULL), 0);
			ramet_receiver_close(receiver);
			assert_int_equal(finish_bytes(sending), -EPIPE);
			assert_int_equal(send_bytes_call(context, sizes[k], &r, NULL), 0);
			assert_int_equal(r, -EPIPE);
			records_wait(&records, 0, NULL, NULL, "nobody reads at");
			assert_int_equal(drop_sender_call(context, NULL), 0);
			ramet_context_unref(context);
			close_tree();
		}
	}
}

/* The reader is a context that is killed, with the value unread. */
static void acknowledged_send_learns_that_the_reader_died(void **state)
{
	(void)state;
	for (size_t i = 1; i < PATHS; i++) {
		ramet_sender *sender = NULL;
		ramet_context *context;
		int pidfd;

		open_tree();
		context = reach(i);
		assert_int_equal(serve_call(context, &sender, NULL), 0);
		ramet_sender_set_acknowledged(sender, true);
		ramet_sender_set_timeout(sender, 50);
		assert_int_equal(ramet_send_i64(sender, 1), -ETIMEDOUT);
		ramet_sender_set_timeout(sender, END_SOON);
		pidfd = fixture_pidfd(ramet_context_pid(context));
		kill(ramet_context_pid(context), SIGKILL);
		assert_int_equal(ramet_send_i64(sender, 2), -EPIPE);
		assert_true(ramet_sender_closed(sender));
		records_wait(&records, 0, NULL, NULL, "nobody reads at");
		fixture_wait_end(pidfd);
		ramet_sender_unref(sender);
		ramet_context_unref(context);
		close_tree();
	}
}

static void acknowledged_sends_of_several_threads_each_get_their_answer(void **state)
{
	enum { SENDINGS = 8 };
	ramet_receiver *sendings[SENDINGS];
	ramet_context *context;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/fork");
	assert_int_equal(keep_sender_call(context, to(), true, -1, NULL), 0);
	for (int i = 0; i < SENDINGS; i++)
		assert_int_equal(send_number_start(context, i, &sendings[i], NULL), 0);
	for (int i = 0; i < SENDINGS; i++) {
		int64_t number = receive_i64();

		assert_in_range(number, 0, SENDINGS - 1);
		assert_int_equal(finish_number(sendings[number]), 0);
		sendings[number] = NULL;
		for (int k = 0; k < SENDINGS; k++)
			if (sendings[k])
				assert_false(ramet_receiver_done(sendings[k]));
	}
	assert_int_equal(drop_sender_call(context, NULL), 0);
	ramet_context_unref(context);
	close_tree();
}

/* --- readers that go away --------------------------------------------------------------------------- */

static void blocked_send_learns_that_the_reader_closed(void **state)
{
	static const uint64_t sizes[] = {1000, 65536, 5000000};

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		for (size_t k = 0; k < 3; k++) {
			ramet_receiver *sending = NULL;
			ramet_context *context;

			open_tree();
			context = reach(i);
			assert_int_equal(keep_sender_call(context, to(), false, -1, NULL), 0);
			assert_int_equal(
				send_until_failure_start(context, sizes[k], &sending, NULL), 0);
			ramet_value_unref(receive(receiver));
			ramet_receiver_close(receiver);
			assert_int_equal(finish_failure(sending), -EPIPE);
			records_wait(&records, 0, NULL, NULL, "nobody reads at");
			assert_int_equal(drop_sender_call(context, NULL), 0);
			ramet_context_unref(context);
			close_tree();
		}
	}
}

static void blocked_send_learns_that_the_reader_died(void **state)
{
	static const char zeros[65536];

	(void)state;
	for (size_t i = 1; i < PATHS; i++) {
		ramet_sender *sender = NULL;
		ramet_context *context;
		int pidfd, r;

		open_tree();
		context = reach(i);
		assert_int_equal(serve_call(context, &sender, NULL), 0);
		ramet_sender_set_timeout(sender, 100);
		do
			r = ramet_send_bytes(sender, (ramet_bytes){zeros, sizeof(zeros)});
		while (r == 0);
		assert_int_equal(r, -ETIMEDOUT);
		ramet_sender_set_timeout(sender, END_SOON);
		pidfd = fixture_pidfd(ramet_context_pid(context));
		kill(ramet_context_pid(context), SIGKILL);
		do
			r = ramet_send_bytes(sender, (ramet_bytes){zeros, sizeof(zeros)});
		while (r == 0);
		assert_int_equal(r, -EPIPE);
		records_wait(&records, 0, NULL, NULL, "nobody reads at");
		fixture_wait_end(pidfd);
		ramet_sender_unref(sender);
		ramet_context_unref(context);
		close_tree();
	}
}

/* From sibling to sibling, each behind a hop: the reader is the other's. */
static void blocked_send_to_a_sibling_learns_that_it_died(void **state)
{
	(void)state;
	for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
		ramet_receiver *sending = NULL;
		ramet_context *writer, *reader;
		ramet_sender *sender = NULL;
		int pidfd;

		open_tree();
		writer = fixture_connect(router, "local/fork");
		reader = fixture_connect(router, "fork/local");
		assert_int_equal(serve_call(reader, &sender, NULL), 0);
		assert_int_equal(keep_sender_call(writer, sender, acknowledged, -1, NULL), 0);
		assert_int_equal(send_until_failure_start(writer, 65536, &sending, NULL), 0);
		assert_int_equal(nothing_call(writer, NULL), 0);
		pidfd = fixture_pidfd(ramet_context_pid(reader));
		kill(ramet_context_pid(reader), SIGKILL);
		assert_int_equal(finish_failure(sending), -EPIPE);
		fixture_wait_end(pidfd);
		assert_int_equal(drop_sender_call(writer, NULL), 0);
		ramet_sender_unref(sender);
		ramet_context_unref(writer);
		ramet_context_unref(reader);
		close_tree();
	}
}

/* One of two readers that have the same handle in their contexts closes: the other goes on. */
static void reader_that_closes_is_not_taken_for_another(void **state)
{
	ramet_context *first, *second, *writer;
	ramet_sender *senders[2] = {NULL};
	int64_t r = 0;

	(void)state;
	open_tree();
	first = fixture_connect(router, "local");
	second = fixture_connect(router, "local/fork");
	writer = fixture_connect(router, "fork");
	assert_int_equal(serve_call(first, &senders[0], NULL), 0);
	assert_int_equal(serve_call(second, &senders[1], NULL), 0);
	assert_int_equal(ramet_send_i64(senders[0], 1), 0);
	assert_int_equal(ramet_send_i64(senders[1], 1), 0);
	assert_int_equal(keep_sender_call(writer, senders[1], true, -1, NULL), 0);
	assert_int_equal(drop_served_call(second, NULL), 0);
	assert_int_equal(send_number_call(writer, 1, &r, NULL), 0);
	assert_int_equal(r, -EPIPE);
	assert_int_equal(ramet_send_i64(senders[1], 2), -EPIPE);
	assert_int_equal(ramet_send_i64(senders[0], 2), 0);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(take_served_call(first, &r, NULL), 0);
		assert_int_equal(r, i);
	}
	assert_int_equal(drop_sender_call(writer, NULL), 0);
	assert_int_equal(drop_served_call(first, NULL), 0);
	for (int i = 0; i < 2; i++)
		ramet_sender_unref(senders[i]);
	ramet_context_unref(first);
	ramet_context_unref(second);
	ramet_context_unref(writer);
	close_tree();
}

/* --- the life of senders ---------------------------------------------------------------------------- */

static void sender_passed_through_contexts_ends_when_each_has_closed(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		ramet_value *value = NULL;
		bool seen[4] = {false};

		open_tree();
		context = reach(i);
		assert_int_equal(pass_on_call(context, to(), 3, NULL), 0);
		for (int k = 0; k < 4; k++)
			seen[receive_i64()] = true;
		for (int k = 0; k < 4; k++)
			assert_true(seen[k]);
		assert_int_equal(ramet_receive(receiver, END_SOON, &value, NULL), 0);
		ramet_context_unref(context);
		close_tree();
	}
}

/* Given in a call that waits behind another one, and in a value that nobody takes. */
static void sender_given_to_a_context_that_dies_ends_with_an_error(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	ramet_context *context;
	int pidfd;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/fork");
	pidfd = fixture_pidfd(ramet_context_pid(context));
	kill(ramet_context_pid(context), SIGSTOP);
	assert_int_equal(keep_sender_post(context, to(), false, -1, NULL), 0);
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), -ETIMEDOUT);
	kill(ramet_context_pid(context), SIGKILL);
	assert_int_equal(ramet_receive(receiver, END_SOON, &value, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "which sent here, is gone", NULL);
	assert_int_equal(ramet_receive(receiver, END_SOON, &value, NULL), 0);
	fixture_wait_end(pidfd);
	ramet_context_unref(context);
	close_tree();
}

/* A sender travels in a value to a reader that closes without taking it. */
static void sender_in_a_value_that_nobody_takes_ends(void **state)
{
	(void)state;
	for (size_t i = 1; i < PATHS; i++) {
		ramet_value *value, *got = NULL;
		ramet_sender *sender = NULL;
		ramet_context *context;

		open_tree();
		context = reach(i);
		assert_int_equal(serve_call(context, &sender, NULL), 0);
		value = ramet_value_new_sender(to());
		assert_int_equal(ramet_send_value(sender, value), 0);
		ramet_value_unref(value);
		assert_int_equal(nothing_call(context, NULL), 0);
		assert_int_equal(ramet_receive(receiver, 0, &got, NULL), -ETIMEDOUT);
		assert_int_equal(drop_served_call(context, NULL), 0);
		assert_int_equal(ramet_receive(receiver, END_SOON, &got, NULL), 0);
		ramet_sender_unref(sender);
		ramet_context_unref(context);
		close_tree();
	}
}

/* Sends `what` as a value to a reader that is closed: it was not given to anybody then. */
RAMET_FUNCTION(i64, send_in_vain, (sender, where), (sender, what))
{
	ramet_value *value = ramet_value_new_sender(what);
	int r;

	/* It learns that nobody reads from the answer to the first. */
	ramet_sender_set_acknowledged(where, true);
	r = ramet_send_value(where, value);
	if (r == -EPIPE)
		r = ramet_send_value(where, value);
	ramet_value_unref(value);
	return r;
}

static void sender_in_a_value_that_does_not_arrive_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_receiver *closed = NULL;
		ramet_context *context;
		ramet_value *got = NULL, *value;
		ramet_sender *where;
		int64_t r = 0;

		open_tree();
		context = reach(i);
		assert_int_equal(ramet_receiver_new(router, &closed), 0);
		where = ramet_receiver_sender(closed);
		ramet_receiver_close(closed);
		assert_int_equal(send_in_vain_call(context, where, to(), &r, NULL), 0);
		assert_int_equal(r, -EPIPE);
		assert_int_equal(ramet_receive(receiver, END_SOON, &got, NULL), 0);
		/* From here, too: it was given to nobody, so all is as it was. */
		value = ramet_value_new_sender(to());
		assert_int_equal(ramet_send_value(where, value), -EPIPE);
		ramet_value_unref(value);
		assert_int_equal(ramet_receive(receiver, END_SOON, &got, NULL), 0);
		ramet_receiver_unref(closed);
		ramet_context_unref(context);
		close_tree();
	}
}

/* --- closing what is in use ------------------------------------------------------------------------- */

static void *send_until_it_fails(void *argument)
{
	static const char zeros[65536];
	ramet_sender *sender = argument;
	int r;

	do
		r = ramet_send_bytes(sender, (ramet_bytes){zeros, sizeof(zeros)});
	while (r == 0);
	return (void *)(intptr_t)r;
}

static void sender_closed_while_a_thread_sends_stops_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
			ramet_sender *sender = NULL;
			ramet_context *context;
			pthread_t thread;
			void *result;

			open_tree();
			context = reach(i);
			assert_int_equal(serve_call(context, &sender, NULL), 0);
			ramet_sender_set_acknowledged(sender, acknowledged);
			assert_int_equal(pthread_create(&thread, NULL, send_until_it_fails, sender),
					 0);
			fixture_wait_threads_sleep();
			ramet_sender_close(sender);
			if (acknowledged) /* what was sent may still be taken; now it is not */
				assert_int_equal(drop_served_call(context, NULL), 0);
			assert_int_equal(pthread_join(thread, &result), 0);
			assert_int_equal((intptr_t)result, -EPIPE);
			if (!acknowledged)
				assert_int_equal(drop_served_call(context, NULL), 0);
			ramet_sender_unref(sender);
			ramet_context_unref(context);
			close_tree();
		}
	}
}

static void *receive_all(void *argument)
{
	ramet_value *value = NULL;
	int64_t sum = 0;

	while (ramet_receive(argument, END_SOON, &value, NULL) > 0) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	return (void *)(intptr_t)sum;
}

static void values_are_each_received_by_one_of_several_threads(void **state)
{
	enum { THREADS = 2, COUNT = 20000 };
	pthread_t threads[THREADS];
	int64_t sum = 0;
	void *result;

	(void)state;
	open_tree();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, receive_all, receiver), 0);
	for (int64_t i = 1; i <= COUNT; i++)
		assert_int_equal(ramet_send_i64(to(), i), 0);
	ramet_sender_set_acknowledged(to(), true);
	assert_int_equal(ramet_send_i64(to(), 0), 0);
	ramet_receiver_close(receiver);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		sum += (intptr_t)result;
	}
	assert_int_equal(sum, (int64_t)COUNT * (COUNT + 1) / 2);
	close_tree();
}

/* --- limits ----------------------------------------------------------------------------------------- */

static void value_as_large_as_allowed_arrives_and_a_larger_one_is_refused(void **state)
{
	enum { MOST = 4 << 20 };
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_receiver *sending = NULL;
	ramet_context *context;
	ramet_value *value;
	int64_t r = 0;

	(void)state;
	options.message_size_max = MOST;
	router = records_router(&records, &options);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	context = fixture_connect(router, "local/fork");
	for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
		assert_int_equal(keep_sender_call(context, to(), acknowledged, -1, NULL), 0);
		assert_int_equal(send_bytes_start(context, MOST, &sending, NULL), 0);
		value = receive(receiver);
		assert_int_equal(ramet_value_bytes(value).size, MOST);
		ramet_value_unref(value);
		assert_int_equal(finish_bytes(sending), 0);
		assert_int_equal(send_bytes_call(context, MOST + 1, &r, NULL), 0);
		assert_int_equal(r, -EMSGSIZE);
		assert_int_equal(drop_sender_call(context, NULL), 0);
	}
	ramet_context_unref(context);
	close_tree();
}

/* As after 2^32 receivers: handles begin anew, and those in use are passed over. */
static void handles_wrap_around(void **state)
{
	enum { COUNT = 20 };
	ramet_receiver *receivers[COUNT];
	ramet_context *context;
	int64_t r = 1;

	(void)state;
	open_tree(); /* its receiver is the first */
	context = fixture_connect(router, "local");
	rmt_lock(router);
	router->handle_next = UINT32_MAX - COUNT / 2;
	rmt_unlock(router);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(ramet_receiver_new(router, &receivers[i]), 0);
	for (int i = 0; i < COUNT; i++) {
		ramet_value *value;

		assert_int_equal(keep_sender_call(context, ramet_receiver_sender(receivers[i]),
						  false, -1, NULL),
				 0);
		assert_int_equal(send_number_call(context, i, &r, NULL), 0);
		assert_int_equal(r, 0);
		value = receive(receivers[i]);
		assert_int_equal(ramet_value_i64(value), i);
		ramet_value_unref(value);
		assert_int_equal(drop_sender_call(context, NULL), 0);
	}
	for (int i = 0; i < COUNT; i++)
		ramet_receiver_unref(receivers[i]);
	ramet_context_unref(context);
	close_tree();
}

/* More of them than fit a window of calls: each gives back what it took. */
RAMET_FUNCTION(i64, call_often, (context, whom), (i64, count))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t refused = 0;

	while (count-- > 0) {
		refused += nothing_call(whom, &error) == -EPERM;
		ramet_error_clear(&error);
	}
	return refused;
}

static void refused_calls_cost_no_credit(void **state)
{
	enum { COUNT = 40000 };
	ramet_context *caller, *callee;
	int64_t refused = 0;

	(void)state;
	open_tree();
	caller = fixture_connect(router, "local");
	callee = fixture_connect(router, "fork");
	assert_int_equal(call_often_call(caller, callee, COUNT, &refused, NULL), 0);
	assert_int_equal(refused, COUNT);
	ramet_context_unref(caller);
	ramet_context_unref(callee);
	close_tree();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(acknowledged_send_returns_when_the_value_was_taken),
		FIXTURE_TEST(acknowledged_send_that_times_out_was_sent),
		FIXTURE_TEST(acknowledged_send_that_cannot_go_says_so),
		FIXTURE_TEST(acknowledged_send_learns_that_the_reader_closed),
		FIXTURE_TEST(acknowledged_send_learns_that_the_reader_died),
		FIXTURE_TEST(acknowledged_sends_of_several_threads_each_get_their_answer),
		FIXTURE_TEST(blocked_send_learns_that_the_reader_closed),
		FIXTURE_TEST(blocked_send_learns_that_the_reader_died),
		FIXTURE_TEST(blocked_send_to_a_sibling_learns_that_it_died),
		FIXTURE_TEST(reader_that_closes_is_not_taken_for_another),
		FIXTURE_TEST(sender_passed_through_contexts_ends_when_each_has_closed),
		FIXTURE_TEST(sender_given_to_a_context_that_dies_ends_with_an_error),
		FIXTURE_TEST(sender_in_a_value_that_nobody_takes_ends),
		FIXTURE_TEST(sender_in_a_value_that_does_not_arrive_ends),
		FIXTURE_TEST(sender_closed_while_a_thread_sends_stops_it),
		FIXTURE_TEST(values_are_each_received_by_one_of_several_threads),
		FIXTURE_TEST(value_as_large_as_allowed_arrives_and_a_larger_one_is_refused),
		FIXTURE_TEST(handles_wrap_around),
		FIXTURE_TEST(refused_calls_cost_no_credit),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
