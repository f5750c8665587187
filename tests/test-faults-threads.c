/* SPDX-License-Identifier: BSD-3-Clause */
/* Many threads over one router, and what they do to each other. */
#include <pthread.h>

#include "fixture.h"

#define THREADS 4
#define CALLS (SANITIZED ? 200 : 2000)

RAMET_FUNCTION(i64, negate, (i64, number))
{
	return -number;
}

RAMET_CONCURRENT_FUNCTION(i64, negate_beside, (i64, number))
{
	return -number;
}

RAMET_FUNCTION(i64, look_until_cancelled, (sender, begun))
{
	ramet_send_i64(begun, 1);
	while (!ramet_call_cancelled(call))
		;
	return 0;
}

/* Sends so many numbers, and closes. */
RAMET_FUNCTION(none, count_to, (sender, out), (i64, most))
{
	for (int64_t i = 0; i < most; i++)
		ramet_send_i64(out, i);
	ramet_sender_close(out);
}

struct worker {
	pthread_t thread;
	ramet_context *contexts[4];
	size_t count;
	int64_t base;
	int failures;
	ramet_error error;
};

static void *call_in_turn(void *argument)
{
	struct worker *worker = argument;

	for (int64_t i = 0; i < CALLS; i++) {
		ramet_context *context = worker->contexts[i % (int64_t)worker->count];
		int64_t result = 0, number = worker->base + i;
		int r = i % 3 ? negate_call(context, number, &result, &worker->error)
			      : negate_beside_call(context, number, &result, &worker->error);

		worker->failures += r < 0 || result != -number;
	}
	return NULL;
}

static void *start_and_finish(void *argument)
{
	struct worker *worker = argument;
	ramet_receiver *calls[50];

	for (int64_t i = 0; i < CALLS; i += 50) {
		for (int64_t k = 0; k < 50; k++)
			if (negate_start(worker->contexts[k % (int64_t)worker->count], i + k,
					 &calls[k], &worker->error) < 0)
				calls[k] = NULL;
		for (int64_t k = 0; k < 50; k++) {
			int64_t result = 0;

			worker->failures += !calls[k] ||
					    negate_finish(calls[k], -1, &result, &worker->error) <
						    0 ||
					    result != -(i + k);
			ramet_receiver_unref(calls[k]);
		}
	}
	return NULL;
}

static void join_all(struct worker *workers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].failures)
			fail_msg("%d failures, the last: %s", workers[i].failures,
				 workers[i].error.message);
		ramet_error_clear(&workers[i].error);
	}
}

static void check_threads(enum ramet_poller poller, void *(*work)(void *argument), size_t contexts)
{
	static const char *const paths[] = {"local", "local/local", "fork", "local#1"};
	ramet_router *router = fixture_router(poller, 0);
	struct worker workers[THREADS] = {0};

	for (size_t k = 0; k < contexts; k++)
		workers[0].contexts[k] = fixture_connect(router, paths[k]);
	for (size_t i = 0; i < THREADS; i++) {
		memcpy(workers[i].contexts, workers[0].contexts, sizeof(workers[i].contexts));
		workers[i].count = contexts;
		workers[i].base = (int64_t)i * 1000000;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	join_all(workers, THREADS);
	for (size_t k = 0; k < contexts; k++)
		ramet_context_unref(workers[0].contexts[k]);
	ramet_router_unref(router);
}

static void threads_call_same_context_each_gets_its_answers(void **state)
{
	(void)state;
	check_threads(RAMET_POLLER_EPOLL, call_in_turn, 1);
	check_threads(RAMET_POLLER_POLL, call_in_turn, 1);
}

static void threads_call_many_contexts_each_gets_its_answers(void **state)
{
	(void)state;
	check_threads(RAMET_POLLER_EPOLL, call_in_turn, 4);
	check_threads(RAMET_POLLER_POLL, call_in_turn, 4);
}

static void threads_pipeline_calls_each_gets_its_answers(void **state)
{
	(void)state;
	check_threads(RAMET_POLLER_EPOLL, start_and_finish, 4);
	check_threads(RAMET_POLLER_POLL, start_and_finish, 4);
}

/* --- forking beside ------------------------------------------------------------------------ */

#define FORKS (SANITIZED ? 10 : 100)

/* Each with a router of its own: a fork needs the state of all of them whole. */
static void *fork_again_and_again(void *argument)
{
	struct worker *worker = argument;
	ramet_router *router = NULL;
	ramet_context *child = NULL;
	int64_t result = 0;

	if (ramet_router_new(NULL, &router) < 0) {
		worker->failures++;
		return NULL;
	}
	for (int64_t i = 0; i < FORKS; i++) {
		if (ramet_connect(router, i % 4 ? "fork" : "local", &child, &worker->error) < 0 ||
		    negate_call(child, i, &result, &worker->error) < 0 || result != -i)
			worker->failures++;
		ramet_context_unref(child);
		child = NULL;
	}
	ramet_router_unref(router);
	return NULL;
}

static void threads_fork_from_routers_of_their_own_all_work(void **state)
{
	struct worker workers[THREADS] = {0};

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, fork_again_and_again, &workers[i]),
			0);
	join_all(workers, THREADS);
}

