/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-pool.h: contexts that work together, and maps over them. <ramet.h> includes this file at
 * its end; programs include <ramet.h>.
 *
 *	RAMET_FUNCTION(i64, count_primes, (i64, from), (i64, to)) { ... }
 *
 *	struct count_primes_args tasks[COUNT] = ...;
 *	int64_t results[COUNT];
 *
 *	if (ramet_pool_new(router, "ssh:node[01-16]/local*8", NULL, &pool, &error) == 0 &&
 *	    count_primes_map(pool, tasks, COUNT, results, NULL, &error) == 0)
 *		...                                     // results[i] is that of tasks[i]
 *
 * MEMBERS are contexts of any kind: forked or local ones for the processors of this machine, remote
 * ones. "local*8" are eight members, each of which executes one task at a time; a function marked
 * concurrent may execute several (`slots`). Whoever is done gets more: members need not be equally
 * fast.
 *
 * AT LEAST ONCE. A task whose context is lost is given to another member: it may have been executed
 * there already, wholly or in part. Tasks for which that is wrong are mapped with retries = -1, and
 * fail with -ECONNRESET then. What has been lost is started again (`restarts`). Tasks go in
 * batches; those of a batch that was lost go in small ones, and at last alone, so that a task that
 * kills its context is found, and fails alone.
 */
#ifndef RAMET_POOL_H
#define RAMET_POOL_H

#include "ramet.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ramet_pool ramet_pool;

/* Called for each new member before its first task, once more when it was lost and started
 * again, on a thread of the library's or the caller's: to call a function there, which loads
 * what tasks need. A negative errno: the member is given up; ramet_pool_new() and
 * ramet_pool_add() fail with it. */
typedef int ramet_pool_setup(ramet_context *member, void *data, ramet_error *error);

/* How a pool works. Fill with RAMET_POOL_OPTIONS_INIT. */
typedef struct ramet_pool_options {
	/* sizeof(ramet_pool_options): tells the library which members there are */
	size_t size;
	unsigned slots; /* tasks of a concurrent function that a member executes at a time; 0: 1 */
	/* how often in a row (nothing was done in between) each member that is lost is started
	 * again, with pauses that grow from 10 ms to 10 s, before it is given up; 0: 5; -1:
	 * never */
	int restarts;
	ramet_pool_setup *setup; /* may be NULL */
	void *data;
} ramet_pool_options;

#ifdef __cplusplus
#define RAMET_POOL_OPTIONS_INIT            \
	{                                  \
		sizeof(ramet_pool_options) \
	}
#else
#define RAMET_POOL_OPTIONS_INIT                    \
	{                                          \
		.size = sizeof(ramet_pool_options) \
	}
#endif

/*
 * Connects members: paths as for ramet_connect_all(). options may be NULL.
 * Errors: as for ramet_connect_all(): if one cannot be had, there is no pool; -EEXIST (two paths lead
 * to one context); those of `setup`. Blocks as that does.
 */
int ramet_pool_new(ramet_router *router, const char *paths, const ramet_pool_options *options,
		   ramet_pool **ret_pool, ramet_error *error);

/* More members; maps that run use them at once. The first is connected and, when it is lost,
 * started again by the pool; the second is the caller's context, and leaves the pool when it is
 * lost. Errors: those of ramet_connect_all() and `setup`; -EEXIST; -EINVAL (a context of another
 * router), -ECONNRESET (it is gone). Both block, the second if there is a `setup`. */
int ramet_pool_add(ramet_pool *pool, const char *paths, ramet_error *error);
int ramet_pool_add_context(ramet_pool *pool, ramet_context *context);

/* A member gets no more tasks, finishes those that it has, and leaves; one that the pool started
 * ends then. Errors: -ENOENT. Does not wait. */
int ramet_pool_remove(ramet_pool *pool, ramet_context *member);

/* Members that are there or are being started again; one of them, a reference for the caller, NULL
 * beyond the last. One that is being started again is still what was lost. */
size_t ramet_pool_size(ramet_pool *pool);
ramet_context *ramet_pool_get(ramet_pool *pool, size_t index);

/* One more reference. */
ramet_pool *ramet_pool_ref(ramet_pool *pool);

/* Drops a reference; with the last one the members that the pool started end, unless others hold
 * them. Waits for `setup` if that runs just now. */
void ramet_pool_unref(ramet_pool *pool);

/* --- Maps over pools ------------------------------------------------------------------------ */

/* How far a map is. */
typedef struct ramet_pool_progress {
	uint64_t done;    /* tasks with a result or a failure */
	uint64_t failed;  /* of these */
	uint64_t retried; /* given to another member since theirs was lost */
	uint64_t count;   /* of all; UINT64_MAX: a source has not said yet */
	size_t members;   /* that are there */
} ramet_pool_progress;

/* Called after results have come. 0; a negative errno cancels the map, whose result it is. */
typedef int ramet_pool_progressed(const ramet_pool_progress *progress, void *data);

/* Called when a task has failed for good; the error is borrowed. 0: the map goes on, without this
 * result, which stays as it was; a negative errno: it ends with that. */
