/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts that came through a first stage, with tools that are nothing but env(1), or scripts that ask. */
#include <assert.h>
#include <pthread.h>

#include "base/macro.h"
#include "fixture.h"
#include "reach.h"

#define AT_ONCE (SANITIZED ? 10 : 30)

RAMET_FUNCTION(i64, twice, (i64, number))
{
	return 2 * number;
}

RAMET_FUNCTION(none, count_to, (sender, out), (i64, limit))
{
	for (int64_t i = 0; i < limit; i++)
		ramet_send_i64(out, i);
	ramet_sender_close(out);
}

static void check_calls(ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	for (int64_t i = 0; i < 20; i++) {
		assert_int_equal(twice_call(context, i, &result, &error), 0);
		assert_int_equal(result, 2 * i);
	}
}

static void check_stream(ramet_router *router, ramet_context *context)
{
	ramet_receiver *receiver = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t got = 0;
	int r;

	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(count_to_call(context, ramet_receiver_sender(receiver), 1000, &error), 0);
	while ((r = ramet_receive(receiver, SOON, &value, &error)) == 1) {
		assert_int_equal(ramet_value_i64(value), got++);
		ramet_value_unref(value);
	}
	assert_int_equal(r, 0);
	assert_int_equal(got, 1000);
	ramet_receiver_unref(receiver);
}

static void check_path(enum ramet_poller poller, const char *path)
{
	ramet_router *router = fixture_router(poller, 0);
	ramet_context *context = fixture_connect(router, path);

	check_calls(context);
	check_stream(router, context);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void chain_of_tools_calls_and_streams_go_through(void **state)
{
	static const char *const paths[] = {
		"exec:env",
		"exec:env?tty=hybrid",
		"exec:env?tty=full",
		"exec:sh%20-c?as=line",
		"exec:sh?as=input",
		"exec:env/exec:env/local",
		"exec:env/fork",
		"local/exec:env",
		"fork/exec:env/fork/local",
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(paths); i++) {
		check_path(RAMET_POLLER_EPOLL, paths[i]);
		check_path(RAMET_POLLER_POLL, paths[i]);
	}
}

/* The second is noise. */
static void stage_is_ready_twice_connection_comes_about(void **state)
{
	(void)state;
	check_path(RAMET_POLLER_DEFAULT,
		   reach_path("exec", "tool",
			      "say 'ready:Linux x86_64:gzip:sha256sum:named:/x'; exec \"$@\"",
			      "?connect_timeout=20000"));
}

static void tool_is_noisy_connection_comes_about(void **state)
{
	(void)state;
	check_path(RAMET_POLLER_DEFAULT, reach_path("exec", "tool",
						    "echo welcome; head -c 5000 /dev/zero; head -c "
						    "3000 /dev/zero | tr '\\000' x; "
						    "echo more >&2; exec \"$@\"",
						    ""));
}

static void many_at_once_all_come_about(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_group *group = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	char paths[64];

	(void)state;
	snprintf(paths, sizeof(paths), "exec:env*%d", AT_ONCE);
	if (ramet_connect_all(router, paths, &group, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(ramet_group_size(group), AT_ONCE);
	for (size_t i = 0; i < AT_ONCE; i++)
		check_calls(ramet_group_get(group, i));
	ramet_group_unref(group);
	ramet_router_unref(router);
}

struct worker {
	pthread_t thread;
	ramet_router *router;
	const char *path;
	int result;
};

static void *connect_thread(void *argument)
{
	struct worker *worker = argument;
	ramet_context *context = NULL;
	int64_t got = 0;

	worker->result = ramet_connect(worker->router, worker->path, &context, NULL);
	if (worker->result == 0)
		worker->result = twice_call(context, 21, &got, NULL);
	if (worker->result == 0 && got != 42)
		worker->result = -EBADMSG;
	ramet_context_unref(context);
	return NULL;
}

static void threads_connect_at_once_each_has_its_own(void **state)
{
	static const char *const paths[] = {"exec:env?name=a", "exec:env?name=b",
					    "exec:env?name=c/fork", "local/exec:env",
					    "exec:env?name=a/local"};
	struct worker workers[RMT_COUNT(paths)];
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(paths); i++) {
		workers[i] = (struct worker){.router = router, .path = paths[i]};
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, connect_thread, &workers[i]), 0);
	}
	for (size_t i = 0; i < RMT_COUNT(paths); i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].result, 0);
	}
	ramet_router_unref(router);
}

