/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the benchmarks share: a clock, medians, the raw processes that figures are compared with,
 * and the table. Every program takes a scale as its argument: 0.1 is a tenth of the work.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ramet.h>

#define BENCH_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Nanoseconds on the monotonic clock. */
int64_t bench_now(void);

/* Nanoseconds that all threads of a process have run so far. */
int64_t bench_cpu(pid_t pid);

/* Ends the program with a message. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program when r is a failure of what was tried. */
void bench_check(int r, const char *what, const ramet_error *error);

/* n x the scale of this run, at least `least`. */
size_t bench_scaled(double scale, size_t n, size_t least);

/* --- samples ------------------------------------------------------------------------------- */

struct bench_samples {
	double *values;
	size_t count, room;
};

void bench_add(struct bench_samples *samples, double value);

/* The value below which `part` (0 to 1) of the samples are; sorts them. */
double bench_quantile(struct bench_samples *samples, double part);

double bench_median(struct bench_samples *samples);
void bench_clear(struct bench_samples *samples);

/* --- the raw side -------------------------------------------------------------------------- */

/* A process that talks over a socketpair, without the library. */
struct bench_raw {
	pid_t pid;
	int fd;
};

/* Forks; `run` is the whole life of the child. */
void bench_raw_start(struct bench_raw *raw, void (*run)(int fd));

/* Closes the socket, which ends the child, and waits for it. */
void bench_raw_stop(struct bench_raw *raw);

/* A child that sends back every message of 64 bytes, and one exchange with it. */
#define BENCH_SMALL 64
void bench_raw_echo(int fd);
void bench_raw_ping(const struct bench_raw *raw);

/* Read or write all, or end the program; reading gives false at the end. */
bool bench_read_all(int fd, void *data, size_t size);
void bench_write_all(int fd, const void *data, size_t size);

/* A file beside this program's own. */
void bench_beside(char *ret_path, size_t size, const char *name);

/* From the start of a process to its first byte, by vfork and execve of a tiny static program;
 * the process has ended on return. */
int64_t bench_raw_spawn(const char *program);

/* Keeps this process and those that it starts on one core; false where that cannot be done. */
bool bench_one_core(void);

/* Keeps this thread, or the process with that id if it has one thread, on the n-th core of those that
 * are there, where there are as many. */
void bench_pin(pid_t pid, unsigned n);

/* Lets this thread run anywhere again. */
void bench_all_cores(void);

/* --- the table ----------------------------------------------------------------------------- */

enum bench_unit { BENCH_TIME, BENCH_RATE, BENCH_THROUGHPUT, BENCH_BYTES, BENCH_PLAIN };

/* One line. Times are ns, rates are 1/s, throughputs bytes/s. 0 stands for "none" in all. */
struct bench_figure {
	const char *what;
	enum bench_unit unit;
	double ours;
	double raw;           /* the other figure from this run */
	const char *peer;     /* what that is, when it is not the raw one */
	double ratio_at_most; /* floors */
	double ratio_at_least;
	double at_most;
	double at_least;
	double noise, raw_noise; /* how far samples are from ours and raw, as a part of it */
};

/* Reads the scale and prints the head of the table. */
double bench_begin(int argc, char **argv, const char *title);

/* Prints a line; also adds it to the file that $BENCH_FIGURES names, for programs that compare. */
void bench_print(const struct bench_figure *figure);
