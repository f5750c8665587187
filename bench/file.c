/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files: 2 GiB from memory (a tmpfs) to a context two hops away, and one file to 20 contexts below one
 * gateway. Raw is a socketpair between two processes on a core each, with writes and reads of 64 KiB.
 * What the machine can do at all is a chain of three processes that read the file, pass it on and write it.
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

/* What a way to move the file has taken, in alternating rounds. */
struct way {
	struct bench_samples rates,
		costs; /* bytes/s; ns of processor time of all processes for a GB */
};

struct meter {
	const pid_t *pids;
	int count;
	int64_t start, cpu;
};

static int64_t cpu_of_all(const struct meter *meter)
{
	int64_t sum = 0;

	for (int i = 0; i < meter->count; i++)
		sum += bench_cpu(meter->pids[i]);
	return sum;
}

static struct meter meter_start(const pid_t *pids, int count)
{
	struct meter meter = {.pids = pids, .count = count};

	meter.cpu = cpu_of_all(&meter);
	meter.start = bench_now();
	return meter;
}

static void meter_stop(const struct meter *meter, int64_t bytes, struct way *way)
{
	int64_t took = bench_now() - meter->start;

	bench_add(&way->rates, (double)bytes * 1e9 / (double)took);
	bench_add(&way->costs, (double)(cpu_of_all(meter) - meter->cpu) * 1e9 / (double)bytes);
}

static void way_clear(struct way *way)
{
	bench_clear(&way->rates);
	bench_clear(&way->costs);
}

static void raw(const struct bench_raw *process, int64_t bytes, struct way *way)
{
	pid_t pids[] = {getpid(), process->pid};
	struct meter meter;
	char done;

	bench_pin(process->pid, 1);
	bench_pin(0, 0);
	meter = meter_start(pids, 2);
	bench_write_all(process->fd, &bytes, sizeof(bytes));
	for (int64_t moved = 0; moved < bytes; moved += PIECE)
		bench_write_all(process->fd, data, PIECE);
	bench_read_all(process->fd, &done, 1);
	meter_stop(&meter, bytes, way);
	bench_all_cores();
}

/* A chain of raw processes: this one reads the file, `middle` passes it on, `end` writes it. */
struct chain {
	struct bench_raw middle, end;
};

static struct chain chain;

static void chain_middle(int fd)
{
	int64_t order;
	char done;

	memset(data, 1, sizeof(data));
	while (bench_read_all(fd, &order, sizeof(order))) {
		bench_write_all(chain.end.fd, &order, sizeof(order));
		for (; order > 0; order -= PIECE) {
			bench_read_all(fd, data, PIECE);
			bench_write_all(chain.end.fd, data, PIECE);
		}
		bench_read_all(chain.end.fd, &done, 1);
		bench_write_all(fd, &done, 1);
	}
}