/* --- tools that ask ---------------------------------------------------------------------------------- */

static const char asks[] =
	"printf 'ramet-sudo-prompt:' >/dev/tty; read -r word </dev/tty\n"
	"[ \"$word\" = right ] || { echo 'Sorry, try again.' >/dev/tty; exit 1; }\n"
	"while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"";

struct source {
	int calls;
	const char *word;
	int pipe[2]; /* it answers when something can be read; -1: at once */
};

static int give_password(const ramet_password_request *request, char *password, size_t size,
			 void *data)
{
	struct source *source = data;
	char byte;

	(void)request;
	source->calls++;
	if (source->pipe[0] >= 0 && read(source->pipe[0], &byte, 1) != 1)
		return -EIO;
	assert(strlen(source->word) <= size);
	memcpy(password, source->word, strlen(source->word));
	return (int)strlen(source->word);
}

static ramet_router *router_asking(struct source *source)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.password = give_password;
	options.password_data = source;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

static void tool_asks_on_each_terminal_is_answered(void **state)
{
	static const char *const keys[] = {"&tty=hybrid", "&tty=full"};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(keys); i++) {
		struct source source = {.word = "right", .pipe = {-1, -1}};
		ramet_router *router = router_asking(&source);
		ramet_context *context = fixture_connect(
			router, reach_path("sudo?tool=", "tool", asks, keys[i]));

		assert_int_equal(source.calls, 1);
		check_calls(context);
		check_stream(router, context);
		ramet_context_unref(context);
		ramet_router_unref(router);
	}
}

static void tool_refuses_the_answer_error_says_so(void **state)
{
	struct source source = {.word = "wrong", .pipe = {-1, -1}};
	ramet_router *router = router_asking(&source);
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(
		ramet_connect(router, reach_path("sudo?tool=", "tool", asks, ""), &context, &error),
		-EACCES);
	fixture_check_error(&error, -EACCES, "shell: ", NULL);
	ramet_router_unref(router);
}

/* What somebody thinks about holds nobody up. */
static void password_takes_its_time_others_connect(void **state)
{
	struct source source = {.word = "right"};
	struct worker worker = {0};
	ramet_router *router;
	ramet_context *context;

	(void)state;
	assert_int_equal(pipe(source.pipe), 0);
	router = router_asking(&source);
	worker.router = router;
	worker.path = reach_path("sudo?tool=", "tool", asks, "");
	assert_int_equal(pthread_create(&worker.thread, NULL, connect_thread, &worker), 0);
	fixture_wait_threads_sleep();
	context = fixture_connect(router, "exec:env");
	check_calls(context);
	assert_int_equal(write(source.pipe[1], "x", 1), 1);
	pthread_join(worker.thread, NULL);
	assert_int_equal(worker.result, 0);
	ramet_context_unref(context);
	ramet_router_unref(router);
	close(source.pipe[0]);
	close(source.pipe[1]);
}

static void router_ends_while_a_password_is_asked_for(void **state)
{
	struct source source = {.word = "right"};
	struct worker worker = {0};
	char byte = 'x';

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(pipe(source.pipe), 0);
	worker.router = router_asking(&source);
	worker.path = reach_path("sudo?tool=", "tool",
				 "tell; printf 'ramet-sudo-prompt:' >/dev/tty; exec sleep 1000",
				 "");
	assert_int_equal(pthread_create(&worker.thread, NULL, connect_thread, &worker), 0);
	reach_wait();
	fixture_wait_threads_sleep();
	ramet_router_unref(worker.router);
	assert_int_equal(write(source.pipe[1], &byte, 1), 1);
	pthread_join(worker.thread, NULL);
	assert_int_equal(worker.result, -ESHUTDOWN);
	close(source.pipe[0]);
	close(source.pipe[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(chain_of_tools_calls_and_streams_go_through),
		FIXTURE_TEST(stage_is_ready_twice_connection_comes_about),
		FIXTURE_TEST(tool_is_noisy_connection_comes_about),
		FIXTURE_TEST(many_at_once_all_come_about),
		FIXTURE_TEST(threads_connect_at_once_each_has_its_own),
		FIXTURE_TEST(tool_asks_on_each_terminal_is_answered),
		FIXTURE_TEST(tool_refuses_the_answer_error_says_so),
		FIXTURE_TEST(password_takes_its_time_others_connect),
		FIXTURE_TEST(router_ends_while_a_password_is_asked_for),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, reach_begin, reach_end);
}
