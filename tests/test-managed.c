/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts that are connected again when they are lost (ramet_connect_managed). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "fixture.h"

#define EVENTS_MAX 512
#define KILLS (SANITIZED ? 25 : 100)

RAMET_FUNCTION(i64, process)
{
	return getpid();
}

RAMET_CONCURRENT_FUNCTION(none, never_return, (sender, begun))
{
	ramet_send_boolean(begun, true);
	while (!ramet_call_cancelled(call))
		sched_yield();
}

/* --- what the callback has heard ----------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	size_t count;
	struct heard {
		enum ramet_manage_state state;
		uint32_t attempt;
		int next;
		char reason[256];
	} events[EVENTS_MAX];
	bool shut_down; /* in the next callback */
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hear(ramet_context *context, const ramet_manage_event *event, void *data)
{
	struct heard *one;
	bool shut_down;

	assert_ptr_equal(data, &heard);
	pthread_mutex_lock(&heard.lock);
	assert_true(heard.count < EVENTS_MAX);
	one = &heard.events[heard.count++];
	*one = (struct heard){event->state, event->attempt, event->next, ""};
	snprintf(one->reason, sizeof(one->reason), "%s", event->reason);
	shut_down = heard.shut_down;
	pthread_mutex_unlock(&heard.lock);
	if (shut_down)
		assert_int_equal(ramet_context_shutdown(context, 1000, NULL), 0);
}

/* Waits until an event of that kind has come, `times` of them in all. */
static void wait_heard(enum ramet_manage_state state, size_t times)
{
	int64_t until = fixture_now() + SOON;
	size_t count;

	do {
		assert_true(fixture_now() < until);
		sched_yield();
		count = 0;
		pthread_mutex_lock(&heard.lock);
		for (size_t i = 0; i < heard.count; i++)
			count += heard.events[i].state == state;
		pthread_mutex_unlock(&heard.lock);
	} while (count < times);
}

static void check_heard(size_t index, enum ramet_manage_state state, uint32_t attempt, int least,
			int most, const char *reason)
{
	assert_true(index < heard.count);
	assert_int_equal(heard.events[index].state, state);
	assert_int_equal(heard.events[index].attempt, attempt);
	assert_in_range(heard.events[index].next, least, most);
	if (!strstr(heard.events[index].reason, reason))
		fail_msg("no '%s' in: %s", reason, heard.events[index].reason);
}

/* --- conveniences -------------------------------------------------------------------------------- */

static ramet_context *connect_managed(ramet_router *router, const char *path, int backoff,
				      uint32_t attempts)
{
	ramet_manage_options options = RAMET_MANAGE_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context = NULL;

	heard.count = 0;
	heard.shut_down = false;
	options.backoff = backoff;
	options.backoff_max = 20 > backoff ? 20 : backoff;
	options.attempts = attempts;
	options.callback = hear;
	options.data = &heard;
	if (ramet_connect_managed(router, path, &options, &context, &error) < 0)
		fail_msg("%s: %s", path, error.message);
	return context;
}

static int64_t call(ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t pid = 0;

	if (process_call(context, &pid, &error) < 0)
		fail_msg("%s", error.message);
	return pid;
}

/* Kills it and waits until it is known. */
static void lose(ramet_context *context)
{
	kill(ramet_context_pid(context), SIGKILL);
	wait_heard(RAMET_MANAGE_LOST, 1);
}

/* --- coming back --------------------------------------------------------------------------------- */

static void killed_child_same_handles_lead_to_another(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 20, 0), *with = NULL;
	uint32_t id = ramet_context_id(context);
	int64_t pid = call(context);

	(void)state;
	assert_int_equal(ramet_context_with(context, &(ramet_call_options){.timeout = SOON}, &with),
			 0);
	assert_int_equal(ramet_context_pid(context), pid);
	lose(context);
	wait_heard(RAMET_MANAGE_CONNECTED, 1);
	assert_int_equal(ramet_context_wait_connected(context, SOON), 0);
	assert_true(ramet_context_alive(context));
	assert_true(ramet_context_id(context) != id);
	assert_int_equal(ramet_context_id(with), ramet_context_id(context));
	assert_true(call(context) != pid);
	assert_int_equal(call(with), call(context));
	assert_int_equal(call(context), ramet_context_pid(context));
	assert_string_equal(ramet_context_path(context), "local");
	check_heard(0, RAMET_MANAGE_LOST, 0, 0, 0, "SIGKILL");
	check_heard(1, RAMET_MANAGE_WAITING, 1, 10, 20, "SIGKILL");
	check_heard(2, RAMET_MANAGE_CONNECTED, 1, 0, 0, "");
	ramet_context_unref(context);
	/* The other handle holds it. */
	assert_int_equal(call(with), ramet_context_pid(with));
	ramet_context_unref(with);
	ramet_router_unref(router);
}

