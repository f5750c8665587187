/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of the benchmark `parallel`. Each prints its lines; peers that are not there are named in a
 * line of their own.
 */
#pragma once

#include "bench.h"

/* 2 is also what the floors are for, whatever this machine has. */
#define PARALLEL_WORKERS 2

/* A process for each task. */
void parallel_processes(double scale);

/* Results of 1 MiB. */
void parallel_blocks(double scale);

/* Tasks that do next to nothing. */
void parallel_tiny(double scale);

/* One job on one core and on two. */
void parallel_primes(double scale);

/* The example `indexer` with one worker and with two. */
void parallel_index(double scale);

/* --- peers that do the same work ------------------------------------------------------------- */

/* A program that reads a line for each measurement and answers with nanoseconds. */
struct parallel_peer {
	const char *name;
	int pid; /* 0: it is not there */
	int fd;
};

/* Starts peer-multiprocessing.py, or peer-openmp; or says that it is missing, and why. */
void parallel_start_python(struct parallel_peer *peer);
void parallel_start_openmp(struct parallel_peer *peer);

/* One measurement, in ns. Nothing else runs in the peer before and after it. */
double parallel_ask(const struct parallel_peer *peer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Closes its standard input, which ends it, and waits. */
void parallel_stop(struct parallel_peer *peer);

/* Runs a program with /dev/null or `input` (-1: that) as its standard input and without output, to its
 * end: its wait status, or -1 when it cannot be started. */
int parallel_run(char *const argv[], int input);
