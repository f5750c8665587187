/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools, and maps over them: map, each, reduce, and what they are told to do. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "fixture.h"

#define COUNT (SANITIZED ? 5000 : 50000)

RAMET_FUNCTION(i64, square, (i64, n))
{
	return n * n;
}

RAMET_FUNCTION(i64, add, (i64, left), (i64, right))
{
	return left + right;
}

RAMET_FUNCTION(str, number, (i64, n))
{
	char *text = ramet_call_alloc(call, 32);

	snprintf(text, 32, "%d,", (int)n);
	return text;
}

RAMET_FUNCTION(str, label, (i64, n))
{
	if (n < 0)
		ramet_fail(call, EDOM, "no label");
	return "label";
}

RAMET_FUNCTION(str, join, (str, left), (str, right))
{
	size_t size = strlen(left) + strlen(right) + 1;
	char *text = ramet_call_alloc(call, size);

	snprintf(text, size, "%s%s", left, right);
	return text;
}

RAMET_FUNCTION(i64, odd_fails, (i64, n))
{
	if (n % 2)
		ramet_fail(call, EDOM, "%d is odd", (int)n);
	return n;
}

RAMET_FUNCTION(none, nothing, (i64, n))
{
	if (n < 0)
		ramet_fail(call, EDOM, "%d is negative", (int)n);
}

RAMET_FUNCTION(bytes, block, (i64, size))
{
	return (ramet_bytes){memset(ramet_call_alloc(call, (size_t)size), 7, (size_t)size),
			     (size_t)size};
}

RAMET_FUNCTION(i64, size_of, (bytes, data))
{
	return (int64_t)data.size;
}

RAMET_FUNCTION(i64, waits, (i64, ms), (boolean, listens))
{
	struct timespec step = {.tv_nsec = 1000000};

	for (int64_t i = 0; i < ms && !(listens && ramet_call_cancelled(call)); i++)
		nanosleep(&step, NULL);
	return ms;
}

RAMET_FUNCTION(str, where, (i64, n))
{
	return ramet_context_path(ramet_router_self(ramet_call_router(call)));
}

RAMET_STRUCT(thing, (str, name), (value, what), (context, home), (sender, out));
RAMET_ARRAY(things, thing);

RAMET_FUNCTION(things, twice, (thing, one))
{
	things all = {ramet_call_alloc(call, 2 * sizeof(thing)), 2};

	ramet_send_str(one.out, one.name);
	all.items[0] = all.items[1] = one;
	return all;
}

static atomic_int running, most;

RAMET_CONCURRENT_FUNCTION(i64, together, (i64, n))
{
	struct timespec step = {.tv_nsec = 2000000};
	int now = atomic_fetch_add(&running, 1) + 1, before = atomic_load(&most);

	while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
		;
	nanosleep(&step, NULL);
	atomic_fetch_sub(&running, 1);
	return atomic_load(&most);
}

RAMET_FUNCTION(i64, squares_below, (i64, count))
{
	struct square_args *tasks = calloc((size_t)count, sizeof(*tasks));
	int64_t sum = 0;
	ramet_pool *pool = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	for (int64_t i = 0; i < count; i++)
		tasks[i].n = i;
	if (ramet_pool_new(ramet_call_router(call), "fork*2", NULL, &pool, &error) < 0 ||
	    square_reduce(pool, tasks, (size_t)count, RAMET_FUNCTION_OF(add), &sum, NULL, &error) <
		    0)
		ramet_fail_error(call, &error);
	ramet_pool_unref(pool);
	free(tasks);
	return sum;
}

static int64_t prepared;

RAMET_FUNCTION(none, prepare, (i64, n))
{
	prepared = n;
}

RAMET_FUNCTION(i64, prepared_plus, (i64, n))
{
	return prepared + n;
}

/* --- helpers -------------------------------------------------------------------------------- */

static ramet_router *router;
static ramet_pool *pool;
static ramet_error error = RAMET_ERROR_INIT;

static void begin_with(const char *paths, const ramet_pool_options *options)
{
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	if (ramet_pool_new(router, paths, options, &pool, &error) < 0)
		fail_msg("%s", error.message);
}

static void begin(const char *paths)
{
	begin_with(paths, NULL);
}

