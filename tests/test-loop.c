/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/time.h"
#include "core/loop.h"
#include "fixture.h"

/* Every test of descriptors runs with each poller. */
static enum ramet_poller kind;

struct bench {
	struct rmt_mutex lock;
	struct rmt_loop loop;
};

static void bench_open(struct bench *bench)
{
	rmt_mutex_init(&bench->lock);
	rmt_mutex_lock(&bench->lock);
	assert_int_equal(
		rmt_loop_init(&bench->loop,
			      kind == RAMET_POLLER_POLL ? &rmt_poller_poll : &rmt_poller_epoll,
			      &bench->lock),
		0);
	assert_string_equal(bench->loop.type->name, kind == RAMET_POLLER_POLL ? "poll" : "epoll");
}

static void bench_close(struct bench *bench)
{
	rmt_loop_done(&bench->loop);
	rmt_mutex_unlock(&bench->lock);
	rmt_mutex_done(&bench->lock);
}

/* One end of a pair of sockets, which notes what it is told. */
struct end {
	struct rmt_source source;
	struct bench *bench;
	int other;
	unsigned calls, events;
	struct end *victim; /* is removed by the callback */
	bool read, removed,
		replace; /* reads a byte; the victim's descriptor is closed and used anew */
};

static void end_open(struct end *end, struct bench *bench, unsigned events);

static void end_close(struct end *end)
{
	if (!end->removed)
		rmt_loop_remove(&end->bench->loop, &end->source);
	end->removed = true;
	close(end->source.fd);
	if (end->other >= 0)
		close(end->other);
}

static void end_ready(struct rmt_source *source, unsigned events)
{
	struct end *end = RMT_CONTAINER(source, struct end, source);
	char byte;

	end->calls++;
	end->events = events;
	if (end->read)
		assert_int_equal(read(source->fd, &byte, 1), 1);
	if (end->victim && !end->victim->removed) {
		end_close(end->victim);
		/* The same number, another socket, nothing to read. */
		if (end->replace) {
			int number = end->victim->source.fd;
			unsigned calls = end->victim->calls;

			end_open(end->victim, end->bench, RMT_READABLE);
			assert_int_equal(end->victim->source.fd, number);
			end->victim->calls = calls;
		}
	}
}

static void end_open(struct end *end, struct bench *bench, unsigned events)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	*end = (struct end){.bench = bench, .other = pair[1]};
	end->source = (struct rmt_source){.fd = pair[0], .events = events, .ready = end_ready};
	assert_int_equal(rmt_loop_add(&bench->loop, &end->source), 0);
}

static void run(struct bench *bench)
{
	rmt_loop_run_once(&bench->loop, rmt_now());
}

static void source_readable_is_told_until_read(void **state)
{
	struct bench bench;
	struct end end;

	(void)state;
	bench_open(&bench);
	end_open(&end, &bench, RMT_READABLE);
	run(&bench);
	assert_int_equal(end.calls, 0);
	assert_int_equal(write(end.other, "ab", 2), 2);
	run(&bench);
	run(&bench);
	assert_int_equal(end.calls, 2);
	assert_int_equal(end.events, RMT_READABLE);
	end.read = true;
	run(&bench);
	run(&bench);
	assert_int_equal(end.calls, 4);
	run(&bench);
	assert_int_equal(end.calls, 4);
	end_close(&end);
	bench_close(&bench);
}

static void source_modified_tells_what_is_wanted_now(void **state)
{
	struct bench bench;
	struct end end;

	(void)state;
	bench_open(&bench);
	end_open(&end, &bench, RMT_WRITABLE);
	run(&bench);
	assert_int_equal(end.calls, 1);
	assert_int_equal(end.events, RMT_WRITABLE);
	rmt_loop_modify(&bench.loop, &end.source, 0);
	assert_int_equal(write(end.other, "a", 1), 1);
	run(&bench);
	assert_int_equal(end.calls, 1);
	rmt_loop_modify(&bench.loop, &end.source, RMT_READABLE | RMT_WRITABLE);
	run(&bench);
	assert_int_equal(end.calls, 2);
	assert_int_equal(end.events, RMT_READABLE | RMT_WRITABLE);
	end_close(&end);
	bench_close(&bench);
}

static void source_removed_is_not_told(void **state)
{
	struct bench bench;
	struct end end;

	(void)state;
	bench_open(&bench);
	end_open(&end, &bench, RMT_READABLE);
	assert_int_equal(write(end.other, "a", 1), 1);
	rmt_loop_remove(&bench.loop, &end.source);
	end.removed = true;
	run(&bench);
	assert_int_equal(end.calls, 0);
	end_close(&end);
	bench_close(&bench);
}

static void source_hung_up_is_readable_even_when_nothing_is_wanted(void **state)
{
	struct bench bench;
	struct end end;

	(void)state;
	for (unsigned events = 0; events <= RMT_READABLE; events++) {
		bench_open(&bench);
		end_open(&end, &bench, events);
		close(end.other);
		end.other = -1;
		run(&bench);
		assert_int_equal(end.calls, 1);
		assert_int_equal(end.events, RMT_READABLE);
		end_close(&end);
		bench_close(&bench);
	}
}

