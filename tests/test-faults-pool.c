/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools whose members are killed, stopped, or end; and that lack members, descriptors or memory. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "fail-alloc.h"
#include "fixture.h"

#define TASKS (SANITIZED ? 3000 : 10000)
#define KILL_MS 200

/* More than any scenario has. */
#define ALLOCATIONS_MAX 3000
#define STEP (SANITIZED ? 23 : 3)

/* A fifth of a millisecond of work, so that there is time to be killed in. */
RAMET_FUNCTION(i64, cube, (i64, n))
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 200000);
	return n * n * n;
}

RAMET_FUNCTION(i64, add, (i64, left), (i64, right))
{
	return left + right;
}

/* Ends its process: each time, or when it is the first to make the file. */
RAMET_FUNCTION(i64, deadly, (i64, n), (boolean, fatal), (str, file))
{
	int fd;

	if (fatal)
		_exit(3);
	if (file) {
		fd = open(file, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			_exit(4);
	}
	return n;
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

RAMET_FUNCTION(str, label, (i64, n))
{
	char *text = ramet_call_alloc(call, 32);

	if (text)
		snprintf(text, 32, "%d", (int)n);
	else
		ramet_fail(call, ENOMEM, "no memory");
	return text;
}

static ramet_error error = RAMET_ERROR_INIT;

static ramet_router *router_with_heartbeat(uint32_t interval)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.heartbeat_interval = interval;
	options.connect_timeout = 5000;
	options.shutdown_timeout = 1000;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

static ramet_pool *pool_of(ramet_router *router, const char *paths,
			   const ramet_pool_options *options)
{
	ramet_pool *pool = NULL;

	if (ramet_pool_new(router, paths, options, &pool, &error) < 0)
		fail_msg("%s", error.message);
	return pool;
}

/* --- somebody ends a member again and again ------------------------------------------------- */

struct killer {
	ramet_pool *pool;
	int signal;
	atomic_bool stop;
	int kills;
};

static void *kill_members(void *data)
{
	struct killer *killer = data;
	unsigned seed = 7;
	struct timespec pause = {.tv_nsec = KILL_MS * 1000000};

	while (!atomic_load(&killer->stop)) {
		ramet_context *member = ramet_pool_get(
			killer->pool, (size_t)rand_r(&seed) % (ramet_pool_size(killer->pool) + 1));

		if (member && ramet_context_alive(member) && ramet_context_pid(member) > 0)
			killer->kills += kill(ramet_context_pid(member), killer->signal) == 0;
		ramet_context_unref(member);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void check_map_with_killer(const char *paths, int signal)
{
	ramet_router *router = router_with_heartbeat(signal == SIGSTOP ? 200 : 0);
	ramet_pool_options options = RAMET_POOL_OPTIONS_INIT;
	ramet_pool_map_options map_options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct killer killer = {.signal = signal};
	struct cube_args *tasks = calloc(TASKS, sizeof(*tasks));
	int64_t *results = calloc(TASKS, sizeof(*results)), sum = 0, expected = 0;
	size_t part = TASKS / 4;
	pthread_t thread;

	options.restarts = 100;
	map_options.retries = 50;
	killer.pool = pool_of(router, paths, &options);
	for (int64_t i = 0; i < TASKS; i++) {
		tasks[i].n = i;
		expected += i < (int64_t)part ? i * i * i : 0;
	}
	pthread_create(&thread, NULL, kill_members, &killer);
	if (cube_map(killer.pool, tasks, TASKS, results, &map_options, &error) < 0)
		fail_msg("%s", error.message);
	if (cube_reduce(killer.pool, tasks, part, RAMET_FUNCTION_OF(add), &sum, &map_options,
			&error) < 0)
		fail_msg("%s", error.message);
	atomic_store(&killer.stop, true);
	pthread_join(thread, NULL);
	for (int64_t i = 0; i < TASKS; i++)
		assert_int_equal(results[i], i * i * i);
	assert_int_equal(sum, expected);
	assert_true(killer.kills > 1);
	free(tasks);
	free(results);
	ramet_pool_unref(killer.pool);
	ramet_router_unref(router);
}

static void members_killed_result_is_exact(void **state)
{
	(void)state;
	check_map_with_killer("fork*2", SIGKILL);
	check_map_with_killer("local*2", SIGKILL);
}

static void grandchildren_killed_result_is_exact(void **state)
{
	(void)state;
	fixture_allow_orphans();
	check_map_with_killer("local*2/local*2", SIGKILL);
}

static void members_terminated_result_is_exact(void **state)
{
	(void)state;
	check_map_with_killer("local,fork", SIGTERM);
}

static void members_stopped_result_is_exact(void **state)
{
	(void)state;
	check_map_with_killer("local*2", SIGSTOP);
}

static void members_that_exit_result_is_exact(void **state)
{
	enum { COUNT = 10000, DEADLY = 20 };
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool *pool = pool_of(router, "fork*2", NULL);
	struct deadly_args *tasks = calloc(COUNT, sizeof(*tasks));
	int64_t *results = calloc(COUNT, sizeof(*results));
	char files[DEADLY][64], directory[] = "/tmp/ramet-pool-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(directory));
	for (int i = 0; i < COUNT; i++)
		tasks[i].n = i;
	for (int i = 0; i < DEADLY; i++) {
		snprintf(files[i], sizeof(files[i]), "%s/%d", directory, i);
		tasks[i * (COUNT / DEADLY) + 17].file = files[i];
	}
	if (deadly_map(pool, tasks, COUNT, results, NULL, &error) < 0)
		fail_msg("%s", error.message);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(results[i], i);
	for (int i = 0; i < DEADLY; i++)
		assert_int_equal(unlink(files[i]), 0);
	assert_int_equal(rmdir(directory), 0);
	free(tasks);
	free(results);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

/* --- tasks that kill ------------------------------------------------------------------------ */

static int only_the_deadly(uint64_t index, const ramet_error *failure, void *data)
{
	assert_int_equal(failure->code, -ECONNRESET);
	assert_int_equal(index, 700);
	++*(int *)data;
	return 0;
}

static void task_that_kills_is_found(void **state)
{
	enum { COUNT = 1000 };
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool *pool = pool_of(router, "fork*2", NULL);
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct deadly_args tasks[COUNT] = {{0}};
	int64_t results[COUNT];
	int found = 0;

	(void)state;
	for (int i = 0; i < COUNT; i++)
		tasks[i].n = i, results[i] = -1;
	tasks[700].fatal = true;
	assert_int_equal(deadly_map(pool, tasks, COUNT, results, NULL, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "task 700", "4 times", NULL);
	for (int i = 0; i < COUNT; i++)
		results[i] = -1;
	options.failed = only_the_deadly;
	options.data = &found;
	if (deadly_map(pool, tasks, COUNT, results, &options, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(found, 1);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(results[i], i == 700 ? -1 : i);
	options.retries = 1;
	if (deadly_map(pool, tasks, COUNT, results, &options, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(found, 2);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

static void task_that_may_not_be_repeated_fails(void **state)
{
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool *pool = pool_of(router, "fork*2", NULL);
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct deadly_args tasks[1] = {{.fatal = true}};
	int64_t results[1];

	(void)state;
	options.retries = -1;
	assert_int_equal(deadly_map(pool, tasks, 1, results, &options, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "task 0", NULL);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

/* --- members that do not come back ---------------------------------------------------------- */

static void no_member_left_map_ends(void **state)
{
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool_options options = RAMET_POOL_OPTIONS_INIT;
	ramet_pool_map_options map_options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct deadly_args tasks[100] = {{0}};
	int64_t results[100];
	ramet_pool *pool;

	(void)state;
	options.restarts = -1;
	map_options.retries = 1000;
	pool = pool_of(router, "fork*3", &options);
	tasks[50].fatal = true;
	assert_int_equal(deadly_map(pool, tasks, 100, results, &map_options, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "no member", "exited with status 3", NULL);
	assert_int_equal(ramet_pool_size(pool), 0);
	assert_int_equal(deadly_map(pool, tasks, 1, results, NULL, &error), -ECONNRESET);
	ramet_error_clear(&error);
	if (ramet_pool_add(pool, "fork", &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(deadly_map(pool, tasks, 1, results, NULL, &error), 0);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

static void context_of_the_caller_is_not_started_again(void **state)
{
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool *pool = pool_of(router, "fork", NULL);
	ramet_context *own = fixture_connect(router, "local");
	struct cube_args tasks[100] = {{2}};
	int64_t results[100];

	(void)state;
	assert_int_equal(ramet_pool_add_context(pool, own), 0);
	kill(ramet_context_pid(own), SIGKILL);
	assert_int_equal(ramet_context_wait(own, SOON, NULL), 1);
	if (cube_map(pool, tasks, 100, results, NULL, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(ramet_pool_size(pool), 1);
	ramet_context_unref(own);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

static int shut_down(const ramet_pool_progress *progress, void *data)
{
	struct killer *killer = data;
	ramet_context *member;

	(void)progress;
	if (++killer->kills % 100 != 0 || killer->kills > 500)
		return 0;
	member = ramet_pool_get(killer->pool, 0);
	ramet_context_shutdown(member, 1000, NULL);
	ramet_context_unref(member);
	return 0;
}

static void members_that_are_shut_down_result_is_exact(void **state)
{
	enum { COUNT = 1000 };
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	struct killer killer = {.pool = pool_of(router, "local*2", NULL)};
	struct cube_args tasks[COUNT];
	int64_t results[COUNT];

	(void)state;
	options.batch = 2;
	options.progress = shut_down;
	options.data = &killer;
	for (int i = 0; i < COUNT; i++)
		tasks[i].n = i;
	if (cube_map(killer.pool, tasks, COUNT, results, &options, &error) < 0)
		fail_msg("%s", error.message);
	for (int64_t i = 0; i < COUNT; i++)
		assert_int_equal(results[i], i * i * i);
	assert_true(killer.kills >= 500);
	ramet_pool_unref(killer.pool);
	ramet_router_unref(router);
}

static int set_up(ramet_context *member, void *data, ramet_error *ret_error)
{
	atomic_fetch_add((atomic_int *)data, 1);
	return prepare_call(member, 1000, ret_error);
}

static void member_started_again_is_set_up_again(void **state)
{
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool_options options = RAMET_POOL_OPTIONS_INIT;
	struct prepared_plus_args tasks[100] = {{0}};
	int64_t results[100];
	atomic_int called = 0;
	ramet_context *member;
	ramet_pool *pool;

	(void)state;
	options.setup = set_up;
	options.data = &called;
	pool = pool_of(router, "local", &options);
	for (int i = 0; i < 5; i++) {
		member = ramet_pool_get(pool, 0);
		kill(ramet_context_pid(member), SIGKILL);
		assert_int_equal(ramet_context_wait(member, SOON, NULL), 1);
		ramet_context_unref(member);
		if (prepared_plus_map(pool, tasks, 100, results, NULL, &error) < 0)
			fail_msg("%s", error.message);
		for (int j = 0; j < 100; j++)
			assert_int_equal(results[j], 1000);
		assert_int_equal(atomic_load(&called), i + 2);
	}
	/* It goes away while its member is being started. */
	member = ramet_pool_get(pool, 0);
	kill(ramet_context_pid(member), SIGKILL);
	assert_int_equal(ramet_context_wait(member, SOON, NULL), 1);
	ramet_context_unref(member);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

/* --- no descriptors, no memory -------------------------------------------------------------- */

static void no_descriptors_pool_fails_or_does_with_less(void **state)
{
	ramet_router *router = router_with_heartbeat(0);
	ramet_pool_options options = RAMET_POOL_OPTIONS_INIT;
	ramet_pool *pool = NULL, *other = NULL;
	struct cube_args tasks[300] = {{2}};
	int64_t results[300];
	struct rlimit before, limit;
	ramet_context *member;
	int lowest;

	(void)state;
	options.restarts = 2;
	pool = pool_of(router, "local*2", &options);
	lowest = dup(0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)lowest + 6;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(ramet_pool_new(router, "local*40", NULL, &other, &error), -EMFILE);
	fixture_check_error(&error, -EMFILE, NULL);
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	member = ramet_pool_get(pool, 1);
	kill(ramet_context_pid(member), SIGKILL);
	assert_int_equal(ramet_context_wait(member, SOON, NULL), 1);
	ramet_context_unref(member);
	if (cube_map(pool, tasks, 300, results, NULL, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

static int give(struct label_args *task, void *data)
{
	task->n = ++*(int *)data;
	return task->n < 40;
}

static int take(uint64_t index, const char **result, void *data)
{
	(void)data;
	assert_int_equal(atoi(*result), (int)index + 1);
	ramet_free(*result);
	return 0;
}

/* Every step may fail. */
static void scenario(const char *paths)
{
	ramet_router_options router_options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_pool_map_options options = RAMET_POOL_MAP_OPTIONS_INIT;
	ramet_router *router = NULL;
	ramet_pool *pool = NULL;
	struct label_args tasks[60] = {{0}};
	const char *results[60] = {NULL};
	struct deadly_args numbers[60] = {{0}};
	int64_t sum = 0;
	int next = 0;

	router_options.connect_timeout = 2000;
	router_options.shutdown_timeout = 1000;
	options.timeout = 5000;
	if (ramet_router_new(&router_options, &router) < 0)
		return;
	if (ramet_pool_new(router, paths, NULL, &pool, &error) == 0) {
		if (label_map(pool, tasks, 60, results, &options, &error) == 0)
			for (int i = 0; i < 60; i++)
				ramet_free(results[i]);
		else
			for (int i = 0; i < 60; i++)
				assert_null(results[i]);
		if (deadly_reduce(pool, numbers, 60, RAMET_FUNCTION_OF(add), &sum, &options,
				  &error) == 0)
			assert_int_equal(sum, 0);
		label_each(pool, give, take, &next, &options, &error);
	}
	ramet_error_clear(&error);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
}

static void fail_each(const char *paths, unsigned count)
{
	unsigned fds = fixture_count_fds(), n;
	int64_t begin;

	scenario(paths);
	for (n = 1; n < ALLOCATIONS_MAX; n += STEP) {
		begin = fixture_now();
		fail_alloc_at(n, count);
		scenario(paths);
		if (!fail_alloc_end())
			break;
		if (fixture_count_fds() != fds)
			fail_msg("descriptors are left after a failure of allocation %u", n);
		if (waitpid(-1, NULL, WNOHANG) != -1)
			fail_msg("processes are left after a failure of allocation %u", n);
		if (fixture_now() - begin > 30000)
			fail_msg("it took too long after a failure of allocation %u", n);
		alarm(60);
	}
	assert_true(n < ALLOCATIONS_MAX);
}

static void no_memory_everything_ends(void **state)
{
	(void)state;
	fail_each("fork*2", 1);
	fail_each("local", 4);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(members_killed_result_is_exact),
		FIXTURE_TEST(grandchildren_killed_result_is_exact),
		FIXTURE_TEST(members_terminated_result_is_exact),
		FIXTURE_TEST(members_stopped_result_is_exact),
		FIXTURE_TEST(members_that_exit_result_is_exact),
		FIXTURE_TEST(members_that_are_shut_down_result_is_exact),
		FIXTURE_TEST(task_that_kills_is_found),
		FIXTURE_TEST(task_that_may_not_be_repeated_fails),
		FIXTURE_TEST(no_member_left_map_ends),
		FIXTURE_TEST(context_of_the_caller_is_not_started_again),
		FIXTURE_TEST(member_started_again_is_set_up_again),
		FIXTURE_TEST(no_descriptors_pool_fails_or_does_with_less),
		FIXTURE_TEST(no_memory_everything_ends),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests_name("pool faults", tests, NULL, NULL);
}
