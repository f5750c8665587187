/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parallel: work for two processes of this machine: forked for each task (an exchange), forked once (a map),
 * or contexts (a pool), beside what others offer for the same: multiprocessing.Pool of Python, OpenMP,
 * xargs(1) and GNU parallel. Peers are measured in turn with ours; each line is a median of such rounds.
 * Processes are forked before this one has grown: how long that takes depends on its memory.
 */
#include "parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int parallel_run(char *const argv[], int input)
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (input >= 0)
		posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return status;
}

/* --- peers --------------------------------------------------------------------------------- */

static void start(struct parallel_peer *peer, const char *name, char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int fds[2];

	*peer = (struct parallel_peer){.name = name};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		bench_die("socketpair: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	if (access(argv[0], X_OK) == 0 &&
	    posix_spawn(&peer->pid, argv[0], &actions, NULL, argv, environ) == 0)
		peer->fd = fds[0];
	else
		close(fds[0]);
	close(fds[1]);
	posix_spawn_file_actions_destroy(&actions);
	if (!peer->pid)
		printf("  (%s is not there: no %s)\n", name, argv[0]);
}

void parallel_start_python(struct parallel_peer *peer)
{
	const char *source = getenv("RAMET_SOURCE");
	char python[] = "/usr/bin/python3", script[4096];

	snprintf(script, sizeof(script), "%s/bench/peer-multiprocessing.py", source ? source : ".");
	start(peer, "multiprocessing", (char *[]){python, script, NULL});
}

void parallel_start_openmp(struct parallel_peer *peer)
{
	char program[4200];

	bench_beside(program, sizeof(program), "peer-openmp");
	start(peer, "OpenMP", (char *[]){program, NULL});
}

double parallel_ask(const struct parallel_peer *peer, const char *format, ...)
{
	char line[128] = "";
	va_list arguments;
	double nanoseconds;
	size_t at = 0;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	bench_write_all(peer->fd, line, (size_t)length);
	do {
		if (at == sizeof(line) - 1 || !bench_read_all(peer->fd, &line[at], 1))
			bench_die("%s has ended", peer->name);
	} while (line[at++] != '\n');
	line[at] = '\0';
	nanoseconds = strtod(line, NULL);
	if (nanoseconds <= 0)
		bench_die("%s: %s", peer->name, line);
	return nanoseconds;
}

void parallel_stop(struct parallel_peer *peer)
{
	if (!peer->pid)
		return;
	close(peer->fd);
	waitpid(peer->pid, NULL, 0);
	peer->pid = 0;
}

/* --- the indexer --------------------------------------------------------------------------- */

#define DOCUMENTS "/usr/share/doc"

static double index_once(char *indexer, char *workers)
{
	char option[] = "-j", directory[] = DOCUMENTS;
	int64_t begin = bench_now();
	int status = parallel_run((char *[]){indexer, option, workers, directory, NULL}, -1);

	if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
		bench_die("%s: there is no index", indexer);
	return (double)(bench_now() - begin);
}

/* Reading, unpacking, folding and sorting are the workers'; what the master adds to that is the part that
 * does not get quicker. */
void parallel_index(double scale)
{
	struct bench_samples one = {0}, two = {0};
	char indexer[4200], single[] = "1", pair[] = "2";

	bench_beside(indexer, sizeof(indexer), "indexer");
	if (access(DOCUMENTS, R_OK) < 0 || access(indexer, X_OK) < 0) {
		puts("  (there is no " DOCUMENTS ", or no indexer)");
		return;
	}
	index_once(indexer, pair); /* brings the files into memory */
	for (size_t i = bench_scaled(scale, 5, 1); i > 0; i--) {
		bench_add(&one, index_once(indexer, single));
		bench_add(&two, index_once(indexer, pair));
	}
	bench_print(&(struct bench_figure){.what = "index " DOCUMENTS ", 2 workers",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&two),
					   .raw = bench_median(&one),
					   .peer = "1 worker",
					   .ratio_at_most = 0.6});
	bench_clear(&one);
	bench_clear(&two);
}

static const struct {
	const char *name;
	void (*run)(double scale);
} parts[] = {{"processes", parallel_processes},
	     {"blocks", parallel_blocks},
	     {"tiny", parallel_tiny},
	     {"primes", parallel_primes},
	     {"index", parallel_index}};

int main(int argc, char **argv)
{
	const char *only = getenv("BENCH_ONLY");
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv, "parallel: two workers");
	for (size_t i = 0; i < BENCH_COUNT(parts); i++)
		if (!only || !*only || strcmp(only, parts[i].name) == 0)
			parts[i].run(scale);
	return 0;
}
