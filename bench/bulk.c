/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk data: messages of 64 KiB and of 1 MiB, to and from a direct child and one behind a hop,
 * until the reader has counted every byte. Raw is a socketpair between two processes, with writes
 * and reads of 64 KiB, in both directions, in the same rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PIECE (64 * 1024)
#define MESSAGE_MAX (1024 * 1024)

static char data[MESSAGE_MAX];
static ramet_receiver *sink;

RAMET_FUNCTION(sender, open_sink)
{
	if (!sink && ramet_receiver_new(ramet_call_router(call), &sink) < 0) {
		ramet_fail(call, ENOMEM, "no receiver");
		return NULL;
	}
	return ramet_receiver_sender(sink);
}

/* Takes messages until there are so many bytes, or the end. */
static int64_t take(ramet_receiver *receiver, int64_t bytes, ramet_error *error)
{
	ramet_value *value;
	int64_t got = 0;

	while (got < bytes && ramet_receive(receiver, -1, &value, error) > 0) {
		got += (int64_t)ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	return got;
}

RAMET_FUNCTION(i64, drain, (i64, bytes))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t got = take(sink, bytes, &error);

	if (error.code < 0)
		ramet_fail_error(call, &error);
	return got;
}

RAMET_FUNCTION(none, produce, (sender, out), (i64, size), (i64, bytes))
{
	(void)call;
	/* As in the process that calls: memory that was written to once. */
	memset(data, 1, sizeof(data));
	for (int64_t sent = 0; sent < bytes; sent += size)
		if (ramet_send_bytes(out, (ramet_bytes){data, (size_t)size}) < 0)
			break;
	ramet_sender_close(out);
}

static double per_second(int64_t bytes, int64_t start)
{
	return (double)bytes * 1e9 / (double)(bench_now() - start);
}

static double to_child(ramet_context *child, ramet_sender *out, int64_t size, int64_t bytes)
{
	ramet_receiver *draining;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start, got;

	bench_check(drain_start(child, bytes, &draining, &error), "drain", &error);
	start = bench_now();
	for (int64_t sent = 0; sent < bytes; sent += size)
		bench_check(ramet_send_bytes(out, (ramet_bytes){data, (size_t)size}), "send", NULL);
	bench_check(drain_finish(draining, -1, &got, &error), "drain", &error);
	if (got != bytes)
		bench_die("%lld of %lld bytes arrived", (long long)got, (long long)bytes);
	ramet_receiver_unref(draining);
	return per_second(bytes, start);
}

static double from_child(ramet_router *router, ramet_context *child, int64_t size, int64_t bytes)
{
	ramet_receiver *in, *producing;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now();

	bench_check(ramet_receiver_new(router, &in), "receiver", NULL);
	bench_check(
		produce_start(child, ramet_receiver_sender(in), size, bytes, &producing, &error),
		"produce", &error);
	if (take(in, bytes, &error) != bytes)
		bench_die("bytes are missing: %s", error.message ? error.message : "the end");
	ramet_receiver_unref(in);
	bench_check(produce_finish(producing, -1, &error), "produce", &error);
	ramet_receiver_unref(producing);
	return per_second(bytes, start);
}

/* --- the raw side -------------------------------------------------------------------------- */

/* What the raw process is asked for: take so many bytes, or (negative) produce them. */
static void raw_worker(int fd)
{
	int64_t order;

	memset(data, 1, sizeof(data));
	while (bench_read_all(fd, &order, sizeof(order))) {
		for (; order > 0; order -= PIECE)
			bench_read_all(fd, data, PIECE);
		for (; order < 0; order += PIECE)
			bench_write_all(fd, data, PIECE);
		bench_write_all(fd, "d", 1);
	}
}