/* --- receiving beside ---------------------------------------------------------------------------------- */

struct reader {
	pthread_t thread;
	ramet_receiver *receiver;
	int64_t got;
	int result;
};

static void *read_all(void *argument)
{
	struct reader *reader = argument;
	ramet_value *value = NULL;

	while ((reader->result = ramet_receive(reader->receiver, -1, &value, NULL)) == 1) {
		reader->got += ramet_value_i64(value) == reader->got;
		ramet_value_unref(value);
	}
	return NULL;
}

static void check_receive_beside_calls(enum ramet_poller poller)
{
	ramet_router *router = fixture_router(poller, 0);
	ramet_context *child = fixture_connect(router, "local"),
		      *other = fixture_connect(router, "local#1/local");
	struct worker workers[2] = {{.contexts = {other}, .count = 1},
				    {.contexts = {other}, .count = 1, .base = 7}};
	ramet_error error = RAMET_ERROR_INIT;
	struct reader reader = {0};

	assert_int_equal(ramet_receiver_new(router, &reader.receiver), 0);
	assert_int_equal(pthread_create(&reader.thread, NULL, read_all, &reader), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, call_in_turn, &workers[i]), 0);
	assert_int_equal(
		count_to_call(child, ramet_receiver_sender(reader.receiver), CALLS * 10, &error),
		0);
	pthread_join(reader.thread, NULL);
	assert_int_equal(reader.result, 0);
	assert_int_equal(reader.got, CALLS * 10);
	join_all(workers, 2);
	ramet_receiver_unref(reader.receiver);
	ramet_context_unref(other);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void thread_receives_while_others_call_gets_everything(void **state)
{
	(void)state;
	check_receive_beside_calls(RAMET_POLLER_EPOLL);
	check_receive_beside_calls(RAMET_POLLER_POLL);
}

/* The sender has closed and its context has ended before the reader takes the first value. */
static void stream_of_context_that_ended_ends_after_its_values(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL;
	ramet_value *value = NULL;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(count_to_call(child, ramet_receiver_sender(receiver), 3, &error), 0);
	assert_int_equal(ramet_context_shutdown(child, -1, &error), 0);
	for (int64_t i = 0; i < 3; i++) {
		assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 1);
		assert_int_equal(ramet_value_i64(value), i);
		ramet_value_unref(value);
	}
	assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 0);
	ramet_receiver_unref(receiver);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

/* --- the end, seen from other threads -------------------------------------------------------------------- */

struct waiter {
	pthread_t thread;
	ramet_receiver *receiver;
	ramet_context *context;
	ramet_select *select;
	int result;
};

static void *wait_for_message(void *argument)
{
	struct waiter *waiter = argument;
	ramet_value *value = NULL;

	waiter->result = ramet_receive(waiter->receiver, -1, &value, NULL);
	return NULL;
}

static void *wait_for_result(void *argument)
{
	struct waiter *waiter = argument;

	waiter->result = look_until_cancelled_finish(waiter->receiver, -1, &(int64_t){0}, NULL);
	return NULL;
}

static void *wait_for_end(void *argument)
{
	struct waiter *waiter = argument;

	waiter->result = ramet_context_wait(waiter->context, -1, NULL);
	return NULL;
}

static void *wait_for_select(void *argument)
{
	struct waiter *waiter = argument;
	ramet_receiver *receiver;

	waiter->result = ramet_select_next(waiter->select, -1, &receiver);
	return NULL;
}

static ramet_receiver *begin_call(ramet_router *router, ramet_context *context)
{
	ramet_receiver *begun = NULL, *call = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(
		look_until_cancelled_start(context, ramet_receiver_sender(begun), &call, &error),
		0);
	assert_int_equal(ramet_receive(begun, SOON, &value, &error), 1);
	ramet_value_unref(value);
	ramet_receiver_unref(begun);
	return call;
}

