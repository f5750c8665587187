/* SPDX-License-Identifier: BSD-3-Clause */
/* Which calls run when: in order, at the same time, in chains, until a deadline, until they are cancelled. */
#include <pthread.h>
#include <sched.h>

#include "fixture.h"
#include "records.h"

/* --- functions -------------------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t came;
	int present, most, running, overlaps, turn;
	int cancelled; /* functions that saw that they were */
} place = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

/* Returns when `count` calls are here at the same time. */
RAMET_CONCURRENT_FUNCTION(i64, meet, (i32, count))
{
	pthread_mutex_lock(&place.lock);
	place.present++;
	pthread_cond_broadcast(&place.came);
	while (place.present < count)
		pthread_cond_wait(&place.came, &place.lock);
	pthread_mutex_unlock(&place.lock);
	return place.present;
}

/* Its place in the order; notes when another one runs at the same time. */
RAMET_FUNCTION(i64, take_turn, (boolean, linger))
{
	int64_t turn;

	pthread_mutex_lock(&place.lock);
	place.overlaps += place.running++;
	turn = place.turn++;
	pthread_mutex_unlock(&place.lock);
	for (int i = 0; linger && i < 100; i++)
		sched_yield();
	pthread_mutex_lock(&place.lock);
	place.running--;
	pthread_mutex_unlock(&place.lock);
	return turn;
}

RAMET_FUNCTION(i64, count_overlaps)
{
	return place.overlaps;
}

RAMET_FUNCTION(i64, count_turns)
{
	return place.turn;
}

RAMET_FUNCTION(none, fail_with, (i32, code), (str, text))
{
	ramet_fail(call, code, "%s", text);
}

/* Says that it has begun, and ends when nobody waits any more. */
static int64_t wait_for_cancel(ramet_call *call)
{
	ramet_log(ramet_call_router(call), RAMET_LOG_INFO, "test", "begun");
	while (!ramet_call_cancelled(call))
		sched_yield();
	pthread_mutex_lock(&place.lock);
	place.cancelled++;
	pthread_mutex_unlock(&place.lock);
	ramet_log(ramet_call_router(call), RAMET_LOG_INFO, "test", "ended");
	return 1;
}

RAMET_FUNCTION(i64, run_until_cancelled)
{
	return wait_for_cancel(call);
}

RAMET_CONCURRENT_FUNCTION(i64, run_beside_until_cancelled)
{
	return wait_for_cancel(call);
}

RAMET_FUNCTION(i64, count_cancelled)
{
	return place.cancelled;
}

RAMET_FUNCTION(i64, time_left)
{
	return ramet_call_time_left(call);
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;
static ramet_context *context;

static void open_tree(const char *path)
{
	router = records_router(&records, NULL);
	context = path ? fixture_connect(router, path)
		       : ramet_context_ref(ramet_router_self(router));
	place.present = place.overlaps = place.turn = place.cancelled = 0;
}

static void close_tree(void)
{
	ramet_context_unref(context);
	ramet_router_unref(router);
	records_done(&records);
}

static ramet_context *with(int timeout, bool chain)
{
	ramet_call_options options = {.timeout = timeout, .chain = chain};
	ramet_context *handle = NULL;

	assert_int_equal(ramet_context_with(context, &options, &handle), 0);
	return handle;
}

static int64_t value_of(int (*call)(ramet_context *, int64_t *, ramet_error *))
{
	int64_t value = -1;

	assert_int_equal(call(context, &value, NULL), 0);
	return value;
}

static const char *const paths[] = {"local", "fork", "local/fork", NULL};

/* --- order ------------------------------------------------------------------------------------------ */

static void concurrent_calls_run_at_the_same_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		enum { COUNT = 8 };
		ramet_receiver *receivers[COUNT];
		int64_t present;

		open_tree(paths[i]);
		for (int k = 0; k < COUNT; k++)
			assert_int_equal(meet_start(context, COUNT, &receivers[k], NULL), 0);
		/* They do not stop the others, either. */
		assert_int_equal(value_of(count_turns_call), 0);
		for (int k = 0; k < COUNT; k++) {
			assert_int_equal(meet_finish(receivers[k], SOON, &present, NULL), 0);
			assert_int_equal(present, COUNT);
			ramet_receiver_unref(receivers[k]);
		}
		close_tree();
	}
}