static void finish(void)
{
	ramet_pool_unref(pool);
	ramet_router_unref(router);
	ramet_error_clear(&error);
}

static void good(int r)
{
	if (r < 0)
		fail_msg("%d: %s", r, error.message ? error.message : "no message");
}

static struct square_args *numbers(size_t count)
{
	struct square_args *tasks = calloc(count, sizeof(*tasks));

	for (size_t i = 0; i < count; i++)
		tasks[i].n = (int64_t)i;
	return tasks;
}

static void check_squares(const ramet_pool_map_options *options, size_t count)
{
	struct square_args *tasks = numbers(count);
	int64_t *results = calloc(count, sizeof(*results));

	good(square_map(pool, tasks, count, results, options, &error));
	for (size_t i = 0; i < count; i++)
		assert_int_equal(results[i], (int64_t)(i * i));
	free(tasks);
	free(results);
}

/* --- map ------------------------------------------------------------------------------------ */

static void map_results_are_in_order(void **state)
{
	static const char *const paths[] = {"fork*2", "local*2", "local*2/local*2", "fork,local"};
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		begin(paths[i]);
		check_squares(NULL, COUNT);
		check_squares(NULL, 1);
		options.batch = 7;
		check_squares(&options, 1000);
		finish();
	}
}

static void map_of_nothing_is_done(void **state)
{
	(void)state;
	begin("fork");
	good(square_map(pool, NULL, 0, NULL, NULL, &error));
	finish();
}

static void map_without_room_for_results_is_invalid(void **state)
{
	struct square_args task = {1};

	(void)state;
	begin("fork");
	assert_int_equal(square_map(pool, &task, 1, NULL, NULL, &error), -EINVAL);
	finish();
}

static void map_of_a_function_without_result(void **state)
{
	struct nothing_args tasks[100] = {{0}};

	(void)state;
	begin("fork*2");
	good(nothing_map(pool, tasks, 100, NULL, &error));
	tasks[57].n = -3;
	assert_int_equal(nothing_map(pool, tasks, 100, NULL, &error), -EDOM);
	fixture_check_error(&error, -EDOM, "task 57", "-3 is negative", NULL);
	finish();
}

static void map_carries_handles(void **state)
{
	enum { TASKS = 100 };
	struct twice_args tasks[TASKS];
	things results[TASKS] = {{NULL, 0}};
	ramet_receiver *receiver = NULL;
	ramet_value *value = ramet_value_new_i64(5), *got = NULL;

	(void)state;
	begin("local*2");
	good(ramet_receiver_new(router, &receiver));
	for (size_t i = 0; i < TASKS; i++)
		tasks[i].one = (thing){"a name", value, ramet_router_self(router),
				       ramet_receiver_sender(receiver)};
	good(twice_map(pool, tasks, TASKS, results, NULL, &error));
	for (size_t i = 0; i < TASKS; i++) {
		assert_int_equal(results[i].count, 2);
		assert_string_equal(results[i].items[1].name, "a name");
		assert_int_equal(ramet_value_i64(results[i].items[1].what), 5);
		assert_int_equal(ramet_context_id(results[i].items[0].home),
				 ramet_context_id(ramet_router_self(router)));
		good(ramet_send_str(results[i].items[1].out, "back"));
		things_clear(&results[i]);
	}
	for (size_t i = 0; i < 2 * TASKS; i++) {
		assert_int_equal(ramet_receive(receiver, SOON, &got, &error), 1);
		ramet_value_unref(got);
	}
	/* All senders that were given away have been closed. */
	assert_int_equal(ramet_receive(receiver, SOON, &got, &error), 0);
	ramet_value_unref(value);
	ramet_receiver_unref(receiver);
	finish();
}

static void map_ends_with_the_first_failure(void **state)
{
	struct odd_fails_args tasks[1000] = {{0}};
	int64_t results[1000];

	(void)state;
	begin("fork*2");
	tasks[500].n = 41;
	assert_int_equal(odd_fails_map(pool, tasks, 1000, results, NULL, &error), -EDOM);
	assert_non_null(strstr(error.where, "fork"));
	fixture_check_error(&error, -EDOM, "task 500", "41 is odd", NULL);
	tasks[500].n = 0;
	good(odd_fails_map(pool, tasks, 1000, results, NULL, &error));
	finish();
}

