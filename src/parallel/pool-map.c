/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "core/batch.h"
#include "core/peer.h"
#include "core/wait.h"
#include "parallel/pool.h"

#define RETRIES 3

/* ns that the tasks of a batch take together: long enough that what is done for a batch is
 * little beside it, short enough that members end at the same time. And round trips; and, where
 * none can wait at the member since it would be begun, so many times as long. */
#define BATCH_NS 1e6
#define BATCH_NS_MAX 2e8
#define BATCH_ROUND_TRIPS 4
#define BATCH_SINGLE 4

/* The next batch has so many times as many tasks at most. */
#define GROWTH 8

/* After a loss: so many tasks together, to find the one that did it. */
#define SUSPECTS 16

/* us that an answer of a member which has seen itself that the time is over may take. */
#define TIMEOUT_SLACK 20000

static int retries_of(const struct rmt_pool_map *map)
{
	return map->options.retries ? map->options.retries : RETRIES;
}

/* --- who gets how much ---------------------------------------------------------------------- */

/* Nothing else may be lost together with these. */
static bool goes_alone(const struct rmt_pool_map *map, const struct rmt_pool_piece *piece)
{
	return piece->losses >= 2 || (piece->losses == 1 && retries_of(map) < 2);
}

static uint64_t by_cost(const struct rmt_pool_map *map, const struct rmt_pool_member *member)
{
	double target = RMT_MAX(BATCH_NS, (double)member->round_trip * 1e3 * BATCH_ROUND_TRIPS);
	double want;

	if (map->cost == 0)
		return 1;
	target = RMT_MIN(target, BATCH_NS_MAX) * (map->limit > map->at_once ? 1 : BATCH_SINGLE);
	want = target / map->cost;
	want = RMT_MIN(want, (double)map->largest * GROWTH);
	want = RMT_MIN(want, RMT_POOL_BATCH / map->size);
	return want > 1 ? (uint64_t)want : 1;
}

static uint64_t batch_size(const struct rmt_pool_map *map, const struct rmt_pool_member *member)
{
	const struct rmt_pool_piece *urgent = rmt_tasks_urgent(&map->tasks);
	uint64_t want = map->options.batch ? map->options.batch : by_cost(map, member);
	uint64_t left = rmt_tasks_left(&map->tasks);
	uint64_t shares = 2 * (uint64_t)map->at_once * RMT_MAX(map->pool->member_count, 1);

	/* What is executed a second time when the time is over must not have been executed. */
	if (map->options.retries < 0 && map->options.task_timeout > 0)
		return 1;
	if (urgent && (urgent->alone || goes_alone(map, urgent)))
		return 1;
	if (urgent && urgent->losses > 0)
		return RMT_MIN(want, SUSPECTS);
	if (!map->options.batch && left != UINT64_MAX)
		want = RMT_MIN(want, left / shares);
	return RMT_MAX(want, 1);
}

static unsigned of_map(const struct rmt_pool_member *member, const struct rmt_pool_map *map,
		       bool *ret_only)
{
	unsigned count = 0;

	for (struct rmt_list *node = member->batches.next; node != &member->batches;
	     node = node->next) {
		struct rmt_pool_batch *batch = RMT_CONTAINER(node, struct rmt_pool_batch,
							     of_member);

		count += batch->map == map;
		*ret_only |= batch->only;
	}
	return count;
}

/* The one that has least to do; NULL: all have enough. */
static struct rmt_pool_member *pick(const struct rmt_pool_map *map)
{
	const struct rmt_pool_piece *urgent = rmt_tasks_urgent(&map->tasks);
	bool alone = urgent && goes_alone(map, urgent);
	struct rmt_pool_member *best = NULL;
	unsigned least = map->limit;

	for (struct rmt_list *node = map->pool->members.next; node != &map->pool->members;
	     node = node->next) {
		struct rmt_pool_member *member = RMT_CONTAINER(node, struct rmt_pool_member, node);
		bool only = false;
		unsigned count = of_map(member, map, &only);

		if (member->state != RMT_MEMBER_READY || member->stuck || only || count >= least ||
		    (alone && member->in_flight > 0))
			continue;
		best = member;
		least = count;
	}
	return best;
}

