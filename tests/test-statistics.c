/* SPDX-License-Identifier: BSD-3-Clause */
/* What contexts count, and how long they take to answer. */
#include "fixture.h"

/* --- functions -------------------------------------------------------------------------------------- */

RAMET_FUNCTION(i64, process_id)
{
	return getpid();
}

RAMET_FUNCTION(none, fail_always)
{
	ramet_fail(call, EBADF, "as it was asked to");
}

/* Until it is cancelled. */
RAMET_FUNCTION(none, stay)
{
	while (!ramet_call_cancelled(call))
		usleep(1000);
}

RAMET_CONCURRENT_FUNCTION(none, stay_beside)
{
	while (!ramet_call_cancelled(call))
		usleep(1000);
}

RAMET_FUNCTION(i64, size_of, (bytes, data))
{
	return (int64_t)data.size;
}

/* What this context learns when it asks another one: the code. */
RAMET_FUNCTION(i32, ask_from_there, (context, whom))
{
	ramet_statistics statistics = RAMET_STATISTICS_INIT;
	int r = ramet_context_statistics(whom, &statistics, NULL);

	ramet_statistics_clear(&statistics);
	return r;
}

RAMET_FUNCTION(i32, ping_from_there, (context, whom))
{
	int64_t us;

	return ramet_context_ping(whom, SOON, &us, NULL);
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;

static void begin(void)
{
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
}

static void end(void)
{
	ramet_router_unref(router);
}

static ramet_statistics ask(ramet_context *context)
{
	ramet_statistics statistics = RAMET_STATISTICS_INIT;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_context_statistics(context, &statistics, &error) < 0)
		fail_msg("%s", error.message);
	return statistics;
}

static const ramet_link_statistics *link_to(const ramet_statistics *statistics, uint64_t id)
{
	const ramet_link_statistics *link;

	for (size_t i = 0; (link = ramet_statistics_link(statistics, i)); i++)
		if (link->id == id)
			return link;
	fail_msg("no link to %llu", (unsigned long long)id);
	return NULL;
}

static uint64_t sum(const uint64_t *buckets)
{
	uint64_t all = 0;

	for (size_t i = 0; i < RAMET_LATENCY_BUCKETS; i++)
		all += buckets[i];
	return all;
}

static const char *const paths[] = {"local", "fork", "local/local", "fork/local/fork"};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

/* --- counters --------------------------------------------------------------------------------------- */

static void calls_are_counted_where_they_run(void **state)
{
	enum { CALLS = 100, FAILURES = 7 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		ramet_statistics before, after;
		int64_t pid;

		begin();
		context = fixture_connect(router, paths[i]);
		before = ask(context);
		assert_int_equal(before.pid, ramet_context_pid(context));
		assert_int_equal(before.calls_executed, 0);
		for (int k = 0; k < CALLS; k++)
			assert_int_equal(process_id_call(context, &pid, NULL), 0);
		for (int k = 0; k < FAILURES; k++)
			assert_int_equal(fail_always_call(context, NULL), -EBADF);
		after = ask(context);
		assert_int_equal(after.calls_executed, CALLS + FAILURES);
		assert_int_equal(after.calls_failed, FAILURES);
		assert_int_equal(after.calls_running + after.calls_queued + after.calls_cancelled,
				 0);
		/* The calls, and the question itself. */
		assert_int_equal(after.messages_in - before.messages_in, CALLS + FAILURES + 1);
		assert_true(after.messages_out - before.messages_out >= CALLS + FAILURES);
		assert_true(after.bytes_in - before.bytes_in >= (CALLS + FAILURES) * 32);
		assert_true(after.frames_in - before.frames_in >= CALLS + FAILURES);
		assert_true(after.uptime > before.uptime);
		assert_true(after.cpu_time >= before.cpu_time && after.cpu_time > 0);
		assert_true(after.rss_max > 100000);
		assert_int_equal(after.children, 0);
		ramet_statistics_clear(&before);
		ramet_statistics_clear(&after);
		assert_null(after.links);
		assert_int_equal(after.size, sizeof(after));
		ramet_context_unref(context);
		end();
	}
}

static void context_answers_while_everything_there_is_busy(void **state)
{
	ramet_context *context;
	ramet_receiver *calls[1 + 16 + 3];
	ramet_statistics statistics = RAMET_STATISTICS_INIT;
	int64_t us = -1;

	(void)state;
	begin();
	context = fixture_connect(router, "local/local");
	/* The main thread, all workers, and some who wait for the main thread. */
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(i < 16 ? stay_beside_start(context, &calls[i], NULL)
					: stay_start(context, &calls[i], NULL),
				 0);
	do {
		ramet_statistics_clear(&statistics);
		statistics = ask(context);
	} while (statistics.calls_running < 17);
	assert_int_equal(statistics.calls_running, 17);
	assert_int_equal(statistics.calls_queued, 3);
	assert_int_equal(ramet_context_ping(context, SOON, &us, NULL), 0);
	assert_true(us > 0);
	for (size_t i = 20; i-- > 0;) {
		ramet_receiver_cancel(calls[i]);
		assert_int_equal(i < 16 ? stay_beside_finish(calls[i], SOON, NULL)
					: stay_finish(calls[i], SOON, NULL),
				 -ECANCELED);
		ramet_receiver_unref(calls[i]);
	}
	ramet_statistics_clear(&statistics);
	statistics = ask(context);
	assert_int_equal(statistics.calls_cancelled, 20);
	assert_int_equal(statistics.calls_executed, 17);
	ramet_statistics_clear(&statistics);
	ramet_context_unref(context);
	end();
}

