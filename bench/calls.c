/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Round trips of a call that does nothing: a raw exchange of 64 bytes over a socketpair, and calls
 * over one to three hops, in turns of a few milliseconds, so that a change of the machine's mood
 * meets all of them. Once as the scheduler wants it, once with everything on one core, where the
 * figures do not depend on how it places processes.
 */
#include <stdio.h>

#include "bench.h"

#define CALLS 100

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

struct way {
	const char *path, *label;
	void (*run)(int fd); /* the life of the raw process that answers instead */
	struct bench_raw raw;
	ramet_context *context;
	struct bench_samples samples, raw_samples;
};

/* --- raw chains ---------------------------------------------------------------------------- */

/* A process between two others: what comes from one goes to the other. */
static void relay(int fd, void (*behind)(int fd))
{
	char data[BENCH_SMALL];
	struct bench_raw next;

	bench_raw_start(&next, behind);
	while (bench_read_all(fd, data, sizeof(data))) {
		bench_write_all(next.fd, data, sizeof(data));
		bench_read_all(next.fd, data, sizeof(data));
		bench_write_all(fd, data, sizeof(data));
	}
	bench_raw_stop(&next);
}

static void two_hops(int fd)
{
	relay(fd, bench_raw_echo);
}

static void three_hops(int fd)
{
	relay(fd, two_hops);
}

/* --- rounds -------------------------------------------------------------------------------- */

static void batch(struct way *way, size_t calls)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now();

	for (size_t i = 0; i < calls; i++)
		bench_check(nothing_call(way->context, &error), way->path, &error);
	bench_add(&way->samples, (double)(bench_now() - start) / (double)calls);
}

static void raw_batch(struct way *way, size_t calls)
{
	int64_t start = bench_now();

	for (size_t i = 0; i < calls; i++)
		bench_raw_ping(&way->raw);
	bench_add(&way->raw_samples, (double)(bench_now() - start) / (double)calls);
}

/* The first two ways are direct. The others are looked at twice: beside a raw chain of as many
 * processes, and what their last hop adds beside the direct exchange. */
static void print(struct way *ways, size_t count, const char *where)
{
	double before = bench_median(&ways[0].samples), direct = bench_median(&ways[0].raw_samples);
	char what[64];

	for (size_t i = 0; i < count; i++) {
		double ours = bench_median(&ways[i].samples);

		snprintf(what, sizeof(what), "call, %s%s", ways[i].label, where);
		bench_print(&(struct bench_figure){.what = what,
						   .unit = BENCH_TIME,
						   .ours = ours,
						   .raw = bench_median(&ways[i].raw_samples),
						   .peer = i < 2 ? NULL : "raw chain",
						   .ratio_at_most = i < 2 ? 1.5 : 0});
		if (i < 2)
			continue;
		snprintf(what, sizeof(what), "  of that, the last hop%s", where);
		bench_print(&(struct bench_figure){.what = what,
						   .unit = BENCH_TIME,
						   .ours = ours - before,
						   .raw = direct,
						   .ratio_at_most = 1.5});
		before = ours;
	}
}

static void measure(double scale, const char *where)
{
	struct way ways[] = {
		{.path = "local", .label = "local", .run = bench_raw_echo},
		{.path = "fork", .label = "fork", .run = bench_raw_echo},
		{.path = "local/local", .label = "2 hops", .run = two_hops},
		{.path = "local/local/local", .label = "3 hops", .run = three_hops},
	};
	size_t rounds = bench_scaled(scale, 400, 5);
	ramet_router *router;
	ramet_error error = RAMET_ERROR_INIT;

	for (size_t i = 0; i < BENCH_COUNT(ways); i++)
		bench_raw_start(&ways[i].raw, ways[i].run);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
		struct way *way = &ways[i];

		bench_check(ramet_connect(router, way->path, &way->context, &error), way->path,
			    &error);
		batch(way, CALLS);
		bench_clear(&way->samples);
	}
	for (size_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
			raw_batch(&ways[i], CALLS);
			batch(&ways[i], CALLS);
		}
	}
	print(ways, BENCH_COUNT(ways), where);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
		ramet_context_unref(ways[i].context);
		bench_clear(&ways[i].samples);
		bench_clear(&ways[i].raw_samples);
	}
	ramet_router_unref(router);
	for (size_t i = BENCH_COUNT(ways); i-- > 0;)
		bench_raw_stop(&ways[i].raw);
}

int main(int argc, char **argv)
{
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv, "calls: round trip; raw: 64 bytes over a socketpair");
	measure(scale, "");
	if (bench_one_core())
		measure(scale, ", one core");
	return 0;
}
