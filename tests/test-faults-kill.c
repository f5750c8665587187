/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts that are killed, stopped or stuck at any moment. */
#include <sys/wait.h>

#include "fixture.h"

RAMET_FUNCTION(i64, pid_here)
{
	return getpid();
}

RAMET_FUNCTION(none, kill_self, (i64, signal))
{
	kill(getpid(), (int)signal);
	for (;;)
		pause();
}

/* Says that it runs, and never returns: `how` is "pause", "loop", or "block" (with all signals blocked). */
RAMET_FUNCTION(none, never_return, (sender, begun), (str, how))
{
	sigset_t all;

	if (strcmp(how, "block") == 0) {
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
	}
	ramet_send_i64(begun, getpid());
	for (;;)
		if (strcmp(how, "loop") != 0)
			pause();
}

/* Works until somebody asks it to end. */
RAMET_FUNCTION(i64, until_cancelled, (sender, begun))
{
	int64_t looks = 0;

	ramet_send_i64(begun, getpid());
	while (!ramet_call_cancelled(call))
		looks++;
	return looks;
}

/* Sends blocks for as long as somebody takes them. */
RAMET_FUNCTION(i64, pour, (sender, out))
{
	static char block[200000];
	int r;

	do
		r = ramet_send_bytes(out, (ramet_bytes){block, sizeof(block)});
	while (r == 0);
	return r;
}

static int64_t pid_of(ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t pid = 0;

	if (pid_here_call(context, &pid, &error) < 0)
		fail_msg("%s", error.message);
	return pid;
}

/* Starts a call that never returns, and waits until it has begun. */
static ramet_receiver *get_stuck(ramet_router *router, ramet_context *context, const char *how,
				 int *ret_pid)
{
	ramet_receiver *begun = NULL, *call = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(
		never_return_start(context, ramet_receiver_sender(begun), how, &call, &error), 0);
	assert_int_equal(ramet_receive(begun, SOON, &value, &error), 1);
	if (ret_pid)
		*ret_pid = (int)ramet_value_i64(value);
	ramet_value_unref(value);
	ramet_receiver_unref(begun);
	return call;
}

