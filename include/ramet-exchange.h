/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-exchange.h: many forked processes at once: an exchange takes their results as they arrive, a
 * map computes one for each input. <ramet.h> includes this file at its end; programs include <ramet.h>.
 *
 *	static void word_count(ramet_channel *channel, const ramet_value *input, void *state)
 *	{
 *		ramet_channel_send_i64(channel, count_words(ramet_value_str(input)));
 *	}
 *
 *	ramet_map *map;
 *
 *	ramet_map_new(word_count, NULL, &map);
 *	ramet_map_begin(map, paths, path_count);
 *	while (ramet_map_next(map, -1, &value, &error) == 1) {  // in the order of the inputs
 *		...
 *		ramet_value_unref(value);
 *	}
 *	ramet_map_unref(map);
 *
 * For the same over contexts, here and on other machines, see ramet-pool.h.
 *
 * Objects are used by one thread at a time. What ramet-channel.h says of copies holds for all processes
 * here.
 */
#ifndef RAMET_EXCHANGE_H
#define RAMET_EXCHANGE_H

#include "ramet-channel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Exchanges ---------------------------------------------------------------------------- */

typedef struct ramet_exchange ramet_exchange;

/*
 * Called with each value that arrives; both are borrowed. The channel may be answered, or removed. May
 * start further processes as long as fewer than the limit run, or call managed functions; whatever would
 * have to wait in the exchange fails with -EDEADLK. Must not drop the exchange. 0, or a negative errno:
 * no more values are handled, and it becomes the result of the function that was waiting; what has not
 * been handled is, by the next one.
 */
typedef int ramet_exchange_store(ramet_exchange *exchange, ramet_channel *channel,
				 ramet_value *value, void *data);

/*
 * Called when a channel has come to its end, with the status as ramet_channel_wait() has it (-1: no
 * process of ours, or nobody knows), and what it failed with first, or NULL. Both are borrowed; the
 * channel is closed behind it. May do what a store may.
 * It is called as well for each call of a managed function that has failed, with status -1, and its
 * worker goes on.
 */
typedef int ramet_exchange_ended(ramet_exchange *exchange, ramet_channel *channel, int status,
				 const ramet_error *failure, void *data);

/*
 * An exchange for at most `limit` processes and channels at a time (0: ramet_cores()); a process counts
 * until it has ended and been waited for. store may be NULL: then values wait for ramet_exchange_next().
 */
int ramet_exchange_new(int limit, ramet_exchange_store *store, void *data,
		       ramet_exchange **ret_exchange);

/* Who hears of ends. Without that the first failure (a function's, or a process that was killed or ended
 * with another status than 0) is what ramet_exchange_finish() returns, and the others are lost. `data` is
 * that of the exchange. */
void ramet_exchange_on_end(ramet_exchange *exchange, ramet_exchange_ended *ended);

/*
 * ramet_start() in the exchange. Waits, and handles values, while the limit is reached: so `data` may be
 * a variable of a loop. (Without a store, values are kept meanwhile.) When it fails, others go on, and
 * nothing of theirs is lost.
 * Errors: those of ramet_start(), and what a store returned. Blocks.
 */
int ramet_exchange_start(ramet_exchange *exchange, ramet_channel_function *function, void *data,
			 ramet_error *error);

/* ramet_create() in the exchange: 0 in the copy, where *ret_channel is its end and the exchange must not
 * be used; the process id in the parent, where *ret_channel is not written. Waits like
 * ramet_exchange_start(). */
int ramet_exchange_create(ramet_exchange *exchange, ramet_channel **ret_channel,
			  ramet_error *error);

/* Adds a channel that was made elsewhere, when fewer than the limit run; the exchange then owns it. One
 * that listens (ramet_channel_listen()) has nobody behind it that could be waited for.
 * Errors: -EEXIST (it is in this exchange), -ENOTCONN (it listens), and as above. Blocks. */
int ramet_exchange_add(ramet_exchange *exchange, ramet_channel *channel, ramet_error *error);

/* Gives a channel back to the caller, who closes it. Values of it that wait are dropped; what it has not
 * read yet can be received. Errors: -ENOENT (it is not here, or a worker's). Does not block. */
int ramet_exchange_remove(ramet_exchange *exchange, ramet_channel *channel);

/* Channels and processes in it, workers among them; and calls of managed functions that wait for their
 * turn. */
int ramet_exchange_running(const ramet_exchange *exchange);
size_t ramet_exchange_waiting(const ramet_exchange *exchange);

/* Waits until something has arrived, a value or an end, and leaves it there: 1; or 0, nothing is left to
 * wait for. (Workers that have no call are nothing to wait for.) Errors: -ETIMEDOUT. Blocks. */
