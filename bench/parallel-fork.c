/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process for each task, at most two at a time: an exchange, whose tasks do nothing, beside xargs(1) and
 * GNU parallel, whose tasks are true(1). They get fewer of them, as figures are for a second.
 */
#include "parallel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int stored;

static void nothing(ramet_channel *channel, void *data)
{
	(void)channel;
	(void)data;
}

static void one(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_send_i64(channel, 1);
}

static int store(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value, void *data)
{
	(void)exchange;
	(void)channel;
	(void)data;
	stored += (int)ramet_value_i64(value);
	return 0;
}

static double ours(ramet_channel_function *task, size_t count)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_exchange *exchange;
	int64_t begin = bench_now();

	stored = 0;
	bench_check(ramet_exchange_new(PARALLEL_WORKERS, store, NULL, &exchange), "exchange", NULL);
	for (size_t i = 0; i < count; i++)
		bench_check(ramet_exchange_start(exchange, task, NULL, &error), "start", &error);
	bench_check(ramet_exchange_finish(exchange, -1, &error), "finish", &error);
	ramet_exchange_unref(exchange);
	if (stored != (task == one ? (int)count : 0))
		bench_die("%d results of %zu tasks", stored, count);
	return (double)count * 1e9 / (double)(bench_now() - begin);
}

/* fork(2) and waitpid(2) alone, two at a time. */
static double raw(size_t count)
{
	int64_t begin = bench_now();

	for (size_t i = 0; i < count + PARALLEL_WORKERS; i++) {
		if (i >= PARALLEL_WORKERS && waitpid(-1, NULL, 0) < 0)
			bench_die("waitpid: %s", strerror(errno));
		if (i < count && fork() == 0)
			_exit(0);
	}
	return (double)count * 1e9 / (double)(bench_now() - begin);
}

/* The arguments of so many tasks, one in a line. */
static FILE *numbers(size_t count)
{
	FILE *file = tmpfile();

	if (!file)
		bench_die("tmpfile: %s", strerror(errno));
	for (size_t i = 0; i < count; i++)
		fprintf(file, "%zu\n", i);
	fflush(file);
	return file;
}

/* 0: there is no such program. */
static double theirs(char *const argv[], FILE *arguments, size_t count)
{
	int64_t begin;
	int status;

	rewind(arguments);
	begin = bench_now();
	status = parallel_run(argv, fileno(arguments));
	if (status < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 127))
		return 0;
	if (status != 0)
		bench_die("%s has failed", argv[0]);
	return (double)count * 1e9 / (double)(bench_now() - begin);
}

static void print(const char *what, struct bench_samples *samples, const char *peer,
		  struct bench_samples *peers, double floor)
{
	if (bench_median(peers) <= 0) {
		printf("  (%s is not installed)\n", peer);
		return;
	}
	bench_print(&(struct bench_figure){.what = what,
					   .unit = BENCH_RATE,
					   .ours = bench_median(samples),
					   .raw = bench_median(peers),
					   .peer = peer,
					   .ratio_at_least = floor});
}

void parallel_processes(double scale)
{
	char *xargs[] = {"xargs", "-P2", "-n1", "true", NULL};
	char *parallel[] = {"parallel", "-j2", "true", NULL};
	size_t count = bench_scaled(scale, 10000, 100), xargs_count = bench_scaled(scale, 2000, 50);
	size_t parallel_count = bench_scaled(scale, 200, 20);
	struct bench_samples plain = {0}, results = {0}, forks = {0}, xargses = {0},
			     parallels = {0};
	FILE *for_xargs = numbers(xargs_count), *for_parallel = numbers(parallel_count);

	for (size_t round = 0; round < 5; round++) {
		bench_add(&plain, ours(nothing, count));
		bench_add(&results, ours(one, count));
		bench_add(&forks, raw(count));
		bench_add(&xargses, theirs(xargs, for_xargs, xargs_count));
		bench_add(&parallels, theirs(parallel, for_parallel, parallel_count));
	}
	print("a process for each task", &plain, "xargs", &xargses, 4);
	print("a process for each task", &plain, "parallel", &parallels, 20);
	print("a process for each task", &plain, "fork alone", &forks, 0);
	print("  which sends a result", &results, "fork alone", &forks, 0);
	fclose(for_xargs);
	fclose(for_parallel);
	bench_clear(&plain);
	bench_clear(&results);
	bench_clear(&forks);
	bench_clear(&xargses);
	bench_clear(&parallels);
}