static double raw(const struct bench_raw *process, int64_t bytes, bool from)
{
	int64_t start = bench_now(), order = from ? -bytes : bytes;
	char done;

	bench_write_all(process->fd, &order, sizeof(order));
	for (int64_t moved = 0; moved < bytes; moved += PIECE) {
		if (from)
			bench_read_all(process->fd, data, PIECE);
		else
			bench_write_all(process->fd, data, PIECE);
	}
	bench_read_all(process->fd, &done, 1);
	return per_second(bytes, start);
}

/* --- the table ----------------------------------------------------------------------------- */

struct way {
	const char *what, *path;
	int64_t size;
	bool from;
	double floor;
	ramet_context *child;
	ramet_sender *out;
	struct bench_samples samples;
};

static void connect_way(ramet_router *router, struct way *way)
{
	ramet_error error = RAMET_ERROR_INIT;

	bench_check(ramet_connect(router, way->path, &way->child, &error), way->path, &error);
	if (!way->from)
		bench_check(open_sink_call(way->child, &way->out, &error), "sink", &error);
}

static void run_way(ramet_router *router, struct way *way, int64_t bytes)
{
	double rate = way->from ? from_child(router, way->child, way->size, bytes)
				: to_child(way->child, way->out, way->size, bytes);

	bench_add(&way->samples, rate);
}

static void print(struct way *way, struct bench_samples *raws)
{
	bench_print(&(struct bench_figure){.what = way->what,
					   .unit = BENCH_THROUGHPUT,
					   .ours = bench_median(&way->samples),
					   .raw = bench_median(&raws[way->from]),
					   .ratio_at_least = way->floor});
	ramet_sender_unref(way->out);
	ramet_context_unref(way->child);
	bench_clear(&way->samples);
}

int main(int argc, char **argv)
{
	struct way ways[] = {
		{"bulk, to a child, 64 KiB", "local", PIECE, false, 0.6, NULL, NULL, {0}},
		{"bulk, to a child, 1 MiB", "local", MESSAGE_MAX, false, 0.6, NULL, NULL, {0}},
		{"bulk, from a child, 64 KiB", "local", PIECE, true, 0.6, NULL, NULL, {0}},
		{"bulk, from a child, 1 MiB", "local", MESSAGE_MAX, true, 0.6, NULL, NULL, {0}},
		{"bulk, to 2 hops, 64 KiB", "local/local", PIECE, false, 0.35, NULL, NULL, {0}},
		{"bulk, to 2 hops, 1 MiB",
		 "local/local",
		 MESSAGE_MAX,
		 false,
		 0.35,
		 NULL,
		 NULL,
		 {0}},
		{"bulk, from 2 hops, 64 KiB", "local/local", PIECE, true, 0.35, NULL, NULL, {0}},
		{"bulk, from 2 hops, 1 MiB",
		 "local/local",
		 MESSAGE_MAX,
		 true,
		 0.35,
		 NULL,
		 NULL,
		 {0}},
	};
	struct bench_samples raws[2] = {{0}};
	struct bench_raw process;
	ramet_router *router;
	int64_t bytes;
	size_t rounds;
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv, "bulk; raw: a socketpair with writes of 64 KiB");
	memset(data, 1, sizeof(data));
	bytes = (int64_t)bench_scaled(scale, 256, 16) * MESSAGE_MAX;
	rounds = bench_scaled(scale, 9, 3);
	bench_raw_start(&process, raw_worker);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++)
		connect_way(router, &ways[i]);
	for (size_t round = 0; round < rounds; round++) {
		bench_add(&raws[false], raw(&process, bytes, false));
		bench_add(&raws[true], raw(&process, bytes, true));
		for (size_t i = 0; i < BENCH_COUNT(ways); i++)
			run_way(router, &ways[i], bytes);
	}
	for (size_t i = 0; i < BENCH_COUNT(ways); i++)
		print(&ways[i], raws);
	bench_clear(&raws[0]);
	bench_clear(&raws[1]);
	ramet_router_unref(router);
	bench_raw_stop(&process);
	return 0;
}
