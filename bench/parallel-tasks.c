/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps over two workers: of a function that does next to nothing, which shows what a task costs by itself, and of one
 * that computes, which shows what two cores are worth.
 */
#include "parallel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static ramet_pool *connect(ramet_router *router, const char *paths)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_pool *pool;

	bench_check(ramet_pool_new(router, paths, NULL, &pool, &error), paths, &error);
	return pool;
}

/* --- tiny tasks ---------------------------------------------------------------------------- */

RAMET_FUNCTION(i64, magnitude, (i64, number))
{
	(void)call;
	return number < 0 ? -number : number;
}

static void tiny_pool(ramet_pool *pool, size_t count)
{
	struct magnitude_args *tasks = malloc(count * sizeof(*tasks));
	int64_t *results = malloc(count * sizeof(*results));
	ramet_error error = RAMET_ERROR_INIT;

	if (!tasks || !results)
		bench_die("out of memory");
	for (size_t i = 0; i < count; i++)
		tasks[i].number = -(int64_t)i;
	bench_check(magnitude_map(pool, tasks, count, results, NULL, &error), "map", &error);
	for (size_t i = 0; i < count; i++)
		if (results[i] != (int64_t)i)
			bench_die("the result of %zu is %" PRId64, i, results[i]);
	free(tasks);
	free(results);
}

static void tiny_task(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t number = ramet_value_i64(input);

	(void)state;
	ramet_channel_send_i64(channel, number < 0 ? -number : number);
}

/* Takes all results, which come in the order of the inputs. */
static void take(ramet_map *map, size_t count)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value;

	for (size_t i = 0; i < count; i++) {
		bench_check(ramet_map_next(map, -1, &value, &error), "map", &error);
		if (ramet_value_i64(value) != (int64_t)i)
			bench_die("the result of %zu is %" PRId64, i, ramet_value_i64(value));
		ramet_value_unref(value);
	}
	ramet_map_unref(map);
}

static ramet_map *new_map(ramet_task *task)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_map *map;

	options.limit = PARALLEL_WORKERS;
	bench_check(ramet_map_new(task, &options, &map), "map", NULL);
	return map;
}

static void tiny_array(ramet_pool *pool, size_t count)
{
	ramet_value **inputs = malloc(count * sizeof(*inputs));
	ramet_error error = RAMET_ERROR_INIT;
	ramet_map *map = new_map(tiny_task);

	(void)pool;
	if (!inputs)
		bench_die("out of memory");
	for (size_t i = 0; i < count; i++)
		inputs[i] = ramet_value_new_i64(-(int64_t)i);
	bench_check(ramet_map_begin(map, inputs, count, &error), "map", &error);
	take(map, count);
	for (size_t i = 0; i < count; i++)
		ramet_value_unref(inputs[i]);
	free(inputs);
}

struct numbers {
	int64_t next, end;
};

static int next(ramet_value **ret_input, void *data)
{
	struct numbers *numbers = data;

	if (numbers->next == numbers->end)
		return 0;
	*ret_input = ramet_value_new_i64(-numbers->next++);
	return 1;
}

static void tiny_source(ramet_pool *pool, size_t count)
{
	struct numbers numbers = {0, (int64_t)count};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_map *map = new_map(tiny_task);

	(void)pool;
	bench_check(ramet_map_begin_source(map, next, &numbers, &error), "map", &error);
	take(map, count);
}

static struct {
	const char *what, *paths;
	void (*run)(ramet_pool *pool, size_t count);
	ramet_pool *pool;
	struct bench_samples samples;
} ways[] = {
	{.what = "tiny tasks, pool fork*2", .paths = "fork*2", .run = tiny_pool},
	{.what = "tiny tasks, pool local*2", .paths = "local*2", .run = tiny_pool},
	{.what = "tiny tasks, forked map of an array", .run = tiny_array},
	{.what = "tiny tasks, forked map of a source", .run = tiny_source},
};

static void print_tiny(struct bench_samples *map, struct bench_samples *chunks,
		       struct bench_samples *imap)
{
	double fastest = bench_median(&ways[0].samples);

