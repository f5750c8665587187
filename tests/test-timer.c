/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers and deferred calls of core/loop.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/time.h"
#include "core/loop.h"
#include "fixture.h"

enum { MANY = 2000 };

static struct rmt_mutex lock = RMT_MUTEX_INIT;
static struct rmt_loop loop;

struct alarm {
	struct rmt_timer timer;
	struct alarm *stops; /* is stopped when this one expires */
	bool again;          /* starts itself once more */
};

static struct alarm *expired[2 * MANY];
static size_t expired_count;

static void alarm_expired(struct rmt_timer *timer)
{
	struct alarm *alarm = RMT_CONTAINER(timer, struct alarm, timer);

	assert_int_equal(timer->index, 0);
	expired[expired_count++] = alarm;
	if (alarm->stops)
		rmt_loop_timer_stop(&loop, &alarm->stops->timer);
	if (alarm->again)
		assert_int_equal(rmt_loop_timer_start(&loop, timer, 0), 0);
	alarm->again = false;
}

static int open_loop(void **state)
{
	assert_int_equal(fixture_begin(state), 0);
	expired_count = 0;
	rmt_mutex_lock(&lock);
	return rmt_loop_init(&loop, &rmt_poller_epoll, &lock);
}

static int close_loop(void **state)
{
	rmt_loop_done(&loop);
	rmt_mutex_unlock(&lock);
	return fixture_end(state);
}

static void start(struct alarm *alarm, int64_t when)
{
	alarm->timer.expired = alarm_expired;
	assert_int_equal(rmt_loop_timer_start(&loop, &alarm->timer, when), 0);
}

static void run(void)
{
	rmt_loop_run_once(&loop, rmt_now());
}

static void timers_that_are_due_expire_in_the_order_of_time(void **state)
{
	struct alarm alarms[4] = {0};

	(void)state;
	start(&alarms[0], 30);
	start(&alarms[1], 10);
	start(&alarms[2], 20);
	start(&alarms[3], rmt_now() + 3600 * (int64_t)1000000);
	run();
	assert_int_equal(expired_count, 3);
	assert_ptr_equal(expired[0], &alarms[1]);
	assert_ptr_equal(expired[1], &alarms[2]);
	assert_ptr_equal(expired[2], &alarms[0]);
	rmt_loop_timer_stop(&loop, &alarms[3].timer);
	assert_int_equal(loop.timer_count, 0);
}

static void timer_ahead_ends_the_wait_and_is_not_early(void **state)
{
	struct alarm alarm = {0};
	int64_t when = rmt_now() + 20000;

	(void)state;
	start(&alarm, when);
	while (expired_count == 0)
		rmt_loop_run_once(&loop, RMT_NEVER);
	assert_true(rmt_now() >= when);
}

static void timer_started_again_moves(void **state)
{
	struct alarm a = {0}, b = {0};

	(void)state;
	start(&a, 10);
	start(&b, 20);
	start(&a, 30);
	assert_int_equal(loop.timer_count, 2);
	run();
	assert_int_equal(expired_count, 2);
	assert_ptr_equal(expired[0], &b);
	assert_ptr_equal(expired[1], &a);
}

static void timer_stopped_does_not_expire_and_stops_twice(void **state)
{
	struct alarm a = {0}, b = {0};

	(void)state;
	start(&a, 10);
	start(&b, 20);
	rmt_loop_timer_stop(&loop, &a.timer);
	rmt_loop_timer_stop(&loop, &a.timer);
	run();
	assert_int_equal(expired_count, 1);
	assert_ptr_equal(expired[0], &b);
}

static void timer_stopped_by_another_that_expires_does_not_expire(void **state)
{
	struct alarm a = {0}, b = {0}, c = {0};

	(void)state;
	a.stops = &b;
	start(&c, 30);
	start(&b, 20);
	start(&a, 10);
	run();
	assert_int_equal(expired_count, 2);
	assert_ptr_equal(expired[0], &a);
	assert_ptr_equal(expired[1], &c);
}

static void timer_may_start_itself_again(void **state)
{
	struct alarm alarm = {.again = true};

	(void)state;
	start(&alarm, 10);
	run();
	run();
	assert_int_equal(expired_count, 2);
}

