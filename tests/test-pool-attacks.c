/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in the tasks of a pool, and who calls it back, does what is least expected. */
#include <sched.h>
#include <signal.h>

#include "fixture.h"

#define REPORTS 64
#define LARGE (64 << 10)

/* Small enough that the results of some tasks do not go together. */
#define MESSAGE_MAX (256u << 10)

RAMET_FUNCTION(bytes, report, (sender, to), (i64, size))
{
	char *data = ramet_call_alloc(call, (size_t)size);

	if (!data) {
		ramet_fail(call, ENOMEM, "no memory");
		return (ramet_bytes){0};
	}
	memset(data, 1, (size_t)size);
	ramet_send_i64(to, size);
	return (ramet_bytes){data, (size_t)size};
}

RAMET_FUNCTION(i64, same, (i64, n))
{
	return n;
}

static ramet_error error = RAMET_ERROR_INIT;

static ramet_router *router_new(uint32_t message_size_max)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.message_size_max = message_size_max;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

static ramet_pool *pool_new(ramet_router *router, const char *paths)
{
	ramet_pool *pool = NULL;

	if (ramet_pool_new(router, paths, NULL, &pool, &error) < 0)
		fail_msg("%s", error.message);
	return pool;
}

/* So many values at least, and the end: nobody holds a sender any more. */
static void check_end(ramet_receiver *receiver, int least)
{
	ramet_value *value = NULL;
	int count = 0, r;

	while ((r = ramet_receive(receiver, SOON, &value, NULL)) > 0) {
		ramet_value_unref(value);
		count++;
	}
	assert_int_equal(r, 0);
	assert_true(count >= least);
}

/* Some are not begun, since the message is full. */
static void senders_in_tasks_that_were_not_begun_end(void **state)
{
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	ramet_router *router = router_new(MESSAGE_MAX);
	ramet_pool *pool = pool_new(router, "fork");
	struct report_args tasks[REPORTS];
	ramet_bytes results[REPORTS];
	ramet_receiver *receiver = NULL;
	ramet_sender *sender;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	sender = ramet_receiver_sender(receiver);
	for (int i = 0; i < REPORTS; i++)
		tasks[i] = (struct report_args){sender, LARGE};
	options.batch = REPORTS;
	if (report_map(pool, tasks, REPORTS, results, &options, &error) < 0)
		fail_msg("%s", error.message);
	for (int i = 0; i < REPORTS; i++) {
		assert_int_equal(results[i].size, LARGE);
		ramet_free(results[i].data);
	}
	check_end(receiver, REPORTS);
	ramet_receiver_unref(receiver);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

RAMET_FUNCTION(i64, take, (sender, to), (bytes, data))
{
	ramet_send_i64(to, (int64_t)data.size);
	return 0;
}

static int too_large(uint64_t index, const ramet_error *failure, void *data)
{
	(void)data;
	assert_int_equal(index, 1);
	assert_int_equal(failure->code, -EMSGSIZE);
	return 0;
}

/* One is too large: its sender goes nowhere. */
static void senders_in_tasks_that_are_too_large_end(void **state)
{
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	ramet_router *router = router_new(MESSAGE_MAX);
	ramet_pool *pool = pool_new(router, "fork");
	char *data = calloc(1, 2 * MESSAGE_MAX);
	ramet_receiver *receiver = NULL;
	struct take_args tasks[2] = {{NULL, {data, 1}}, {NULL, {data, 2 * MESSAGE_MAX}}};
	int64_t results[2];

	(void)state;
	assert_non_null(data);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	tasks[0].to = tasks[1].to = ramet_receiver_sender(receiver);
	options.failed = too_large;
	if (take_map(pool, tasks, 2, results, &options, &error) < 0)
		fail_msg("%s", error.message);
	check_end(receiver, 1);
	ramet_receiver_unref(receiver);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
	free(data);
}

/* --- callbacks ------------------------------------------------------------------------------ */

struct scene {
	ramet_router *router;
	ramet_pool *pool;
	int64_t asked;
	uint64_t sum;
};

static int drop_pool(const ramet_pool_progress *progress, void *data)
{
	struct scene *scene = data;

	(void)progress;
	ramet_pool_unref(scene->pool);
	scene->pool = NULL;
	return 0;
}

/* The map goes on to its end. */
static void last_reference_is_dropped_while_a_map_runs(void **state)
{
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct scene scene = {.router = router_new(0)};
	struct same_args tasks[REPORTS];
	int64_t results[REPORTS];

	(void)state;
	scene.pool = pool_new(scene.router, "fork*2");
	for (int i = 0; i < REPORTS; i++)
		tasks[i].n = i;
	options.progress = drop_pool;
	options.data = &scene;
	options.batch = 1;
	if (same_map(scene.pool, tasks, REPORTS, results, &options, &error) < 0)
		fail_msg("%s", error.message);
	for (int i = 0; i < REPORTS; i++)
		assert_int_equal(results[i], i);
	assert_null(scene.pool);
	ramet_router_unref(scene.router);
}

/* The member that the source is asked for is another one afterwards. */
static int replace_member(struct same_args *task, void *data)
{
	struct scene *scene = data;
	ramet_context *member = ramet_pool_get(scene->pool, 0), *now = member;
	uint32_t id = ramet_context_id(member);

	if (scene->asked == 3) {
		ramet_context_unref(member);
		return 0;
	}
	if (scene->asked == 1) {
		assert_int_equal(kill(ramet_context_pid(member), SIGKILL), 0);
		do {
			ramet_context_unref(now);
			sched_yield();
			now = ramet_pool_get(scene->pool, 0);
			assert_non_null(now);
		} while (ramet_context_id(now) == id);
	}
	ramet_context_unref(now);
	task->n = scene->asked++;
	return 1;
}

static int add_up(uint64_t index, int64_t *result, void *data)
{
	struct scene *scene = data;

	assert_int_equal(*result, index);
	scene->sum += (uint64_t)*result + 1;
	return 0;
}

static const char *nowhere(const void *arguments, uint64_t index, void *data)
{
	(void)arguments, (void)index, (void)data;
	return "local?name=nowhere";
}

static void member_is_replaced_while_the_source_is_asked(void **state)
{
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct scene scene = {.router = router_new(0)};

	(void)state;
	scene.pool = pool_new(scene.router, "fork");
	options.locality = nowhere;
	options.data = &scene;
	if (same_each(scene.pool, replace_member, add_up, &scene, &options, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(scene.sum, 1 + 2 + 3);
	ramet_pool_unref(scene.pool);
	ramet_router_unref(scene.router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(senders_in_tasks_that_were_not_begun_end),
		FIXTURE_TEST(senders_in_tasks_that_are_too_large_end),
		FIXTURE_TEST(last_reference_is_dropped_while_a_map_runs),
		FIXTURE_TEST(member_is_replaced_while_the_source_is_asked),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests_name("pool-attacks", tests, NULL, NULL);
}
