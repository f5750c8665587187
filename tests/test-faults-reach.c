/* SPDX-License-Identifier: BSD-3-Clause */
/* Tools that do not get anywhere: what the error says, and that nothing is left. */
#include <pthread.h>

#include "base/macro.h"
#include "fixture.h"
#include "reach.h"

/* For those that shall run into it; others must not, nor before they are where they stop. */
#define SHORT (SANITIZED ? 5000 : 2000)

RAMET_FUNCTION(i64, twice, (i64, number))
{
	return 2 * number;
}

struct fault {
	const char *name, *body;
	int code;
	const char *first, *second;
};

static ramet_router *router_with(int connect_timeout, int shutdown_timeout,
				 enum ramet_poller poller)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.poller = poller;
	options.connect_timeout = connect_timeout;
	options.shutdown_timeout = shutdown_timeout;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

enum { KINDS = 3, ATTEMPTS_MAX = 32 };

struct attempt {
	pthread_t thread;
	const struct fault *fault;
	ramet_router *router;
	char path[512];
	ramet_context *context;
	ramet_error error;
	int result;
};

static void check_attempt(struct attempt *attempt)
{
	const struct fault *fault = attempt->fault;

	if (attempt->result != fault->code)
		fail_msg("%s (%s): %d instead of %d: %s", fault->name, attempt->path,
			 attempt->result, fault->code,
			 attempt->error.message ? attempt->error.message : "connected");
	assert_null(attempt->context);
	assert_string_equal(attempt->error.where, "");
	fixture_check_error(&attempt->error, fault->code, fault->first, fault->second,
			    "its command was: ", NULL);
}

static void check_path(ramet_router *router, const char *path, const struct fault *fault)
{
	struct attempt attempt = {.fault = fault, .error = RAMET_ERROR_INIT};

	snprintf(attempt.path, sizeof(attempt.path), "%s", path);
	attempt.result = ramet_connect(router, path, &attempt.context, &attempt.error);
	check_attempt(&attempt);
}

static void *attempt_thread(void *argument)
{
	struct attempt *attempt = argument;

	attempt->result = ramet_connect(attempt->router, attempt->path, &attempt->context,
					&attempt->error);
	return NULL;
}

/* A tool must not be written while another one is started, which would inherit it: ETXTBSY. */
static size_t prepare(const struct fault *faults, size_t count, struct attempt *attempts)
{
	static const char *const keys[KINDS] = {"", "?tty=hybrid", "?tty=full"};
	static const enum ramet_poller pollers[] = {RAMET_POLLER_EPOLL, RAMET_POLLER_POLL};
	char name[32];

	assert_true(count * KINDS <= ATTEMPTS_MAX);
	for (size_t i = 0; i < count * KINDS; i++) {
		const struct fault *fault = &faults[i / KINDS];

		snprintf(name, sizeof(name), "tool-%zu", i / KINDS);
		attempts[i] = (struct attempt){.fault = fault, .error = RAMET_ERROR_INIT};
		snprintf(attempts[i].path, sizeof(attempts[i].path), "%s",
			 reach_path("exec", name, fault->body, keys[i % KINDS]));
		attempts[i].router = router_with(fault->code == -ETIMEDOUT ? SHORT : 20000, 0,
						 pollers[i % 2]);
	}
	return count * KINDS;
}

/* With each poller and each kind of terminal; all at once, as most of it is waiting. */
static void check(const struct fault *faults, size_t count)
{
	struct attempt attempts[ATTEMPTS_MAX];
	size_t all = prepare(faults, count, attempts);

	for (size_t i = 0; i < all; i++)
		assert_int_equal(
			pthread_create(&attempts[i].thread, NULL, attempt_thread, &attempts[i]), 0);
	for (size_t i = 0; i < all; i++)
		pthread_join(attempts[i].thread, NULL);
	for (size_t i = 0; i < all; i++) {
		ramet_router_unref(attempts[i].router);
		check_attempt(&attempts[i]);
	}
}

static void tool_is_missing_error_names_launch(void **state)
{
	static const struct fault missing = {"missing", NULL, -ENOENT, "launch: ", "nowhere"},
				  unfit = {"unfit", NULL, -EACCES, "launch: ", "/etc/passwd"};
	ramet_router *router = router_with(20000, 0, RAMET_POLLER_DEFAULT);

	(void)state;
	check_path(router, "exec:%2Fnowhere%2Ftool", &missing);
	check_path(router, "exec:nowhere-tool", &missing);
	check_path(router, "exec:nowhere-tool?tty=full", &missing);
	check_path(router, "exec:nowhere-tool?tty=hybrid", &missing);
	check_path(router, "exec:%2Fetc%2Fpasswd", &unfit);
	ramet_router_unref(router);
}