/* Each of two ready sources removes the other: whichever is first, the second is not told. */
static void source_removed_in_a_callback_loses_its_collected_event(void **state)
{
	struct bench bench;
	struct end ends[2];

	(void)state;
	bench_open(&bench);
	for (int i = 0; i < 2; i++) {
		end_open(&ends[i], &bench, RMT_READABLE);
		assert_int_equal(write(ends[i].other, "a", 1), 1);
	}
	ends[0].victim = &ends[1];
	ends[1].victim = &ends[0];
	run(&bench);
	assert_int_equal(ends[0].calls + ends[1].calls, 1);
	run(&bench);
	assert_int_equal(ends[0].calls + ends[1].calls, 2);
	for (int i = 0; i < 2; i++)
		if (!ends[i].removed)
			end_close(&ends[i]);
	bench_close(&bench);
}

static void descriptor_used_anew_in_a_round_gets_no_old_event(void **state)
{
	struct bench bench;
	struct end ends[2];

	(void)state;
	bench_open(&bench);
	for (int i = 0; i < 2; i++) {
		end_open(&ends[i], &bench, RMT_READABLE);
		ends[i].replace = true;
		assert_int_equal(write(ends[i].other, "a", 1), 1);
	}
	ends[0].victim = &ends[1];
	ends[1].victim = &ends[0];
	run(&bench);
	assert_int_equal(ends[0].calls + ends[1].calls, 1);
	end_close(&ends[0]);
	end_close(&ends[1]);
	bench_close(&bench);
}

static void source_added_in_a_callback_is_told_in_the_next_round(void **state)
{
	struct bench bench;
	struct end ends[2];

	(void)state;
	bench_open(&bench);
	end_open(&ends[0], &bench, RMT_READABLE);
	end_open(&ends[1], &bench, RMT_READABLE);
	rmt_loop_remove(&bench.loop, &ends[1].source);
	assert_int_equal(rmt_loop_add(&bench.loop, &ends[1].source), 0);
	assert_int_equal(write(ends[1].other, "a", 1), 1);
	run(&bench);
	assert_int_equal(ends[1].calls, 1);
	assert_int_equal(ends[0].calls, 0);
	end_close(&ends[0]);
	end_close(&ends[1]);
	bench_close(&bench);
}

/* More sources than one batch holds: all are told in a few rounds. */
static void sources_more_than_a_batch_are_all_told(void **state)
{
	enum { COUNT = 3 * RMT_LOOP_BATCH + 1 };
	struct bench bench;
	struct end ends[COUNT];

	(void)state;
	bench_open(&bench);
	for (int i = 0; i < COUNT; i++) {
		end_open(&ends[i], &bench, RMT_READABLE);
		ends[i].read = true;
		assert_int_equal(write(ends[i].other, "a", 1), 1);
	}
	for (int i = 0; i < 4; i++)
		run(&bench);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(ends[i].calls, 1);
		end_close(&ends[i]);
	}
	bench_close(&bench);
}

/* --- other threads ---------------------------------------------------------------------------------- */

enum act { WAKE, DEFER, ADD, REMOVE, REMOVE_READY, TIMER };

struct other {
	struct bench *bench;
	enum act act;
	struct end *end;
	struct rmt_deferred deferred;
	struct rmt_timer timer;
	bool done, ran;
};

static void other_deferred(struct rmt_deferred *deferred)
{
	RMT_CONTAINER(deferred, struct other, deferred)->ran = true;
}

static void other_expired(struct rmt_timer *timer)
{
	RMT_CONTAINER(timer, struct other, timer)->ran = true;
}

/* The number of the system call in which a thread sleeps; -1: it runs. */
static long sleeps_in(pid_t thread)
{
	char path[64], text[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)thread);
	file = fopen(path, "re");
	assert_non_null(file);
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return *text >= '0' && *text <= '9' ? atol(text) : -1;
}

/* The other thread has got the event and waits for the lock, while the source is removed. */
static void remove_ready(struct end *end)
{
	assert_int_equal(write(end->other, "a", 1), 1);
	while (sleeps_in(getpid()) != SYS_futex)
		sched_yield();
	end_close(end);
}

/* Waits until the first thread is in its wait, then does what it was told. */
static void *other_main(void *argument)
{
	struct other *other = argument;
	struct bench *bench = other->bench;

	rmt_mutex_lock(&bench->lock);
	while (!bench->loop.waiting) {
		rmt_mutex_unlock(&bench->lock);
		sched_yield();
		rmt_mutex_lock(&bench->lock);
	}
	if (other->act == DEFER) {
		rmt_loop_defer(&bench->loop, &other->deferred);
	} else if (other->act == ADD) {
		end_open(other->end, bench, RMT_READABLE);
		assert_int_equal(write(other->end->other, "a", 1), 1);
	} else if (other->act == REMOVE) {
		end_close(other->end);
		rmt_loop_wake(&bench->loop);
	} else if (other->act == REMOVE_READY) {
		remove_ready(other->end);
	} else if (other->act == TIMER) {
		rmt_loop_timer_start(&bench->loop, &other->timer, rmt_now());
	} else {
		rmt_loop_wake(&bench->loop);
		rmt_loop_wake(&bench->loop);
	}
	other->done = true;
	rmt_mutex_unlock(&bench->lock);
	return NULL;
}

