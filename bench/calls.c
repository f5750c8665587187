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
	ramet_context *context;
	struct bench_samples samples;
};

static void batch(struct way *way, size_t calls)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now();

	for (size_t i = 0; i < calls; i++)
		bench_check(nothing_call(way->context, &error), way->path, &error);
	bench_add(&way->samples, (double)(bench_now() - start) / (double)calls);
}

static void raw_batch(const struct bench_raw *raw, struct bench_samples *samples, size_t calls)
{
	int64_t start = bench_now();

	for (size_t i = 0; i < calls; i++)
		bench_raw_ping(raw);
	bench_add(samples, (double)(bench_now() - start) / (double)calls);
}

static void print(struct way *ways, size_t count, double raw, const char *where)
{
	double before = 0;
	char what[64];

	for (size_t i = 0; i < count; i++) {
		double ours = bench_median(&ways[i].samples);

		snprintf(what, sizeof(what), "call, %s%s", ways[i].label, where);
		bench_print(&(struct bench_figure){.what = what,
						   .unit = BENCH_TIME,
						   .ours = ours,
						   .raw = raw,
						   .ratio_at_most = i < 2 ? 1.5 : 0});
		if (i >= 2) {
			snprintf(what, sizeof(what), "  of that, the last hop%s", where);
			bench_print(&(struct bench_figure){.what = what,
							   .unit = BENCH_TIME,
							   .ours = ours - before,
							   .raw = raw,
							   .ratio_at_most = 1.5});
		}
		if (i != 1)
			before = ours;
	}
}

static void measure(double scale, const char *where)
{
	struct way ways[] = {
		{.path = "local", .label = "local"},
		{.path = "fork", .label = "fork"},
		{.path = "local/local", .label = "2 hops"},
		{.path = "local/local/local", .label = "3 hops"},
	};
	size_t rounds = bench_scaled(scale, 400, 5);
	struct bench_samples raw_samples = {0};
	struct bench_raw raw;
	ramet_router *router;
	ramet_error error = RAMET_ERROR_INIT;

	bench_raw_start(&raw, bench_raw_echo);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
		struct way *way = &ways[i];

		bench_check(ramet_connect(router, way->path, &way->context, &error), way->path,
			    &error);
		batch(way, CALLS);
		bench_clear(&way->samples);
	}
	for (size_t round = 0; round < rounds; round++) {
		raw_batch(&raw, &raw_samples, CALLS);
		for (size_t i = 0; i < BENCH_COUNT(ways); i++)
			batch(&ways[i], CALLS);
	}
	print(ways, BENCH_COUNT(ways), bench_median(&raw_samples), where);
	for (size_t i = 0; i < BENCH_COUNT(ways); i++) {
		ramet_context_unref(ways[i].context);
		bench_clear(&ways[i].samples);
	}
	bench_clear(&raw_samples);
	ramet_router_unref(router);
	bench_raw_stop(&raw);
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
