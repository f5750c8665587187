/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/error.h"
#include "base/time.h"

#define WINDOW 65536u

/* Beyond that, a limit is a mistake. */
#define LIMIT_MAX 65536

/* --- making ------------------------------------------------------------------------------- */

static int copy_options(struct ramet_map *map, ramet_task *task, const ramet_map_options *options)
{
	if (options) {
		if (options->size < sizeof(options->size))
			return -EINVAL;
		memcpy(&map->options, options, RMT_MIN(options->size, sizeof(map->options)));
	}
	if (map->options.limit < 0 || map->options.limit > LIMIT_MAX)
		return -EINVAL;
	if (map->options.limit == 0)
		map->options.limit = ramet_cores();
	if (map->options.window == 0)
		map->options.window = WINDOW;
	return rmt_worker_init(&map->worker, task, map->options.worker);
}

static size_t slots_size(const struct ramet_map *map)
{
	return (size_t)map->options.limit * sizeof(*map->slots);
}

static int make_workers(struct ramet_map *map)
{
	map->workers = calloc((size_t)map->options.limit, sizeof(*map->workers));
	if (!map->workers)
		return -ENOMEM;
	for (int i = 0; i < map->options.limit; i++)
		rmt_list_init(&map->workers[i].out);
	map->slots = mmap(NULL, slots_size(map), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);
	return map->slots == MAP_FAILED ? -ENOMEM : rmt_crew_init(&map->crew);
}

RMT_PUBLIC int ramet_map_new(ramet_task *task, const ramet_map_options *options,
			     ramet_map **ret_map)
{
	struct ramet_map *map = calloc(1, sizeof(*map));
	int r;

	if (!map)
		return -ENOMEM;
	map->references = 1;
	map->grown = 1;
	map->slots = MAP_FAILED;
	rmt_batches_init(&map->batches);
	r = copy_options(map, task, options);
	if (r == 0)
		r = make_workers(map);
	if (r < 0) {
		if (map->slots != MAP_FAILED)
			munmap(map->slots, slots_size(map));
		free(map->workers);
		free(map);
		return r;
	}
	*ret_map = map;
	return 0;
}

RMT_PUBLIC ramet_map *ramet_map_ref(ramet_map *map)
{
	map->references++;
	return map;
}

RMT_PUBLIC void ramet_map_unref(ramet_map *map)
{
	if (!map || --map->references > 0)
		return;
	rmt_map_abandon(map);
	rmt_crew_done(&map->crew);
	munmap(map->slots, slots_size(map));
	free(map->workers);
	free(map);
}

/* --- inputs ------------------------------------------------------------------------------- */

static int begin(ramet_map *map, ramet_error *error)
{
	int r;

	map->begun = true;
	r = rmt_map_give(map, error);
	if (r < 0)
		rmt_map_abandon(map);
	return r;
}

RMT_PUBLIC int ramet_map_begin(ramet_map *map, ramet_value *const *inputs, size_t count,
			       ramet_error *error)
{
	rmt_map_abandon(map);
	if (count > 0) {
		map->inputs = calloc(count, sizeof(ramet_value *));
		if (!map->inputs)
			return rmt_error_set(error, ENOMEM, "out of memory");
	}
	map->count = count;
	for (size_t i = 0; i < count; i++)
		map->inputs[i] = inputs[i] ? ramet_value_ref(inputs[i]) : NULL;
	return begin(map, error);
}

RMT_PUBLIC int ramet_map_begin_source(ramet_map *map, ramet_map_source *source, void *data,
				      ramet_error *error)
{
	rmt_map_abandon(map);
	if (!source)
		return rmt_error_set(error, EINVAL, "no source");
	map->source = source;
	map->source_data = data;
	return begin(map, error);
}

/* --- results ------------------------------------------------------------------------------ */

/* The one whose next result is due: the first of all, unless results are taken as they come. NULL: nothing
 * of it has arrived. */
static struct rmt_batch *due(const ramet_map *map, bool arrival)
{
	const struct rmt_batches *batches = &map->batches;
	struct rmt_batch *batch;