static void with_other(struct bench *bench, struct other *other)
{
	pthread_t thread;

	other->bench = bench;
	other->deferred.run = other_deferred;
	other->timer.expired = other_expired;
	rmt_list_init(&other->deferred.node);
	assert_int_equal(pthread_create(&thread, NULL, other_main, other), 0);
	/* A wait that nobody ends would hang; the runner has a time-out. */
	while (!other->done)
		rmt_loop_run_once(&bench->loop, RMT_NEVER);
	rmt_mutex_unlock(&bench->lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	rmt_mutex_lock(&bench->lock);
}

static void wait_woken_by_another_thread_ends(void **state)
{
	struct bench bench;
	struct other other = {.act = WAKE};

	(void)state;
	bench_open(&bench);
	with_other(&bench, &other);
	/* The wake-up was taken: the next wait has nothing to do. */
	rmt_loop_run_once(&bench.loop, rmt_now());
	assert_false(bench.loop.woken);
	bench_close(&bench);
}

static void wait_ends_for_a_deferred_call_and_a_timer_of_another_thread(void **state)
{
	struct bench bench;
	struct other deferred = {.act = DEFER}, timer = {.act = TIMER};

	(void)state;
	bench_open(&bench);
	with_other(&bench, &deferred);
	assert_true(deferred.ran);
	with_other(&bench, &timer);
	while (!timer.ran)
		rmt_loop_run_once(&bench.loop, RMT_NEVER);
	bench_close(&bench);
}

static void set_changed_by_another_thread_holds_for_the_wait_under_way(void **state)
{
	struct bench bench;
	struct end added, removed;
	struct other add = {.act = ADD, .end = &added}, take = {.act = REMOVE, .end = &removed};

	(void)state;
	bench_open(&bench);
	with_other(&bench, &add);
	while (added.calls == 0)
		rmt_loop_run_once(&bench.loop, RMT_NEVER);
	end_close(&added);
	end_open(&removed, &bench, RMT_READABLE);
	with_other(&bench, &take);
	assert_int_equal(removed.calls, 0);
	bench_close(&bench);
}

static void source_removed_by_another_thread_loses_its_event(void **state)
{
	struct bench bench;
	struct end end;
	struct other take = {.act = REMOVE_READY, .end = &end};

	(void)state;
	bench_open(&bench);
	end_open(&end, &bench, RMT_READABLE);
	with_other(&bench, &take);
	assert_int_equal(end.calls, 0);
	bench_close(&bench);
}

#define BOTH(name)                                  \
	static void name##_with_epoll(void **state) \
	{                                           \
		kind = RAMET_POLLER_EPOLL;          \
		name(state);                        \
	}                                           \
	static void name##_with_poll(void **state)  \
	{                                           \
		kind = RAMET_POLLER_POLL;           \
		name(state);                        \
	}

BOTH(source_readable_is_told_until_read)
BOTH(source_modified_tells_what_is_wanted_now)
BOTH(source_removed_is_not_told)
BOTH(source_hung_up_is_readable_even_when_nothing_is_wanted)
BOTH(source_removed_in_a_callback_loses_its_collected_event)
BOTH(descriptor_used_anew_in_a_round_gets_no_old_event)
BOTH(source_added_in_a_callback_is_told_in_the_next_round)
BOTH(sources_more_than_a_batch_are_all_told)
BOTH(wait_woken_by_another_thread_ends)
BOTH(wait_ends_for_a_deferred_call_and_a_timer_of_another_thread)
BOTH(set_changed_by_another_thread_holds_for_the_wait_under_way)
BOTH(source_removed_by_another_thread_loses_its_event)

#define TEST_BOTH(name) FIXTURE_TEST(name##_with_epoll), FIXTURE_TEST(name##_with_poll)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BOTH(source_readable_is_told_until_read),
		TEST_BOTH(source_modified_tells_what_is_wanted_now),
		TEST_BOTH(source_removed_is_not_told),
		TEST_BOTH(source_hung_up_is_readable_even_when_nothing_is_wanted),
		TEST_BOTH(source_removed_in_a_callback_loses_its_collected_event),
		TEST_BOTH(descriptor_used_anew_in_a_round_gets_no_old_event),
		TEST_BOTH(source_added_in_a_callback_is_told_in_the_next_round),
		TEST_BOTH(sources_more_than_a_batch_are_all_told),
		TEST_BOTH(wait_woken_by_another_thread_ends),
		TEST_BOTH(wait_ends_for_a_deferred_call_and_a_timer_of_another_thread),
		TEST_BOTH(set_changed_by_another_thread_holds_for_the_wait_under_way),
		TEST_BOTH(source_removed_by_another_thread_loses_its_event),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
