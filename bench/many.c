/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thousand local contexts in a tree of two levels: 25, and 39 below each. The time to build it,
 * the memory of each (its proportional share, by smaps_rollup), one call to all of them, and the
 * end, after which nothing is left. Raw for the start: as many vfork and execve of a tiny static
 * program, one after the other; raw for the call: an exchange of 64 bytes with as many forks.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "bench.h"

#define ABOVE 25
#define BELOW 39
#define CONTEXTS (ABOVE + ABOVE * BELOW)

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

struct tree {
	ramet_router *router;
	ramet_group *above, *below;
	ramet_context *contexts[CONTEXTS];
	int pids[CONTEXTS];
};

/* --- raw ----------------------------------------------------------------------------------- */

static struct bench_raw raws[CONTEXTS];

static void raw_echoes(struct bench_samples *samples, size_t rounds)
{
	char data[BENCH_SMALL] = "";

	for (size_t i = 0; i < CONTEXTS; i++)
		bench_raw_start(&raws[i], bench_raw_echo);
	for (size_t round = 0; round <= rounds; round++) {
		int64_t start = bench_now();

		for (size_t i = 0; i < CONTEXTS; i++)
			bench_write_all(raws[i].fd, data, sizeof(data));
		for (size_t i = 0; i < CONTEXTS; i++)
			bench_read_all(raws[i].fd, data, sizeof(data));
		/* The first one waits until all have started. */
		if (round > 0)
			bench_add(samples, (double)(bench_now() - start));
	}
	/* Later ones hold copies of the descriptors of earlier ones. */
	for (size_t i = CONTEXTS; i-- > 0;)
		bench_raw_stop(&raws[i]);
}

static double raw_starts(void)
{
	int64_t start = bench_now();
	char hello[4096];

	bench_beside(hello, sizeof(hello), "hello");
	for (size_t i = 0; i < CONTEXTS; i++)
		bench_raw_spawn(hello);
	return (double)(bench_now() - start);
}

/* --- the tree ------------------------------------------------------------------------------ */

static double build(struct tree *tree)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now();
	char path[64];

	snprintf(path, sizeof(path), "local*%d/local*%d", ABOVE, BELOW);
	bench_check(ramet_router_new(NULL, &tree->router), "router", NULL);
	bench_check(ramet_connect_all(tree->router, path, &tree->below, &error), path, &error);
	return (double)(bench_now() - start);
}

/* The upper level is there already: this only gives handles to it. */
static void list(struct tree *tree)
{
	ramet_error error = RAMET_ERROR_INIT;
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof(path), "local*%d", ABOVE);
	bench_check(ramet_connect_all(tree->router, path, &tree->above, &error), path, &error);
	for (size_t i = 0; i < ramet_group_size(tree->above); i++)
		tree->contexts[n++] = ramet_group_get(tree->above, i);
	for (size_t i = 0; i < ramet_group_size(tree->below); i++)
		tree->contexts[n++] = ramet_group_get(tree->below, i);
	for (size_t i = 0; i < CONTEXTS; i++)
		tree->pids[i] = ramet_context_pid(tree->contexts[i]);
}

static double call_all(const struct tree *tree)
{
	static ramet_receiver *results[CONTEXTS];
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now();

	for (size_t i = 0; i < CONTEXTS; i++)
		bench_check(nothing_start(tree->contexts[i], &results[i], &error), "call", &error);
	for (size_t i = 0; i < CONTEXTS; i++) {
		bench_check(nothing_finish(results[i], -1, &error), "call", &error);
		ramet_receiver_unref(results[i]);
	}
	return (double)(bench_now() - start);
}

/* Bytes of memory that are this process's share. */
static double memory_of(int pid)
{
	char path[64], line[256];
	double pss = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	if (!file)
		bench_die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "Pss:", 4) == 0)
			pss = atof(line + 4) * 1024;
	fclose(file);
	return pss;
}

static double end(struct tree *tree)
{
	int64_t start = bench_now();
	double took;

	ramet_group_unref(tree->above);
	ramet_group_unref(tree->below);
	ramet_router_unref(tree->router);
	took = (double)(bench_now() - start);
	for (size_t i = 0; i < CONTEXTS; i++)
		if (kill(tree->pids[i], 0) == 0)
			bench_die("process %d is left behind", tree->pids[i]);
	if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
		bench_die("a child is left behind");
	return took;
}

/* --- the table ----------------------------------------------------------------------------- */

struct results {
	struct bench_samples raw_starts, raw_calls, built, called, memory, ended;
};

static void measure(struct results *results, size_t calls)
{
	struct tree tree = {0};

	bench_add(&results->raw_starts, raw_starts());
	bench_add(&results->built, build(&tree));
	list(&tree);
	call_all(&tree);
	for (size_t i = 0; i < calls; i++)
		bench_add(&results->called, call_all(&tree));
	for (size_t i = 0; i < CONTEXTS; i++)
		bench_add(&results->memory, memory_of(tree.pids[i]));
	bench_add(&results->ended, end(&tree));
}

static void print(struct results *results)
{
	double total = 0;

	for (size_t i = 0; i < results->memory.count; i++)
		total += results->memory.values[i];
	bench_print(&(struct bench_figure){.what = "1,000 contexts, build",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&results->built),
					   .raw = bench_median(&results->raw_starts),
					   .peer = "vfork+exec",
					   .at_most = 1e9});
	bench_print(&(struct bench_figure){.what = "1,000 contexts, memory each, median",
					   .unit = BENCH_BYTES,
					   .ours = bench_median(&results->memory),
					   .at_most = 300 * 1024});
	bench_print(&(struct bench_figure){.what = "1,000 contexts, memory each, mean",
					   .unit = BENCH_BYTES,
					   .ours = total / (double)results->memory.count,
					   .at_most = 300 * 1024});
	bench_print(&(struct bench_figure){.what = "1,000 contexts, call all",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&results->called),
					   .raw = bench_median(&results->raw_calls),
					   .at_most = 30e6});
	bench_print(&(struct bench_figure){.what = "1,000 contexts, end, nothing left",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&results->ended)});
}

int main(int argc, char **argv)
{
	struct results results = {0};
	struct rlimit files;
	size_t rounds, calls;
	double scale;

	ramet_init(argc, argv);
	/* Two ends of 1,000 socketpairs. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	scale = bench_begin(argc, argv, "many: 1,000 local contexts, 25 and 39 below each");
	rounds = bench_scaled(scale, 5, 1);
	calls = bench_scaled(scale, 10, 3);
	raw_echoes(&results.raw_calls, calls);
	for (size_t i = 0; i < rounds; i++)
		measure(&results, calls);
	print(&results);
	bench_clear(&results.raw_starts);
	bench_clear(&results.raw_calls);
	bench_clear(&results.built);
	bench_clear(&results.called);
	bench_clear(&results.memory);
	bench_clear(&results.ended);
	return 0;
}
