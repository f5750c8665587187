/* SPDX-License-Identifier: BSD-3-Clause */
/* One wait over several receivers: results of calls and streams. */
#include <sched.h>

#include "fixture.h"
#include "records.h"

RAMET_FUNCTION(i64, give, (i64, it))
{
	return it;
}

RAMET_FUNCTION(none, send_numbers, (sender, to), (i64, base), (i64, count))
{
	for (int64_t i = 0; i < count; i++)
		ramet_send_i64(to, base + i);
}

RAMET_CONCURRENT_FUNCTION(none, run_until_cancelled)
{
	while (!ramet_call_cancelled(call))
		sched_yield();
}

static ramet_router *router;
static struct records records;
static ramet_context *context;
static ramet_select *selection;

static void open_tree(const char *path)
{
	router = records_router(&records, NULL);
	context = path ? fixture_connect(router, path)
		       : ramet_context_ref(ramet_router_self(router));
	assert_int_equal(ramet_select_new(router, &selection), 0);
}

static void close_tree(void)
{
	ramet_select_unref(selection);
	ramet_context_unref(context);
	ramet_router_unref(router);
	records_done(&records);
}

static ramet_receiver *stream(void)
{
	ramet_receiver *receiver = NULL;

	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	return receiver;
}

static ramet_receiver *call(int64_t number)
{
	ramet_receiver *receiver = NULL;

	assert_int_equal(give_start(context, number, &receiver, NULL), 0);
	return receiver;
}

static void select_empty_has_nothing(void **state)
{
	ramet_receiver *got = NULL;

	(void)state;
	open_tree("local");
	assert_int_equal(ramet_select_next(selection, -1, &got), 0);
	assert_int_equal(ramet_select_next(selection, 0, &got), 0);
	assert_null(got);
	close_tree();
}

static void select_gives_each_result_once_and_then_is_empty(void **state)
{
	static const char *const paths[] = {NULL, "local", "fork/local"};
	enum { COUNT = 50 };

	(void)state;
	for (size_t p = 0; p < 3; p++) {
		bool seen[COUNT] = {false};
		ramet_receiver *got = NULL;
		int64_t result;

		open_tree(paths[p]);
		for (int64_t i = 0; i < COUNT; i++) {
			ramet_receiver *receiver = call(i);

			ramet_receiver_set_data(receiver, (void *)(intptr_t)i);
			assert_int_equal(ramet_select_add(selection, receiver), 0);
			/* The select keeps its own. */
			ramet_receiver_unref(receiver);
		}
		for (int64_t i = 0; i < COUNT; i++) {
			assert_int_equal(ramet_select_next(selection, SOON, &got), 1);
			assert_true(ramet_receiver_done(got));
			assert_int_equal(give_finish(got, 0, &result, NULL), 0);
			assert_int_equal(result, (intptr_t)ramet_receiver_data(got));
			assert_false(seen[result]);
			seen[result] = true;
			/* They were executed in order, so they are done in order. */
			assert_int_equal(result, i);
		}
		assert_int_equal(ramet_select_next(selection, -1, &got), 0);
		close_tree();
	}
}

static void select_mixes_calls_and_streams(void **state)
{
	enum { COUNT = 100 };
	ramet_receiver *numbers, *one, *got = NULL;
	int64_t result = 0, next = 0;
	int ends = 0, results = 0;

	(void)state;
	open_tree("local/fork");
	numbers = stream();
	one = call(-7);
	assert_int_equal(ramet_select_add(selection, numbers), 0);
	assert_int_equal(ramet_select_add(selection, one), 0);
	assert_int_equal(send_numbers_post(context, ramet_receiver_sender(numbers), 0, COUNT, NULL),
			 0);
	while (ramet_select_next(selection, SOON, &got) > 0) {
		ramet_value *value = NULL;
		int r;

		if (got == one) {
			assert_int_equal(give_finish(one, 0, &result, NULL), 0);
			results++;
			continue;
		}
		assert_ptr_equal(got, numbers);
		r = ramet_receive(numbers, 0, &value, NULL);
		if (r == 0) {
			ends++;
			continue;
		}
		assert_int_equal(r, 1);
		assert_int_equal(ramet_value_i64(value), next++);
		ramet_value_unref(value);
	}
	assert_int_equal(result, -7);
	assert_int_equal(results, 1);
	assert_int_equal(next, COUNT);
	assert_int_equal(ends, 1);
	ramet_receiver_unref(numbers);
	ramet_receiver_unref(one);
	close_tree();
}

/* A stream that always has something does not keep the others from their turn. */
static void select_gives_ready_streams_turns(void **state)
{
	ramet_receiver *streams[2], *got = NULL, *before = NULL;
	ramet_value *value = NULL;
	int64_t result;

	(void)state;
	open_tree("local");
	for (int i = 0; i < 2; i++) {
		streams[i] = stream();
		assert_int_equal(ramet_select_add(selection, streams[i]), 0);
		assert_int_equal(
			send_numbers_call(context, ramet_receiver_sender(streams[i]), 0, 10, NULL),
			0);
	}
	/* All is here: behind the values comes an answer. */
	assert_int_equal(give_call(context, 1, &result, NULL), 0);
	for (int i = 0; i < 18; i++) {
		assert_int_equal(ramet_select_next(selection, 0, &got), 1);
		assert_ptr_not_equal(got, before);
		before = got;
		assert_int_equal(ramet_receive(got, 0, &value, NULL), 1);
		assert_int_equal(ramet_value_i64(value), i / 2);
		ramet_value_unref(value);
	}
	for (int i = 0; i < 2; i++)
		ramet_receiver_unref(streams[i]);
	close_tree();
}