static void call_cancelled_by_other_thread_wait_ends(void **state)
{
	static const enum ramet_poller pollers[] = {RAMET_POLLER_EPOLL, RAMET_POLLER_POLL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		ramet_router *router = fixture_router(pollers[i], 0);
		ramet_context *child = fixture_connect(router, "local/local");
		struct waiter waiter = {.receiver = begin_call(router, child)};

		assert_int_equal(pthread_create(&waiter.thread, NULL, wait_for_result, &waiter), 0);
		ramet_receiver_cancel(waiter.receiver);
		pthread_join(waiter.thread, NULL);
		assert_int_equal(waiter.result, -ECANCELED);
		ramet_receiver_unref(waiter.receiver);
		ramet_context_unref(child);
		ramet_router_unref(router);
	}
}

static void receiver_closed_by_other_thread_wait_ends(void **state)
{
	static const enum ramet_poller pollers[] = {RAMET_POLLER_EPOLL, RAMET_POLLER_POLL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		ramet_router *router = fixture_router(pollers[i], 0);
		struct waiter waiter = {0};

		assert_int_equal(ramet_receiver_new(router, &waiter.receiver), 0);
		assert_int_equal(pthread_create(&waiter.thread, NULL, wait_for_message, &waiter),
				 0);
		ramet_receiver_close(waiter.receiver);
		pthread_join(waiter.thread, NULL);
		assert_int_equal(waiter.result, 0);
		ramet_receiver_unref(waiter.receiver);
		ramet_router_unref(router);
	}
}

static void check_router_ends_under_waiters(enum ramet_poller poller, bool sleep_first)
{
	ramet_router *router = fixture_router(poller, 500);
	ramet_context *child = fixture_connect(router, "local");
	struct waiter message = {0}, result = {0}, end = {.context = child}, selected = {0};
	ramet_receiver *quiet = NULL;

	assert_int_equal(ramet_receiver_new(router, &message.receiver), 0);
	assert_int_equal(ramet_receiver_new(router, &quiet), 0);
	assert_int_equal(ramet_select_new(router, &selected.select), 0);
	assert_int_equal(ramet_select_add(selected.select, quiet), 0);
	result.receiver = begin_call(router, child);
	assert_int_equal(pthread_create(&message.thread, NULL, wait_for_message, &message), 0);
	/* The first of them polls, if it comes to it before the end does. */
	if (sleep_first)
		fixture_wait_threads_sleep();
	assert_int_equal(pthread_create(&result.thread, NULL, wait_for_result, &result), 0);
	assert_int_equal(pthread_create(&end.thread, NULL, wait_for_end, &end), 0);
	assert_int_equal(pthread_create(&selected.thread, NULL, wait_for_select, &selected), 0);
	ramet_router_unref(router);
	pthread_join(message.thread, NULL);
	pthread_join(result.thread, NULL);
	pthread_join(end.thread, NULL);
	pthread_join(selected.thread, NULL);
	assert_int_equal(message.result, -ESHUTDOWN);
	assert_int_equal(selected.result, -ESHUTDOWN);
	assert_true(result.result < 0);
	assert_true(end.result == 1 || end.result == -ESHUTDOWN);
	ramet_select_unref(selected.select);
	ramet_receiver_unref(quiet);
	ramet_receiver_unref(message.receiver);
	ramet_receiver_unref(result.receiver);
	ramet_context_unref(child);
}

static void router_ends_under_waiting_threads_all_return(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		check_router_ends_under_waiters(RAMET_POLLER_EPOLL, i % 2);
		check_router_ends_under_waiters(RAMET_POLLER_POLL, i % 2);
	}
}