static void tool_ends_at_once_error_has_its_status(void **state)
{
	static const struct fault faults[] = {
		{"exit 0", "exit 0", -ECHILD, "shell: it ended", "exited with status 0"},
		{"exit 1", "exit 1", -ECHILD, "shell: it ended", "exited with status 1"},
		{"exit 127", "exit 127", -ECHILD, "shell: it ended", "exited with status 127"},
		{"exit 255", "exit 255", -ECHILD, "shell: it ended", "exited with status 255"},
		{"words", "echo out of tea >&2; printf 'no newline'; exit 4", -ECHILD,
		 "\n  out of tea", "\n  no newline"},
		{"KILL", "kill -9 $$", -ECHILD, "shell: it ended", "was killed by SIGKILL"},
		{"TERM", "kill $$", -ECHILD, "shell: it ended", "was killed by SIGTERM"},
	};

	(void)state;
	check(faults, RMT_COUNT(faults));
}

static void tool_talks_for_ever_times_out(void **state)
{
	static const struct fault faults[] = {
		{"output", "exec yes", -ETIMEDOUT, "shell: nothing came", "\n  y"},
		{"no newline", "exec tr '\\000' x </dev/zero", -ETIMEDOUT, "shell: nothing came",
		 "\n  xxx"},
		{"errors", "exec 3>&1; exec yes >&2", -ETIMEDOUT, "shell: nothing came", "\n  y"},
	};

	(void)state;
	check(faults, RMT_COUNT(faults));
}

/* KILL follows TERM, which a terminal that hangs up lets through. */
static void tool_stops_times_out_and_is_killed(void **state)
{
	static const struct fault faults[] = {
		{"shell", "kill -STOP $$", -ETIMEDOUT, "shell: nothing came", "was killed by SIG"},
		{"transfer", "ready; kill -STOP $$", -ETIMEDOUT, "transfer: nothing came",
		 "was killed by SIG"},
		{"handshake", "ready; take; say exec; kill -STOP $$", -ETIMEDOUT,
		 "handshake: nothing came", "was killed by SIG"},
		{"ignoring", "trap '' TERM HUP; while :; do sleep 1000; done", -ETIMEDOUT,
		 "shell: nothing came", "was killed by SIG"},
	};

	(void)state;
	/* What the last one has started is killed with it, and has lost its parent. */
	fixture_allow_orphans();
	check(faults, RMT_COUNT(faults));
}

static void stage_speaks_out_of_turn_error_names_phase(void **state)
{
	static const struct fault faults[] = {
		{"exec first", "say exec; exec sleep 1000", -EPROTO, "shell: ", "before its turn"},
		{"exec in transfer", "ready; say exec; exec sleep 1000", -EPROTO,
		 "transfer: ", "before its turn"},
		{"machine", "say ready:Linux mips:plain:none:named:/x; exec sleep 1000", -ENOENT,
		 "place: ", "mips"},
		{"no place", "say failed:place:there is no room; exit 1", -EACCES,
		 "place: there is no room", ""},
		{"digest", "ready; take; say failed:transfer:it differs; exit 1", -EIO,
		 "transfer: it differs", ""},
		{"end in image", "ready; read -r size; head -c 1000 >/dev/null; exit 5", -ECHILD,
		 "transfer: it ended", "exited with status 5"},
		{"end behind image", "ready; take; exit 6", -ECHILD, "transfer: it ended",
		 "exited with status 6"},
		{"end behind exec", "ready; take; say exec; exit 7", -ECHILD,
		 "exec: the program did not start", "exited with status 7"},
		{"garbage", "ready; take; say exec; head -c 1000 /dev/zero; exec sleep 1000",
		 -EPROTO, "handshake: ", ""},
	};

	(void)state;
	/* A head(1) that is killed together with its shell has lost its parent. */
	fixture_allow_orphans();
	check(faults, RMT_COUNT(faults));
}

/* Its process goes on, and is asked to end. */
static void tool_closes_its_output_is_ended(void **state)
{
	static const struct fault fault = {"closed", "exec >&-; exec sleep 1000", -ECHILD,
					   "shell: it ended", "was killed by SIGTERM"};
	ramet_router *router = router_with(20000, 0, RAMET_POLLER_DEFAULT);

	(void)state;
	check_path(router, reach_path("exec", "tool", fault.body, ""), &fault);
	ramet_router_unref(router);
}

/* Somebody whom the tool has left behind writes for ever to its pipe. */
static void tool_leaves_a_writer_error_comes_all_the_same(void **state)
{
	static const struct fault fault = {"writer", "setsid yes >&2 & exit 3", -ECHILD,
					   "shell: it ended", "exited with status 3"};
	ramet_router *router = router_with(20000, 0, RAMET_POLLER_DEFAULT);

	(void)state;
	fixture_allow_orphans();
	check_path(router, reach_path("exec", "tool", fault.body, ""), &fault);
	ramet_router_unref(router);
}