	for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
		bench_print(&(struct bench_figure){.what = ways[i].what,
						   .unit = BENCH_RATE,
						   .ours = bench_median(&ways[i].samples),
						   .raw = bench_median(map),
						   .peer = "Pool.map",
						   .at_least = 3e6,
						   .ratio_at_least = map->count ? 1 : 0});
		bench_clear(&ways[i].samples);
	}
	if (!map->count)
		return;
	bench_print(&(struct bench_figure){.what = "tiny tasks, pool fork*2",
					   .unit = BENCH_RATE,
					   .ours = fastest,
					   .raw = bench_median(chunks),
					   .peer = "imap, 1000",
					   .ratio_at_least = 1});
	bench_print(&(struct bench_figure){.what = "tiny tasks, pool fork*2",
					   .unit = BENCH_RATE,
					   .ours = fastest,
					   .raw = bench_median(imap),
					   .peer = "imap",
					   .ratio_at_least = 1});
}

void parallel_tiny(double scale)
{
	size_t count = bench_scaled(scale, 1000000, 100000), few = count / 50;
	struct bench_samples map = {0}, chunks = {0}, imap = {0};
	struct parallel_peer python;
	ramet_router *router;

	parallel_start_python(&python);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
		if (ways[i].paths)
			ways[i].pool = connect(router, ways[i].paths);
		ways[i].run(ways[i].pool, 1000);
	}
	for (size_t round = bench_scaled(scale, 9, 3); round > 0; round--) {
		for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
			int64_t begin = bench_now();

			ways[i].run(ways[i].pool, count);
			bench_add(&ways[i].samples,
				  (double)count * 1e9 / (double)(bench_now() - begin));
		}
		if (!python.pid)
			continue;
		bench_add(&map, (double)count * 1e9 / parallel_ask(&python, "map %zu\n", count));
		bench_add(&chunks,
			  (double)count * 1e9 / parallel_ask(&python, "imap %zu 1000\n", count));
		bench_add(&imap, (double)few * 1e9 / parallel_ask(&python, "imap %zu 1\n", few));
	}
	print_tiny(&map, &chunks, &imap);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++)
		ramet_pool_unref(ways[i].pool);
	ramet_router_unref(router);
	parallel_stop(&python);
	bench_clear(&map);
	bench_clear(&chunks);
	bench_clear(&imap);
}

/* --- a job for processors ------------------------------------------------------------------- */

#define STEP 1000

/* As in peer-openmp.c and peer-multiprocessing.py. */
RAMET_FUNCTION(i64, count_primes, (i64, from), (i64, to))
{
	int64_t found = 0;

	(void)call;
	for (int64_t n = from < 2 ? 2 : from; n < to; n++) {
		int64_t d = 2;

		while (d * d <= n && n % d)
			d++;
		found += d * d > n;
	}
	return found;
}

static int64_t primes_alone(int64_t limit)
{
	int64_t found = 0;

	for (int64_t from = 0; from < limit; from += STEP)
		found += count_primes(NULL, from, from + STEP);
	return found;
}

static int64_t primes_pool(ramet_pool *pool, int64_t limit)
{
	size_t count = (size_t)(limit / STEP);
	struct count_primes_args *tasks = calloc(count, sizeof(*tasks));
	int64_t *results = calloc(count, sizeof(*results)), found = 0;
	ramet_error error = RAMET_ERROR_INIT;

	if (!tasks || !results)
		bench_die("out of memory");
	for (size_t i = 0; i < count; i++)
		tasks[i] = (struct count_primes_args){(int64_t)i * STEP, (int64_t)(i + 1) * STEP};
	bench_check(count_primes_map(pool, tasks, count, results, NULL, &error), "primes", &error);
	for (size_t i = 0; i < count; i++)
		found += results[i];
	free(tasks);
	free(results);
	return found;
}

static void primes_task(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t from = ramet_value_i64(input);

	(void)state;
	ramet_channel_send_i64(channel, count_primes(NULL, from, from + STEP));
}

