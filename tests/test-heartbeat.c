/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours that are still connected and say nothing: stopped ones. */
#include <sys/wait.h>

#include "fixture.h"

/* Between two signs of life, ms: a healthy neighbour on a machine with much else to do must not count as lost. */
#define INTERVAL (SANITIZED ? 500 : 200)

RAMET_FUNCTION(i64, process_id)
{
	return getpid();
}

/* Keeps the main thread for so many ms. */
RAMET_FUNCTION(none, work, (i32, ms))
{
	int64_t until = ramet_deadline(ms);

	(void)call;
	while (ramet_time_left(until) > 0)
		;
}

static void set_options(ramet_router_options *options, uint32_t interval, uint32_t misses)
{
	*options = (ramet_router_options)RAMET_ROUTER_OPTIONS_INIT;
	options->heartbeat_interval = interval;
	options->heartbeat_misses = misses;
}

static ramet_router *new_router(uint32_t interval, uint32_t misses)
{
	ramet_router_options options;
	ramet_router *router = NULL;

	set_options(&options, interval, misses);
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

static void stopped_child_is_lost(void **state)
{
	static const char *const paths[] = {"local", "fork"};
	char expected[64];

	(void)state;
	snprintf(expected, sizeof(expected), "no sign of life for %d ms", 3 * INTERVAL);
	for (size_t i = 0; i < 2; i++) {
		ramet_router *router = new_router(INTERVAL, 2);
		ramet_context *context = fixture_connect(router, paths[i]);
		const char *reason = NULL;
		int pidfd = fixture_pidfd(ramet_context_pid(context));

		assert_int_equal(kill(ramet_context_pid(context), SIGSTOP), 0);
		assert_int_equal(ramet_context_wait(context, SOON, &reason), 1);
		assert_non_null(strstr(reason, expected));
		fixture_wait_end(pidfd);
		ramet_context_unref(context);
		ramet_router_unref(router);
	}
}

/* A call fails with it, and other children go on. */
static void call_of_a_stopped_child_fails(void **state)
{
	ramet_router *router = new_router(INTERVAL, 0); /* three may be missed */
	ramet_context *stopped = fixture_connect(router, "local");
	ramet_context *other = fixture_connect(router, "local#1");
	ramet_error error = RAMET_ERROR_INIT;
	char expected[64];
	int64_t pid;

	(void)state;
	snprintf(expected, sizeof(expected), "no sign of life for %d ms", 4 * INTERVAL);
	assert_int_equal(kill(ramet_context_pid(stopped), SIGSTOP), 0);
	assert_int_equal(process_id_call(stopped, &pid, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local", expected, NULL);
	assert_int_equal(process_id_call(other, &pid, NULL), 0);
	assert_int_equal(pid, ramet_context_pid(other));
	ramet_context_unref(other);
	ramet_context_unref(stopped);
	ramet_router_unref(router);
}

/* What is below it ends by itself. */
static void stopped_hop_is_lost_with_all_below(void **state)
{
	ramet_router *router = new_router(INTERVAL, 2);
	ramet_context *hop = fixture_connect(router, "local");
	ramet_context *near = fixture_connect(router, "local/local");
	ramet_context *far = fixture_connect(router, "local/local/fork");
	const char *reason = NULL;
	int ends[] = {fixture_pidfd(ramet_context_pid(near)),
		      fixture_pidfd(ramet_context_pid(far))};

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(kill(ramet_context_pid(hop), SIGSTOP), 0);
	fixture_wait_end(ends[0]);
	fixture_wait_end(ends[1]);
	assert_int_equal(ramet_context_wait(far, SOON, &reason), 1);
	assert_non_null(strstr(reason, "no sign of life"));
	assert_int_equal(ramet_context_wait(hop, SOON, NULL), 1);
	ramet_context_unref(far);
	ramet_context_unref(near);
	ramet_context_unref(hop);
	ramet_router_unref(router);
}

static void die(const char *what, ramet_error *error)
{
	dprintf(STDERR_FILENO, "# %s: %s\n", what, error->message ? error->message : "?");
	_exit(1);
}

/* A tree whose process ids go into the pipe; when something can be read, it looks whether they are lost. */
static _Noreturn void play_master(int out, int in)
{
	static const char *const paths[] = {"local", "local/fork"};
	ramet_context *contexts[2];
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router_options options;
	ramet_router *router = NULL;
	int pids[2];
	char byte;

	set_options(&options, INTERVAL, 2);
	if (ramet_router_new(&options, &router) < 0)
		die("router", &error);
	for (size_t i = 0; i < 2; i++) {
		if (ramet_connect(router, paths[i], &contexts[i], &error) < 0)
			die("connect", &error);
		pids[i] = ramet_context_pid(contexts[i]);
	}
	if (write(out, pids, sizeof(pids)) != sizeof(pids) || read(in, &byte, 1) != 1)
		die("pipe", &error);
	for (size_t i = 0; i < 2; i++)
		if (ramet_context_wait(contexts[i], SOON, NULL) != 1)
			die("wait", &error);
	_exit(0);
}

static void descendants_of_a_stopped_master_end(void **state)
{
	int out[2], in[2], pids[2], ends[2], status;
	pid_t master;

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	master = fork();
	assert_true(master >= 0);
	if (master == 0) {
		close(out[0]);
		close(in[1]);
		play_master(out[1], in[0]);
	}
	close(out[1]);
	close(in[0]);
	assert_int_equal(read(out[0], pids, sizeof(pids)), sizeof(pids));
	for (size_t i = 0; i < 2; i++)
		ends[i] = fixture_pidfd(pids[i]);
	assert_int_equal(kill(master, SIGSTOP), 0);
	for (size_t i = 0; i < 2; i++)
		fixture_wait_end(ends[i]);
	/* It finds them gone when it goes on. */
	assert_int_equal(write(in[1], "x", 1), 1);
	assert_int_equal(kill(master, SIGCONT), 0);
	assert_int_equal(waitpid(master, &status, 0), master);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(out[0]);
	close(in[1]);
}

/* The main thread is not who answers; and each PING that was answered is a round trip of the link. */
static void busy_child_gives_signs_of_life(void **state)
{
	ramet_router *router = new_router(INTERVAL, 2);
	ramet_context *context = fixture_connect(router, "local/local");
	ramet_context *hop = fixture_connect(router, "local");
	ramet_statistics statistics = RAMET_STATISTICS_INIT;
	const ramet_link_statistics *link;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	if (work_call(context, INTERVAL * 8, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(ramet_context_statistics(hop, &statistics, NULL), 0);
	link = ramet_statistics_link(&statistics, 1);
	assert_int_equal(link->id, ramet_context_id(context));
	assert_true(link->latency_count > 0 && link->latency_count <= 12);
	assert_true(link->latency_least <= link->latency_most);
	ramet_statistics_clear(&statistics);
	ramet_context_unref(hop);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void without_an_interval_nobody_is_asked(void **state)
{
	ramet_router *router = new_router(0, 0);
	ramet_context *context = fixture_connect(router, "local");
	ramet_statistics before = RAMET_STATISTICS_INIT, after = RAMET_STATISTICS_INIT;

	(void)state;
	assert_int_equal(ramet_context_statistics(context, &before, NULL), 0);
	assert_int_equal(work_call(context, 300, NULL), 0);
	assert_int_equal(ramet_context_statistics(context, &after, NULL), 0);
	/* The call and the question, and their answers. */
	assert_int_equal(after.frames_in - before.frames_in, 2);
	assert_int_equal(ramet_statistics_link(&after, 0)->latency_count, 0);
	ramet_statistics_clear(&before);
	ramet_statistics_clear(&after);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(stopped_child_is_lost),
		FIXTURE_TEST(call_of_a_stopped_child_fails),
		FIXTURE_TEST(stopped_hop_is_lost_with_all_below),
		FIXTURE_TEST(descendants_of_a_stopped_master_end),
		FIXTURE_TEST(busy_child_gives_signs_of_life),
		FIXTURE_TEST(without_an_interval_nobody_is_asked),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