static void serial_calls_run_one_by_one_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		enum { COUNT = 200 };
		ramet_receiver *receivers[COUNT];
		int64_t turn;

		open_tree(paths[i]);
		for (int k = 0; k < COUNT; k++)
			assert_int_equal(take_turn_start(context, k % 3 == 0, &receivers[k], NULL),
					 0);
		for (int k = COUNT; k-- > 0;) {
			assert_int_equal(take_turn_finish(receivers[k], -1, &turn, NULL), 0);
			assert_int_equal(turn, k);
			ramet_receiver_unref(receivers[k]);
		}
		assert_int_equal(value_of(count_overlaps_call), 0);
		close_tree();
	}
}

static void *call_many(void *argument)
{
	int64_t *last = argument, turn;

	*last = -1;
	for (int i = 0; i < 200; i++) {
		if (take_turn_call(context, false, &turn, NULL) < 0 || turn <= *last)
			return argument;
		*last = turn;
	}
	return NULL;
}

static void calls_of_several_threads_each_get_their_answers(void **state)
{
	pthread_t threads[4];
	int64_t last[4];
	void *failed;

	(void)state;
	open_tree("local/local");
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_many, &last[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(value_of(count_turns_call), 800);
	assert_int_equal(value_of(count_overlaps_call), 0);
	close_tree();
}

/* --- chains ----------------------------------------------------------------------------------------- */

static void chain_that_failed_runs_no_more_until_reset(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *chain, *other;
	int64_t turn = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		open_tree(paths[i]);
		chain = with(0, true);
		other = with(0, true);
		assert_int_equal(take_turn_call(chain, false, &turn, &error), 0);
		assert_int_equal(fail_with_call(chain, EDOM, "the first", &error), -EDOM);
		assert_int_equal(take_turn_call(chain, false, &turn, &error), -EDOM);
		fixture_check_error(&error, -EDOM, "the first", NULL);
		assert_int_equal(fail_with_call(chain, ERANGE, "another", &error), -EDOM);
		fixture_check_error(&error, -EDOM, "the first", NULL);
		/* Neither the plain handle nor another chain is concerned. */
		assert_int_equal(take_turn_call(context, false, &turn, &error), 0);
		assert_int_equal(take_turn_call(other, false, &turn, &error), 0);
		assert_int_equal(turn, 2);
		assert_int_equal(ramet_context_reset(other), 0);
		assert_int_equal(take_turn_call(chain, false, &turn, NULL), -EDOM);
		assert_int_equal(ramet_context_reset(chain), 0);
		assert_int_equal(take_turn_call(chain, false, &turn, &error), 0);
		assert_int_equal(turn, 3);
		/* It can fail again, with another error. */
		assert_int_equal(fail_with_call(chain, ERANGE, "again", &error), -ERANGE);
		assert_int_equal(take_turn_call(chain, false, &turn, &error), -ERANGE);
		fixture_check_error(&error, -ERANGE, "again", NULL);
		assert_int_equal(ramet_context_reset(context), 0);
		ramet_context_unref(chain);
		ramet_context_unref(other);
		close_tree();
	}
}

static void chain_that_failed_stops_calls_on_their_way(void **state)
{
	enum { COUNT = 20 };
	ramet_receiver *failing = NULL, *receivers[COUNT];
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *chain;
	int64_t turn = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		open_tree(paths[i]);
		chain = with(0, true);
		assert_int_equal(fail_with_start(chain, EDOM, "the first", &failing, NULL), 0);
		for (int k = 0; k < COUNT; k++)
			assert_int_equal(take_turn_start(chain, false, &receivers[k], NULL), 0);
		for (int k = 0; k < COUNT; k++) {
			assert_int_equal(take_turn_finish(receivers[k], -1, &turn, &error), -EDOM);
			fixture_check_error(&error, -EDOM, "the first", NULL);
			ramet_receiver_unref(receivers[k]);
		}
		assert_int_equal(fail_with_finish(failing, -1, NULL), -EDOM);
		ramet_receiver_unref(failing);
		assert_int_equal(value_of(count_turns_call), 0);
		ramet_context_unref(chain);
		close_tree();
	}
}