/* The lock is held, and released meanwhile. 0: nothing could be given. */
static int give(struct rmt_pool_map *map, struct rmt_pool_member *member, ramet_error *error)
{
	/* It may be another one while the program is asked for tasks. */
	struct rmt_peer *peer = rmt_context_take(member->peer)->peer;
	const char *path = peer->path ? peer->path : "";
	uint64_t want = batch_size(map, member);
	struct rmt_pool_batch *batch = NULL;
	struct rmt_pool_piece piece, rest;
	int r;

	member->references++;
	rmt_unlock(map->router);
	r = rmt_tasks_take(&map->tasks, want, path, &piece, error);
	if (r > 0) {
		rest = piece;
		r = rmt_pool_batch_new(map, member, &piece, &batch, error);
		rest.first += piece.count;
		rest.count -= piece.count;
		if (r == 0 && rmt_tasks_return(&map->tasks, &rest) < 0)
			r = rmt_error_set(error, ENOMEM, "out of memory");
		r = r < 0 ? r : 1;
	}
	rmt_lock(map->router);
	if (batch) {
		batch->only = goes_alone(map, &piece);
		rmt_pool_batch_send(batch);
	}
	rmt_context_drop(&peer->handle);
	rmt_pool_member_unref(member);
	return r;
}

static int fill(struct rmt_pool_map *map, ramet_error *error)
{
	struct rmt_list *node, *following;
	int r = 1;

	map->changed = false;
	rmt_list_each(&map->flying, node, following) {
		struct rmt_pool_batch *batch = RMT_CONTAINER(node, struct rmt_pool_batch, of_map);

		if (map->sending == 0)
			break;
		if (batch->flow)
			rmt_pool_batch_send(batch);
	}
	while (r > 0 && !map->cancelled && rmt_tasks_wait(&map->tasks)) {
		struct rmt_pool_member *member = pick(map);

		r = member ? give(map, member, error) : 0;
	}
	return r;
}

/* --- answers -------------------------------------------------------------------------------- */

static int tell(struct rmt_pool_map *map, ramet_error *error)
{
	ramet_pool_progress progress = {
		.done = map->tasks.finished,
		.failed = map->tasks.failed,
		.retried = map->tasks.retried,
		.count = map->tasks.count,
		.members = rmt_pool_size(map->pool),
	};
	int r;

	if (!map->options.progress)
		return 0;
	r = map->options.progress(&progress, map->options.data);
	return r < 0 ? rmt_error_set(error, r, "the map was ended by its caller: %s",
				     rmt_strerror(r))
		     : 0;
}

static void measure(struct rmt_pool_map *map, const struct rmt_pool_batch *batch, uint64_t count,
		    uint64_t took)
{
	double cost = RMT_MAX((double)took / (double)count, 1);
	size_t bytes = RMT_MAX(batch->bytes, batch->receiver.inline_entry.message.size);
	double size = (double)bytes / (double)count;

	map->cost = map->cost == 0 ? cost : (3 * map->cost + cost) / 4;
	map->size = map->size == 0 ? size : (3 * map->size + size) / 4;
	map->largest = RMT_MAX(map->largest, count);
}

/* Without the lock. */
static int take_results(struct rmt_pool_map *map, struct rmt_pool_batch *batch, ramet_error *error)
{
	struct rmt_pool_piece rest = batch->piece;
	uint64_t read = 0, took = 0;
	int r = rmt_pool_batch_read(batch, &read, &took, error);

	if (r < 0)
		return r;
	if (read > 0)
		measure(map, batch, read, took);
	rest.first += read;
	rest.count -= read;
	/* Its time was over, or its results did not fit. */
	rest.alone = read == 0 || (map->options.task_timeout > 0 &&
				   took >= (uint64_t)map->options.task_timeout * 1000000);
	r = rmt_tasks_return(&map->tasks, &rest);
	if (r < 0)
		return rmt_error_set(error, r, "out of memory");
	r = rmt_tasks_deliver(&map->tasks, &batch->piece, error);
	return r < 0 ? r : tell(map, error);
}

static int fail_all(struct rmt_pool_map *map, const struct rmt_pool_piece *piece,
		    const ramet_error *failure, ramet_error *error)
{
	int r = 0;

	for (uint64_t i = 0; i < piece->count && r == 0; i++)
		r = rmt_tasks_failed(&map->tasks, piece->first + i, failure, error);
	if (r == 0)
		r = rmt_tasks_deliver(&map->tasks, piece, error);
	return r < 0 ? r : tell(map, error);
}