int ramet_exchange_ready(ramet_exchange *exchange, int timeout, ramet_error *error);

/* Handles what has arrived, after waiting for it: how many values and ends; 0: nothing is left. Errors:
 * -ETIMEDOUT, what a store returned. Blocks. */
int ramet_exchange_handle(ramet_exchange *exchange, int timeout, ramet_error *error);

/* Takes the next value, where there is no store: 1, the channel borrowed (good until the next use of the
 * exchange), the value the caller's; 0: all have ended. Errors: -ETIMEDOUT, -EINVAL (there is a store);
 * and, without ramet_exchange_on_end(), the failure of a channel, which ends with it, or of a call of a
 * managed function. The next call goes on behind it. Blocks. */
int ramet_exchange_next(ramet_exchange *exchange, int timeout, ramet_channel **ret_channel,
			ramet_value **ret_value, ramet_error *error);

/* Waits until fewer than the limit run; handles values. Errors: as for ramet_exchange_handle(). Blocks. */
int ramet_exchange_wait(ramet_exchange *exchange, int timeout, ramet_error *error);

/*
 * Waits until all have ended and nothing waits; handles values. The exchange can be used again.
 * Errors: -ETIMEDOUT (call it again), what a store returned, and the first failure, see
 * ramet_exchange_on_end(), after all have ended. Blocks.
 */
int ramet_exchange_finish(ramet_exchange *exchange, int timeout, ramet_error *error);

/* A descriptor for poll(2): readable as long as ramet_exchange_handle() would not wait, or there is a value
 * for ramet_exchange_next(). It may be readable for a moment for less, the first half of a message: hand
 * the time-out 0 to who is called then. It belongs to the exchange, and stays the same. Errors: none. */
int ramet_exchange_fd(ramet_exchange *exchange);

/* One more reference. */
ramet_exchange *ramet_exchange_ref(ramet_exchange *exchange);

/* Drops a reference. With the last one its channels are closed, processes of it that still run are
 * killed (SIGKILL), as nobody can have their results any more, and waited for. */
void ramet_exchange_unref(ramet_exchange *exchange);

/* --- Managed functions --------------------------------------------------------------------- */

/*
 * The task of a worker: takes an input (borrowed; NULL for none) and sends what comes of it, none, one or
 * many values, or fails (ramet_channel_fail()). `state` is what the begin hook has made, or options.data.
 * A managed function may be answered, by the store, and receive that; the task of a map cannot receive:
 * -EOPNOTSUPP.
 */
typedef void ramet_task(ramet_channel *channel, const ramet_value *input, void *state);

/* Workers. Fill with RAMET_WORKER_OPTIONS_INIT. */
typedef struct ramet_worker_options {
	/* sizeof(ramet_worker_options): tells the library which members there are */
	size_t size;
	bool fresh; /* a process for each input, instead of workers that are used again */
	void *data; /* for the hooks and, without `begin`, the task */
	/* in each worker before its first input: its state; or NULL, and the input fails with what it has
	 * sent by ramet_channel_fail(), or -ECANCELED, and the worker ends */
	void *(*begin)(ramet_channel *channel, void *data);
	void (*end)(void *state); /* in each worker, after its last */
} ramet_worker_options;

#ifdef __cplusplus
#define RAMET_WORKER_OPTIONS_INIT            \
	{                                    \
		sizeof(ramet_worker_options) \
	}
#else
#define RAMET_WORKER_OPTIONS_INIT                    \
	{                                            \
		.size = sizeof(ramet_worker_options) \
	}
#endif

typedef struct ramet_managed ramet_managed;

/*
 * A function that runs in processes of an exchange when it is called. Workers that are used again are
 * started when they are needed, at most the limit of them for any number of calls, and end when
 * ramet_exchange_finish() finds nothing to do. options may be NULL. The exchange must outlive it.
 */
int ramet_managed_new(ramet_exchange *exchange, ramet_task *task,
		      const ramet_worker_options *options, ramet_managed **ret_managed);

/* Calls it: at once if fewer than the limit run, else the call waits in line. Never waits itself. What it
 * sends arrives in the exchange, and what it fails with, as of the channel of its worker. A call whose
 * worker is lost fails with -ECONNRESET; it is not made again. The input gets a reference.
 * Errors: as for ramet_start(), when nothing runs that the call could wait for; -EINVAL (the input holds a
 * context or a sender). */
int ramet_managed_call(ramet_managed *managed, const ramet_value *input, ramet_error *error);

/* Drops it; calls that have not begun are forgotten. */
void ramet_managed_free(ramet_managed *managed);

/* --- Maps ---------------------------------------------------------------------------------- */

typedef struct ramet_map ramet_map;