static void map_that_fails_clears_results(void **state)
{
	enum { TASKS = 300 };
	struct label_args tasks[TASKS] = {{0}};
	const char *texts[TASKS] = {NULL};
	ramet_context *member;

	(void)state;
	begin("fork");
	good(label_map(pool, tasks, TASKS, texts, NULL, &error));
	for (int i = 0; i < TASKS; i++) {
		assert_string_equal(texts[i], "label");
		ramet_free(texts[i]);
		texts[i] = NULL;
	}
	tasks[TASKS - 1].n = -1;
	assert_int_equal(label_map(pool, tasks, TASKS, texts, NULL, &error), -EDOM);
	for (int i = 0; i < TASKS; i++)
		assert_null(texts[i]);
	member = ramet_pool_get(pool, 0);
	good(ramet_pool_remove(pool, member));
	ramet_context_unref(member);
	assert_int_equal(label_map(pool, tasks, TASKS, texts, NULL, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "no member", NULL);
	finish();
}

static uint64_t failures;

static int count_failure(uint64_t index, const ramet_error *failure, void *data)
{
	assert_int_equal(index % 2, 1);
	assert_int_equal(failure->code, -EDOM);
	failures++;
	return *(int *)data;
}

static void map_goes_on_when_failures_are_taken(void **state)
{
	enum { TASKS = 1001 };
	struct odd_fails_args tasks[TASKS];
	int64_t results[TASKS];
	int answer = 0;
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	begin("fork*2");
	options.failed = count_failure;
	options.data = &answer;
	failures = 0;
	for (int i = 0; i < TASKS; i++)
		tasks[i].n = i, results[i] = -1;
	good(odd_fails_map(pool, tasks, TASKS, results, &options, &error));
	assert_int_equal(failures, TASKS / 2);
	for (int i = 0; i < TASKS; i++)
		assert_int_equal(results[i], i % 2 ? -1 : i);
	answer = -EXDEV;
	assert_int_equal(odd_fails_map(pool, tasks, TASKS, results, &options, &error), -EXDEV);
	fixture_check_error(&error, -EXDEV, "is odd", NULL);
	finish();
}

/* --- each ----------------------------------------------------------------------------------- */

struct flood {
	int64_t next, end, due, sum, ahead;
	int stop_next, stop_done;
};

static int give(struct square_args *task, void *data)
{
	struct flood *flood = data;

	if (flood->next == flood->end)
		return flood->stop_next;
	task->n = flood->next++;
	if (flood->next - flood->due > flood->ahead)
		flood->ahead = flood->next - flood->due;
	return 1;
}

static int take(uint64_t index, int64_t *result, void *data)
{
	struct flood *flood = data;

	assert_int_equal(index, flood->due);
	assert_int_equal(*result, (int64_t)(index * index));
	flood->due++;
	flood->sum += *result;
	return flood->stop_done && flood->due == flood->end / 2 ? flood->stop_done : 0;
}

static int take_any(uint64_t index, int64_t *result, void *data)
{
	struct flood *flood = data;

	assert_int_equal(*result, (int64_t)(index * index));
	flood->due++;
	return 0;
}

static void each_delivers_in_order(void **state)
{
	struct flood flood = {.end = 4 * COUNT};

	(void)state;
	begin("fork*2");
	good(square_each(pool, give, take, &flood, NULL, &error));
	assert_int_equal(flood.due, 4 * COUNT);
	assert_true(flood.ahead <= 65536);
	flood = (struct flood){.end = 0};
	good(square_each(pool, give, take, &flood, NULL, &error));
	finish();
}

static void each_by_arrival_delivers_all(void **state)
{
	struct flood flood = {.end = COUNT};
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	options.arrival = true;
	begin("fork*2");
	good(square_each(pool, give, take_any, &flood, &options, &error));
	assert_int_equal(flood.due, COUNT);
	finish();
}

static void each_ends_with_its_source_or_its_reader(void **state)
{
	struct flood flood = {.end = COUNT, .stop_next = -EXDEV};

	(void)state;
	begin("fork*2");
	assert_int_equal(square_each(pool, give, take, &flood, NULL, &error), -EXDEV);
	flood = (struct flood){.end = COUNT, .stop_done = -ECHILD};
	assert_int_equal(square_each(pool, give, take, &flood, NULL, &error), -ECHILD);
	assert_int_equal(flood.due, COUNT / 2);
	check_squares(NULL, 100);
	finish();
}

static int give_text(struct join_args *task, void *data)
{
	static char left[16], right[16];
	int *next = data;

	/* Good until the next call. */
	snprintf(left, sizeof(left), "%d", *next);
	snprintf(right, sizeof(right), "-%d", *next);
	*task = (struct join_args){left, right};
	return ++*next <= 3000;
}

static int take_text(uint64_t index, const char **result, void *data)
{
	char expected[32];

	(void)data;
	snprintf(expected, sizeof(expected), "%d-%d", (int)index, (int)index);
	assert_string_equal(*result, expected);
	ramet_free(*result);
	return 0;
}

static int tolerate(uint64_t index, const ramet_error *failure, void *data)
{
	(void)index, (void)failure, (void)data;
	return 0;
}

static void each_keeps_what_tasks_point_to(void **state)
{
	int next = 0;

	(void)state;
	begin("local*2");
	good(join_each(pool, give_text, take_text, &next, NULL, &error));
	assert_int_equal(next, 3001);
	finish();
}

/* --- reduce --------------------------------------------------------------------------------- */

static void reduce_combines_in_order(void **state)
{
	struct number_args tasks[3000];
	char *expected = calloc(1, 32 * 3000), *at = expected;
	const char *result = NULL;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		tasks[i].n = i;
		at += sprintf(at, "%d,", i);
	}
	begin("local*2");
	good(number_reduce(pool, tasks, 3000, RAMET_FUNCTION_OF(join), &result, NULL, &error));
	assert_string_equal(result, expected);
	ramet_free(result);
	good(number_reduce(pool, tasks, 1, RAMET_FUNCTION_OF(join), &result, NULL, &error));
	assert_string_equal(result, "0,");
	ramet_free(result);
	free(expected);
	finish();
}