/* Its member was lost, or is about to be. Without the lock. */
static int lost(struct rmt_pool_map *map, struct rmt_pool_batch *batch, bool executed,
		ramet_error *failure, ramet_error *error)
{
	struct rmt_pool_piece piece = batch->piece;
	int retries = retries_of(map);

	piece.losses += executed;
	if (batch->sent > 0 && retries < 0)
		return fail_all(map, &piece, failure, error);
	if (retries >= 0 && piece.losses > (unsigned)retries) {
		rmt_error_set(failure, ECONNRESET,
			      "it was lost %u times with the context that executed it: %s",
			      piece.losses, failure->message ? failure->message : "out of memory");
		return fail_all(map, &piece, failure, error);
	}
	map->tasks.retried += piece.count;
	return rmt_tasks_return(&map->tasks, &piece) < 0
		       ? rmt_error_set(error, ENOMEM, "out of memory")
		       : 0;
}

static int take_failure(struct rmt_pool_map *map, struct rmt_pool_batch *batch,
			ramet_error *failure, ramet_error *error)
{
	bool here = batch->receiver.code < 0;
	struct rmt_pool_piece piece = batch->piece;

	switch (-failure->code) {
	case ECONNRESET:
	case EHOSTUNREACH:
		return lost(map, batch, batch->began_at != RMT_NEVER, failure, error);
	case ESHUTDOWN:
	case EPIPE:
		/* By the member: it is ending, and has not begun this. */
		if (!here)
			return lost(map, batch, false, failure, error);
		break;
	case ECANCELED:
		if (batch->cancelled)
			return rmt_tasks_return(&map->tasks, &piece);
		return lost(map, batch, batch->began_at != RMT_NEVER, failure, error);
	case ENOMEM:
	case EMSGSIZE:
	case EDQUOT:
		piece.alone = true;
		if (piece.count > 1)
			return rmt_tasks_return(&map->tasks, &piece);
		break;
	default:
		break;
	}
	return fail_all(map, &piece, failure, error);
}

/* One that was answered. The lock is held, and released meanwhile. */
static int process(struct rmt_pool_map *map, struct rmt_pool_batch *batch, ramet_error *error)
{
	struct rmt_pool_member *member = batch->member;
	ramet_error failure = RAMET_ERROR_INIT;
	int64_t took = rmt_now() - batch->sent_at;
	int r = rmt_receiver_failure(&batch->receiver, &failure);

	/* What is ending, and cancels what it has or begins nothing, does so until it is lost;
	 * which it is in time. */
	if ((r == -ESHUTDOWN || (r == -ECANCELED && !batch->cancelled)) &&
	    batch->peer == member->peer && member->state == RMT_MEMBER_READY)
		rmt_pool_member_stuck(member);
	if (r == 0)
		member->losses = 0;
	rmt_unlock(map->router);
	if (r < 0) {
		r = take_failure(map, batch, &failure, error);
	} else {
		uint64_t spent = 0, ignored;
		struct rmt_cbor_reader reader;

		rmt_cbor_reader_init(&reader, batch->receiver.inline_entry.message.data,
				     batch->receiver.inline_entry.message.size);
		if (batch->first && rmt_cbor_read_array(&reader, &ignored) == 0 &&
		    rmt_cbor_read_u64(&reader, &spent) == 0)
			took -= RMT_MIN(took, (int64_t)(spent / 1000));
		r = take_results(map, batch, error);
	}
	ramet_error_clear(&failure);
	rmt_lock(map->router);
	if (batch->first && (member->round_trip == 0 || took < member->round_trip))
		member->round_trip = RMT_MAX(took, 1);
	rmt_pool_batch_free(batch);
	return r;
}

static int process_all(struct rmt_pool_map *map, ramet_error *error)
{
	int r = 0;

	while (r == 0 && !rmt_list_empty(&map->answered)) {
		struct rmt_pool_batch *batch = rmt_list_first(&map->answered, struct rmt_pool_batch,
							      of_map);

		rmt_list_remove(&batch->of_map);
		r = process(map, batch, error);
	}
	return r;
}

/* --- time ----------------------------------------------------------------------------------- */

static int64_t due_of(const struct rmt_pool_map *map, const struct rmt_pool_batch *batch)
{
	if (map->options.task_timeout <= 0 || batch->began_at == RMT_NEVER || batch->cancelled)
		return RMT_NEVER;
	return batch->began_at + (int64_t)map->options.task_timeout * 1000 + TIMEOUT_SLACK;
}