static int by_time(const void *a, const void *b)
{
	const struct alarm *x = *(struct alarm *const *)a, *y = *(struct alarm *const *)b;

	return (x->timer.when > y->timer.when) - (x->timer.when < y->timer.when);
}

/* Starts, moves and stops by chance, against a list that is sorted in the end. */
static void timers_by_chance_expire_like_a_sorted_list(void **state)
{
	static struct alarm alarms[MANY];
	static struct alarm *sorted[MANY];
	uint32_t seed = 12345;
	size_t count = 0;

	(void)state;
	for (int step = 0; step < 10 * MANY; step++) {
		struct alarm *alarm;

		seed = seed * 1664525 + 1013904223;
		alarm = &alarms[(seed >> 8) % MANY];
		if (seed >> 30 == 0)
			rmt_loop_timer_stop(&loop, &alarm->timer);
		else
			start(alarm, 1 + (int64_t)((seed >> 4) & 0xffffff));
	}
	for (size_t i = 0; i < MANY; i++)
		if (alarms[i].timer.index != 0)
			sorted[count++] = &alarms[i];
	assert_int_equal(loop.timer_count, count);
	assert_true(count > MANY / 2);
	qsort(sorted, count, sizeof(*sorted), by_time);
	run();
	assert_int_equal(expired_count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(expired[i]->timer.when, sorted[i]->timer.when);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(alarms[i].timer.index, 0);
}

/* --- deferred calls --------------------------------------------------------------------------------- */

struct late {
	struct rmt_deferred deferred;
	struct late *defers;
	unsigned calls, order;
};

static unsigned late_order;

static void late_run(struct rmt_deferred *deferred)
{
	struct late *late = RMT_CONTAINER(deferred, struct late, deferred);

	late->calls++;
	late->order = late_order++;
	if (late->defers)
		rmt_loop_defer(&loop, &late->defers->deferred);
}

static void late_init(struct late *late)
{
	*late = (struct late){.deferred.run = late_run};
	rmt_list_init(&late->deferred.node);
}

static void deferred_calls_run_in_order_and_once(void **state)
{
	struct late a, b;

	(void)state;
	late_init(&a);
	late_init(&b);
	late_order = 0;
	rmt_loop_defer(&loop, &a.deferred);
	rmt_loop_defer(&loop, &b.deferred);
	rmt_loop_defer(&loop, &a.deferred);
	assert_int_equal(a.calls + b.calls, 0);
	/* Nothing is waited for while there is something to do. */
	rmt_loop_run_once(&loop, RMT_NEVER);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_true(b.order < a.order);
	run();
	assert_int_equal(a.calls + b.calls, 2);
}

static void deferred_call_of_a_deferred_call_runs_in_the_next_round(void **state)
{
	struct late a, b;

	(void)state;
	late_init(&a);
	late_init(&b);
	a.defers = &b;
	rmt_loop_defer(&loop, &a.deferred);
	run();
	assert_int_equal(b.calls, 0);
	rmt_loop_run_once(&loop, RMT_NEVER);
	assert_int_equal(b.calls, 1);
}

static void deferred_call_that_was_taken_back_does_not_run(void **state)
{
	struct late a;

	(void)state;
	late_init(&a);
	rmt_loop_defer(&loop, &a.deferred);
	rmt_list_remove(&a.deferred.node);
	run();
	assert_int_equal(a.calls, 0);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(timers_that_are_due_expire_in_the_order_of_time),
		LOOP_TEST(timer_ahead_ends_the_wait_and_is_not_early),
		LOOP_TEST(timer_started_again_moves),
		LOOP_TEST(timer_stopped_does_not_expire_and_stops_twice),
		LOOP_TEST(timer_stopped_by_another_that_expires_does_not_expire),
		LOOP_TEST(timer_may_start_itself_again),
		LOOP_TEST(timers_by_chance_expire_like_a_sorted_list),
		LOOP_TEST(deferred_calls_run_in_order_and_once),
		LOOP_TEST(deferred_call_of_a_deferred_call_runs_in_the_next_round),
		LOOP_TEST(deferred_call_that_was_taken_back_does_not_run),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
