/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "base/time.h"

#define THREADS 8
#define ROUNDS 20000

static struct {
	struct rmt_mutex lock;
	struct rmt_condition changed;
	long count;   /* not atomic: the lock alone guards it */
	int sleeping; /* threads that wait, or are about to */
	int tokens;   /* each lets one go */
	int gone;
} shared;

static int begin(void **state)
{
	(void)state;
	rmt_mutex_init(&shared.lock);
	rmt_condition_init(&shared.changed);
	shared.count = shared.sleeping = shared.tokens = shared.gone = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	rmt_condition_done(&shared.changed);
	rmt_mutex_done(&shared.lock);
	return 0;
}

static void start(pthread_t threads[THREADS], void *(*run)(void *argument))
{
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, NULL), 0);
}

static void join(pthread_t threads[THREADS])
{
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void *count_up(void *argument)
{
	(void)argument;
	for (int i = 0; i < ROUNDS; i++) {
		rmt_mutex_lock(&shared.lock);
		shared.count++;
		rmt_mutex_unlock(&shared.lock);
	}
	return NULL;
}

static void mutex_of_many_threads_is_held_by_one(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	start(threads, count_up);
	join(threads);
	assert_int_equal(shared.count, (long)THREADS * ROUNDS);
}

static void *wait_for_token(void *argument)
{
	(void)argument;
	rmt_mutex_lock(&shared.lock);
	shared.sleeping++;
	while (shared.tokens == 0)
		assert_int_equal(rmt_condition_wait(&shared.changed, &shared.lock, RMT_NEVER), 0);
	shared.tokens--;
	/* No other one may be woken by this. */
	if (++shared.gone == THREADS)
		rmt_condition_broadcast(&shared.changed);
	rmt_mutex_unlock(&shared.lock);
	return NULL;
}

/* Until all of them wait: who has counted itself gives up the lock by waiting only. */
static void lock_when_all_sleep(void)
{
	rmt_mutex_lock(&shared.lock);
	while (shared.sleeping < THREADS) {
		rmt_mutex_unlock(&shared.lock);
		rmt_mutex_lock(&shared.lock);
	}
}

static void condition_signal_for_each_wakes_all(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	start(threads, wait_for_token);
	lock_when_all_sleep();
	for (int i = 0; i < THREADS; i++) {
		shared.tokens++;
		rmt_condition_signal(&shared.changed);
	}
	rmt_mutex_unlock(&shared.lock);
	join(threads);
	assert_int_equal(shared.gone, THREADS);
	assert_int_equal(shared.tokens, 0);
}

static void condition_broadcast_wakes_all(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	start(threads, wait_for_token);
	lock_when_all_sleep();
	shared.tokens = THREADS;
	rmt_condition_broadcast(&shared.changed);
	while (shared.gone < THREADS)
		assert_int_equal(rmt_condition_wait(&shared.changed, &shared.lock, RMT_NEVER), 0);
	rmt_mutex_unlock(&shared.lock);
	join(threads);
}

static void condition_without_a_call_times_out_and_the_lock_is_held(void **state)
{
	int64_t until = rmt_now() + 20000;
	pthread_t threads[THREADS];
	int r = 0;

	(void)state;
	rmt_mutex_lock(&shared.lock);
	start(threads, count_up);
	while (r == 0)
		r = rmt_condition_wait(&shared.changed, &shared.lock, until);
	assert_int_equal(r, -ETIMEDOUT);
	assert_true(rmt_now() >= until);
	/* They would be lost if it were not. */
	for (int i = 0; i < ROUNDS; i++)
		shared.count++;
	rmt_mutex_unlock(&shared.lock);
	join(threads);
	assert_int_equal(shared.count, (long)(THREADS + 1) * ROUNDS);
}

static void condition_until_the_past_times_out(void **state)
{
	(void)state;
	rmt_mutex_lock(&shared.lock);
	assert_int_equal(rmt_condition_wait(&shared.changed, &shared.lock, rmt_now() - 1),
			 -ETIMEDOUT);
	rmt_mutex_unlock(&shared.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mutex_of_many_threads_is_held_by_one, begin, end),
		cmocka_unit_test_setup_teardown(condition_signal_for_each_wakes_all, begin, end),
		cmocka_unit_test_setup_teardown(condition_broadcast_wakes_all, begin, end),
		cmocka_unit_test_setup_teardown(
			condition_without_a_call_times_out_and_the_lock_is_held, begin, end),
		cmocka_unit_test_setup_teardown(condition_until_the_past_times_out, begin, end),
	};

	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