static int64_t next_due(const struct rmt_pool_map *map, int64_t deadline)
{
	for (struct rmt_list *node = map->flying.next; node != &map->flying; node = node->next) {
		int64_t due = due_of(map, RMT_CONTAINER(node, struct rmt_pool_batch, of_map));

		deadline = RMT_MIN(deadline, due);
	}
	return deadline;
}

/* A batch took too long. The lock is held, and released meanwhile. */
static int timed_out(struct rmt_pool_map *map, struct rmt_pool_batch *batch, ramet_error *error)
{
	struct rmt_pool_piece piece = batch->piece;
	struct rmt_pool_member *member = batch->member;
	ramet_error failure = RAMET_ERROR_INIT;
	struct rmt_list *node, *following;
	int r;

	rmt_error_set_at(&failure, ETIMEDOUT, member->peer->path ? member->peer->path : "",
			 "it took longer than %d ms", map->options.task_timeout);
	rmt_pool_batch_cancel(batch);
	if (!batch->answered)
		rmt_pool_member_stuck(member);
	rmt_pool_batch_abandon(batch);
	/* What waits behind it goes elsewhere. */
	rmt_list_each(&member->batches, node, following) {
		struct rmt_pool_batch *other = RMT_CONTAINER(node, struct rmt_pool_batch,
							     of_member);

		if (other->map == map && other->began_at == RMT_NEVER)
			rmt_pool_batch_cancel(other);
	}
	rmt_unlock(map->router);
	piece.alone = true;
	r = piece.count > 1 ? rmt_tasks_return(&map->tasks, &piece)
			    : fail_all(map, &piece, &failure, error);
	ramet_error_clear(&failure);
	rmt_lock(map->router);
	return r;
}

static int look_at_time(struct rmt_pool_map *map, int64_t deadline, ramet_error *error)
{
	int64_t now;
	int r = 0;

	if (deadline == RMT_NEVER && map->options.task_timeout <= 0)
		return 0;
	now = rmt_now();
	if (now >= deadline)
		return rmt_error_set(error, ETIMEDOUT, "the map was not done within %d ms",
				     map->options.timeout);
	for (struct rmt_list *node = map->flying.next; node != &map->flying && r == 0;) {
		struct rmt_pool_batch *batch = RMT_CONTAINER(node, struct rmt_pool_batch, of_map);

		node = node->next;
		if (now < due_of(map, batch))
			continue;
		r = timed_out(map, batch, error);
		node = map->flying.next; /* others may have gone meanwhile */
	}
	return r;
}

/* --- running -------------------------------------------------------------------------------- */

static bool has_something(void *argument)
{
	const struct rmt_pool_map *map = argument;

	if (!rmt_list_empty(&map->answered) || map->cancelled || map->changed)
		return true;
	for (struct rmt_list *node = map->flying.next; map->sending > 0 && node != &map->flying;
	     node = node->next)
		if (rmt_pool_batch_can_go_on(RMT_CONTAINER(node, struct rmt_pool_batch, of_map)))
			return true;
	return false;
}

/* The lock is held, and released meanwhile. */
static int run(struct rmt_pool_map *map, ramet_error *error)
{
	int64_t deadline = map->options.timeout > 0 ? rmt_after(map->options.timeout) : RMT_NEVER;
	ramet_pool *pool = map->pool;
	int r = 0;

	for (;;) {
		r = process_all(map, error);
		if (r == 0)
			r = look_at_time(map, deadline, error);
		if (r == 0 && map->cancelled)
			r = rmt_error_set(error, ECANCELED, "the map was cancelled");
		if (r == 0)
			r = fill(map, error);
		if (r < 0 || rmt_tasks_finished(&map->tasks))
			return r < 0 ? r : 0;
		if (!rmt_list_empty(&map->answered))
			continue;
		if (pool->member_count == 0 && rmt_list_empty(&map->flying))
			return rmt_error_set(error, ECONNRESET, "no member of the pool is left: %s",
					     pool->last.message ? pool->last.message
								: "they have left");
		r = rmt_wait(map->router, has_something, map, next_due(map, deadline));
		if (r < 0 && r != -ETIMEDOUT)
			return rmt_error_set(error, r, "the router has ended");
	}
}

