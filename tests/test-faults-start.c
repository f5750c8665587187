/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that do not become contexts, or stop being some: what the other end of a stream may do wrong. */
#include "fixture.h"

#include <pthread.h>
#include <semaphore.h>

#include "base/limits.h"

RAMET_FUNCTION(i64, twice, (i64, number))
{
	return 2 * number;
}

static ramet_router *router_with_timeout(enum ramet_poller poller, int connect_timeout)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.poller = poller;
	options.connect_timeout = connect_timeout;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

/* ms: what a good child needs on a busy machine, and not much more. */
#define HANG_MS (SANITIZED ? 1500 : 300)

/* Connecting `path` to a fake fails with this code and these texts; then a real one can be connected. */
static void check_start(enum ramet_poller poller, const char *path, const char *fake, int code,
			const char *first, const char *second)
{
	/* Only a fake that hangs may run into it. */
	ramet_router *router = router_with_timeout(poller,
						   strcmp(fake, "hang") == 0 ? HANG_MS : 20000);
	ramet_context *context = NULL, *good = fixture_connect(router, "local?name=good");
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	fixture_fake(fake);
	assert_int_equal(ramet_connect(router, path, &context, &error), code);
	assert_null(context);
	assert_string_equal(error.where, "");
	fixture_check_error(&error, code, path, "handshake", first, second, NULL);
	fixture_fake(NULL);
	assert_int_equal(twice_call(good, 21, &result, NULL), 0);
	assert_int_equal(result, 42);
	context = fixture_connect(router, path);
	assert_int_equal(twice_call(context, 4, &result, NULL), 0);
	ramet_context_unref(context);
	ramet_context_unref(good);
	ramet_router_unref(router);
}

static void check_both(const char *fake, int code, const char *first, const char *second)
{
	check_start(RAMET_POLLER_EPOLL, "local", fake, code, first, second);
	check_start(RAMET_POLLER_POLL, "local", fake, code, first, second);
}

static void child_exits_before_hello_error_has_status(void **state)
{
	(void)state;
	check_both("exit:3", -ECHILD, "exited with status 3", "no hello came");
	check_both("exit:0", -ECHILD, "exited with status 0", NULL);
}

static void child_prints_and_exits_error_has_last_lines(void **state)
{
	(void)state;
	check_both("text:out-of-tea", -ECHILD,
		   "status 4; its last output was:\n  one line\n  out-of-tea\n  no newline", NULL);
	check_both("text:\x1b[2J", -ECHILD, "\n  ?[2J", NULL);
}

static void child_killed_before_hello_error_has_signal(void **state)
{
	(void)state;
	check_both("kill:9", -ECHILD, "was killed by SIGKILL", NULL);
	check_both("kill:15", -ECHILD, "was killed by SIGTERM", NULL);
}

static void child_hangs_before_hello_times_out_and_is_killed(void **state)
{
	char within[32];

	(void)state;
	snprintf(within, sizeof(within), "within %d ms", HANG_MS);
	check_both("hang", -ETIMEDOUT, within, "was killed by SIGKILL");
}

static void child_sends_garbage_error_shows_it(void **state)
{
	(void)state;
	check_both("garbage", -EPROTO, "Last login: Tue from \\x01host\\x0aWelcome", NULL);
}

static void child_stream_ends_in_frame_error_says_so(void **state)
{
	(void)state;
	check_both("truncated", -ECHILD, "in the middle of a frame", "exited with status 0");
}

static void child_speaks_other_version_error_names_both(void **state)
{
	(void)state;
	check_both("version", -EPROTO, "version", "9, this is 1");
}

static void child_of_other_program_error_says_so(void **state)
{
	(void)state;
	check_both("program", -EPROTO, "another program", NULL);
}