static void killed_hop_path_is_connected_again(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local/local/local", 1, 0), *hop;
	int64_t pid;

	(void)state;
	fixture_allow_orphans();
	for (size_t i = 1; i <= 3; i++) {
		pid = call(context);
		/* The first, the second, the last one on the path. */
		hop = fixture_connect(router, &"local/local/local"[6 * (3 - i)]);
		kill(ramet_context_pid(hop), SIGKILL);
		wait_heard(RAMET_MANAGE_CONNECTED, i);
		assert_int_equal(ramet_context_wait_connected(context, SOON), 0);
		assert_true(call(context) != pid);
		ramet_context_unref(hop);
	}
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void passed_on_handle_is_the_one_of_now(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 1, 0);
	ramet_value *value;

	(void)state;
	lose(context);
	wait_heard(RAMET_MANAGE_CONNECTED, 1);
	value = ramet_value_new_context(context);
	assert_int_equal(ramet_context_id(ramet_value_context(value)), ramet_context_id(context));
	ramet_context_unref(context);
	assert_true(ramet_context_alive(ramet_value_context(value)));
	ramet_value_unref(value);
	ramet_router_unref(router);
}

/* --- calls meanwhile ----------------------------------------------------------------------------- */

static void calls_in_flight_and_meanwhile_fail_at_once(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 60000, 0);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL, *begun = NULL;
	ramet_value *value = NULL;
	int64_t pid;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(
		never_return_start(context, ramet_receiver_sender(begun), &receiver, &error), 0);
	assert_int_equal(ramet_receive(begun, SOON, &value, &error), 1);
	ramet_value_unref(value);
	kill(ramet_context_pid(context), SIGKILL);
	assert_int_equal(never_return_finish(receiver, SOON, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local is gone", "SIGKILL", NULL);
	wait_heard(RAMET_MANAGE_WAITING, 1);
	assert_int_equal(process_call(context, &pid, &error), -ENOTCONN);
	fixture_check_error(&error, -ENOTCONN, "local", "SIGKILL", "the next attempt is in", NULL);
	assert_int_equal(process_post(context, &error), -ENOTCONN);
	ramet_error_clear(&error);
	assert_int_equal(ramet_context_wait_connected(context, 0), -ETIMEDOUT);
	assert_false(ramet_context_alive(context));
	/* While it waits. */
	assert_int_equal(ramet_context_shutdown(context, 1000, &error), 0);
	assert_int_equal(process_call(context, &pid, &error), -ENOTCONN);
	fixture_check_error(&error, -ENOTCONN, "it was ended", NULL);
	assert_int_equal(ramet_context_wait_connected(context, -1), -ENOTCONN);
	ramet_receiver_unref(receiver);
	ramet_receiver_unref(begun);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

struct caller {
	ramet_context *context;
	atomic_bool stop;
	unsigned values, errors;
	int wrong; /* the code of an error that should not be */
};

static void *call_all_the_time(void *argument)
{
	struct caller *caller = argument;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *with = NULL;
	int64_t pid = 0;
	int r;

	ramet_context_with(caller->context, &(ramet_call_options){.timeout = SOON}, &with);
	while (!atomic_load(&caller->stop)) {
		r = process_call(with, &pid, &error);
		if (r == 0 && pid > 0)
			caller->values++;
		else if (r == -ECONNRESET || r == -ENOTCONN)
			caller->errors++;
		else
			caller->wrong = r;
	}
	ramet_error_clear(&error);
	ramet_context_unref(with);
	return NULL;
}

static void killed_again_and_again_each_call_ends(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 1, 0);
	struct caller callers[2] = {{.context = context}, {.context = context}};
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_all_the_time, &callers[i]),
				 0);
	for (size_t i = 1; i <= KILLS; i++) {
		int64_t until = fixture_now() + SOON;
		uint32_t id = ramet_context_id(context);

		kill(ramet_context_pid(context), SIGKILL);
		while (ramet_context_id(context) == id) {
			assert_true(fixture_now() < until);
			sched_yield();
		}
		assert_int_equal(ramet_context_wait_connected(context, SOON), 0);
	}
	for (int i = 0; i < 2; i++) {
		atomic_store(&callers[i].stop, true);
		pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].wrong, 0);
		assert_true(callers[i].errors > 0);
	}
	assert_true(callers[0].values + callers[1].values > 0);
	wait_heard(RAMET_MANAGE_CONNECTED, KILLS);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

/* --- the end of trying --------------------------------------------------------------------------- */