/* Gives the next input, which the map takes over: 1; 0: there are no more; or a negative errno, which
 * ramet_map_next() returns when all before it are done. It is asked only as far ahead as workers
 * need: inputs may be without end. */
typedef int ramet_map_source(ramet_value **ret_input, void *data);

/* Makes one of two results; borrowed both, the new one is the caller's. NULL: out of memory. It has to be
 * associative: results of neighbours are combined, in the order of the inputs. Runs in the workers, with
 * the state of their tasks, and here, with the data of the worker's options. */
typedef ramet_value *ramet_map_combine(const ramet_value *left, const ramet_value *right,
				       void *state);

/* How a map works. Fill with RAMET_MAP_OPTIONS_INIT. */
typedef struct ramet_map_options {
	/* sizeof(ramet_map_options): tells the library which members there are */
	size_t size;
	int limit;    /* workers at a time; 0: ramet_cores() */
	bool arrival; /* results as they come, instead of in the order of the inputs */
	unsigned
		batch; /* inputs that go to a worker together; 0: by what they have cost, about 1 ms */
	size_t window; /* inputs taken ahead of the results that were taken; 0: 65,536 */
	const ramet_worker_options *worker; /* NULL: workers that are used again, no hooks */
} ramet_map_options;

#ifdef __cplusplus
#define RAMET_MAP_OPTIONS_INIT            \
	{                                 \
		sizeof(ramet_map_options) \
	}
#else
#define RAMET_MAP_OPTIONS_INIT                    \
	{                                         \
		.size = sizeof(ramet_map_options) \
	}
#endif

/*
 * A map of a function over inputs. For each input it yields one result: the value that the task sent, a
 * list of them where it sent several, NULL where it sent none. options may be NULL.
 */
int ramet_map_new(ramet_task *task, const ramet_map_options *options, ramet_map **ret_map);

/* Begins, with an array of inputs, each of which gets a reference, or with a source. What went on before is
 * given up: results that were not taken are dropped, what runs is killed. Workers are forked here, and
 * later when there is more to do: they have the program's memory as it was then, the array with it.
 * Errors: as for ramet_start(), when not even one worker could be started. */
int ramet_map_begin(ramet_map *map, ramet_value *const *inputs, size_t count, ramet_error *error);
int ramet_map_begin_source(ramet_map *map, ramet_map_source *source, void *data,
			   ramet_error *error);

/*
 * Takes the next result: 1; 0: there are no more, and the workers have ended. The failure of a task is
 * returned in its place, with ramet_map_index() as usual, and the next call goes on behind it. A worker
 * that is lost fails the input that it had in hand (-ECONNRESET); the others that were with it go to
 * another worker: those of which nothing had arrived are computed again.
 * The results of inputs that were not costly arrive together, when their batch is done or takes long.
 * Errors: -ETIMEDOUT; -EINVAL (it has not begun, or is being reduced); of a source; as for ramet_start(),
 * when no worker is left and none could be started (call it again); -ENOMEM. Blocks.
 */
int ramet_map_next(ramet_map *map, int timeout, ramet_value **ret_value, ramet_error *error);

/* Of which input the last result was, from 0 on. */
uint64_t ramet_map_index(const ramet_map *map);

/* The result of one input of an array, as soon as it is there: 0; *ret_value is borrowed from the map,
 * which keeps all results then, without a window. ramet_map_next() goes through them in the order of the
 * inputs.
 * Errors: that of the task, -ETIMEDOUT, -ENOENT (there is no such input), -EINVAL (a source, or
 * ramet_map_next() was used before). Blocks. */
int ramet_map_get(ramet_map *map, size_t index, int timeout, const ramet_value **ret_value,
		  ramet_error *error);

/* Combines all results to one: 1; 0: there were no inputs, or their tasks have sent nothing. The first
 * failure, in the order of the inputs, ends it, and the map is as if it had not begun; after -ETIMEDOUT
 * it can be called again. Errors: that, -EINVAL (results were taken before). Blocks. */
int ramet_map_reduce(ramet_map *map, ramet_map_combine *combine, int timeout,
		     ramet_value **ret_value, ramet_error *error);

/* One more reference. */
ramet_map *ramet_map_ref(ramet_map *map);

/* Drops a reference; with the last one what runs is killed and waited for. */
void ramet_map_unref(ramet_map *map);

/* All at once: results[i], the caller's, of inputs[i]. The first failure in the order of the inputs ends
 * it, with nothing written. Errors: that, and as for ramet_map_begin(). Blocks. */
int ramet_map_values(ramet_task *task, ramet_value *const *inputs, size_t count,
		     const ramet_map_options *options, ramet_value **results, ramet_error *error);

#ifdef __cplusplus
}
#endif

#endif