	if (rmt_list_empty(&batches->ready))
		return NULL;
	if (arrival)
		return rmt_list_first(&batches->ready, struct rmt_batch, ready);
	batch = rmt_list_first(&batches->all, struct rmt_batch, node);
	return batch->taken < batch->arrived ? batch : NULL;
}

/* The caller may take long for each result: workers must not wait for that. But a look costs more than a
 * small result, so only when some time has passed, or a batch is empty. */
static void look_around(ramet_map *map, bool now)
{
	struct timespec time;
	int64_t tick;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	tick = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
	if (!now && tick == map->looked)
		return;
	map->looked = tick;
	rmt_map_run(map, 0, NULL);
}

/* As ramet_map_next(), until a point in time; *ret_tasks: results of so many inputs, combined. */
static int next_result(ramet_map *map, bool arrival, int64_t until, uint32_t *ret_tasks,
		       ramet_value **ret_value, ramet_error *error)
{
	struct rmt_batch *batch;
	bool gone = false;
	int r;

	while (!(batch = due(map, arrival))) {
		if (map->broken < 0)
			return rmt_error_set(error, map->broken, "out of memory");
		if (rmt_map_over(map)) {
			if (map->source_result == 0)
				return 0;
			r = map->source_result;
			map->source_result = 0;
			return rmt_error_set(error, r, "the source of the inputs has failed: %s",
					     rmt_strerror(r));
		}
		r = rmt_map_run(map, until, error);
		if (r < 0)
			return r;
	}
	map->index = batch->first + batch->taken;
	r = rmt_batch_take(batch, ret_tasks, ret_value, &gone, error);
	map->taken += *ret_tasks;
	look_around(map, gone);
	return r;
}

RMT_PUBLIC uint64_t ramet_map_index(const ramet_map *map)
{
	return map->index;
}

/* --- results that are kept ---------------------------------------------------------------- */

static int return_kept(const struct rmt_kept *kept, ramet_error *error)
{
	if (kept->failure.code == 0)
		return 1;
	return rmt_error_set_at(error, kept->failure.code,
				kept->failure.where ? kept->failure.where : "", "%s",
				kept->failure.message ? kept->failure.message : "out of memory");
}

/* Waits until the result of an input is there. */
static int keep_until(ramet_map *map, uint64_t index, int64_t until, ramet_error *error)
{
	ramet_error failure = RAMET_ERROR_INIT;
	struct rmt_kept kept;
	uint64_t taken;
	uint32_t tasks;
	int r;

	while (!map->kept[index].there) {
		kept = (struct rmt_kept){.there = true};
		taken = map->taken;
		r = next_result(map, true, until, &tasks, &kept.value, &failure);
		if (map->taken == taken)
			return rmt_error_move(error, &failure);
		if (r < 0)
			rmt_error_move(&kept.failure, &failure);
		map->kept[map->index] = kept;
	}
	return 1;
}

RMT_PUBLIC int ramet_map_get(ramet_map *map, size_t index, int timeout,
			     const ramet_value **ret_value, ramet_error *error)
{
	int r;

	if (!map->begun || map->source || (map->taken > 0 && !map->kept) || map->combine)
		return rmt_error_set(error, EINVAL, "the results of this map are not kept");
	if (index >= map->count)
		return rmt_error_set(error, ENOENT, "there is no input %zu", index);
	if (!map->kept) {
		map->kept = calloc(map->count, sizeof(*map->kept));
		if (!map->kept)
			return rmt_error_set(error, ENOMEM, "out of memory");
	}
	r = keep_until(map, index, rmt_after(timeout), error);
	if (r < 0)
		return r;
	map->index = index;
	r = return_kept(&map->kept[index], error);
	if (r == 1)
		*ret_value = map->kept[index].value;
	return r < 0 ? r : 0;
}