static void router_dropped_handles_stay_harmless(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local"),
		      *below = fixture_connect(router, "local/local"), *with;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL, *call = NULL, *done = NULL;
	ramet_select *select = NULL;
	ramet_value *value = NULL;
	int64_t result = 0;

	(void)state;
	assert_int_equal(ramet_context_with(
				 child, &(ramet_call_options){.timeout = 50, .chain = true}, &with),
			 0);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(negate_start(below, 1, &done, &error), 0);
	assert_int_equal(ramet_select_new(router, &select), 0);
	assert_int_equal(ramet_select_add(select, receiver), 0);
	call = begin_call(router, child);
	ramet_router_unref(router);
	assert_false(ramet_context_alive(child));
	assert_string_equal(ramet_context_path(below), "local/local");
	assert_true(negate_call(child, 1, &result, &error) < 0);
	assert_true(negate_call(with, 1, &result, &error) < 0);
	assert_true(negate_start(below, 1, &(ramet_receiver *){NULL}, &error) < 0);
	assert_true(negate_post(below, 1, &error) < 0);
	assert_true(ramet_context_wait(child, -1, NULL) != 0);
	ramet_context_shutdown(child, 0, &error);
	ramet_context_keep(child);
	ramet_context_reset(with);
	assert_int_equal(ramet_receive(receiver, -1, &value, &error), -ESHUTDOWN);
	assert_int_equal(ramet_select_next(select, -1, &(ramet_receiver *){NULL}), -ESHUTDOWN);
	assert_true(ramet_send_i64(ramet_receiver_sender(receiver), 1) < 0);
	ramet_receiver_cancel(call);
	assert_true(look_until_cancelled_finish(call, -1, &result, &error) < 0);
	ramet_receiver_close(receiver);
	ramet_select_unref(select);
	ramet_receiver_unref(receiver);
	ramet_receiver_unref(call);
	ramet_receiver_unref(done);
	ramet_context_unref(with);
	ramet_context_unref(below);
	ramet_context_unref(child);
	ramet_error_clear(&error);
}

/* The result is there, its context is not any more, and then the receiver goes. */
static void receiver_outlives_its_context_harmless(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local"),
		      *other = fixture_connect(router, "local#1");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *call = NULL, *failed = NULL;
	int64_t result = 0;
	int end = fixture_pidfd(ramet_context_pid(child));

	(void)state;
	assert_int_equal(negate_start(child, 5, &call, &error), 0);
	assert_int_equal(negate_finish(call, SOON, &result, &error), 0);
	failed = begin_call(router, child);
	kill(ramet_context_pid(child), SIGKILL);
	ramet_context_unref(child);
	assert_int_equal(look_until_cancelled_finish(failed, SOON, &result, &error), -ECONNRESET);
	fixture_wait_end(end);
	for (int i = 0; i < 3; i++)
		assert_int_equal(negate_call(other, 5, &result, &error), 0);
	child = fixture_connect(router, "local");
	assert_true(ramet_receiver_done(call));
	ramet_receiver_cancel(call);
	ramet_receiver_unref(call);
	ramet_receiver_unref(failed);
	ramet_error_clear(&error);
	ramet_context_unref(child);
	ramet_context_unref(other);
	ramet_router_unref(router);
}

/* --- a call to itself that outlasts the router ---------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
} release = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

RAMET_FUNCTION(i64, wait_for_release, (sender, begun))
{
	ramet_send_i64(begun, 1);
	pthread_mutex_lock(&release.lock);
	while (!release.done)
		pthread_cond_wait(&release.changed, &release.lock);
	pthread_mutex_unlock(&release.lock);
	return ramet_call_cancelled(call);
}

static void call_to_itself_outlasts_router_harmless(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 200);
	ramet_receiver *begun = NULL, *call = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(wait_for_release_start(ramet_router_self(router),
						ramet_receiver_sender(begun), &call, &error),
			 0);
	assert_int_equal(ramet_receive(begun, SOON, &value, &error), 1);
	ramet_value_unref(value);
	ramet_receiver_unref(begun);
	ramet_router_unref(router);
	assert_true(wait_for_release_finish(call, -1, &(int64_t){0}, &error) < 0);
	ramet_error_clear(&error);
	ramet_receiver_unref(call);
	/* Now it returns, to a router that is gone. */
	pthread_mutex_lock(&release.lock);
	release.done = true;
	pthread_cond_signal(&release.changed);
	pthread_mutex_unlock(&release.lock);
	fixture_wait_threads();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(threads_call_same_context_each_gets_its_answers),
		FIXTURE_TEST(threads_call_many_contexts_each_gets_its_answers),
		FIXTURE_TEST(threads_pipeline_calls_each_gets_its_answers),
		FIXTURE_TEST(threads_fork_from_routers_of_their_own_all_work),
		FIXTURE_TEST(thread_receives_while_others_call_gets_everything),
		FIXTURE_TEST(stream_of_context_that_ended_ends_after_its_values),
		FIXTURE_TEST(call_cancelled_by_other_thread_wait_ends),
		FIXTURE_TEST(receiver_closed_by_other_thread_wait_ends),
		FIXTURE_TEST(receiver_outlives_its_context_harmless),
		FIXTURE_TEST(router_dropped_handles_stay_harmless),
		FIXTURE_TEST(call_to_itself_outlasts_router_harmless),
		FIXTURE_TEST(router_ends_under_waiting_threads_all_return),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