static int next_step(ramet_value **ret_input, void *data)
{
	struct numbers *numbers = data;

	if (numbers->next >= numbers->end)
		return 0;
	*ret_input = ramet_value_new_i64(numbers->next);
	numbers->next += STEP;
	return 1;
}

static int64_t primes_map(int64_t limit)
{
	struct numbers numbers = {0, limit};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_map *map = new_map(primes_task);
	ramet_value *value;
	int64_t found = 0;
	int r;

	bench_check(ramet_map_begin_source(map, next_step, &numbers, &error), "map", &error);
	while ((r = ramet_map_next(map, -1, &value, &error)) == 1) {
		found += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	bench_check(r, "map", &error);
	ramet_map_unref(map);
	return found;
}

enum { ALONE, POOL, MAP, OPENMP_ALONE, OPENMP, PYTHON_ALONE, PYTHON, WAYS };

/* Numbers looked at in a second, one sample for each way. */
static void primes_round(ramet_pool *pool, const struct parallel_peer *openmp,
			 const struct parallel_peer *python, int64_t limit,
			 struct bench_samples samples[WAYS])
{
	int64_t few = limit / 10 / STEP * STEP, found[MAP + 1], begin;

	for (int way = ALONE; way <= MAP; way++) {
		begin = bench_now();
		found[way] = way == ALONE  ? primes_alone(limit)
			     : way == POOL ? primes_pool(pool, limit)
					   : primes_map(limit);
		bench_add(&samples[way], (double)limit * 1e9 / (double)(bench_now() - begin));
		if (found[way] != found[ALONE])
			bench_die("%" PRId64 " primes instead of %" PRId64, found[way],
				  found[ALONE]);
	}
	for (int threads = 1; openmp->pid && threads <= PARALLEL_WORKERS; threads++)
		bench_add(&samples[threads == 1 ? OPENMP_ALONE : OPENMP],
			  (double)limit * 1e9 /
				  parallel_ask(openmp, "%d %" PRId64 "\n", threads, limit));
	for (int way = PYTHON_ALONE; python->pid && way <= PYTHON; way++)
		bench_add(&samples[way],
			  (double)few * 1e9 /
				  parallel_ask(python, "%s %" PRId64 "\n",
					       way == PYTHON ? "primes" : "alone", few));
}

static void print_primes(const char *what, struct bench_samples *ours, struct bench_samples *peer,
			 const char *name, double floor)
{
	if (!ours->count || !peer->count)
		return;
	bench_print(&(struct bench_figure){.what = what,
					   .unit = BENCH_RATE,
					   .ours = bench_median(ours),
					   .raw = bench_median(peer),
					   .peer = name,
					   .ratio_at_least = floor});
}

void parallel_primes(double scale)
{
	int64_t limit = (int64_t)bench_scaled(scale, 1000, 200) * STEP;
	struct bench_samples samples[WAYS] = {{0}};
	struct parallel_peer openmp, python;
	ramet_router *router;
	ramet_pool *pool;

	parallel_start_openmp(&openmp);
	parallel_start_python(&python);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	pool = connect(router, "fork*2");
	for (size_t round = bench_scaled(scale, 7, 3); round > 0; round--)
		primes_round(pool, &openmp, &python, limit, samples);
	print_primes("primes, numbers, pool fork*2", &samples[POOL], &samples[ALONE], "1 process",
		     1.9);
	print_primes("primes, numbers, forked map", &samples[MAP], &samples[ALONE], "1 process",
		     1.9);
	print_primes("primes, numbers, pool fork*2", &samples[POOL], &samples[OPENMP], "OpenMP", 0);
	print_primes("  OpenMP itself, 2 threads", &samples[OPENMP], &samples[OPENMP_ALONE],
		     "1 thread", 0);
	print_primes("  multiprocessing itself, Pool(2)", &samples[PYTHON], &samples[PYTHON_ALONE],
		     "1 process", 0);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
	parallel_stop(&openmp);
	parallel_stop(&python);
	for (int way = 0; way < WAYS; way++)
		bench_clear(&samples[way]);
}