static int next_kept(ramet_map *map, int64_t until, ramet_value **ret_value, ramet_error *error)
{
	struct rmt_kept *kept;
	int r;

	if (map->kept_next == map->count) {
		r = 0;
		while (r == 0 && !rmt_map_over(map))
			r = rmt_map_run(map, until, error);
		return r;
	}
	r = keep_until(map, map->kept_next, until, error);
	if (r < 0)
		return r;
	map->index = map->kept_next++;
	kept = &map->kept[map->index];
	r = return_kept(kept, error);
	if (r == 1)
		*ret_value = kept->value ? ramet_value_ref(kept->value) : NULL;
	return r;
}

/* --- taking ------------------------------------------------------------------------------- */

RMT_PUBLIC int ramet_map_next(ramet_map *map, int timeout, ramet_value **ret_value,
			      ramet_error *error)
{
	int64_t until = rmt_after(timeout);
	uint32_t tasks;

	if (!map->begun)
		return rmt_error_set(error, EINVAL, "the map has not begun");
	if (map->combine)
		return rmt_error_set(error, EINVAL, "the results of this map are combined");
	if (map->kept)
		return next_kept(map, until, ret_value, error);
	return next_result(map, map->options.arrival, until, &tasks, ret_value, error);
}

/* One more on the right; takes it over. */
static int combine(ramet_map *map, ramet_value *value, ramet_error *error)
{
	ramet_value *both = value;

	if (!value)
		return 0; /* a task that sent nothing */
	if (map->combined) {
		both = map->combine(map->combined, value, map->worker.options.data);
		ramet_value_unref(map->combined);
		ramet_value_unref(value);
		map->combined = NULL;
		if (!both)
			return rmt_error_set(error, ENOMEM, "results could not be combined");
	}
	map->combined = both;
	return 0;
}

RMT_PUBLIC int ramet_map_reduce(ramet_map *map, ramet_map_combine *function, int timeout,
				ramet_value **ret_value, ramet_error *error)
{
	int64_t until = rmt_after(timeout);
	ramet_value *value;
	uint64_t before;
	uint32_t tasks;
	int r;

	if (!map->begun || !function || map->kept || (map->taken > 0 && map->combine != function))
		return rmt_error_set(error, EINVAL,
				     "results of this map were taken already, or none can be");
	map->combine = function;
	for (;;) {
		value = NULL;
		before = map->taken;
		r = next_result(map, false, until, &tasks, &value, error);
		if (r == 1)
			r = combine(map, value, error);
		else if (r == 0)
			break;
		if (r == -ETIMEDOUT && map->taken == before)
			return r;
		if (r < 0) {
			rmt_map_abandon(map);
			return r;
		}
	}
	value = map->combined;
	map->combined = NULL;
	if (!value)
		return 0;
	*ret_value = value;
	return 1;
}

static int take_all(ramet_map *map, ramet_value **results, size_t count, ramet_error *error)
{
	size_t taken = 0;
	int r = 1;

	while (taken < count && (r = ramet_map_next(map, -1, &results[taken], error)) == 1)
		taken++;
	if (r < 0)
		while (taken > 0)
			ramet_value_unref(results[--taken]);
	return r < 0 ? r : 0;
}

RMT_PUBLIC int ramet_map_values(ramet_task *task, ramet_value *const *inputs, size_t count,
				const ramet_map_options *options, ramet_value **results,
				ramet_error *error)
{
	ramet_value **taken = calloc(count ? count : 1, sizeof(ramet_value *));
	ramet_map *map = NULL;
	int r;

	if (!taken)
		return rmt_error_set(error, ENOMEM, "out of memory");
	r = ramet_map_new(task, options, &map);
	if (r < 0)
		rmt_error_set(error, r, "no map: %s", rmt_strerror(r));
	if (r == 0) {
		map->options.arrival = false;
		r = ramet_map_begin(map, inputs, count, error);
	}
	if (r == 0)
		r = take_all(map, taken, count, error);
	if (r == 0 && count > 0)
		memcpy(results, taken, count * sizeof(ramet_value *));
	ramet_map_unref(map);
	free(taken);
	return r;
}
