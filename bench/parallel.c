/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parallel: work that is spread over processes of this machine.
 *
 * The indexer (examples/indexer, beside this program) over all of /usr/share/doc, with two workers and with one: reading,
 * unpacking, folding and sorting are theirs, what the master adds to that is the part that does not get quicker.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIRECTORY "/usr/share/doc"

extern char **environ;

/* Seconds of the clock, in ns, that the indexer takes with so many workers. */
static double index_once(const char *indexer, const char *workers)
{
	char *argv[] = {(char *)(uintptr_t)indexer, "-j", (char *)(uintptr_t)workers, DIRECTORY,
			NULL};
	posix_spawn_file_actions_t actions;
	int64_t begin = bench_now();
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int r = posix_spawn(&pid, indexer, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		bench_die("%s: %s", indexer, strerror(r));
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
		bench_die("%s: there is no index", indexer);
	return (double)(bench_now() - begin);
}

static void index_documents(double scale)
{
	struct bench_samples one = {0}, two = {0};
	char indexer[4200];

	bench_beside(indexer, sizeof(indexer), "indexer");
	if (access(DIRECTORY, R_OK) < 0) {
		puts("  (there is no " DIRECTORY ")");
		return;
	}
	index_once(indexer, "2"); /* brings the files into memory */
	for (size_t i = bench_scaled(scale, 5, 1); i > 0; i--) {
		bench_add(&one, index_once(indexer, "1"));
		bench_add(&two, index_once(indexer, "2"));
	}
	bench_print(&(struct bench_figure){.what = "index " DIRECTORY ", 2 workers",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&two),
					   .raw = bench_median(&one),
					   .peer = "1 worker",
					   .ratio_at_most = 0.6});
	bench_clear(&one);
	bench_clear(&two);
}

int main(int argc, char **argv)
{
	ramet_init(argc, argv);

	double scale = bench_begin(argc, argv, "parallel");

	index_documents(scale);
	return 0;
}