static void check_killed_in_call(enum ramet_poller poller, const char *path, int signal,
				 const char *name)
{
	ramet_router *router = fixture_router(poller, 0);
	ramet_context *child = fixture_connect(router, path),
		      *other = fixture_connect(router, "local?name=other");
	ramet_error error = RAMET_ERROR_INIT;
	const char *reason = NULL;

	assert_int_equal(kill_self_call(child, signal, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, path, "is gone", name, NULL);
	assert_int_equal(ramet_context_wait(child, SOON, &reason), 1);
	assert_non_null(strstr(reason, name));
	assert_int_equal(kill_self_call(child, signal, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, path, "is gone", name, NULL);
	pid_of(other);
	ramet_context_unref(child);
	child = fixture_connect(router, path);
	pid_of(child);
	ramet_context_unref(child);
	ramet_context_unref(other);
	ramet_router_unref(router);
}

static void child_killed_in_call_caller_learns_signal(void **state)
{
	(void)state;
	check_killed_in_call(RAMET_POLLER_EPOLL, "local", SIGKILL, "SIGKILL");
	check_killed_in_call(RAMET_POLLER_POLL, "local", SIGKILL, "SIGKILL");
	check_killed_in_call(RAMET_POLLER_EPOLL, "local", SIGTERM, "SIGTERM");
	check_killed_in_call(RAMET_POLLER_EPOLL, "fork", SIGKILL, "SIGKILL");
	check_killed_in_call(RAMET_POLLER_POLL, "fork", SIGTERM, "SIGTERM");
}

static void grandchild_killed_in_call_caller_learns_signal(void **state)
{
	(void)state;
	check_killed_in_call(RAMET_POLLER_EPOLL, "local/local", SIGKILL, "SIGKILL");
	check_killed_in_call(RAMET_POLLER_POLL, "local/fork", SIGKILL, "SIGKILL");
	check_killed_in_call(RAMET_POLLER_EPOLL, "fork/fork", SIGTERM, "SIGTERM");
}

static void child_killed_many_calls_wait_all_fail(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *stuck, *calls[100];
	int pid = 0;

	(void)state;
	stuck = get_stuck(router, child, "pause", &pid);
	for (int i = 0; i < 100; i++)
		assert_int_equal(pid_here_start(child, &calls[i], &error), 0);
	kill(pid, SIGKILL);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pid_here_finish(calls[i], SOON, &(int64_t){0}, &error),
				 -ECONNRESET);
		fixture_check_error(&error, -ECONNRESET, "local is gone", "SIGKILL", NULL);
		ramet_receiver_unref(calls[i]);
	}
	assert_int_equal(never_return_finish(stuck, SOON, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "SIGKILL", NULL);
	ramet_receiver_unref(stuck);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

/* master - middle - bottom: the middle goes while the master waits for the bottom. */
static void check_middle_killed(enum ramet_poller poller, int signal)
{
	ramet_router *router = fixture_router(poller, 0);
	ramet_context *middle = fixture_connect(router, "local"),
		      *bottom = fixture_connect(router, "local/local");
	ramet_context *sibling = fixture_connect(router, "local#1/local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *call;
	int pid = 0, bottom_end;

	fixture_allow_orphans();
	call = get_stuck(router, bottom, "pause", &pid);
	bottom_end = fixture_pidfd(pid);
	kill(ramet_context_pid(middle), signal);
	assert_int_equal(never_return_finish(call, SOON, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local/local is gone", "SIG", NULL);
	assert_false(ramet_context_alive(bottom));
	pid_of(sibling);
	fixture_wait_end(bottom_end); /* stuck as it is, it sees that nobody is above it */
	ramet_receiver_unref(call);
	ramet_context_unref(bottom);
	ramet_context_unref(middle);
	ramet_context_unref(sibling);
	ramet_router_unref(router);
}

static void middle_killed_caller_learns_and_bottom_ends(void **state)
{
	(void)state;
	check_middle_killed(RAMET_POLLER_EPOLL, SIGKILL);
	check_middle_killed(RAMET_POLLER_POLL, SIGTERM);
}

/* Data runs from the bottom through the middle when one of them is killed. */
static void check_killed_in_transfer(enum ramet_poller poller, bool kill_middle)
{
	ramet_router *router = fixture_router(poller, 0);
	ramet_context *middle = fixture_connect(router, "local"),
		      *bottom = fixture_connect(router, "local/local");
	ramet_context *sibling = fixture_connect(router, "local#1");
	ramet_receiver *receiver = NULL, *call = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int r, end;

	if (kill_middle)
		fixture_allow_orphans();
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(pour_start(bottom, ramet_receiver_sender(receiver), &call, &error), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 1);
		assert_int_equal(ramet_value_bytes(value).size, 200000);
		ramet_value_unref(value);
	}
	end = fixture_pidfd(ramet_context_pid(bottom));
	kill(ramet_context_pid(kill_middle ? middle : bottom), SIGKILL);
	while ((r = ramet_receive(receiver, SOON, &value, &error)) == 1) {
		assert_int_equal(ramet_value_bytes(value).size, 200000);
		ramet_value_unref(value);
	}
	assert_int_equal(r, -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local/local", "SIGKILL", NULL);
	/* That was the only sender. */
	assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 0);
	assert_int_equal(pour_finish(call, SOON, &(int64_t){0}, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local/local is gone", NULL);
	pid_of(sibling);
	if (!kill_middle)
		pid_of(middle);
	fixture_wait_end(end);
	ramet_receiver_unref(call);
	ramet_receiver_unref(receiver);
	ramet_context_unref(bottom);
	ramet_context_unref(middle);
	ramet_context_unref(sibling);
	ramet_router_unref(router);
}

static void middle_killed_in_transfer_reader_learns(void **state)
{
	(void)state;
	check_killed_in_transfer(RAMET_POLLER_EPOLL, true);
	check_killed_in_transfer(RAMET_POLLER_POLL, true);
}

static void sender_killed_in_transfer_reader_learns(void **state)
{
	(void)state;
	check_killed_in_transfer(RAMET_POLLER_EPOLL, false);
	check_killed_in_transfer(RAMET_POLLER_POLL, false);
}

/* The reader is the one that is killed: the writer's sends end. */
RAMET_FUNCTION(sender, take_slowly)
{
	ramet_receiver *receiver = NULL;

	/* Never read from, and never dropped: the window fills. */
	if (ramet_receiver_new(ramet_call_router(call), &receiver) < 0) {
		ramet_fail(call, ENOMEM, "no receiver");
		return NULL;
	}
	return ramet_receiver_sender(receiver);
}

static void reader_killed_blocked_send_ends(void **state)
{
	static char block[100000];
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local/local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_sender *sender = NULL;
	int r;

	(void)state;
	assert_int_equal(take_slowly_call(child, &sender, &error), 0);
	ramet_sender_set_timeout(sender, 0);
	while ((r = ramet_send_bytes(sender, (ramet_bytes){block, sizeof(block)})) == 0)
		;
	assert_int_equal(r, -EAGAIN);
	kill(ramet_context_pid(child), SIGKILL);
	ramet_sender_set_timeout(sender, SOON);
	while ((r = ramet_send_bytes(sender, (ramet_bytes){block, sizeof(block)})) == 0)
		;
	assert_int_equal(r, -EPIPE);
	assert_true(ramet_sender_closed(sender));
	ramet_sender_unref(sender);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

/* --- stuck ------------------------------------------------------------------------------------------- */

/* Whatever a function does, the end of the router is bounded. */
static void check_stuck(enum ramet_poller poller, const char *path, const char *how)
{
	ramet_router *router = fixture_router(poller, 500);
	ramet_context *child = fixture_connect(router, path);
	ramet_receiver *call;
	ramet_error error = RAMET_ERROR_INIT;
	int pid = 0, end;
	int64_t begin;

	call = get_stuck(router, child, how, &pid);
	end = fixture_pidfd(pid);
	begin = fixture_now();
	ramet_router_unref(router);
	assert_true(fixture_now() - begin < SOON);
	fixture_wait_end(end);
	assert_int_equal(never_return_finish(call, 0, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, path, NULL);
	assert_false(ramet_context_alive(child));
	ramet_receiver_unref(call);
	ramet_context_unref(child);
}

static void function_never_returns_router_end_is_bounded(void **state)
{
	static const char *const ways[] = {"pause", "loop", "block"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		check_stuck(RAMET_POLLER_EPOLL, "local", ways[i]);
		check_stuck(RAMET_POLLER_POLL, "fork", ways[i]);
	}
}

static void function_never_returns_two_below_router_end_is_bounded(void **state)
{
	(void)state;
	/* A context in between that has not got as far within its time is killed, before it has reaped its own. */
	fixture_allow_orphans();
	check_stuck(RAMET_POLLER_EPOLL, "local/local", "loop");
	check_stuck(RAMET_POLLER_POLL, "local/local", "block");
	check_stuck(RAMET_POLLER_EPOLL, "local/fork/local", "pause");
}

static void function_never_returns_context_shutdown_is_bounded(void **state)
{
	static const char *const paths[] = {"local", "local/local"};
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *other = fixture_connect(router, "local?name=other");
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	for (int i = 0; i < 2; i++) {
		ramet_context *child = fixture_connect(router, paths[i]);
		ramet_receiver *call = get_stuck(router, child, "block", NULL);

		assert_int_equal(ramet_context_shutdown(child, 200, &error), 0);
		assert_int_equal(never_return_finish(call, SOON, &error), -ECONNRESET);
		fixture_check_error(&error, -ECONNRESET, "is gone", NULL);
		ramet_receiver_unref(call);
		ramet_context_unref(child);
	}
	pid_of(other);
	ramet_context_unref(other);
	ramet_router_unref(router);
}

static void check_stopped(const char *path)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 500);
	ramet_context *child = fixture_connect(router, path);
	int pid = ramet_context_pid(child), end = fixture_pidfd(pid);
	int64_t begin;

	kill(pid, SIGSTOP);
	fixture_wait_state(pid, 'T');
	begin = fixture_now();
	ramet_context_unref(child);
	ramet_router_unref(router);
	assert_true(fixture_now() - begin < SOON);
	fixture_wait_end(end);
}

static void child_stopped_router_end_kills_it(void **state)
{
	(void)state;
	check_stopped("local");
	check_stopped("fork");
}

static void grandchild_stopped_router_end_kills_it(void **state)
{
	(void)state;
	fixture_allow_orphans(); /* as above */
	check_stopped("local/local");
}

/* --- time-outs and cancellation ------------------------------------------------------------------------ */

static ramet_receiver *begin_work(ramet_router *router, ramet_context *context)
{
	ramet_receiver *begun = NULL, *call = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(
		until_cancelled_start(context, ramet_receiver_sender(begun), &call, &error), 0);
	assert_int_equal(ramet_receive(begun, SOON, &value, &error), 1);
	ramet_value_unref(value);
	ramet_receiver_unref(begun);
	return call;
}

static void function_that_looks_cancelled_answers(void **state)
{
	static const char *const paths[] = {"local", "fork", "local/local"};
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = -1;

	(void)state;
	for (int i = 0; i < 3; i++) {
		ramet_context *child = fixture_connect(router, paths[i]);
		ramet_receiver *call = begin_work(router, child), *queued = NULL;

		assert_int_equal(pid_here_start(child, &queued, &error), 0);
		ramet_receiver_cancel(queued);
		assert_int_equal(pid_here_finish(queued, SOON, &result, &error), -ECANCELED);
		fixture_check_error(&error, -ECANCELED, "before it began", NULL);
		assert_int_equal(until_cancelled_finish(call, 0, &result, &error), -ETIMEDOUT);
		fixture_check_error(&error, -ETIMEDOUT, "until_cancelled", "within 0 ms", NULL);
		ramet_receiver_cancel(call);
		ramet_receiver_cancel(call);
		assert_int_equal(until_cancelled_finish(call, SOON, &result, &error), -ECANCELED);
		assert_string_equal(error.where, paths[i]);
		fixture_check_error(&error, -ECANCELED, "cancelled", NULL);
		assert_int_equal(result, -1);
		ramet_receiver_unref(queued);
		ramet_receiver_unref(call);
		pid_of(child);
		ramet_context_unref(child);
	}
	ramet_router_unref(router);
}

static void function_that_looks_shutdown_is_graceful(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 2 * SOON);
	ramet_context *child = fixture_connect(router, "local/local");
	ramet_receiver *call = begin_work(router, child);
	ramet_error error = RAMET_ERROR_INIT;
	int64_t begin = fixture_now(), result;

	(void)state;
	ramet_router_unref(router);
	assert_true(fixture_now() - begin < SOON);
	assert_true(until_cancelled_finish(call, 0, &result, &error) < 0);
	ramet_error_clear(&error);
	ramet_receiver_unref(call);
	ramet_context_unref(child);
}

static void context_with_timeout_call_ends_and_is_cancelled(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local/local"), *hasty = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *begun = NULL;
	ramet_value *value = NULL;
	int64_t result = 0;

	(void)state;
	assert_int_equal(ramet_context_with(child, &(ramet_call_options){.timeout = 100}, &hasty),
			 0);
	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(until_cancelled_call(hasty, ramet_receiver_sender(begun), &result, &error),
			 -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, NULL);
	assert_int_equal(ramet_receive(begun, SOON, &value, &error), 1);
	ramet_value_unref(value);
	/* The function was told, so that the context is free again. */
	pid_of(child);
	ramet_receiver_unref(begun);
	ramet_context_unref(hasty);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(child_killed_in_call_caller_learns_signal),
		FIXTURE_TEST(grandchild_killed_in_call_caller_learns_signal),
		FIXTURE_TEST(child_killed_many_calls_wait_all_fail),
		FIXTURE_TEST(middle_killed_caller_learns_and_bottom_ends),
		FIXTURE_TEST(middle_killed_in_transfer_reader_learns),
		FIXTURE_TEST(sender_killed_in_transfer_reader_learns),
		FIXTURE_TEST(reader_killed_blocked_send_ends),
		FIXTURE_TEST(function_never_returns_router_end_is_bounded),
		FIXTURE_TEST(function_never_returns_two_below_router_end_is_bounded),
		FIXTURE_TEST(function_never_returns_context_shutdown_is_bounded),
		FIXTURE_TEST(child_stopped_router_end_kills_it),
		FIXTURE_TEST(grandchild_stopped_router_end_kills_it),
		FIXTURE_TEST(function_that_looks_cancelled_answers),
		FIXTURE_TEST(function_that_looks_shutdown_is_graceful),
		FIXTURE_TEST(context_with_timeout_call_ends_and_is_cancelled),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