/* --- the router ends --------------------------------------------------------------------------------- */

struct connecting {
	pthread_t thread;
	ramet_router *router;
	char path[512];
	int result;
};

static void *connect_thread(void *argument)
{
	struct connecting *connecting = argument;
	ramet_group *group = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	connecting->result = ramet_connect_all(connecting->router, connecting->path, &group,
					       &error);
	ramet_error_clear(&error);
	return NULL;
}

static void end_while(const char *path, unsigned told)
{
	struct connecting connecting = {.router = router_with(60000, 0, RAMET_POLLER_DEFAULT)};

	snprintf(connecting.path, sizeof(connecting.path), "%s", path);
	assert_int_equal(pthread_create(&connecting.thread, NULL, connect_thread, &connecting), 0);
	while (told-- > 0)
		reach_wait();
	ramet_router_unref(connecting.router);
	pthread_join(connecting.thread, NULL);
	assert_int_equal(connecting.result, -ESHUTDOWN);
}

static void router_ends_in_each_phase_connection_ends(void **state)
{
	static const char *const bodies[] = {
		"tell; exec sleep 1000",
		"ready; tell; exec sleep 1000",
		"ready; take; tell; exec sleep 1000",
		"ready; take; say exec; tell; exec sleep 1000",
		"trap '' TERM HUP; tell; while :; do sleep 1000; done",
		"tell; kill -STOP $$",
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(bodies); i++) {
		fixture_allow_orphans();
		end_while(reach_path("exec", "tool", bodies[i], ""), 1);
		end_while(reach_path("exec", "tool", bodies[i], "?tty=hybrid"), 1);
		end_while(reach_path("exec", "tool", bodies[i], "?tty=full"), 1);
	}
}

/* 64 are on their way. */
static void router_ends_others_never_had_their_turn(void **state)
{
	(void)state;
	fixture_allow_orphans();
	end_while(reach_path("exec", "tool", "tell; exec sleep 1000", "*80"), 64);
}

/* The others have their turn when the first of all has ended, and fail at once. */
static void many_missing_tools_wait_for_a_turn_all_fail(void **state)
{
	ramet_router *router = router_with(SHORT, 0, RAMET_POLLER_DEFAULT);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;
	char paths[600];

	(void)state;
	snprintf(paths, sizeof(paths), "%s,exec:nowhere-tool*500",
		 reach_path("exec", "tool", "exec sleep 1000", "*64"));
	assert_true(ramet_connect_all(router, paths, &group, &error) < 0);
	ramet_error_clear(&error);
	ramet_router_unref(router);
}

/* --- the requester is lost --------------------------------------------------------------------------- */

RAMET_FUNCTION(none, reach_it, (str, path))
{
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_connect(ramet_call_router(call), path, &context, &error) < 0)
		ramet_fail(call, error.code, "%s", error.message);
	ramet_error_clear(&error);
	ramet_context_unref(context);
}

static void context_that_connects_is_lost_nothing_is_left(void **state)
{
	ramet_router *router = router_with(60000, 0, RAMET_POLLER_DEFAULT);
	ramet_context *child = fixture_connect(router, "local");
	ramet_receiver *call = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	const char *reason = NULL;
	int64_t result;

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(reach_it_start(child,
					reach_path("exec", "tool", "tell; exec sleep 1000", ""),
					&call, &error),
			 0);
	reach_wait();
	assert_int_equal(ramet_context_shutdown(child, -1, &error), 0);
	assert_int_equal(ramet_context_wait(child, SOON, &reason), 1);
	assert_true(reach_it_finish(call, SOON, &error) < 0);
	ramet_error_clear(&error);
	ramet_receiver_unref(call);
	ramet_context_unref(child);
	child = fixture_connect(router, "local");
	assert_int_equal(twice_call(child, 4, &result, &error), 0);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(tool_is_missing_error_names_launch),
		FIXTURE_TEST(tool_ends_at_once_error_has_its_status),
		FIXTURE_TEST(tool_talks_for_ever_times_out),
		FIXTURE_TEST(tool_stops_times_out_and_is_killed),
		FIXTURE_TEST(stage_speaks_out_of_turn_error_names_phase),
		FIXTURE_TEST(tool_closes_its_output_is_ended),
		FIXTURE_TEST(tool_leaves_a_writer_error_comes_all_the_same),
		FIXTURE_TEST(router_ends_in_each_phase_connection_ends),
		FIXTURE_TEST(router_ends_others_never_had_their_turn),
		FIXTURE_TEST(many_missing_tools_wait_for_a_turn_all_fail),
		FIXTURE_TEST(context_that_connects_is_lost_nothing_is_left),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, reach_begin, reach_end);
}
