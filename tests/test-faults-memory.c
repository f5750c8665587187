/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory runs out at the first allocation, at the second, and so on, until a whole scenario went by without a failure.
 * Each time everything ends, with an error or with success, and nothing is left.
 */
#include <sys/wait.h>

#include "fail-alloc.h"
#include "fixture.h"

/* The library's own time-outs: what has no answer ends with them. */
#define CONNECT_MS 2000
#define SHUTDOWN_MS 1000
#define CALL_MS 2000

/* More than any scenario has. */
#define ALLOCATIONS_MAX 2000

RAMET_FUNCTION(str, repeat, (str, text), (i64, times))
{
	size_t size = strlen(text);
	char *all = ramet_call_alloc(call, size * (size_t)times + 1);

	if (!all) {
		ramet_fail(call, ENOMEM, "no memory");
		return NULL;
	}
	for (int64_t i = 0; i < times; i++)
		memcpy(all + (size_t)i * size, text, size);
	all[size * (size_t)times] = '\0';
	return all;
}

RAMET_FUNCTION(none, send_three, (sender, out), (bytes, data))
{
	for (int i = 0; i < 3; i++)
		ramet_send_bytes(out, data);
	/* An answer that gets lost may not take for ever. */
	ramet_sender_set_timeout(out, CALL_MS);
	ramet_sender_set_acknowledged(out, true);
	ramet_send_str(out, "end");
	ramet_sender_close(out);
}

static ramet_router *router_for(enum ramet_poller poller)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.poller = poller;
	options.connect_timeout = CONNECT_MS;
	options.shutdown_timeout = SHUTDOWN_MS;
	return ramet_router_new(&options, &router) == 0 ? router : NULL;
}

/* Every step may fail; what it gave is dropped. */
static void call_and_stream(ramet_router *router, ramet_context *context)
{
	static char block[100000];
	ramet_context *with = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL, *call = NULL;
	ramet_value *value = NULL;
	const char *text = NULL;
	int r;

	if (ramet_context_with(context, &(ramet_call_options){.timeout = CALL_MS}, &with) < 0)
		return;
	if (repeat_call(with, "word ", 3, &text, &error) == 0) {
		assert_string_equal(text, "word word word ");
		ramet_free(text);
		text = NULL;
	}
	if (repeat_call(with, "word ", 30000, &text, &error) == 0) {
		assert_int_equal(strlen(text), 150000);
		ramet_free(text);
	}
	if (ramet_receiver_new(router, &receiver) == 0 &&
	    send_three_start(with, ramet_receiver_sender(receiver),
			     (ramet_bytes){block, sizeof(block)}, &call, &error) == 0) {
		do {
			value = NULL;
			r = ramet_receive(receiver, CALL_MS, &value, &error);
			ramet_value_unref(value);
			/* What was lost is not the end: the writer waits until its last value was taken. */
		} while (r == 1 || r == -ENOMEM || r == -EBADMSG);
		r = send_three_finish(call, CALL_MS, &error);
		(void)r;
	}
	ramet_receiver_unref(call);
	ramet_receiver_unref(receiver);
	ramet_context_unref(with);
	ramet_error_clear(&error);
}

/* A timer and a stream of this context in a select, with descriptors for everything. */
static void select_and_receive(ramet_router *router)
{
	ramet_receiver *ticks = NULL, *receiver = NULL, *got;
	ramet_select *selection = NULL;
	ramet_value *value;

	if (ramet_receiver_new_timer(router, 0, 1, &ticks) == 0 &&
	    ramet_receiver_new(router, &receiver) == 0 &&
	    ramet_select_new(router, &selection) == 0) {
		ramet_receiver_fd(ticks);
		ramet_sender_fd(ramet_receiver_sender(receiver));
		ramet_select_fd(selection);
		ramet_select_add(selection, ticks);
		ramet_select_add(selection, receiver);
		ramet_send_i64(ramet_receiver_sender(receiver), 1);
		for (int i = 0; i < 3; i++)
			if (ramet_select_next(selection, CALL_MS, &got) == 1 &&
			    ramet_receive(got, CALL_MS, &value, NULL) == 1)
				ramet_value_unref(value);
	}
	ramet_select_unref(selection);
	ramet_receiver_unref(ticks);
	ramet_receiver_unref(receiver);
}