static void chain_end(int fd)
{
	int64_t order;
	int file;

	memset(data, 1, sizeof(data));
	while (bench_read_all(fd, &order, sizeof(order))) {
		file = open(in("to"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		for (; order > 0; order -= PIECE) {
			bench_read_all(fd, data, PIECE);
			bench_write_all(file, data, PIECE);
		}
		close(file);
		bench_write_all(fd, "d", 1);
	}
}

static void raw_chain(int64_t bytes, struct way *way)
{
	pid_t pids[] = {getpid(), chain.middle.pid, chain.end.pid};
	struct meter meter = meter_start(pids, 3);
	int file = open(in("from"), O_RDONLY | O_CLOEXEC);
	char done;

	bench_write_all(chain.middle.fd, &bytes, sizeof(bytes));
	for (int64_t moved = 0; moved < bytes; moved += PIECE) {
		bench_read_all(file, data, PIECE);
		bench_write_all(chain.middle.fd, data, PIECE);
	}
	bench_read_all(chain.middle.fd, &done, 1);
	meter_stop(&meter, bytes, way);
	close(file);
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

static void copy(ramet_router *router, ramet_context *to, const char *to_path, int64_t bytes,
		 char hash[33])
{
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;
	ramet_file_copy_result result;
	ramet_error error = RAMET_ERROR_INIT;

	options.from = ramet_router_self(router);
	options.from_path = in("from");
	options.to = to;
	options.to_path = to_path;
	bench_check(ramet_file_copy(&options, &result, &error), "copy", &error);
	if ((int64_t)result.bytes != bytes)
		bench_die("%lld bytes were copied", (long long)result.bytes);
	memcpy(hash, result.hash, 33);
}

static void print_ways(struct way *ours, struct way *raws, struct way *chains)
{
	bench_print(&(struct bench_figure){.what = "file, to 2 hops",
					   .unit = BENCH_THROUGHPUT,
					   .ours = bench_median(&ours->rates),
					   .raw = bench_median(&raws->rates),
					   .ratio_at_least = 0.35});
	bench_print(&(struct bench_figure){.what = "file, to 2 hops",
					   .unit = BENCH_THROUGHPUT,
					   .ours = bench_median(&ours->rates),
					   .raw = bench_median(&chains->rates),
					   .peer = "raw chain"});
	bench_print(&(struct bench_figure){.what = "  processor time for a GB",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&ours->costs),
					   .raw = bench_median(&raws->costs)});
	bench_print(&(struct bench_figure){.what = "  processor time for a GB",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&ours->costs),
					   .raw = bench_median(&chains->costs),
					   .peer = "raw chain"});
}

static void print_commands(struct way *ours, struct bench_samples *cps,
			   struct bench_samples *rsyncs)
{
	bench_print(&(struct bench_figure){.what = "file, beside cp(1) in one place",
					   .unit = BENCH_THROUGHPUT,
					   .ours = bench_median(&ours->rates),
					   .raw = bench_median(cps),
					   .peer = "cp"});
	if (bench_median(rsyncs) > 0)
		bench_print(&(struct bench_figure){.what = "file, beside rsync(1) in one place",
						   .unit = BENCH_THROUGHPUT,
						   .ours = bench_median(&ours->rates),
						   .raw = bench_median(rsyncs),
						   .peer = "rsync"});
}

static void one_file(ramet_router *router, const struct bench_raw *process, double scale)
{
	char from[128], to[128];
	const char *const cp[] = {"cp", from, to, NULL};
	const char *const rsync[] = {"rsync", "--whole-file", from, to, NULL};
	int64_t bytes = (int64_t)bench_scaled(scale, 2048, 64) * MIB;
	struct way ours = {0}, raws = {0}, chains = {0};
	struct bench_samples cps = {0}, rsyncs = {0};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *middle, *end;
	char hash[33], check[33];
	double peak = 0;
	pid_t pids[3];

	snprintf(from, sizeof(from), "%s", in("from"));
	snprintf(to, sizeof(to), "%s", in("to"));
	bench_check(ramet_connect(router, "local", &middle, &error), "local", &error);
	bench_check(ramet_connect(router, "local/local", &end, &error), "local/local", &error);
	pids[0] = getpid();
	pids[1] = ramet_context_pid(middle);
	pids[2] = ramet_context_pid(end);
	make_file(in("from"), bytes);
	bench_check(ramet_file_hash(ramet_router_self(router), in("from"), check, &error), "hash",
		    &error);
	for (int round = 0; round < 3; round++) {
		struct meter meter;

		raw(process, bytes, &raws);
		unlink(to);
		meter = meter_start(pids, 3);
		copy(router, end, to, bytes, hash);
		meter_stop(&meter, bytes, &ours);
		if (strcmp(hash, check) != 0)
			bench_die("hash %s became %s", check, hash);
		unlink(to);
		raw_chain(bytes, &chains);
		unlink(to);
		bench_add(&cps, by_command(cp, bytes));
		unlink(to);
		bench_add(&rsyncs, by_command(rsync, bytes));
	}
	unlink(to);
	for (int i = 0; i < 3; i++)
		if (peak_of(pids[i]) > peak)
			peak = peak_of(pids[i]);
	print_ways(&ours, &raws, &chains);
	print_commands(&ours, &cps, &rsyncs);
	bench_print(&(struct bench_figure){.what = "file, largest process",
					   .unit = BENCH_BYTES,
					   .ours = peak,
					   .at_most = 32.0 * MIB});
	way_clear(&ours);
	way_clear(&raws);
	way_clear(&chains);
	bench_clear(&cps);
	bench_clear(&rsyncs);
	ramet_context_unref(end);
	ramet_context_unref(middle);
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
	double before, crossed, together, one_by_one, cpu_together, cpu_one_by_one, peak = 0;
	struct meter meter = {.count = 0};
	pid_t pids[TARGETS + 2];

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
	pids[0] = getpid();
	pids[1] = ramet_context_pid(gateway);
	for (size_t i = 0; i < TARGETS; i++)
		pids[i + 2] = ramet_context_pid(ramet_group_get(group, i));
	before = read_by(ramet_context_pid(gateway));
	meter = meter_start(pids, TARGETS + 2);
	start = bench_now();
	bench_check(ramet_file_distribute(&options, outcomes, &error), "distribute", &error);
	together = (double)(bench_now() - start);
	cpu_together = (double)(cpu_of_all(&meter) - meter.cpu);
	for (int i = 0; i < TARGETS + 2; i++)
		if (peak_of(pids[i]) > peak)
			peak = peak_of(pids[i]);
	crossed = read_by(ramet_context_pid(gateway)) - before;
	for (int i = 0; i < TARGETS; i++) {
		snprintf(name, sizeof(name), "%d/to", i);
		unlink(in(name));
	}
	meter = meter_start(pids, TARGETS + 2);
	start = bench_now();
	for (size_t i = 0; i < TARGETS; i++)
		copy(router, ramet_group_get(group, i), "to", bytes, hash);
	one_by_one = (double)(bench_now() - start);
	cpu_one_by_one = (double)(cpu_of_all(&meter) - meter.cpu);
	for (size_t i = 0; i < TARGETS; i++)
		if (strcmp(outcomes[i].result.hash, hash) != 0)
			bench_die("target %zu has hash %s", i, outcomes[i].result.hash);
	bench_print(&(struct bench_figure){.what = "file, to 20 below a gateway",
					   .unit = BENCH_TIME,
					   .ours = together,
					   .raw = one_by_one,
					   .peer = "20 copies"});
	bench_print(&(struct bench_figure){.what = "  processor time",
					   .unit = BENCH_TIME,
					   .ours = cpu_together,
					   .raw = cpu_one_by_one,
					   .peer = "20 copies"});
	bench_print(&(struct bench_figure){.what = "  largest process",
					   .unit = BENCH_BYTES,
					   .ours = peak,
					   .at_most = 32.0 * MIB});
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
	struct bench_raw process;
	ramet_router *router;
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv, "files; raw: a socketpair with writes of 64 KiB");
	memset(data, 1, sizeof(data));
	snprintf(root, sizeof(root), "%s/ramet-bench-XXXXXX",
		 stat("/dev/shm", &memory) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(root))
		bench_die("no directory for files");
	/* Before there is a second thread. */
	bench_raw_start(&process, raw_worker);
	bench_raw_start(&chain.end, chain_end);
	bench_raw_start(&chain.middle, chain_middle);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	one_file(router, &process, scale);
	/* Each has the sockets to those that were started before it. */
	bench_raw_stop(&chain.middle);
	bench_raw_stop(&chain.end);
	bench_raw_stop(&process);
	many_files(router, scale);
	ramet_router_unref(router);
	remove_all();
	return 0;
}