static void select_refuses_what_is_in_one_already(void **state)
{
	ramet_router *other = NULL;
	ramet_select *second = NULL;
	ramet_receiver *receiver, *foreign = NULL;

	(void)state;
	open_tree("local");
	receiver = stream();
	assert_int_equal(ramet_select_new(router, &second), 0);
	assert_int_equal(ramet_select_add(selection, receiver), 0);
	assert_int_equal(ramet_select_add(selection, receiver), -EEXIST);
	assert_int_equal(ramet_select_add(second, receiver), -EEXIST);
	assert_int_equal(ramet_select_remove(second, receiver), -ENOENT);
	assert_int_equal(ramet_select_remove(selection, receiver), 0);
	assert_int_equal(ramet_select_remove(selection, receiver), -ENOENT);
	assert_int_equal(ramet_select_add(second, receiver), 0);
	other = fixture_router(RAMET_POLLER_POLL, 0);
	assert_int_equal(ramet_receiver_new(other, &foreign), 0);
	assert_int_equal(ramet_select_add(selection, foreign), -EINVAL);
	ramet_receiver_unref(foreign);
	ramet_router_unref(other);
	ramet_select_unref(second);
	/* The end of a select lets its members go. */
	assert_int_equal(ramet_select_add(selection, receiver), 0);
	ramet_receiver_unref(receiver);
	close_tree();
}

static void select_with_what_is_done_already_gives_it(void **state)
{
	ramet_receiver *done, *closed, *got = NULL;
	int64_t result;

	(void)state;
	open_tree("local");
	done = call(5);
	assert_int_equal(give_call(context, 1, &result, NULL), 0);
	assert_true(ramet_receiver_done(done));
	closed = stream();
	ramet_receiver_close(closed);
	assert_int_equal(ramet_select_add(selection, closed), 0);
	assert_int_equal(ramet_select_add(selection, done), 0);
	assert_int_equal(ramet_select_next(selection, 0, &got), 1);
	assert_ptr_equal(got, closed);
	assert_int_equal(ramet_select_next(selection, 0, &got), 1);
	assert_ptr_equal(got, done);
	assert_int_equal(ramet_select_next(selection, 0, &got), 0);
	/* It may come again. */
	assert_int_equal(ramet_select_add(selection, done), 0);
	assert_int_equal(ramet_select_next(selection, 0, &got), 1);
	assert_int_equal(give_finish(done, 0, &result, NULL), 0);
	assert_int_equal(result, 5);
	ramet_receiver_unref(done);
	ramet_receiver_unref(closed);
	close_tree();
}

static void select_times_out_and_goes_on(void **state)
{
	ramet_receiver *running = NULL, *quiet, *got = NULL;

	(void)state;
	open_tree("local");
	quiet = stream();
	assert_int_equal(run_until_cancelled_start(context, &running, NULL), 0);
	assert_int_equal(ramet_select_add(selection, quiet), 0);
	assert_int_equal(ramet_select_add(selection, running), 0);
	assert_int_equal(ramet_select_next(selection, 0, &got), -ETIMEDOUT);
	assert_int_equal(ramet_select_next(selection, 10, &got), -ETIMEDOUT);
	assert_null(got);
	ramet_receiver_cancel(running);
	assert_int_equal(ramet_select_next(selection, SOON, &got), 1);
	assert_ptr_equal(got, running);
	assert_int_equal(run_until_cancelled_finish(running, 0, NULL), -ECANCELED);
	/* What was removed does not hold it up. */
	assert_int_equal(ramet_select_remove(selection, quiet), 0);
	assert_int_equal(ramet_select_next(selection, -1, &got), 0);
	ramet_receiver_unref(running);
	ramet_receiver_unref(quiet);
	close_tree();
}

/* Removing what was announced takes the announcement away. */
static void select_forgets_what_was_removed(void **state)
{
	ramet_receiver *first, *second, *got = NULL;
	int64_t result;

	(void)state;
	open_tree("local");
	first = call(1);
	second = call(2);
	assert_int_equal(ramet_select_add(selection, first), 0);
	assert_int_equal(ramet_select_add(selection, second), 0);
	assert_int_equal(give_call(context, 3, &result, NULL), 0);
	assert_int_equal(ramet_select_remove(selection, first), 0);
	assert_int_equal(ramet_select_next(selection, -1, &got), 1);
	assert_ptr_equal(got, second);
	assert_int_equal(ramet_select_next(selection, -1, &got), 0);
	assert_int_equal(give_finish(first, 0, &result, NULL), 0);
	assert_int_equal(result, 1);
	ramet_receiver_unref(first);
	ramet_receiver_unref(second);
	close_tree();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(select_empty_has_nothing),
		FIXTURE_TEST(select_gives_each_result_once_and_then_is_empty),
		FIXTURE_TEST(select_mixes_calls_and_streams),
		FIXTURE_TEST(select_gives_ready_streams_turns),
		FIXTURE_TEST(select_refuses_what_is_in_one_already),
		FIXTURE_TEST(select_with_what_is_done_already_gives_it),
		FIXTURE_TEST(select_times_out_and_goes_on),
		FIXTURE_TEST(select_forgets_what_was_removed),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