typedef int ramet_pool_failed(uint64_t index, const ramet_error *failure, void *data);

/* Says where a task is best executed: the path of a context, which and below which members are
 * preferred as long as they have nothing else to do; NULL: anywhere. Borrowed until the next
 * call. */
typedef const char *ramet_pool_locality(const void *arguments, uint64_t index, void *data);

/* How a map works. Fill with RAMET_POOL_MAP_OPTIONS_INIT. */
typedef struct ramet_pool_map_options {
	/* sizeof(ramet_pool_map_options): tells the library which members there are */
	size_t size;
	int timeout; /* ms for all of it; 0: none. What runs then is cancelled */
	/* ms for one task, from the moment when it begins; 0: none. It is cancelled then and
	 * fails with -ETIMEDOUT. A batch that takes longer is cancelled, too, and its tasks are
	 * executed once more, each by itself. A member that goes on all the same gets no other
	 * task for 5 s; then one that the pool started is ended, and started again, and any
	 * other leaves the pool */
	int task_timeout;
	int retries; /* how often a task is given to another member; 0: 3; -1: never */
	/* tasks that go together, if they fit a message; 0: by what they have cost */
	unsigned batch;
	bool arrival; /* NAME_each(): results as they come, instead of in the order of the tasks */
	ramet_pool_progressed *progress;
	ramet_pool_failed *failed; /* NULL: the first failure ends the map, whose result it is */
	ramet_pool_locality *locality; /* may be NULL */
	void *data;                    /* for the three */
} ramet_pool_map_options;

#ifdef __cplusplus
#define RAMET_POOL_MAP_OPTIONS_INIT            \
	{                                      \
		sizeof(ramet_pool_map_options) \
	}
#else
#define RAMET_POOL_MAP_OPTIONS_INIT                    \
	{                                              \
		.size = sizeof(ramet_pool_map_options) \
	}
#endif

/* Cancels the maps that run in the pool at this moment: they return -ECANCELED. Any thread. Does
 * not wait. */
void ramet_pool_cancel(ramet_pool *pool);

/*
 * What RAMET_FUNCTION(R, NAME, ...) defines for pools is made of these (R: the C type of the
 * result):
 *
 *	int NAME_map(ramet_pool *pool, const struct NAME_args *tasks, size_t count, R *results,
 *	             const ramet_pool_map_options *options, ramet_error *error)
 *	int NAME_each(ramet_pool *pool, int (*next)(struct NAME_args *task, void *data),
 *	              int (*done)(uint64_t index, R *result, void *data), void *data,
 *	              const ramet_pool_map_options *options, ramet_error *error)
 *	int NAME_reduce(ramet_pool *pool, const struct NAME_args *tasks, size_t count,
 *	                const struct ramet_function *combine, R *ret,
 *	                const ramet_pool_map_options *options, ramet_error *error)
 *
 * Where the result is none there are no `results`, `done` has no `result`, and there is no _reduce.
 *
 * _map executes the function for each task; results[i] is that of tasks[i], owned as results of
 * NAME_call() are. On failure all results that were there are cleared, and zero.
 *
 * _each asks `next` for tasks as members get idle, so that there may be any number: 1 and a task,
 * all of whose pointers stay good until the next call; 0: no more; or a negative errno. `done` gets
 * the results, which are its own from then on, in the order of the tasks; a negative errno cancels.
 * At most 65,536 tasks are ahead of the next result that is due.
 *
 * _reduce combines the results, in the order of the tasks, with RAMET_FUNCTION_OF(COMBINE), where
 * RAMET_FUNCTION(R, COMBINE, (R kind, left), (R kind, right)) is associative. It is executed by the
 * members, for what they have computed, and by the thread that called. count must not be 0
 * (-EINVAL). Results that are missing because `failed` allowed it are left out; -ENODATA: there is
 * none at all.
 *
 * Threads: several maps may run in one pool. The functions given are called by the thread that
 * called, without locks held.
 * Errors: the failure of a task, with its number in the message;
 * -ECONNRESET (a task was lost too often, or no member is left); -ETIMEDOUT; -ECANCELED; -EINVAL
 * (options, no room for results, COMBINE is of other types); -EMSGSIZE (the arguments or the result
 * of one task exceed message_size_max); what next, done, progress or failed returned. All block.
 */
int ramet_function_map(const struct ramet_function *function, ramet_pool *pool, const void *tasks,
		       size_t count, void *results, const ramet_pool_map_options *options,
		       ramet_error *error);

/* What NAME_each() gives the library. */
typedef int ramet_function_next(void *task, void *data);
typedef int ramet_function_done(uint64_t index, void *result, void *data);

/* See above. */
int ramet_function_each(const struct ramet_function *function, ramet_pool *pool,
			ramet_function_next *next, ramet_function_done *done, void *data,
			const ramet_pool_map_options *options, ramet_error *error);

/* See above. */
int ramet_function_reduce(const struct ramet_function *function, ramet_pool *pool,
			  const void *tasks, size_t count, const struct ramet_function *combine,
			  void *ret, const ramet_pool_map_options *options, ramet_error *error);

#ifdef __cplusplus
}
#endif

#endif
