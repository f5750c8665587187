/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t bench_cpu(pid_t pid)
{
	struct timespec time = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
		bench_die("process %d has no clock", (int)pid);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void bench_die(const char *format, ...)
{
	va_list arguments;

	fputs("bench: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void bench_check(int r, const char *what, const ramet_error *error)
{
	if (r >= 0)
		return;
	bench_die("%s: %s", what, error && error->message ? error->message : strerror(-r));
}

size_t bench_scaled(double scale, size_t n, size_t least)
{
	size_t scaled = (size_t)((double)n * scale);

	return scaled > least ? scaled : least;
}

/* --- samples ------------------------------------------------------------------------------- */

void bench_add(struct bench_samples *samples, double value)
{
	if (samples->count == samples->room) {
		samples->room = samples->room ? 2 * samples->room : 64;
		samples->values = realloc(samples->values, samples->room * sizeof(double));
		if (!samples->values)
			bench_die("out of memory");
	}
	samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_quantile(struct bench_samples *samples, double part)
{
	if (samples->count == 0)
		return 0;
	qsort(samples->values, samples->count, sizeof(double), compare);
	return samples->values[(size_t)(part * (double)(samples->count - 1) + 0.5)];
}

double bench_median(struct bench_samples *samples)
{
	return bench_quantile(samples, 0.5);
}

void bench_clear(struct bench_samples *samples)
{
	free(samples->values);
	*samples = (struct bench_samples){0};
}

/* --- the raw side -------------------------------------------------------------------------- */

void bench_raw_start(struct bench_raw *raw, void (*run)(int fd))
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		bench_die("socketpair: %s", strerror(errno));
	/* As large as the library asks for. */
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &(int){131072}, sizeof(int));
	raw->pid = fork();
	if (raw->pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (raw->pid == 0) {
		close(fds[0]);
		run(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	raw->fd = fds[0];
}

void bench_raw_stop(struct bench_raw *raw)
{
	close(raw->fd);
	waitpid(raw->pid, NULL, 0);
}

bool bench_read_all(int fd, void *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = read(fd, (char *)data + at, size - at);

		if (n == 0)
			return false;
		if (n < 0 && errno != EINTR)
			bench_die("read: %s", strerror(errno));
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

void bench_write_all(int fd, const void *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = write(fd, (const char *)data + at, size - at);

		if (n < 0 && errno != EINTR)
			bench_die("write: %s", strerror(errno));
		at += n > 0 ? (size_t)n : 0;
	}
}

void bench_raw_echo(int fd)
{
	char data[BENCH_SMALL];

	while (bench_read_all(fd, data, sizeof(data)))
		bench_write_all(fd, data, sizeof(data));
}

void bench_raw_ping(const struct bench_raw *raw)
{
	char data[BENCH_SMALL] = "";

	bench_write_all(raw->fd, data, sizeof(data));
	if (!bench_read_all(raw->fd, data, sizeof(data)))
		bench_die("the echo ended");
}

void bench_beside(char *ret_path, size_t size, const char *name)
{
	char own[4096];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	if (n < 0)
		bench_die("/proc/self/exe: %s", strerror(errno));
	own[n] = '\0';
	slash = strrchr(own, '/');
	snprintf(ret_path, size, "%.*s/%s", (int)(slash - own), own, name);
}

int64_t bench_raw_spawn(const char *program)
{
	int64_t start = bench_now(), end;
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		bench_die("pipe: %s", strerror(errno));
	pid = vfork();
	if (pid < 0)
		bench_die("vfork: %s", strerror(errno));
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	if (!bench_read_all(fds[0], &byte, 1))
		bench_die("%s says nothing", program);
	end = bench_now();
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return end - start;
}

bool bench_one_core(void)
{
	cpu_set_t set;
	int core = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(core < 0 ? 0 : core, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

void bench_pin(pid_t pid, unsigned n)
{
	cpu_set_t all, set;

	CPU_ZERO(&set);
	if (sched_getaffinity(getpid(), sizeof(all), &all) < 0 || (unsigned)CPU_COUNT(&all) <= n)
		return;
	for (int core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &all) && n-- == 0) {
			CPU_SET(core, &set);
			sched_setaffinity(pid, sizeof(set), &set);
			return;
		}
}

void bench_all_cores(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (long core = sysconf(_SC_NPROCESSORS_CONF); core-- > 0;)
		CPU_SET((size_t)core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* --- the table ----------------------------------------------------------------------------- */

static void scale_down(char *text, size_t size, double value, double step, const char *const *units,
		       size_t count)
{
	size_t i = 0;

	while (value >= step && i + 1 < count) {
		value /= step;
		i++;
	}
	snprintf(text, size, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, units[i]);
}

static void format_value(char *text, size_t size, enum bench_unit unit, double value)
{
	static const char *const times[] = {"ns", "us", "ms", "s"};
	static const char *const rates[] = {"/s", "k/s", "M/s"};
	static const char *const flows[] = {"B/s", "kB/s", "MB/s", "GB/s"};
	static const char *const sizes[] = {"B", "KiB", "MiB", "GiB"};

	switch (unit) {
	case BENCH_TIME:
		scale_down(text, size, value, 1000, times, BENCH_COUNT(times));
		break;
	case BENCH_RATE:
		scale_down(text, size, value, 1000, rates, BENCH_COUNT(rates));
		break;
	case BENCH_THROUGHPUT:
		scale_down(text, size, value, 1000, flows, BENCH_COUNT(flows));
		break;
	case BENCH_BYTES:
		scale_down(text, size, value, 1024, sizes, BENCH_COUNT(sizes));
		break;
	case BENCH_PLAIN:
		snprintf(text, size, "%.0f", value);
		break;
	}
}

static void format_floor(char *text, size_t size, const struct bench_figure *figure)
{
	double bound = figure->at_most > 0 ? figure->at_most : figure->at_least;
	double ratio = figure->ratio_at_most > 0 ? figure->ratio_at_most : figure->ratio_at_least;
	char first[32] = "", second[32] = "", value[24];

	if (bound > 0) {
		format_value(value, sizeof(value), figure->unit, bound);
		snprintf(first, sizeof(first), "%s %s", figure->at_most > 0 ? "<" : ">=", value);
	}
	if (ratio > 0)
		snprintf(second, sizeof(second), "%s %.4g x",
			 figure->ratio_at_most > 0 ? "<=" : ">=", ratio);
	snprintf(text, size, "%s%s%s", first, bound > 0 && ratio > 0 ? ", " : "", second);
}

static bool is_met(const struct bench_figure *figure)
{
	double ratio = figure->raw > 0 ? figure->ours / figure->raw : 0;

	return !(figure->at_most > 0 && figure->ours >= figure->at_most) &&
	       !(figure->at_least > 0 && figure->ours < figure->at_least) &&
	       !(figure->ratio_at_most > 0 && ratio > figure->ratio_at_most) &&
	       !(figure->ratio_at_least > 0 && ratio < figure->ratio_at_least);
}

/* For programs that compare what they measure with ours. */
static void record(const struct bench_figure *figure)
{
	const char *path = getenv("BENCH_FIGURES");
	FILE *file = path && *path ? fopen(path, "ae") : NULL;

	if (!file)
		return;
	fprintf(file, "%s\t%.9g\n", figure->what, figure->ours);
	fclose(file);
}

double bench_begin(int argc, char **argv, const char *title)
{
	double scale = argc > 1 ? atof(argv[1]) : 1;

	if (argc > 2 || scale <= 0)
		bench_die("usage: %s [SCALE]", argv[0]);
	printf("%s\n%-40s %10s %20s %7s %-18s %s\n", title, "what", "ours", "raw or peer", "ratio",
	       "floor", "met");
	fflush(stdout);
	return scale;
}

void bench_print(const struct bench_figure *figure)
{
	char ours[24], raw[24] = "", peer[48] = "", ratio[16] = "", floor[48], noise[48] = "";

	format_value(ours, sizeof(ours), figure->unit, figure->ours);
	if (figure->raw > 0) {
		format_value(raw, sizeof(raw), figure->unit, figure->raw);
		snprintf(peer, sizeof(peer), "%s%s%s", figure->peer ? figure->peer : "",
			 figure->peer ? " " : "", raw);
		snprintf(ratio, sizeof(ratio), "%.2f", figure->ours / figure->raw);
	}
	format_floor(floor, sizeof(floor), figure);
	if (figure->noise > 0)
		snprintf(noise, sizeof(noise), "%*s+-%.0f%%, +-%.0f%%", 4, "", 100 * figure->noise,
			 100 * figure->raw_noise);
	printf("%-40s %10s %20s %7s %-18s %s%s\n", figure->what, ours, peer, ratio, floor,
	       !*floor          ? ""
	       : is_met(figure) ? "yes"
				: "NO",
	       noise);
	fflush(stdout);
	record(figure);
}