static void reduce_leaves_out_what_failed(void **state)
{
	enum { TASKS = 3000 };
	struct odd_fails_args tasks[TASKS];
	int64_t sum = -1;
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	options.failed = tolerate;
	for (int i = 0; i < TASKS; i++)
		tasks[i].n = i;
	begin("fork*2");
	good(odd_fails_reduce(pool, tasks, TASKS, RAMET_FUNCTION_OF(add), &sum, &options, &error));
	assert_int_equal(sum, (TASKS / 2) * (TASKS / 2 - 1));
	tasks[0].n = 1;
	assert_int_equal(
		odd_fails_reduce(pool, tasks, 2, RAMET_FUNCTION_OF(add), &sum, &options, &error),
		-ENODATA);
	finish();
}

static void reduce_refuses_what_does_not_combine(void **state)
{
	struct square_args task = {3};
	int64_t sum = 7;

	(void)state;
	begin("fork");
	assert_int_equal(square_reduce(pool, &task, 1, RAMET_FUNCTION_OF(join), &sum, NULL, &error),
			 -EINVAL);
	assert_int_equal(
		square_reduce(pool, &task, 1, RAMET_FUNCTION_OF(square), &sum, NULL, &error),
		-EINVAL);
	assert_int_equal(square_reduce(pool, &task, 0, RAMET_FUNCTION_OF(add), &sum, NULL, &error),
			 -EINVAL);
	assert_int_equal(sum, 7);
	finish();
}

/* --- time, progress, cancellation ----------------------------------------------------------- */

static struct waits_args *waiting(size_t count, int64_t ms, bool listens)
{
	struct waits_args *tasks = calloc(count, sizeof(*tasks));

	for (size_t i = 0; i < count; i++)
		tasks[i] = (struct waits_args){ms, listens};
	return tasks;
}

static void map_times_out(void **state)
{
	struct waits_args *tasks = waiting(4, 600000, true);
	int64_t results[4], before;
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	options.timeout = 100;
	begin("local*2");
	before = fixture_now();
	assert_int_equal(waits_map(pool, tasks, 4, results, &options, &error), -ETIMEDOUT);
	assert_true(fixture_now() - before < SOON);
	/* What ran has been cancelled: the members are free. */
	check_squares(NULL, 100);
	free(tasks);
	finish();
}

