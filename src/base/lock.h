/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks, and conditions to wait for under them, between the threads of a process. They do less than
 * those of pthreads(7), and every program that travels carries them: one word of memory and futex(2).
 * Where that is not there, or a tool has to see who waits for whom, they are those of pthreads.
 */
#pragma once

#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RMT_LOCK_PTHREAD 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || !defined(__linux__)
#define RMT_LOCK_PTHREAD 1
#endif

#ifdef RMT_LOCK_PTHREAD
#include <pthread.h>

struct rmt_mutex {
	pthread_mutex_t mutex;
};

struct rmt_condition {
	pthread_cond_t condition;
};

#define RMT_MUTEX_INIT                    \
	{                                 \
		PTHREAD_MUTEX_INITIALIZER \
	}
#else
/* 0: free, 1: held, 2: held, and somebody may wait for it. */
struct rmt_mutex {
	_Atomic(uint32_t) state;
};

/* The number of calls so far, and how many wait, which the lock guards. */
struct rmt_condition {
	_Atomic(uint32_t) calls;
	unsigned waiting;
};

#define RMT_MUTEX_INIT \
	{              \
		0      \
	}
#endif

void rmt_mutex_init(struct rmt_mutex *mutex);
void rmt_mutex_done(struct rmt_mutex *mutex);

/* Who holds it already waits for ever. */
void rmt_mutex_lock(struct rmt_mutex *mutex);

/* By the thread that has locked it. The memory is not touched once another one can have it. */
void rmt_mutex_unlock(struct rmt_mutex *mutex);

void rmt_condition_init(struct rmt_condition *condition);
void rmt_condition_done(struct rmt_condition *condition);

/* Gives up the lock, waits until it is called, or until then (rmt_now(), or RMT_NEVER), and takes the
 * lock again. 0, also without a reason, so that who waits looks again; -ETIMEDOUT. */
int rmt_condition_wait(struct rmt_condition *condition, struct rmt_mutex *mutex, int64_t until);

/* The lock that they wait under is held by whoever calls one of them, or all. */
void rmt_condition_signal(struct rmt_condition *condition);
void rmt_condition_broadcast(struct rmt_condition *condition);
