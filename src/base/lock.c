/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/time.h"

#ifdef RMT_LOCK_PTHREAD

void rmt_mutex_init(struct rmt_mutex *mutex)
{
	pthread_mutex_init(&mutex->mutex, NULL);
}

void rmt_mutex_done(struct rmt_mutex *mutex)
{
	pthread_mutex_destroy(&mutex->mutex);
}

void rmt_mutex_lock(struct rmt_mutex *mutex)
{
	pthread_mutex_lock(&mutex->mutex);
}

void rmt_mutex_unlock(struct rmt_mutex *mutex)
{
	pthread_mutex_unlock(&mutex->mutex);
}

void rmt_condition_init(struct rmt_condition *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&condition->condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

void rmt_condition_done(struct rmt_condition *condition)
{
	pthread_cond_destroy(&condition->condition);
}

int rmt_condition_wait(struct rmt_condition *condition, struct rmt_mutex *mutex, int64_t until)
{
	struct timespec at;

	if (until == RMT_NEVER)
		return -pthread_cond_wait(&condition->condition, &mutex->mutex);
	at = rmt_timespec(until);
	return -pthread_cond_timedwait(&condition->condition, &mutex->mutex, &at);
}

void rmt_condition_signal(struct rmt_condition *condition)
{
	pthread_cond_signal(&condition->condition);
}

void rmt_condition_broadcast(struct rmt_condition *condition)
{
	pthread_cond_broadcast(&condition->condition);
}

#else

#include <sys/syscall.h>
#include <unistd.h>

/* Of <linux/futex.h>, which a compiler for musl need not have. */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_PRIVATE_FLAG 128

/* As the system call has it on machines of any word size. */
struct duration {
	long seconds, nanoseconds;
};

static void futex(_Atomic(uint32_t) *word, int operation, uint32_t value,
		  const struct duration *timeout)
{
	int code = errno;

	syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout);
	errno = code;
}

void rmt_mutex_init(struct rmt_mutex *mutex)
{
	*mutex = (struct rmt_mutex)RMT_MUTEX_INIT;
}

void rmt_mutex_done(struct rmt_mutex *mutex)
{
	(void)mutex;
}

void rmt_mutex_lock(struct rmt_mutex *mutex)
{
	uint32_t state = 0;

	if (atomic_compare_exchange_strong(&mutex->state, &state, 1))
		return;
	/* Who has waited does not know whether it was the only one. */
	while (atomic_exchange(&mutex->state, 2) != 0)
		futex(&mutex->state, FUTEX_WAIT, 2, NULL);
}

void rmt_mutex_unlock(struct rmt_mutex *mutex)
{
	/* Its memory may be somebody else's as soon as it is free; then they wake for nothing. */
	if (atomic_exchange(&mutex->state, 0) == 2)
		futex(&mutex->state, FUTEX_WAKE, 1, NULL);
}

void rmt_condition_init(struct rmt_condition *condition)
{
	*condition = (struct rmt_condition){0};
}

void rmt_condition_done(struct rmt_condition *condition)
{
	(void)condition;
}

int rmt_condition_wait(struct rmt_condition *condition, struct rmt_mutex *mutex, int64_t until)
{
	uint32_t calls = condition->calls;
	int64_t left = until == RMT_NEVER ? 0 : until - rmt_now();
	struct duration timeout = {(long)(left / 1000000), (long)(left % 1000000 * 1000)};

	if (until != RMT_NEVER && left <= 0)
		return -ETIMEDOUT;
	condition->waiting++;
	rmt_mutex_unlock(mutex);
	futex(&condition->calls, FUTEX_WAIT, calls, until == RMT_NEVER ? NULL : &timeout);
	rmt_mutex_lock(mutex);
	condition->waiting--;
	return 0;
}

static void call(struct rmt_condition *condition, int count)
{
	if (condition->waiting == 0)
		return;
	condition->calls++;
	futex(&condition->calls, FUTEX_WAKE, (uint32_t)count, NULL);
}

void rmt_condition_signal(struct rmt_condition *condition)
{
	call(condition, 1);
}

void rmt_condition_broadcast(struct rmt_condition *condition)
{
	call(condition, INT_MAX);
}

#endif