/* A post that fails breaks its chain, too. */
static void chain_is_broken_by_a_post(void **state)
{
	ramet_context *chain;
	int64_t turn;

	(void)state;
	open_tree("local");
	chain = with(0, true);
	assert_int_equal(fail_with_post(chain, EDOM, "posted", NULL), 0);
	assert_int_equal(take_turn_call(chain, false, &turn, NULL), -EDOM);
	assert_int_equal(value_of(count_turns_call), 0);
	ramet_context_unref(chain);
	close_tree();
}

/* --- deadlines -------------------------------------------------------------------------------------- */

/* One call with this time-out; true when it had begun before its time was over, and then it has ended. */
static bool call_hurried(int timeout)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *hurried = with(timeout, false);
	int64_t result = 99;

	assert_int_equal(run_until_cancelled_call(hurried, &result, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "time", NULL);
	assert_int_equal(result, 99);
	ramet_context_unref(hurried);
	/* This one comes after it. */
	return value_of(count_cancelled_call) > 0;
}

static void call_that_takes_too_long_ends_here_and_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		open_tree(paths[i]);
		for (int timeout = 50; !call_hurried(timeout); timeout *= 2)
			;
		assert_int_equal(records_count(&records, "test", "begun"), 1);
		assert_true(ramet_context_alive(context));
		close_tree();
	}
}

static void call_knows_the_time_it_has_left(void **state)
{
	ramet_context *hurried;
	int64_t left;

	(void)state;
	open_tree("local");
	hurried = with(60000, false);
	assert_int_equal(time_left_call(hurried, &left, NULL), 0);
	assert_in_range(left, 1, 60000);
	assert_int_equal(value_of(time_left_call), -1);
	ramet_context_unref(hurried);
	hurried = with(-1, false);
	assert_int_equal(time_left_call(hurried, &left, NULL), 0);
	assert_int_equal(left, -1);
	ramet_context_unref(hurried);
	close_tree();
}

static void finish_that_times_out_leaves_the_call_running(void **state)
{
	ramet_receiver *receiver = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t present, ignored;

	(void)state;
	open_tree("local");
	assert_int_equal(meet_start(context, 2, &receiver, NULL), 0);
	assert_int_equal(meet_finish(receiver, 0, &present, &error), -ETIMEDOUT);
	assert_int_equal(meet_finish(receiver, 10, &present, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "meet", NULL);
	assert_false(ramet_receiver_done(receiver));
	assert_int_equal(meet_call(context, 2, &present, NULL), 0);
	assert_int_equal(meet_finish(receiver, -1, &present, NULL), 0);
	assert_int_equal(present, 2);
	assert_true(ramet_receiver_done(receiver));
	/* What was asked for in another name is not given. */
	assert_int_equal(count_turns_finish(receiver, 0, &ignored, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "'meet'", NULL);
	ramet_receiver_unref(receiver);
	close_tree();
}

/* --- cancellation ----------------------------------------------------------------------------------- */

static void cancelled_call_that_runs_learns_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(paths) / sizeof(*paths); i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_receiver *receiver = NULL;
		int64_t result;
		int r;

		open_tree(paths[i / 2]);
		if (i % 2)
			r = run_until_cancelled_start(context, &receiver, NULL);
		else
			r = run_beside_until_cancelled_start(context, &receiver, NULL);
		assert_int_equal(r, 0);
		records_wait(&records, 0, NULL, "test", "begun");
		ramet_receiver_cancel(receiver);
		ramet_receiver_cancel(receiver);
		if (i % 2)
			r = run_until_cancelled_finish(receiver, SOON, &result, &error);
		else
			r = run_beside_until_cancelled_finish(receiver, SOON, &result, &error);
		assert_int_equal(r, -ECANCELED);
		fixture_check_error(&error, -ECANCELED, "cancelled", NULL);
		assert_int_equal(value_of(count_cancelled_call), 1);
		ramet_receiver_cancel(receiver);
		ramet_receiver_unref(receiver);
		close_tree();
	}
}

