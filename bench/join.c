/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tree of 50 contexts that listens, and short-lived programs that join it: each is started, finds one of the
 * contexts by its path, calls it and ends. From its start to its end. Raw: the start and the first byte of a tiny
 * static program that does nothing.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define CONTEXTS 50
#define GUEST "guest"

extern char **environ;

RAMET_FUNCTION(i64, process_id)
{
	(void)call;
	return getpid();
}

/* 0, or it ends the program. */
static int guest(const char *index)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *router = NULL;
	ramet_context *context = NULL;
	int64_t pid = 0;
	char path[64];

	snprintf(path, sizeof(path), "unix:bench/local#%s", index);
	bench_check(ramet_router_new(NULL, &router), "a router", NULL);
	bench_check(ramet_connect(router, path, &context, &error), path, &error);
	bench_check(process_id_call(context, &pid, &error), "call", &error);
	if (pid != ramet_context_pid(context))
		bench_die("%s: another process has answered", path);
	ramet_context_unref(context);
	ramet_router_unref(router);
	return 0;
}

static double join(const char *program, size_t index)
{
	int64_t start = bench_now();
	char number[16];
	char *argv[] = {(char *)program, (char *)GUEST, number, NULL};
	int status = -1, r;
	pid_t pid;

	snprintf(number, sizeof(number), "%zu", index);
	r = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
	if (r != 0)
		bench_die("posix_spawn: %s", strerror(r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		bench_die("a guest has failed");
	return (double)(bench_now() - start);
}

static void print(struct bench_samples *joined, struct bench_samples *raw)
{
	bench_print(&(struct bench_figure){.what = "join, call 1 of 50, leave, median",
					   .unit = BENCH_TIME,
					   .ours = bench_median(joined),
					   .raw = bench_median(raw),
					   .peer = "vfork+exec",
					   .at_most = 40e6});
	bench_print(&(struct bench_figure){.what = "join, call 1 of 50, leave, 90th pct.",
					   .unit = BENCH_TIME,
					   .ours = bench_quantile(joined, 0.9),
					   .raw = bench_quantile(raw, 0.9),
					   .peer = "vfork+exec",
					   .at_most = 40e6});
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/ramet-bench-XXXXXX", path[64], hello[4096];
	struct bench_samples joined = {0}, raw = {0};
	ramet_context *contexts[CONTEXTS];
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *router = NULL;
	size_t rounds;

	ramet_init(argc, argv);
	if (argc == 3 && strcmp(argv[1], GUEST) == 0)
		return guest(argv[2]);
	rounds = bench_scaled(bench_begin(argc, argv, "join: short-lived programs, a tree of 50"),
			      500, 20);
	if (!mkdtemp(directory) || setenv("XDG_RUNTIME_DIR", directory, 1) < 0)
		bench_die("%s: %s", directory, strerror(errno));
	bench_beside(hello, sizeof(hello), "hello");
	bench_check(ramet_router_new(NULL, &router), "a router", NULL);
	for (size_t i = 0; i < CONTEXTS; i++) {
		snprintf(path, sizeof(path), "local#%zu", i);
		bench_check(ramet_connect(router, path, &contexts[i], &error), path, &error);
	}
	bench_check(ramet_router_listen(router, "bench", NULL, &error), "listen", &error);
	for (size_t i = 0; i < rounds; i++) {
		bench_add(&joined, join(argv[0], i % CONTEXTS));
		bench_add(&raw, (double)bench_raw_spawn(hello));
	}
	print(&joined, &raw);
	for (size_t i = 0; i < CONTEXTS; i++)
		ramet_context_unref(contexts[i]);
	ramet_router_unref(router);
	snprintf(path, sizeof(path), "%s/ramet", directory);
	rmdir(path);
	rmdir(directory);
	bench_clear(&joined);
	bench_clear(&raw);
	return 0;
}
