/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's own threads, as fork(2) sees them. A copy of a process has one thread; locks that
 * the others held stay locked in it. Those of the library are looked after, by whoever holds them;
 * what threads of the program hold nobody knows. So there is a count of the library's threads,
 * without those that run a function of the program just now, and whatever is beyond it is the
 * program's.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Starts a thread of ours, which blocks all signals: the program's are for the program's threads. Its
 * functions have `stack` bytes, whatever thread-local variables the program has. Without ret_thread
 * it is detached. It is counted; its last act is rmt_threads_ours(-1). 0 or a negative errno.
 */
int rmt_thread_new(void *(*function)(void *), void *argument, size_t stack, pthread_t *ret_thread);

/* A thread of ours is about to end (-1). Around functions of the program that it runs: -1, then 1. */
void rmt_threads_ours(int change);

/* While a thread calls what may hold locks that a copy would need (a log sink, stdio), nobody
 * forks. */
void rmt_fork_hold(void);
void rmt_fork_allow(void);

/* For who forks: waits until nobody is in such a call. rmt_fork_end() comes afterwards, in both
 * processes. -EBUSY: this thread itself is in one, or (unless `anyway`) the program has threads
 * besides the caller's. */
int rmt_fork_begin(bool anyway);
void rmt_fork_end(void);

/* In a copy, behind rmt_fork_end(): its one thread is the program's. */
void rmt_fork_copied(void);