static void attempts_fail_gives_up_after_so_many(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 8, 4);
	ramet_error error = RAMET_ERROR_INIT;
	int64_t pid;

	(void)state;
	fixture_fake("exit:3");
	lose(context);
	assert_int_equal(ramet_context_wait_connected(context, SOON), -ENOTCONN);
	wait_heard(RAMET_MANAGE_GIVEN_UP, 1);
	check_heard(0, RAMET_MANAGE_LOST, 0, 0, 0, "SIGKILL");
	check_heard(1, RAMET_MANAGE_WAITING, 1, 4, 8, "SIGKILL");
	check_heard(2, RAMET_MANAGE_WAITING, 2, 8, 16, "exited with status 3");
	check_heard(3, RAMET_MANAGE_WAITING, 3, 10, 20, "exited with status 3");
	check_heard(4, RAMET_MANAGE_WAITING, 4, 10, 20, "exited with status 3");
	check_heard(5, RAMET_MANAGE_GIVEN_UP, 4, 0, 0, "exited with status 3");
	assert_int_equal(heard.count, 6);
	assert_int_equal(process_call(context, &pid, &error), -ENOTCONN);
	fixture_check_error(&error, -ENOTCONN, "given up", "exited with status 3", NULL);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void attempt_fails_the_next_one_works(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 1, 0);

	(void)state;
	fixture_fake("exit:3");
	lose(context);
	wait_heard(RAMET_MANAGE_WAITING, 3);
	fixture_fake(NULL);
	assert_int_equal(ramet_context_wait_connected(context, SOON), 0);
	assert_int_equal(call(context), ramet_context_pid(context));
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void last_handle_dropped_context_ends(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 1, 0);
	int pidfd = fixture_pidfd(ramet_context_pid(context));

	(void)state;
	ramet_context_unref(context);
	fixture_wait_end(pidfd);
	assert_int_equal(heard.count, 0);
	/* And while it waits. */
	context = connect_managed(router, "local", 60000, 0);
	lose(context);
	wait_heard(RAMET_MANAGE_WAITING, 1);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void router_ends_while_waiting_nothing_is_left(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 60000, 0);
	ramet_error error = RAMET_ERROR_INIT;
	int64_t pid;

	(void)state;
	lose(context);
	wait_heard(RAMET_MANAGE_WAITING, 1);
	ramet_router_unref(router);
	assert_int_equal(process_call(context, &pid, &error), -ESHUTDOWN);
	ramet_error_clear(&error);
	assert_int_equal(ramet_context_wait_connected(context, SOON), -ESHUTDOWN);
	ramet_context_unref(context);
}

static void shutdown_in_callback_stops(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 1, 0);

	(void)state;
	heard.shut_down = true;
	lose(context);
	assert_int_equal(ramet_context_wait_connected(context, SOON), -ENOTCONN);
	/* From here it waits for the callback. */
	assert_int_equal(ramet_context_shutdown(context, 1000, NULL), 0);
	assert_int_equal(heard.count, 1);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void shutdown_while_connected_no_attempt(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_context *context = connect_managed(router, "local", 1, 0);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(ramet_context_shutdown(context, 2000, &error), 0);
	assert_false(ramet_context_alive(context));
	assert_int_equal(heard.count, 0);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void first_connection_fails_as_connect_does(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_manage_options options = RAMET_MANAGE_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context = NULL;

	(void)state;
	assert_int_equal(ramet_connect_managed(router, "local?no=1", NULL, &context, &error),
			 -EINVAL);
	ramet_error_clear(&error);
	assert_int_equal(ramet_connect_managed(router, "local*2", NULL, &context, &error), -EINVAL);
	ramet_error_clear(&error);
	options.backoff = -1;
	assert_int_equal(ramet_connect_managed(router, "local", &options, &context, &error),
			 -EINVAL);
	ramet_error_clear(&error);
	fixture_fake("exit:3");
	assert_int_equal(ramet_connect_managed(router, "local", NULL, &context, &error), -ECHILD);
	fixture_check_error(&error, -ECHILD, "exited with status 3", NULL);
	assert_null(context);
	ramet_router_unref(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(killed_child_same_handles_lead_to_another),
		FIXTURE_TEST(killed_hop_path_is_connected_again),
		FIXTURE_TEST(passed_on_handle_is_the_one_of_now),
		FIXTURE_TEST(calls_in_flight_and_meanwhile_fail_at_once),
		FIXTURE_TEST(killed_again_and_again_each_call_ends),
		FIXTURE_TEST(attempts_fail_gives_up_after_so_many),
		FIXTURE_TEST(attempt_fails_the_next_one_works),
		FIXTURE_TEST(last_handle_dropped_context_ends),
		FIXTURE_TEST(router_ends_while_waiting_nothing_is_left),
		FIXTURE_TEST(shutdown_in_callback_stops),
		FIXTURE_TEST(shutdown_while_connected_no_attempt),
		FIXTURE_TEST(first_connection_fails_as_connect_does),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
