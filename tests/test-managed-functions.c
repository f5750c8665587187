/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions that run in the processes of an exchange. */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "exchanges.h"

static void pid_of(ramet_channel *channel, const ramet_value *input, void *state)
{
	(void)input, (void)state;
	ramet_channel_send_i64(channel, getpid());
}

struct pids {
	int64_t all[64];
	int count, values;
};

static int note_pid(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value,
		    void *data)
{
	struct pids *pids = data;
	int64_t pid = ramet_value_i64(value);

	assert_true(children_count() <= 2);
	assert_true(ramet_exchange_running(exchange) <= 2);
	assert_int_equal(ramet_channel_pid(channel), pid);
	pids->values++;
	for (int i = 0; i < pids->count; i++)
		if (pids->all[i] == pid)
			return 0;
	pids->all[pids->count++] = pid;
	return 0;
}

static void call(ramet_managed *managed, int64_t number)
{
	ramet_value *input = ramet_value_new_i64(number);
	ramet_error error = RAMET_ERROR_INIT;
	int r = ramet_managed_call(managed, input, &error);

	if (r < 0)
		fail_msg("%d: %s", r, error.message);
	ramet_value_unref(input);
}

static ramet_managed *managed_new(ramet_exchange *exchange, ramet_task *task,
				  const ramet_worker_options *options)
{
	ramet_managed *managed;

	assert_int_equal(ramet_managed_new(exchange, task, options, &managed), 0);
	return managed;
}

static void managed_function_uses_its_workers_again(void **state)
{
	struct pids pids = {0};
	ramet_exchange *exchange = exchange_new(2, note_pid, &pids);
	ramet_managed *managed = managed_new(exchange, pid_of, NULL);

	(void)state;
	for (int i = 0; i < 50; i++)
		call(managed, i);
	assert_int_equal(ramet_exchange_waiting(exchange), 48);
	exchange_finish(exchange);
	assert_int_equal(pids.values, 50);
	assert_int_equal(pids.count, 2);
	ramet_managed_free(managed);
	ramet_exchange_unref(exchange);
}

static void managed_function_has_fresh_processes_if_asked_to(void **state)
{
	struct pids pids = {0};
	ramet_exchange *exchange = exchange_new(2, note_pid, &pids);
	ramet_worker_options options = RAMET_WORKER_OPTIONS_INIT;
	ramet_managed *managed;

	(void)state;
	options.fresh = true;
	managed = managed_new(exchange, pid_of, &options);
	for (int i = 0; i < 30; i++)
		call(managed, i);
	exchange_finish(exchange);
	assert_int_equal(pids.values, 30);
	assert_int_equal(pids.count, 30);
	ramet_managed_free(managed);
	ramet_exchange_unref(exchange);
}

static void call_that_fails_or_kills_its_worker_is_told(void **state)
{
	struct ends ends = {0};
	ramet_exchange *exchange = exchange_new(2, ignore, &ends);
	ramet_managed *managed = managed_new(exchange, square_of, NULL);

	(void)state;
	ramet_exchange_on_end(exchange, ended);
	for (int i = 0; i < 20; i++)
		call(managed, i);
	exchange_finish(exchange);
	assert_int_equal(ends.failed, 2);
	assert_true(told(&ends, -EDOM, "thirteen"));
	assert_true(told(&ends, -ECONNRESET, "SIGKILL"));
	ramet_managed_free(managed);
	ramet_exchange_unref(exchange);
}

static void failed_call_is_returned_by_next(void **state)
{
	ramet_exchange *exchange = exchange_new(1, NULL, NULL);
	ramet_managed *managed = managed_new(exchange, square_of, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel;
	int64_t squares = 0;
	ramet_value *value;
	int r;

	(void)state;
	call(managed, 2);
	call(managed, 13);
	call(managed, 3);
	while ((r = ramet_exchange_next(exchange, SOON, &channel, &value, &error)) == 1) {
		squares += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	assert_int_equal(r, -EDOM);
	assert_int_equal(squares, 4);
	ramet_error_clear(&error);
	assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, &error), 1);
	assert_int_equal(ramet_value_i64(value), 9);
	ramet_value_unref(value);
	assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, &error), 0);
	exchange_finish(exchange);
	ramet_managed_free(managed);
	ramet_exchange_unref(exchange);
}