/* After its hello the fake breaks at the first call. */
static void check_later(enum ramet_poller poller, const char *fake, const char *text)
{
	ramet_router *router = fixture_router(poller, 0);
	ramet_context *good = fixture_connect(router, "local?name=good"), *bad;
	ramet_error error = RAMET_ERROR_INIT;
	const char *reason = NULL;
	int64_t result = 0;

	fixture_fake(fake);
	bad = fixture_connect(router, "local");
	fixture_fake(NULL);
	assert_int_equal(twice_call(bad, 1, &result, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local is gone", text, NULL);
	assert_int_equal(ramet_context_wait(bad, SOON, &reason), 1);
	assert_non_null(strstr(reason, text));
	assert_int_equal(twice_call(good, 21, &result, &error), 0);
	ramet_context_unref(bad);
	ramet_context_unref(good);
	ramet_router_unref(router);
}

static void context_sends_garbage_is_lost_and_reason_shows_it(void **state)
{
	(void)state;
	check_later(RAMET_POLLER_EPOLL, "hello-garbage", "Last login");
	check_later(RAMET_POLLER_POLL, "hello-garbage", "Last login");
}

static void context_stream_ends_in_frame_is_lost(void **state)
{
	(void)state;
	check_later(RAMET_POLLER_EPOLL, "hello-truncated", "in the middle of a frame");
	check_later(RAMET_POLLER_POLL, "hello-truncated", "in the middle of a frame");
}

static void context_changes_version_is_lost(void **state)
{
	(void)state;
	check_later(RAMET_POLLER_EPOLL, "hello-version", "another version");
}

/* Below another context: the error says where it arose, and comes through. */
static void grandchild_exits_before_hello_error_comes_from_its_parent(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child, *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	(void)state;
	/* The child is a context, and what it starts is not. */
	child = fixture_connect(router, "local?env.RAMET_TEST_FAKE=exit:7");
	assert_int_equal(
		ramet_connect(router, "local?env.RAMET_TEST_FAKE=exit:7/local", &context, &error),
		-ECHILD);
	assert_string_equal(error.where, "local");
	fixture_check_error(&error, -ECHILD, "local/local: handshake", "exited with status 7",
			    NULL);
	assert_int_equal(twice_call(child, 21, &result, &error), 0);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void grandchild_hangs_before_hello_times_out(void **state)
{
	ramet_router *router = router_with_timeout(RAMET_POLLER_DEFAULT, SANITIZED ? 3000 : 300);
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(
		ramet_connect(router, "local?env.RAMET_TEST_FAKE=hang/local", &context, &error),
		-ETIMEDOUT);
	assert_string_equal(error.where, "local");
	fixture_check_error(&error, -ETIMEDOUT, "SIGKILL", NULL);
	ramet_router_unref(router);
}

/* One of a set fails at once, the others hang: their connection ends within its own time-out. */
static void connect_all_one_fails_others_hang_ends(void **state)
{
	ramet_router *router = router_with_timeout(RAMET_POLLER_DEFAULT, 300);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;

	(void)state;
	fixture_fake("hang");
	assert_int_equal(ramet_connect_all(router, "local*3,telepathy", &group, &error),
			 -EPROTONOSUPPORT);
	fixture_check_error(&error, -EPROTONOSUPPORT, "telepathy", NULL);
	ramet_router_unref(router);
}

/* Tools that never come to anything, more than may be on their way at once. */
static struct {
	ramet_router *router;
	sem_t launched;
	ramet_error error;
	int result;
} crowd;

static void crowd_record(const ramet_log_record *record, void *data)
{
	(void)data;
	if (strncmp(record->text, "launch: ", strlen("launch: ")) == 0)
		sem_post(&crowd.launched);
}

static void *crowd_connect(void *argument)
{
	ramet_group *group = NULL;

	(void)argument;
	crowd.result = ramet_connect_all(crowd.router, "exec:sh -c 'exec sleep 1000'*100", &group,
					 &crowd.error);
	return NULL;
}

static void router_ends_while_tools_wait_for_their_turn_connect_fails(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	pthread_t thread;

	(void)state;
	options.log = crowd_record;
	options.log_level = RAMET_LOG_DEBUG;
	assert_int_equal(ramet_router_new(&options, &crowd.router), 0);
	sem_init(&crowd.launched, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, crowd_connect, NULL), 0);
	for (unsigned i = 0; i < RMT_CONNECT_LIMIT; i++)
		sem_wait(&crowd.launched);
	ramet_router_unref(crowd.router);
	pthread_join(thread, NULL);
	assert_int_equal(crowd.result, -ESHUTDOWN);
	ramet_error_clear(&crowd.error);
	sem_destroy(&crowd.launched);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(child_exits_before_hello_error_has_status),
		FIXTURE_TEST(child_prints_and_exits_error_has_last_lines),
		FIXTURE_TEST(child_killed_before_hello_error_has_signal),
		FIXTURE_TEST(child_hangs_before_hello_times_out_and_is_killed),
		FIXTURE_TEST(child_sends_garbage_error_shows_it),
		FIXTURE_TEST(child_stream_ends_in_frame_error_says_so),
		FIXTURE_TEST(child_speaks_other_version_error_names_both),
		FIXTURE_TEST(child_of_other_program_error_says_so),
		FIXTURE_TEST(context_sends_garbage_is_lost_and_reason_shows_it),
		FIXTURE_TEST(context_stream_ends_in_frame_is_lost),
		FIXTURE_TEST(context_changes_version_is_lost),
		FIXTURE_TEST(grandchild_exits_before_hello_error_comes_from_its_parent),
		FIXTURE_TEST(grandchild_hangs_before_hello_times_out),
		FIXTURE_TEST(connect_all_one_fails_others_hang_ends),
		FIXTURE_TEST(router_ends_while_tools_wait_for_their_turn_connect_fails),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
