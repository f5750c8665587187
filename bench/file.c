/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files: 2 GiB from memory (a tmpfs) to a context two hops away, and one file to 20 contexts below one
 * gateway. Raw is a socketpair between two processes, with writes and reads of 64 KiB.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define PIECE (64 * 1024)
#define MIB (1024 * 1024)
#define TARGETS 20

static char data[MIB];
static char root[64];

static const char *in(const char *name)
{
	static char paths[16][128];
	static unsigned next;
	char *path = paths[next++ % 16];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static void make_file(const char *path, int64_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		bench_die("%s cannot be written", path);
	for (int64_t at = 0; at < size; at += MIB) {
		for (size_t i = 0; i < MIB; i += 8)
			memcpy(data + i, &(uint64_t){((uint64_t)at + i) * 0x9e3779b97f4a7c15u}, 8);
		if (write(fd, data, MIB) != MIB)
			bench_die("%s cannot be written", path);
	}
	close(fd);
}

/* --- the raw side -------------------------------------------------------------------------- */

static void raw_worker(int fd)
{
	int64_t order;

	memset(data, 1, sizeof(data));
	while (bench_read_all(fd, &order, sizeof(order))) {
		for (; order > 0; order -= PIECE)
			bench_read_all(fd, data, PIECE);
		bench_write_all(fd, "d", 1);
	}
}

static double raw(const struct bench_raw *process, int64_t bytes)
{
	int64_t start = bench_now();
	char done;

	bench_write_all(process->fd, &bytes, sizeof(bytes));
	for (int64_t moved = 0; moved < bytes; moved += PIECE)
		bench_write_all(process->fd, data, PIECE);
	bench_read_all(process->fd, &done, 1);
	return (double)bytes * 1e9 / (double)(bench_now() - start);
}

/* The rate of a command that copies from one path to another; 0 when it is not there. */
static double by_command(const char *const *words, int64_t bytes)
{
	int64_t start = bench_now();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(words[0], (char *const *)words);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return 0;
	return (double)bytes * 1e9 / (double)(bench_now() - start);
}

/* --- memory -------------------------------------------------------------------------------- */

/* What proc(5) has in /proc/PID/status under that name, in bytes; of what is no page of a file that is
 * mapped everywhere anyway: resident memory at its peak. */
static double peak_of(int pid)
{
	char path[64], line[256];
	double peak = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "VmHWM:", 6) == 0)
			peak = strtod(line + 6, NULL) * 1024;
	if (file)
		fclose(file);
	return peak;
}

/* --- one file ------------------------------------------------------------------------------ */

static double copy(ramet_router *router, ramet_context *to, const char *to_path, int64_t bytes,
		   char hash[33])
{
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;
	ramet_file_copy_result result;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now();

	options.from = ramet_router_self(router);
	options.from_path = in("from");
	options.to = to;
	options.to_path = to_path;
	bench_check(ramet_file_copy(&options, &result, &error), "copy", &error);
	if ((int64_t)result.bytes != bytes)
		bench_die("%lld bytes were copied", (long long)result.bytes);
	memcpy(hash, result.hash, 33);
	return (double)bytes * 1e9 / (double)(bench_now() - start);
}

static void one_file(ramet_router *router, double scale)
{
	char from[128], to[128];
	const char *const cp[] = {"cp", from, to, NULL};
	const char *const rsync[] = {"rsync", "--whole-file", from, to, NULL};
	int64_t bytes = (int64_t)bench_scaled(scale, 2048, 64) * MIB;
	struct bench_samples rates = {0}, raws = {0}, cps = {0}, rsyncs = {0};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *middle, *end;
	struct bench_raw process;
	char hash[33], check[33];
	double peak = 0;

	snprintf(from, sizeof(from), "%s", in("from"));
	snprintf(to, sizeof(to), "%s", in("to"));
	bench_raw_start(&process, raw_worker);
	bench_check(ramet_connect(router, "local", &middle, &error), "local", &error);
	bench_check(ramet_connect(router, "local/local", &end, &error), "local/local", &error);
	make_file(in("from"), bytes);
	bench_check(ramet_file_hash(ramet_router_self(router), in("from"), check, &error), "hash",
		    &error);
	for (int round = 0; round < 3; round++) {
		bench_add(&raws, raw(&process, bytes));
		unlink(to);
		bench_add(&rates, copy(router, end, to, bytes, hash));
		if (strcmp(hash, check) != 0)
			bench_die("hash %s became %s", check, hash);
		unlink(to);
		bench_add(&cps, by_command(cp, bytes));
		unlink(to);
		bench_add(&rsyncs, by_command(rsync, bytes));
	}
	unlink(to);
	if (peak_of(getpid()) > peak)
		peak = peak_of(getpid());
	if (peak_of(ramet_context_pid(middle)) > peak)
		peak = peak_of(ramet_context_pid(middle));
	if (peak_of(ramet_context_pid(end)) > peak)
		peak = peak_of(ramet_context_pid(end));
	bench_print(&(struct bench_figure){.what = "file, to 2 hops",
					   .unit = BENCH_THROUGHPUT,
					   .ours = bench_median(&rates),
					   .raw = bench_median(&raws),
					   .ratio_at_least = 0.35});
	bench_print(&(struct bench_figure){.what = "file, beside cp(1) in one place",
					   .unit = BENCH_THROUGHPUT,
					   .ours = bench_median(&rates),
					   .raw = bench_median(&cps),
					   .peer = "cp"});
	if (bench_median(&rsyncs) > 0)
		bench_print(&(struct bench_figure){.what = "file, beside rsync(1) in one place",
						   .unit = BENCH_THROUGHPUT,
						   .ours = bench_median(&rates),
						   .raw = bench_median(&rsyncs),
						   .peer = "rsync"});
	bench_print(&(struct bench_figure){.what = "file, largest process",
					   .unit = BENCH_BYTES,
					   .ours = peak,
					   .at_most = 32.0 * MIB});
	bench_clear(&rates);
	bench_clear(&raws);
	bench_clear(&cps);
	bench_clear(&rsyncs);
	ramet_context_unref(end);
	ramet_context_unref(middle);
	bench_raw_stop(&process);
}