static void hop_counts_what_it_forwards(void **state)
{
	enum { SIZE = 1 << 20 };
	ramet_context *hop, *context;
	ramet_statistics before, after;
	char *data = calloc(1, SIZE);
	int64_t size = 0;

	(void)state;
	begin();
	hop = fixture_connect(router, "local");
	context = fixture_connect(router, "local/local");
	before = ask(hop);
	assert_int_equal(size_of_call(context, (ramet_bytes){data, SIZE}, &size, NULL), 0);
	assert_int_equal(size, SIZE);
	after = ask(hop);
	assert_int_equal(after.children, 1);
	assert_true(after.bytes_forwarded - before.bytes_forwarded >= SIZE);
	assert_true(after.frames_forwarded - before.frames_forwarded >= SIZE / 65536);
	assert_true(after.bytes_out >= after.bytes_forwarded);
	assert_int_equal(after.link_count, 2);
	/* Each end of a link has seen what the other has. */
	assert_int_equal(ramet_statistics_link(&after, 0)->up, 1);
	assert_int_equal(ramet_statistics_link(&after, 0)->id,
			 ramet_context_id(ramet_router_self(router)));
	assert_int_equal(ramet_statistics_link(&after, 1)->up, 0);
	assert_int_equal(ramet_statistics_link(&after, 1)->id, ramet_context_id(context));
	assert_string_equal(ramet_statistics_link(&after, 1)->path, "local/local");
	assert_null(ramet_statistics_link(&after, 2));
	assert_true(ramet_statistics_link(&after, 1)->bytes_out >= SIZE);
	ramet_statistics_clear(&before);
	ramet_statistics_clear(&after);
	ramet_context_unref(context);
	ramet_context_unref(hop);
	end();
	free(data);
}

static void counters_of_links_that_are_gone_stay_in_the_sum(void **state)
{
	ramet_statistics with, without;
	ramet_context *context;
	int64_t pid;

	(void)state;
	begin();
	context = fixture_connect(router, "local");
	for (int i = 0; i < 50; i++)
		assert_int_equal(process_id_call(context, &pid, NULL), 0);
	with = ask(ramet_router_self(router));
	assert_int_equal(with.link_count, 1);
	assert_int_equal(with.pid, getpid());
	assert_int_equal(with.bytes_in, ramet_statistics_link(&with, 0)->bytes_in);
	assert_int_equal(ramet_context_shutdown(context, -1, NULL), 0);
	without = ask(ramet_router_self(router));
	assert_int_equal(without.link_count, 0);
	assert_int_equal(without.children, 0);
	assert_true(without.bytes_in >= with.bytes_in && without.bytes_out >= with.bytes_out);
	assert_true(without.frames_in >= with.frames_in && with.frames_in >= 50);
	ramet_statistics_clear(&with);
	ramet_statistics_clear(&without);
	ramet_context_unref(context);
	end();
}

/* More than fit a frame. */
static void links_come_page_by_page(void **state)
{
	enum { CHILDREN = SANITIZED ? 40 : 120 };
	ramet_context *hop;
	ramet_group *group = NULL;
	ramet_statistics statistics;
	char path[700], name[512];
	uint64_t last = 0;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(path, sizeof(path), "local/fork?name=%s*%d", name, CHILDREN);
	begin();
	hop = fixture_connect(router, "local");
	assert_int_equal(ramet_connect_all(router, path, &group, NULL), 0);
	statistics = ask(hop);
	assert_int_equal(statistics.children, CHILDREN);
	assert_int_equal(statistics.link_count, CHILDREN + 1);
	for (size_t i = 1; i <= CHILDREN; i++) {
		const ramet_link_statistics *link = ramet_statistics_link(&statistics, i);

		assert_true(link->id > last);
		assert_non_null(strstr(link->path, name));
		last = link->id;
	}
	ramet_statistics_clear(&statistics);
	ramet_group_unref(group);
	ramet_context_unref(hop);
	end();
}

/* --- round trips ------------------------------------------------------------------------------------ */

