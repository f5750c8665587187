/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Primes counted with OpenMP, for bench/parallel.c: for each line "THREADS LIMIT" on standard input prints the
 * nanoseconds that it took. The loop is that of parallel-tasks.c.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define STEP 1000

static int64_t count_primes(int64_t from, int64_t to)
{
	int64_t found = 0;

	for (int64_t n = from < 2 ? 2 : from; n < to; n++) {
		int64_t d = 2;

		while (d * d <= n && n % d)
			d++;
		found += d * d > n;
	}
	return found;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int main(void)
{
	int64_t limit;
	int threads;

	while (scanf("%d %" SCNd64, &threads, &limit) == 2) {
		int64_t begin = now(), found = 0;

#pragma omp parallel for schedule(dynamic) reduction(+ : found) num_threads(threads)
		for (int64_t from = 0; from < limit; from += STEP)
			found += count_primes(from, from + STEP < limit ? from + STEP : limit);
		printf("%" PRId64 " %" PRId64 "\n", now() - begin, found);
		fflush(stdout);
	}
	return 0;
}