/* --- one to many --------------------------------------------------------------------------- */

/* What the process has read, from anywhere: rchar of proc(5). */
static double read_by(int pid)
{
	char path[64];
	long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/io", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "rchar: %lld", &bytes) != 1)
		bytes = 0;
	if (file)
		fclose(file);
	return (double)bytes;
}

/* Each target writes where it works, so that one path is a file for each. */
static void many_files(ramet_router *router, double scale)
{
	int64_t bytes = (int64_t)bench_scaled(scale, 64, 4) * MIB, start;
	ramet_file_distribute_options options = RAMET_FILE_DISTRIBUTE_OPTIONS_INIT;
	ramet_file_outcome outcomes[TARGETS];
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *gateway;
	ramet_group *group;
	char paths[TARGETS * 128] = "", hash[33], name[16];
	double before, crossed, together, one_by_one;

	for (int i = 0; i < TARGETS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		mkdir(in(name), 0700);
	}
	/* A path as the value of a key has its slashes escaped. */
	for (int i = 0; i < TARGETS; i++) {
		size_t used = strlen(paths);

		used += (size_t)snprintf(paths + used, sizeof(paths) - used,
					 "%slocal/local#%d?cwd=", i > 0 ? "," : "", i);
		for (const char *at = root; *at; at++)
			used += (size_t)snprintf(paths + used, sizeof(paths) - used,
						 *at == '/' ? "%%2F" : "%c", *at);
		snprintf(paths + used, sizeof(paths) - used, "%%2F%d", i);
	}
	make_file(in("from"), bytes);
	bench_check(ramet_connect_all(router, paths, &group, &error), "targets", &error);
	bench_check(ramet_connect(router, "local", &gateway, &error), "gateway", &error);
	options.from = ramet_router_self(router);
	options.from_path = in("from");
	options.to = group;
	options.to_path = "to";
	before = read_by(ramet_context_pid(gateway));
	start = bench_now();
	bench_check(ramet_file_distribute(&options, outcomes, &error), "distribute", &error);
	together = (double)(bench_now() - start);
	crossed = read_by(ramet_context_pid(gateway)) - before;
	start = bench_now();
	for (size_t i = 0; i < TARGETS; i++)
		copy(router, ramet_group_get(group, i), "to", bytes, hash);
	one_by_one = (double)(bench_now() - start);
	for (size_t i = 0; i < TARGETS; i++)
		if (strcmp(outcomes[i].result.hash, hash) != 0)
			bench_die("target %zu has hash %s", i, outcomes[i].result.hash);
	bench_print(&(struct bench_figure){.what = "file, to 20 below a gateway",
					   .unit = BENCH_TIME,
					   .ours = together,
					   .raw = one_by_one,
					   .peer = "20 copies"});
	bench_print(&(struct bench_figure){.what = "file, bytes over the first link / size",
					   .unit = BENCH_PLAIN,
					   .ours = crossed / (double)bytes,
					   .at_most = 1.05});
	ramet_context_unref(gateway);
	ramet_group_unref(group);
}

static void remove_all(void)
{
	char name[32];

	unlink(in("from"));
	unlink(in("to"));
	for (int i = 0; i < TARGETS; i++) {
		snprintf(name, sizeof(name), "%d/to", i);
		unlink(in(name));
		snprintf(name, sizeof(name), "%d", i);
		rmdir(in(name));
	}
	rmdir(root);
}

int main(int argc, char **argv)
{
	struct stat memory;
	ramet_router *router;
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv, "files; raw: a socketpair with writes of 64 KiB");
	memset(data, 1, sizeof(data));
	snprintf(root, sizeof(root), "%s/ramet-bench-XXXXXX",
		 stat("/dev/shm", &memory) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(root))
		bench_die("no directory for files");
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	one_file(router, scale);
	many_files(router, scale);
	ramet_router_unref(router);
	remove_all();
	return 0;
}