/* What still runs is cancelled, and nobody waits for it. */
static void end(struct rmt_pool_map *map)
{
	while (!rmt_list_empty(&map->flying)) {
		struct rmt_pool_batch *batch = rmt_list_first(&map->flying, struct rmt_pool_batch,
							      of_map);

		rmt_pool_batch_cancel(batch);
		if (!batch->answered)
			rmt_pool_batch_abandon(batch);
	}
	while (!rmt_list_empty(&map->answered))
		rmt_pool_batch_free(rmt_list_first(&map->answered, struct rmt_pool_batch, of_map));
}

static int check(const struct rmt_pool_map *map, const ramet_pool_map_options *options,
		 ramet_error *error)
{
	if (options && options->size < sizeof(options->size))
		return rmt_error_set(error, EINVAL, "the options of a map are wrong");
	if (map->options.timeout < 0 || map->options.task_timeout < 0)
		return rmt_error_set(error, EINVAL, "a time-out is negative");
	if (map->combine && !rmt_batch_combines(map->combine, map->tasks.function->result))
		return rmt_error_set(error, EINVAL, "'%s' does not combine results of '%s'",
				     map->combine->name, map->tasks.function->name);
	return 0;
}

/* The source, or an array, has been set. */
static int map_run(struct rmt_pool_map *map, ramet_pool *pool,
		   const struct ramet_function *function, const void *array, uint64_t count,
		   void *results, const ramet_pool_map_options *options, ramet_error *error)
{
	bool concurrent = function->flags & RAMET_FUNCTION_CONCURRENT;
	int r;

	map->pool = pool;
	map->router = pool->router;
	map->options = (ramet_pool_map_options)RAMET_POOL_MAP_OPTIONS_INIT;
	if (options && options->size >= sizeof(options->size))
		memcpy(&map->options, options, RMT_MIN(options->size, sizeof(map->options)));
	map->tasks.router = map->router;
	map->tasks.function = function;
	map->tasks.options = &map->options;
	map->tasks.combine = map->combine;
	/* A concurrent function would be begun before its turn. */
	map->at_once = concurrent ? RMT_MAX(pool->options.slots, 1) : 1;
	map->limit = concurrent ? map->at_once : 2;
	rmt_list_init(&map->flying);
	rmt_list_init(&map->answered);
	r = check(map, options, error);
	if (r == 0)
		r = rmt_tasks_init(&map->tasks, array, count, results, error);
	if (r < 0)
		return r;
	rmt_lock(map->router);
	pool->users++;
	rmt_list_append(&pool->maps, &map->node);
	r = run(map, error);
	end(map);
	rmt_list_remove(&map->node);
	rmt_unlock(map->router);
	rmt_pool_unref(pool);
	return r;
}

static int map_done(struct rmt_pool_map *map, int r)
{
	if (r < 0)
		rmt_tasks_clear(&map->tasks);
	rmt_tasks_done(&map->tasks);
	return r;
}

int rmt_pool_map(const struct ramet_function *function, ramet_pool *pool, const void *tasks,
		 size_t count, void *results, const ramet_pool_map_options *options,
		 ramet_error *error)
{
	struct rmt_pool_map map = {.cancelled = false};

	if (count == 0)
		return 0;
	if (!results && function->result->size > 0)
		return rmt_error_set(error, EINVAL, "there is no room for the results");
	return map_done(&map, map_run(&map, pool, function, tasks, count, results, options, error));
}

int rmt_pool_each(const struct ramet_function *function, ramet_pool *pool,
		  ramet_function_next *next, ramet_function_done *done, void *data,
		  const ramet_pool_map_options *options, ramet_error *error)
{
	struct rmt_pool_map map = {.tasks = {.next = next, .done = done, .data = data}};

	return map_done(&map, map_run(&map, pool, function, NULL, 0, NULL, options, error));
}

int rmt_pool_reduce(const struct ramet_function *function, ramet_pool *pool, const void *tasks,
		    size_t count, const struct ramet_function *combine, void *ret,
		    const ramet_pool_map_options *options, ramet_error *error)
{
	struct rmt_pool_map map = {.combine = combine};
	int r;

	if (count == 0)
		return rmt_error_set(error, EINVAL, "there is nothing to reduce");
	r = map_run(&map, pool, function, tasks, count, NULL, options, error);
	if (r == 0 && !map.tasks.reduced)
		r = rmt_error_set(error, ENODATA, "no task of '%s' has a result", function->name);
	if (r == 0)
		memcpy(ret, map.tasks.sum, function->result->size);
	return map_done(&map, r);
}