static void cancelled_call_that_waits_does_not_begin(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		ramet_receiver *first = NULL, *second = NULL;
		ramet_error error = RAMET_ERROR_INIT;
		int64_t result;

		open_tree(paths[i]);
		assert_int_equal(run_until_cancelled_start(context, &first, NULL), 0);
		records_wait(&records, 0, NULL, "test", "begun");
		assert_int_equal(take_turn_start(context, false, &second, NULL), 0);
		ramet_receiver_cancel(second);
		/* Answered while the first one still runs. */
		assert_int_equal(take_turn_finish(second, SOON, &result, &error), -ECANCELED);
		fixture_check_error(&error, -ECANCELED, "before it began", NULL);
		assert_false(ramet_receiver_done(first));
		ramet_receiver_cancel(first);
		assert_int_equal(run_until_cancelled_finish(first, SOON, &result, NULL),
				 -ECANCELED);
		assert_int_equal(value_of(count_turns_call), 0);
		ramet_receiver_unref(first);
		ramet_receiver_unref(second);
		close_tree();
	}
}

static void cancel_after_the_result_changes_nothing(void **state)
{
	ramet_receiver *receiver = NULL;
	int64_t turn;

	(void)state;
	open_tree("local");
	assert_int_equal(take_turn_start(context, false, &receiver, NULL), 0);
	/* Its answer has come when that of the next has. */
	assert_int_equal(value_of(count_turns_call), 1);
	assert_true(ramet_receiver_done(receiver));
	ramet_receiver_cancel(receiver);
	assert_int_equal(take_turn_finish(receiver, 0, &turn, NULL), 0);
	assert_int_equal(turn, 0);
	ramet_receiver_unref(receiver);
	close_tree();
}

/* The end of the router cancels what runs: nobody waits for a function that goes on. */
static void end_of_the_router_cancels_what_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ramet_receiver *receiver = NULL;
		int64_t result;

		open_tree(i ? "local/fork" : NULL);
		assert_int_equal(run_until_cancelled_start(context, &receiver, NULL), 0);
		records_wait(&records, 0, NULL, "test", "begun");
		ramet_router_unref(router);
		assert_true(run_until_cancelled_finish(receiver, 0, &result, NULL) < 0);
		ramet_receiver_unref(receiver);
		ramet_context_unref(context);
		records_done(&records);
	}
}

/* A log that gives others the time to look. */
static void slow_sink(const ramet_log_record *record, void *data)
{
	for (int i = 0; i < 100; i++)
		sched_yield();
	records_sink(record, data);
}

/* Posts that wait when the router ends are refused one by one, with a record each, while the thread that executes them
 * still looks for work: each belongs to one of the two. */
static void end_of_the_router_refuses_posts_that_wait(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	(void)state;
	options.log = slow_sink;
	options.log_data = &records;
	for (int i = 0; i < 20; i++) {
		records_init(&records);
		place.turn = 0;
		assert_int_equal(ramet_router_new(&options, &router), 0);
		for (int k = 0; k < 20; k++)
			assert_int_equal(take_turn_post(ramet_router_self(router), true, NULL), 0);
		ramet_router_unref(router);
		assert_int_equal(
			place.turn + (int)records_count(&records, "ramet", "before it began"), 20);
		records_done(&records);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(concurrent_calls_run_at_the_same_time),
		FIXTURE_TEST(serial_calls_run_one_by_one_in_order),
		FIXTURE_TEST(calls_of_several_threads_each_get_their_answers),
		FIXTURE_TEST(chain_that_failed_runs_no_more_until_reset),
		FIXTURE_TEST(chain_that_failed_stops_calls_on_their_way),
		FIXTURE_TEST(chain_is_broken_by_a_post),
		FIXTURE_TEST(call_that_takes_too_long_ends_here_and_there),
		FIXTURE_TEST(call_knows_the_time_it_has_left),
		FIXTURE_TEST(finish_that_times_out_leaves_the_call_running),
		FIXTURE_TEST(cancelled_call_that_runs_learns_it),
		FIXTURE_TEST(cancelled_call_that_waits_does_not_begin),
		FIXTURE_TEST(cancel_after_the_result_changes_nothing),
		FIXTURE_TEST(end_of_the_router_cancels_what_runs),
		FIXTURE_TEST(end_of_the_router_refuses_posts_that_wait),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