static void scenario(enum ramet_poller poller, const char *path)
{
	ramet_router *router = router_for(poller);
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	if (!router)
		return;
	if (ramet_connect(router, path, &context, &error) == 0)
		call_and_stream(router, context);
	else
		assert_true(error.code < 0);
	ramet_error_clear(&error);
	ramet_context_unref(context);
	select_and_receive(router);
	ramet_router_unref(router);
}

/* With sanitizers, a part of the numbers: the others are the same code. */
#define STEP (SANITIZED ? 7 : 1)

/* What a shell was running when it was killed outlives it for a moment. */
static bool are_processes_left(const char *path)
{
	return strncmp(path, "exec:", 5) == 0 ? !fixture_reap_orphans()
					      : waitpid(-1, NULL, WNOHANG) != -1;
}

static void fail_each(enum ramet_poller poller, const char *path, unsigned count)
{
	unsigned fds = fixture_count_fds(), n;
	int64_t begin;

	scenario(poller, path);
	for (n = 1; n < ALLOCATIONS_MAX; n += STEP) {
		begin = fixture_now();
		fail_alloc_at(n, count);
		scenario(poller, path);
		if (!fail_alloc_end())
			break;
		if (fixture_count_fds() != fds)
			fail_msg("descriptors are left after a failure of allocation %u", n);
		if (are_processes_left(path))
			fail_msg("processes are left after a failure of allocation %u", n);
		if (fixture_now() - begin > SOON + CONNECT_MS + 3 * CALL_MS + SHUTDOWN_MS)
			fail_msg("it took too long after a failure of allocation %u", n);
		alarm(60);
	}
	assert_true(n < ALLOCATIONS_MAX);
}

static void master_out_of_memory_once_everything_ends(void **state)
{
	(void)state;
	fail_each(RAMET_POLLER_EPOLL, "local", 1);
	fail_each(RAMET_POLLER_POLL, "local", 1);
}

static void master_out_of_memory_for_a_while_everything_ends(void **state)
{
	(void)state;
	fail_each(RAMET_POLLER_EPOLL, "local", 5);
}

static void master_out_of_memory_two_hops_everything_ends(void **state)
{
	(void)state;
	fail_each(RAMET_POLLER_EPOLL, "local/local", 1);
}

/* The copy has the counter, too, and goes on where the master was. */
static void fork_out_of_memory_everything_ends(void **state)
{
	(void)state;
	fail_each(RAMET_POLLER_EPOLL, "fork", 1);
}

/* Through a first stage: the image is made before, and is not what is tried here. */
static void tool_out_of_memory_everything_ends(void **state)
{
	(void)state;
	fixture_allow_orphans();
	fail_each(RAMET_POLLER_EPOLL, "exec:env", 1);
	fail_each(RAMET_POLLER_POLL, "exec:env?tty=hybrid", 1);
}

/* In the child, from its first instruction on. */
static void child_out_of_memory_everything_ends(void **state)
{
	unsigned fds = fixture_count_fds();
	char text[16];

	(void)state;
	for (unsigned n = 1; n < 150; n += STEP) {
		snprintf(text, sizeof(text), "%u", n);
		setenv("FAIL_ALLOC", text, 1);
		scenario(RAMET_POLLER_DEFAULT, "local");
		unsetenv("FAIL_ALLOC");
		if (fixture_count_fds() != fds)
			fail_msg("descriptors are left after a failure of allocation %u", n);
		if (waitpid(-1, NULL, WNOHANG) != -1)
			fail_msg("processes are left after a failure of allocation %u", n);
		alarm(60);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(master_out_of_memory_once_everything_ends),
		FIXTURE_TEST(master_out_of_memory_for_a_while_everything_ends),
		FIXTURE_TEST(master_out_of_memory_two_hops_everything_ends),
		FIXTURE_TEST(fork_out_of_memory_everything_ends),
		FIXTURE_TEST(tool_out_of_memory_everything_ends),
		FIXTURE_TEST(child_out_of_memory_everything_ends),
	};

	if (argc == 2)
		fail_alloc_child();
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