static void functions_and_processes_share_the_limit(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(LIMIT, store, &sums);
	ramet_managed *first = managed_new(exchange, square_of, NULL);
	ramet_managed *second = managed_new(exchange, square_of, NULL);
	int64_t two = 2;

	(void)state;
	for (int i = 0; i < 10; i++) {
		call(first, 1);
		call(second, 2);
		exchange_start(exchange, square, &two);
		assert_true(children_count() <= LIMIT);
	}
	exchange_finish(exchange);
	assert_int_equal(sums.squares, 90);
	assert_true(sums.most <= LIMIT);
	ramet_managed_free(first);
	ramet_managed_free(second);
	ramet_exchange_unref(exchange);
}

static void calls_of_a_function_that_is_dropped_are_forgotten(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(1, store, &sums);
	ramet_managed *managed = managed_new(exchange, square_of, NULL);

	(void)state;
	for (int i = 0; i < 5; i++)
		call(managed, 3);
	ramet_managed_free(managed);
	assert_int_equal(ramet_exchange_waiting(exchange), 0);
	exchange_finish(exchange);
	assert_int_equal(sums.squares, 9); /* the one that had begun */
	ramet_exchange_unref(exchange);
}

/* How often hooks were called, in memory of all. */
static atomic_int *hooks;

static void *begin_hook(ramet_channel *channel, void *data)
{
	(void)channel;
	atomic_fetch_add(&hooks[0], 1);
	return data;
}

static void end_hook(void *state)
{
	assert_non_null(state);
	atomic_fetch_add(&hooks[1], 1);
}

static void *begin_badly(ramet_channel *channel, void *data)
{
	if (data)
		ramet_channel_fail(channel, ENODEV, "not today");
	return NULL;
}

static void add_state(ramet_channel *channel, const ramet_value *input, void *state)
{
	ramet_channel_send_i64(channel, ramet_value_i64(input) + *(int *)state);
}

static void hooks_run_once_in_each_worker(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(2, store, &sums);
	ramet_worker_options options = RAMET_WORKER_OPTIONS_INIT;
	ramet_managed *managed;
	int hundred = 100;

	(void)state;
	hooks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	options.begin = begin_hook;
	options.end = end_hook;
	options.data = &hundred;
	managed = managed_new(exchange, add_state, &options);
	for (int i = 0; i < 10; i++)
		call(managed, i);
	exchange_finish(exchange);
	assert_int_equal(sums.squares, 1045);
	assert_int_equal(hooks[0], 2);
	assert_int_equal(hooks[1], 2);
	ramet_managed_free(managed);
	ramet_exchange_unref(exchange);
	munmap(hooks, 4096);
}

static void worker_that_cannot_begin_fails_its_call(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct ends ends = {0};
		ramet_exchange *exchange = exchange_new(2, ignore, &ends);
		ramet_worker_options options = RAMET_WORKER_OPTIONS_INIT;
		ramet_managed *managed;

		options.begin = begin_badly;
		options.data = i & 1 ? &ends : NULL;
		options.fresh = i & 2;
		ramet_exchange_on_end(exchange, ended);
		managed = managed_new(exchange, add_state, &options);
		for (int j = 0; j < 4; j++)
			call(managed, j);
		exchange_finish(exchange);
		assert_int_equal(ends.failed, 4);
		assert_true(told(&ends, i & 1 ? -ENODEV : -ECANCELED,
				 i & 1 ? "not today" : "could not begin"));
		ramet_managed_free(managed);
		ramet_exchange_unref(exchange);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(managed_function_uses_its_workers_again),
		FIXTURE_TEST(managed_function_has_fresh_processes_if_asked_to),
		FIXTURE_TEST(call_that_fails_or_kills_its_worker_is_told),
		FIXTURE_TEST(failed_call_is_returned_by_next),
		FIXTURE_TEST(functions_and_processes_share_the_limit),
		FIXTURE_TEST(calls_of_a_function_that_is_dropped_are_forgotten),
		FIXTURE_TEST(hooks_run_once_in_each_worker),
		FIXTURE_TEST(worker_that_cannot_begin_fails_its_call),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests_name("managed functions", tests, NULL, NULL);
}
