/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Results of 1 MiB from two processes: of an exchange, a map and a pool, taken one after the other. Raw are two
 * processes that write the same blocks to a socketpair each, read as they arrive into memory that is used again.
 */
#include "parallel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK (1024 * 1024)

static char data[BLOCK];
static int64_t taken;

/* Pages that were never written to are all the same one, which is read faster than others. */
static ramet_bytes block(void)
{
	if (!data[0])
		memset(data, 1, sizeof(data));
	return (ramet_bytes){data, sizeof(data)};
}

/* --- ours ---------------------------------------------------------------------------------- */

static void produce(ramet_channel *channel, void *count)
{
	for (size_t i = *(size_t *)count; i > 0; i--)
		ramet_channel_send_bytes(channel, block());
}

static int store(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value,
		 void *nothing)
{
	(void)exchange;
	(void)channel;
	(void)nothing;
	taken += (int64_t)ramet_value_bytes(value).size;
	return 0;
}

static void by_exchange(ramet_pool *pool, size_t count)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_exchange *exchange;
	size_t each = count / PARALLEL_WORKERS;

	(void)pool;
	bench_check(ramet_exchange_new(PARALLEL_WORKERS, store, NULL, &exchange), "exchange", NULL);
	for (int i = 0; i < PARALLEL_WORKERS; i++)
		bench_check(ramet_exchange_start(exchange, produce, &each, &error), "start",
			    &error);
	bench_check(ramet_exchange_finish(exchange, -1, &error), "finish", &error);
	ramet_exchange_unref(exchange);
}

static void one_block(ramet_channel *channel, const ramet_value *input, void *state)
{
	(void)input;
	(void)state;
	ramet_channel_send_bytes(channel, block());
}

static void by_map(ramet_pool *pool, size_t count)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_value **inputs = calloc(count, sizeof(*inputs)), *value;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_map *map;

	(void)pool;
	options.limit = PARALLEL_WORKERS;
	for (size_t i = 0; inputs && i < count; i++)
		inputs[i] = ramet_value_new_i64((int64_t)i);
	bench_check(ramet_map_new(one_block, &options, &map), "map", NULL);
	bench_check(ramet_map_begin(map, inputs, count, &error), "map", &error);
	for (size_t i = 0; i < count; i++) {
		bench_check(ramet_map_next(map, -1, &value, &error), "map", &error);
		taken += (int64_t)ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	ramet_map_unref(map);
	for (size_t i = 0; i < count; i++)
		ramet_value_unref(inputs[i]);
	free(inputs);
}

RAMET_FUNCTION(bytes, make_block, (i64, number))
{
	(void)call;
	(void)number;
	return block();
}

struct numbers {
	int64_t next, end;
};

static int next(struct make_block_args *task, void *state)
{
	struct numbers *numbers = state;

	task->number = numbers->next;
	return numbers->next++ < numbers->end;
}

static int done(uint64_t index, ramet_bytes *result, void *state)
{
	(void)index;
	(void)state;
	taken += (int64_t)result->size;
	ramet_free((void *)(uintptr_t)result->data);
	return 0;
}

static void by_pool(ramet_pool *pool, size_t count)
{
	struct numbers numbers = {0, (int64_t)count};
	ramet_error error = RAMET_ERROR_INIT;

	bench_check(make_block_each(pool, next, done, &numbers, NULL, &error), "pool", &error);
}

/* --- the raw side -------------------------------------------------------------------------- */

static void raw_worker(int fd)
{
	int64_t count;

	while (bench_read_all(fd, &count, sizeof(count)))
		for (; count > 0; count--)
			bench_write_all(fd, block().data, sizeof(data));
}

static double raw(const struct bench_raw *processes, size_t count)
{
	static char into[PARALLEL_WORKERS][BLOCK];
	int64_t begin = bench_now(), each = (int64_t)(count / PARALLEL_WORKERS);
	size_t left[PARALLEL_WORKERS], open = PARALLEL_WORKERS;
	struct pollfd fds[PARALLEL_WORKERS];

	for (int i = 0; i < PARALLEL_WORKERS; i++) {
		bench_write_all(processes[i].fd, &each, sizeof(each));
		fds[i] = (struct pollfd){.fd = processes[i].fd, .events = POLLIN};
		left[i] = (size_t)each * BLOCK;
	}
	while (open > 0) {
		if (poll(fds, PARALLEL_WORKERS, -1) < 0)
			bench_die("poll: %s", strerror(errno));
		for (int i = 0; i < PARALLEL_WORKERS; i++) {
			size_t at = left[i] % BLOCK, room = at ? at : BLOCK;
			ssize_t n = fds[i].revents
					    ? recv(fds[i].fd, into[i] + BLOCK - room, room, 0)
					    : 0;

			if (n < 0)
				bench_die("recv: %s", strerror(errno));
			left[i] -= (size_t)n;
			if (n > 0 && left[i] == 0) {
				fds[i].fd = -1;
				open--;
			}
		}
	}
	return (double)count * BLOCK * 1e9 / (double)(bench_now() - begin);
}

/* --- the table ----------------------------------------------------------------------------- */

static struct {
	const char *what, *paths;
	void (*run)(ramet_pool *pool, size_t count);
	ramet_pool *pool;
	struct bench_samples samples;
} ways[] = {
	{.what = "1 MiB results, exchange, 2 forked", .run = by_exchange},
	{.what = "1 MiB results, map, 2 forked", .run = by_map},
	{.what = "1 MiB results, pool fork*2", .paths = "fork*2", .run = by_pool},
	{.what = "1 MiB results, pool local*2", .paths = "local*2", .run = by_pool},
};

void parallel_blocks(double scale)
{
	struct bench_raw processes[PARALLEL_WORKERS];
	struct bench_samples raws = {0};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *router;
	size_t count = bench_scaled(scale, 512, 32) & ~(size_t)1;

	block();
	for (int i = 0; i < PARALLEL_WORKERS; i++)
		bench_raw_start(&processes[i], raw_worker);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++)
		if (ways[i].paths)
			bench_check(
				ramet_pool_new(router, ways[i].paths, NULL, &ways[i].pool, &error),
				ways[i].paths, &error);
	for (size_t round = bench_scaled(scale, 7, 3); round > 0; round--) {
		bench_add(&raws, raw(processes, count));
		for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
			int64_t begin = bench_now();

			taken = 0;
			ways[i].run(ways[i].pool, count);
			bench_add(&ways[i].samples,
				  (double)count * BLOCK * 1e9 / (double)(bench_now() - begin));
			if (taken != (int64_t)count * BLOCK)
				bench_die("%s: blocks are missing", ways[i].what);
		}
	}
	for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
		bench_print(&(struct bench_figure){.what = ways[i].what,
						   .unit = BENCH_THROUGHPUT,
						   .ours = bench_median(&ways[i].samples),
						   .raw = bench_median(&raws),
						   .ratio_at_least = 0.6});
		bench_clear(&ways[i].samples);
		ramet_pool_unref(ways[i].pool);
	}
	ramet_router_unref(router);
	/* Each of them holds the sockets of those before it. */
	for (int i = PARALLEL_WORKERS; i-- > 0;)
		bench_raw_stop(&processes[i]);
	bench_clear(&raws);
}
