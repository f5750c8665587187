/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting a context, up to the answer to its first call. Beside it, in the same rounds, the least
 * that starting a process can cost: vfork and execve of a tiny static program, and a fork, each up
 * to the first byte over a pipe. Contexts end outside of the measured time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

static int64_t raw_fork(void)
{
	int64_t start = bench_now(), end;
	int fds[2];
	char byte = 'h';
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		bench_die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid == 0)
		_exit(write(fds[1], &byte, 1) != 1);
	close(fds[1]);
	if (!bench_read_all(fds[0], &byte, 1))
		bench_die("the fork says nothing");
	end = bench_now();
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return end - start;
}

/* Equal hops are used again, so each start has a name of its own. */
static int64_t start_context(ramet_router *router, const char *method, size_t number)
{
	ramet_context *context;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start, end;
	char path[64];

	snprintf(path, sizeof(path), "%s?name=x%zu", method, number);
	start = bench_now();
	bench_check(ramet_connect(router, path, &context, &error), path, &error);
	bench_check(nothing_call(context, &error), path, &error);
	end = bench_now();
	bench_check(ramet_context_shutdown(context, -1, &error), path, &error);
	ramet_context_unref(context);
	return end - start;
}

int main(int argc, char **argv)
{
	struct bench_samples spawned = {0}, local = {0}, raw_forked = {0}, forked = {0};
	ramet_router *router;
	char hello[4096];
	size_t rounds;

	ramet_init(argc, argv);
	rounds = bench_scaled(bench_begin(argc, argv,
					  "start: up to the first answered call; raw: up to a byte "
					  "over a pipe"),
			      400, 5);
	bench_beside(hello, sizeof(hello), "hello");
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	for (size_t i = 0; i < rounds; i++) {
		bench_add(&spawned, (double)bench_raw_spawn(hello));
		bench_add(&local, (double)start_context(router, "local", i));
		bench_add(&raw_forked, (double)raw_fork());
		bench_add(&forked, (double)start_context(router, "fork", i));
	}
	bench_print(&(struct bench_figure){.what = "start, local",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&local),
					   .raw = bench_median(&spawned),
					   .peer = "vfork+exec",
					   .ratio_at_most = 5});
	bench_print(&(struct bench_figure){.what = "start, fork",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&forked),
					   .raw = bench_median(&raw_forked),
					   .peer = "fork",
					   .ratio_at_most = 3});
	ramet_router_unref(router);
	bench_clear(&spawned);
	bench_clear(&local);
	bench_clear(&raw_forked);
	bench_clear(&forked);
	return 0;
}