static void task_that_takes_too_long_fails(void **state)
{
	struct waits_args *tasks = waiting(50, 0, true);
	int64_t results[50];
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	options.task_timeout = 200;
	options.failed = NULL;
	tasks[20].ms = 600000;
	begin("local*2");
	assert_int_equal(waits_map(pool, tasks, 50, results, &options, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "task 20", NULL);
	/* One that does not listen keeps its member, which is ended and started again. */
	tasks[20].ms = 600000;
	tasks[20].listens = false;
	assert_int_equal(waits_map(pool, tasks, 50, results, &options, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "task 20", NULL);
	check_squares(NULL, 100);
	options.failed = tolerate;
	good(waits_map(pool, tasks, 50, results, &options, &error));
	assert_int_equal(results[49], 0);
	free(tasks);
	finish();
}

static uint64_t last_done;

static int watch(const ramet_pool_progress *progress, void *data)
{
	assert_true(progress->done >= last_done);
	assert_true(progress->done <= progress->count);
	assert_int_equal(progress->members, 2);
	last_done = progress->done;
	return progress->done >= 500 ? *(int *)data : 0;
}

static void progress_tells_and_cancels(void **state)
{
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct square_args *tasks = numbers(COUNT);
	int64_t *results = calloc(COUNT, sizeof(*results));
	int answer = 0;

	(void)state;
	options.progress = watch;
	options.data = &answer;
	begin("fork*2");
	last_done = 0;
	check_squares(&options, COUNT);
	assert_int_equal(last_done, COUNT);
	last_done = 0;
	answer = -EXDEV;
	assert_int_equal(square_map(pool, tasks, COUNT, results, &options, &error), -EXDEV);
	assert_true(last_done < COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(results[i], 0);
	free(tasks);
	free(results);
	finish();
}

static int wake(const ramet_pool_progress *progress, void *data)
{
	(void)progress;
	atomic_store((atomic_bool *)data, true);
	return 0;
}

static void *cancel_when_it_runs(void *data)
{
	while (!atomic_load((atomic_bool *)data))
		sched_yield();
	ramet_pool_cancel(pool);
	return NULL;
}

static void cancel_ends_the_map(void **state)
{
	struct waits_args *tasks = waiting(4, 600000, true);
	int64_t results[4];
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	atomic_bool begun = false;
	pthread_t thread;

	(void)state;
	options.progress = wake;
	options.data = &begun;
	tasks[0].ms = 0;
	begin("fork*2");
	pthread_create(&thread, NULL, cancel_when_it_runs, &begun);
	assert_int_equal(waits_map(pool, tasks, 4, results, &options, &error), -ECANCELED);
	pthread_join(thread, NULL);
	check_squares(NULL, 100);
	free(tasks);
	finish();
}

/* --- members -------------------------------------------------------------------------------- */

static int set_up(ramet_context *member, void *data, ramet_error *ret_error)
{
	++*(int *)data;
	return prepare_call(member, 1000, ret_error);
}

static int refuse(ramet_context *member, void *data, ramet_error *ret_error)
{
	(void)member, (void)data, (void)ret_error;
	return -EXDEV;
}

static void setup_is_called_for_each_member(void **state)
{
	ramet_pool_options options = RAMET_POOL_OPTIONS_INIT;
	struct prepared_plus_args tasks[100] = {{0}};
	int64_t results[100];
	int called = 0;

	(void)state;
	options.setup = set_up;
	options.data = &called;
	begin_with("local*3", &options);
	assert_int_equal(called, 3);
	good(prepared_plus_map(pool, tasks, 100, results, NULL, &error));
	for (int i = 0; i < 100; i++)
		assert_int_equal(results[i], 1000);
	finish();
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	options.setup = refuse;
	assert_int_equal(ramet_pool_new(router, "local*2", &options, &pool, &error), -EXDEV);
	ramet_error_clear(&error);
	ramet_router_unref(router);
}

static void members_are_counted_added_and_removed(void **state)
{
	ramet_context *context, *member;

	(void)state;
	begin("local*2");
	assert_int_equal(ramet_pool_size(pool), 2);
	assert_null(ramet_pool_get(pool, 2));
	assert_int_equal(ramet_pool_add(pool, "local#1", &error), -EEXIST);
	good(ramet_pool_add(pool, "fork?name=another", &error));
	assert_int_equal(ramet_pool_size(pool), 3);
	context = fixture_connect(router, "local?name=own");
	good(ramet_pool_add_context(pool, context));
	assert_int_equal(ramet_pool_add_context(pool, context), -EEXIST);
	assert_int_equal(ramet_pool_size(pool), 4);
	check_squares(NULL, 1000);
	good(ramet_pool_remove(pool, context));
	assert_int_equal(ramet_pool_remove(pool, context), -ENOENT);
	assert_true(ramet_context_alive(context));
	member = ramet_pool_get(pool, 2);
	assert_string_equal(ramet_context_path(member), "another");
	good(ramet_pool_remove(pool, member));
	ramet_context_unref(member);
	assert_int_equal(ramet_pool_size(pool), 2);
	check_squares(NULL, 1000);
	ramet_context_unref(context);
	finish();
}

static int change_members(const ramet_pool_progress *progress, void *data)
{
	static int added;
	int *changes = data;
	ramet_context *member;
	char path[32];

	(void)progress;
	if (++*changes > 20)
		return 0;
	snprintf(path, sizeof(path), "fork?name=m%d", added++);
	good(ramet_pool_add(pool, path, &error));
	member = ramet_pool_get(pool, 0);
	good(ramet_pool_remove(pool, member));
	ramet_context_unref(member);
	return 0;
}

static void members_change_while_a_map_runs(void **state)
{
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	int changes = 0;

	(void)state;
	options.progress = change_members;
	options.data = &changes;
	options.batch = 50;
	begin("local*2");
	check_squares(&options, 5000);
	assert_true(changes > 20);
	finish();
}

static void slots_bound_what_runs_together(void **state)
{
	ramet_pool_options options = RAMET_POOL_OPTIONS_INIT;
	struct together_args tasks[60] = {{0}};
	int64_t results[60], greatest = 0;

	(void)state;
	options.slots = 3;
	begin_with("local", &options);
	good(together_map(pool, tasks, 60, results, NULL, &error));
	for (int i = 0; i < 60; i++)
		greatest = results[i] > greatest ? results[i] : greatest;
	assert_in_range(greatest, 2, 3);
	finish();
	begin("local");
	good(together_map(pool, tasks, 60, results, NULL, &error));
	for (int i = 0; i < 60; i++)
		assert_int_equal(results[i], 1);
	finish();
}

static void *map_in_a_thread(void *data)
{
	(void)data;
	struct square_args *tasks = numbers(COUNT);
	int64_t *results = calloc(COUNT, sizeof(*results));
	int r = square_map(pool, tasks, COUNT, results, NULL, NULL);

	for (size_t i = 0; i < COUNT && r == 0; i++)
		r = results[i] == (int64_t)(i * i) ? 0 : -EBADMSG;
	free(tasks);
	free(results);
	return (void *)(intptr_t)r;
}

static void several_maps_run_at_once(void **state)
{
	pthread_t threads[4];
	void *result;

	(void)state;
	begin("local*2");
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, map_in_a_thread, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		assert_null(result);
	}
	finish();
}

static void tasks_make_pools_of_their_own(void **state)
{
	struct squares_below_args tasks[6];
	int64_t results[6];

	(void)state;
	for (int i = 0; i < 6; i++)
		tasks[i].count = 200;
	begin("local,fork");
	good(squares_below_map(pool, tasks, 6, results, NULL, &error));
	for (int i = 0; i < 6; i++)
		assert_int_equal(results[i], 199 * 200 * 399 / 6);
	finish();
}

static const char *place(const void *arguments, uint64_t index, void *data)
{
	const struct where_args *task = arguments;

	assert_int_equal(task->n, (int64_t)index);
	return *(const char **)data ? *(const char **)data : index < 100 ? "local" : "local#1";
}

static void tasks_go_where_they_are_best_executed(void **state)
{
	struct where_args tasks[200];
	const char *results[200] = {NULL}, *where_all = NULL;
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	int fitting = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		tasks[i].n = i;
	options.locality = place;
	options.data = &where_all;
	options.batch = 1;
	begin("local*2");
	good(where_map(pool, tasks, 200, results, &options, &error));
	for (int i = 0; i < 200; i++) {
		fitting += strcmp(results[i], i < 100 ? "local" : "local#1") == 0;
		ramet_free(results[i]);
	}
	/* Whoever was done first has taken what was left of the other. */
	assert_true(fitting >= 100);
	where_all = "nowhere";
	good(where_map(pool, tasks, 200, results, &options, &error));
	for (int i = 0; i < 200; i++)
		ramet_free(results[i]);
	finish();
}

/* --- sizes ---------------------------------------------------------------------------------- */

static void begin_small(uint32_t message_size_max)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.message_size_max = message_size_max;
	good(ramet_router_new(&options, &router));
	good(ramet_pool_new(router, "local*2", NULL, &pool, &error));
}

static void results_larger_than_a_message_are_split(void **state)
{
	struct block_args tasks[60];
	ramet_bytes results[60];
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	options.batch = 30;
	begin_small(100000);
	for (int i = 0; i < 60; i++)
		tasks[i].size = i == 7 ? 99000 : 30000;
	good(block_map(pool, tasks, 60, results, &options, &error));
	for (int i = 0; i < 60; i++) {
		assert_int_equal(results[i].size, tasks[i].size);
		ramet_free(results[i].data);
	}
	tasks[41].size = 100001;
	assert_int_equal(block_map(pool, tasks, 60, results, &options, &error), -EMSGSIZE);
	fixture_check_error(&error, -EMSGSIZE, "task 41", NULL);
	finish();
}

static void arguments_larger_than_a_message_are_split(void **state)
{
	struct size_of_args tasks[40];
	int64_t results[40];
	static char data[3 << 20];
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;

	(void)state;
	options.batch = 40;
	begin_small(2 << 20);
	for (int i = 0; i < 40; i++)
		tasks[i].data = (ramet_bytes){data, i % 3 == 0 ? 1500000 : 10000};
	good(size_of_map(pool, tasks, 40, results, &options, &error));
	good(size_of_map(pool, tasks, 40, results, NULL, &error));
	for (int i = 0; i < 40; i++)
		assert_int_equal(results[i], tasks[i].data.size);
	tasks[13].data.size = sizeof(data);
	assert_int_equal(size_of_map(pool, tasks, 40, results, NULL, &error), -EMSGSIZE);
	fixture_check_error(&error, -EMSGSIZE, "task 13", NULL);
	finish();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(map_results_are_in_order),
		FIXTURE_TEST(map_of_nothing_is_done),
		FIXTURE_TEST(map_without_room_for_results_is_invalid),
		FIXTURE_TEST(map_of_a_function_without_result),
		FIXTURE_TEST(map_carries_handles),
		FIXTURE_TEST(map_ends_with_the_first_failure),
		FIXTURE_TEST(map_that_fails_clears_results),
		FIXTURE_TEST(map_goes_on_when_failures_are_taken),
		FIXTURE_TEST(each_delivers_in_order),
		FIXTURE_TEST(each_by_arrival_delivers_all),
		FIXTURE_TEST(each_ends_with_its_source_or_its_reader),
		FIXTURE_TEST(each_keeps_what_tasks_point_to),
		FIXTURE_TEST(reduce_combines_in_order),
		FIXTURE_TEST(reduce_leaves_out_what_failed),
		FIXTURE_TEST(reduce_refuses_what_does_not_combine),
		FIXTURE_TEST(map_times_out),
		FIXTURE_TEST(task_that_takes_too_long_fails),
		FIXTURE_TEST(progress_tells_and_cancels),
		FIXTURE_TEST(cancel_ends_the_map),
		FIXTURE_TEST(setup_is_called_for_each_member),
		FIXTURE_TEST(members_are_counted_added_and_removed),
		FIXTURE_TEST(members_change_while_a_map_runs),
		FIXTURE_TEST(slots_bound_what_runs_together),
		FIXTURE_TEST(several_maps_run_at_once),
		FIXTURE_TEST(tasks_make_pools_of_their_own),
		FIXTURE_TEST(tasks_go_where_they_are_best_executed),
		FIXTURE_TEST(results_larger_than_a_message_are_split),
		FIXTURE_TEST(arguments_larger_than_a_message_are_split),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