static void ping_is_counted_at_the_link_that_it_measures(void **state)
{
	enum { PINGS = 20 };
	ramet_context *near, *far;
	ramet_statistics statistics;
	const ramet_link_statistics *link;
	int64_t least = INT64_MAX, most = 0, us;

	(void)state;
	begin();
	near = fixture_connect(router, "local");
	far = fixture_connect(router, "local/fork");
	for (int i = 0; i < PINGS; i++) {
		assert_int_equal(ramet_context_ping(near, SOON, &us, NULL), 0);
		least = us < least ? us : least;
		most = us > most ? us : most;
		assert_int_equal(ramet_context_ping(far, SOON, &us, NULL), 0);
	}
	assert_int_equal(ramet_context_ping(ramet_router_self(router), SOON, &us, NULL), 0);
	statistics = ask(ramet_router_self(router));
	link = link_to(&statistics, ramet_context_id(near));
	assert_int_equal(link->latency_count, PINGS);
	assert_int_equal(link->latency_least, least);
	assert_int_equal(link->latency_most, most);
	assert_true(link->latency_sum >= (uint64_t)least * PINGS);
	assert_int_equal(sum(link->latency), PINGS);
	for (size_t i = 0; i < RAMET_LATENCY_BUCKETS; i++)
		if (link->latency[i] > 0)
			assert_true((i == 0 || (uint64_t)most >= 1ull << (i - 1)) &&
				    (uint64_t)least < 1ull << i);
	ramet_statistics_clear(&statistics);
	ramet_context_unref(far);
	ramet_context_unref(near);
	end();
}

static void ping_of_a_stopped_context_times_out(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;
	int64_t us = -7;

	(void)state;
	begin();
	context = fixture_connect(router, "local");
	assert_int_equal(kill(ramet_context_pid(context), SIGSTOP), 0);
	fixture_wait_state(ramet_context_pid(context), 'T');
	assert_int_equal(ramet_context_ping(context, 20, &us, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "local", "ping", "20 ms", NULL);
	assert_int_equal(us, -7);
	assert_int_equal(kill(ramet_context_pid(context), SIGCONT), 0);
	assert_int_equal(ramet_context_ping(context, SOON, &us, NULL), 0);
	ramet_context_unref(context);
	end();
}

/* --- who may ask ------------------------------------------------------------------------------------ */

static void children_may_not_ask_their_parents(void **state)
{
	ramet_context *near, *far, *sibling;
	int32_t code = 1;

	(void)state;
	begin();
	near = fixture_connect(router, "local");
	far = fixture_connect(router, "local/local");
	sibling = fixture_connect(router, "fork");
	assert_int_equal(ask_from_there_call(far, near, &code, NULL), 0);
	assert_int_equal(code, -EPERM);
	assert_int_equal(ask_from_there_call(near, ramet_router_self(router), &code, NULL), 0);
	assert_int_equal(code, -EPERM);
	assert_int_equal(ask_from_there_call(near, sibling, &code, NULL), 0);
	assert_int_equal(code, -EPERM);
	assert_int_equal(ask_from_there_call(near, far, &code, NULL), 0);
	assert_int_equal(code, 0);
	/* A neighbour may be asked whether it is there. */
	assert_int_equal(ping_from_there_call(far, near, &code, NULL), 0);
	assert_int_equal(code, 0);
	assert_int_equal(ping_from_there_call(far, ramet_router_self(router), &code, NULL), 0);
	assert_int_equal(code, -EPERM);
	ramet_context_unref(sibling);
	ramet_context_unref(far);
	ramet_context_unref(near);
	end();
}

static void lost_context_does_not_answer(void **state)
{
	ramet_statistics statistics = RAMET_STATISTICS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;
	int64_t us;

	(void)state;
	begin();
	context = fixture_connect(router, "local");
	kill(ramet_context_pid(context), SIGKILL);
	assert_int_equal(ramet_context_wait(context, SOON, NULL), 1);
	assert_int_equal(ramet_context_statistics(context, &statistics, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "local", "SIGKILL", NULL);
	assert_int_equal(ramet_context_ping(context, SOON, &us, &error), -ECONNRESET);
	ramet_error_clear(&error);
	statistics.size = 1;
	assert_int_equal(ramet_context_statistics(context, &statistics, NULL), -EINVAL);
	statistics.size = sizeof(statistics) + 1;
	assert_int_equal(ramet_context_statistics(context, &statistics, NULL), -EINVAL);
	ramet_context_unref(context);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(calls_are_counted_where_they_run),
		FIXTURE_TEST(context_answers_while_everything_there_is_busy),
		FIXTURE_TEST(hop_counts_what_it_forwards),
		FIXTURE_TEST(counters_of_links_that_are_gone_stay_in_the_sum),
		FIXTURE_TEST(links_come_page_by_page),
		FIXTURE_TEST(ping_is_counted_at_the_link_that_it_measures),
		FIXTURE_TEST(ping_of_a_stopped_context_times_out),
		FIXTURE_TEST(children_may_not_ask_their_parents),
		FIXTURE_TEST(lost_context_does_not_answer),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
