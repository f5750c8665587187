/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reach SCALE TURNS RAMET PEER, targets on standard input: how long it takes to connect, to call, and to
 * have the answer. For ours (reach-connect.c) and for Mitogen (PEER, peer-reach.py) twice: from the start
 * of a process that does only that, so that nothing is left out; and in one that has done it before.
 * Beside them the tool alone, up to the first byte that it prints, or else to its end. bench/reach.sh
 * makes the targets and gives a line of them each, with tabs between:
 *
 *	NAME	PATH	METHOD KEYWORDS (of Mitogen)	COMMAND	FLOOR FLOOR
 *
 * "-" is none. COMMAND is executed by sh; the floors are the largest ratios to Mitogen's time and to the
 * command's. Where the path leads through tests/relay, that notes in the file TURNS what passes. RAMET is
 * the command, whose bytes are counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* _AGAIN: in a process that has done it before. */
enum { OURS, OURS_AGAIN, PEER, PEER_AGAIN, TOOL, CONTENDERS };

struct target {
	char *name, *path, *peer, *tool;
	double peer_floor, tool_floor;
};

/* What a relay has noted up to an answer. */
struct passed {
	double bytes,
		turns; /* sent, and how often that was after something had come; -1: unknown */
};

/* Connects again and again: a path or keywords in, a line with the time out. */
struct connector {
	FILE *input, *output;
};

static const char *turns_file, *ramet, *peer_program;
static char own_program[4096];

/* --- in a process of its own ----------------------------------------------------------------- */

/* With input and output; what is not theirs they must not hold. */
static pid_t start(char *const argv[], int input, int *ret_output)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		bench_die("pipe: %s", strerror(errno));
	pid = vfork();
	if (pid < 0)
		bench_die("vfork: %s", strerror(errno));
	if (pid == 0) {
		dup2(input, STDIN_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	close(input);
	*ret_output = fds[0];
	return pid;
}

static void finish(pid_t pid, int output, const char *what)
{
	int status;

	close(output);
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bench_die("%s failed", what);
}

/* The lines of the relay's file are the bytes each way at every change of direction. The answer came
 * behind the last one, if nothing was sent since. */
static struct passed read_passed(void)
{
	struct passed passed = {-1, -1};
	unsigned long long up, down;
	FILE *file = fopen(turns_file, "re");
	bool first_down = false;
	int lines = 0;

	while (file && fscanf(file, "%llu %llu", &up, &down) == 2) {
		lines++;
		if (lines == 2)
			first_down = down > 0;
		passed.bytes = (double)up;
	}
	if (file)
		fclose(file);
	if (lines > 0)
		passed.turns = (lines - !first_down) / 2;
	return passed;
}

/* From the start of a process to its first byte, or to its end when it says nothing. It goes on when
 * its input ends: what has passed is read before. */
static double run(char *const argv[], const char *what, struct passed *ret_passed)
{
	int64_t begin, end;
	int input[2], output;
	char byte;
	pid_t pid;
	bool said;

	if (pipe2(input, O_CLOEXEC) < 0)
		bench_die("pipe: %s", strerror(errno));
	if (!ret_passed)
		close(input[1]);
	begin = bench_now();
	pid = start(argv, input[0], &output);
	said = bench_read_all(output, &byte, 1);
	end = bench_now();
	if (ret_passed) {
		*ret_passed = read_passed();
		close(input[1]);
	}
	/* What it says of its end is not to fail. */
	while (bench_read_all(output, &byte, 1))
		;
	finish(pid, output, what);
	return (double)((said ? end : bench_now()) - begin);
}

static double run_tool(const struct target *target)
{
	char *argv[] = {"/bin/sh", "-c", target->tool, NULL};

	return run(argv, target->tool, NULL);
}

static double connect_ours(const struct target *target, struct passed *ret_passed)
{
	char *argv[] = {own_program, target->path, NULL};

	return run(argv, target->path, ret_passed);
}

static double connect_peer(const struct target *target, struct passed *ret_passed)
{
	char *argv[] = {"/usr/bin/python3", (char *)peer_program, target->peer, NULL};

	return run(argv, target->peer, ret_passed);
}

/* --- again ----------------------------------------------------------------------------------- */

static void start_connector(struct connector *connector, char *const argv[])
{
	int input[2], output;

	if (pipe2(input, O_CLOEXEC) < 0)
		bench_die("pipe: %s", strerror(errno));
	start(argv, input[0], &output);
	connector->input = fdopen(input[1], "we");
	connector->output = fdopen(output, "re");
	if (!connector->input || !connector->output)
		bench_die("fdopen: %s", strerror(errno));
}

static double connect_again(struct connector *connector, const char *what)
{
	char line[4096] = "";
	double time;

	fprintf(connector->input, "%s\n", what);
	fflush(connector->input);
	if (!fgets(line, sizeof(line), connector->output) || (time = atof(line)) <= 0)
		bench_die("%s: %s", what, *line ? line : "the process has ended");
	return time;
}

/* Equal hops are used again, so each has a name of its own. */
static double connect_ours_again(struct connector *connector, const struct target *target)
{
	static unsigned number;
	char path[8192];

	snprintf(path, sizeof(path), "%s%cname=x%u", target->path,
		 strchr(target->path, '?') ? '&' : '?', number++);
	return connect_again(connector, path);
}

/* --- the targets ----------------------------------------------------------------------------- */

/* False at the end. */
static bool read_target(struct target *ret_target)
{
	static char line[8192];
	char *fields[6], *rest = line;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < BENCH_COUNT(fields); i++) {
		fields[i] = strsep(&rest, "\t");
		if (!fields[i])
			bench_die("a target with too few fields: %s", line);
		if (strcmp(fields[i], "-") == 0)
			fields[i] = NULL;
	}
	*ret_target = (struct target){
		.name = fields[0],
		.path = fields[1],
		.peer = *peer_program ? fields[2] : NULL,
		.tool = fields[3],
		.peer_floor = fields[4] ? atof(fields[4]) : 0,
		.tool_floor = fields[5] ? atof(fields[5]) : 0,
	};
	return true;
}

/* Half of what is between the quartiles, relative to the median. */
static double spread(struct bench_samples *samples)
{
	return (bench_quantile(samples, 0.75) - bench_quantile(samples, 0.25)) / 2 /
	       bench_median(samples);
}

static void print_pair(const struct target *target, const char *suffix, struct bench_samples *ours,
		       struct bench_samples *theirs, const char *peer, double floor)
{
	char what[80];

	snprintf(what, sizeof(what), "%s%s", target->name, suffix);
	bench_print(&(struct bench_figure){
		.what = what,
		.unit = BENCH_TIME,
		.ours = bench_median(ours),
		.raw = theirs->count > 0 ? bench_median(theirs) : 0,
		.peer = peer,
		.ratio_at_most = theirs->count > 0 ? floor : 0,
		.noise = spread(ours),
		.raw_noise = theirs->count > 0 ? spread(theirs) : 0,
	});
}

static void print_times(const struct target *target, struct bench_samples times[CONTENDERS])
{
	print_pair(target, "", &times[OURS], &times[PEER], "Mitogen", target->peer_floor);
	print_pair(target, ", again", &times[OURS_AGAIN], &times[PEER_AGAIN], "Mitogen",
		   target->peer_floor);
	if (target->tool)
		print_pair(target, "", &times[OURS], &times[TOOL], "tool alone",
			   target->tool_floor);
}

static void print_passed(const struct target *target, const struct passed *ours,
			 const struct passed *peer)
{
	char what[8192];

	if (ours->turns < 0)
		return;
	snprintf(what, sizeof(what), "  %s, round trips", target->name);
	bench_print(&(struct bench_figure){.what = what,
					   .unit = BENCH_PLAIN,
					   .ours = ours->turns,
					   .raw = peer->turns,
					   .peer = "Mitogen",
					   .ratio_at_most = 1});
	snprintf(what, sizeof(what), "  %s, sent", target->name);
	bench_print(&(struct bench_figure){.what = what,
					   .unit = BENCH_BYTES,
					   .ours = ours->bytes,
					   .raw = peer->bytes,
					   .peer = "Mitogen"});
	/* All that out/ramet sends in its life, of which the program is nearly all. */
	snprintf(what, sizeof(what), "%s run '%s' -- true </dev/null", ramet, target->path);
	unlink(turns_file);
	if (system(what) != 0)
		bench_die("%s failed", what);
	snprintf(what, sizeof(what), "  %s, sent by out/ramet", target->name);
	bench_print(&(struct bench_figure){.what = what,
					   .unit = BENCH_BYTES,
					   .ours = read_passed().bytes,
					   .raw = peer->bytes,
					   .peer = "Mitogen",
					   .at_most = 65537});
}

static void measure(struct connector *own, struct connector *mitogen, const struct target *target,
		    size_t rounds)
{
	struct bench_samples times[CONTENDERS] = {0};
	struct passed ours = {-1, -1}, peer = {-1, -1};

	/* What is only slow the first time: caches, images, Mitogen's compressed source. */
	connect_ours_again(own, target);
	if (target->peer)
		connect_again(mitogen, target->peer);
	for (size_t i = 0; i < rounds; i++) {
		unlink(turns_file);
		bench_add(&times[OURS], connect_ours(target, &ours));
		if (target->tool)
			bench_add(&times[TOOL], run_tool(target));
		unlink(turns_file);
		if (target->peer)
			bench_add(&times[PEER], connect_peer(target, &peer));
		bench_add(&times[OURS_AGAIN], connect_ours_again(own, target));
		if (target->peer)
			bench_add(&times[PEER_AGAIN], connect_again(mitogen, target->peer));
	}
	print_times(target, times);
	print_passed(target, &ours, &peer);
	for (int i = 0; i < CONTENDERS; i++)
		bench_clear(&times[i]);
}

int main(int argc, char **argv)
{
	struct connector own, mitogen = {NULL, NULL};
	struct target target;
	size_t rounds;

	if (argc != 5)
		bench_die("usage: %s SCALE TURNS RAMET PEER", argv[0]);
	turns_file = argv[2];
	ramet = argv[3];
	peer_program = argv[4];
	rounds = bench_scaled(
		bench_begin(
			2, argv,
			"reach: up to the first answered call, in a process that does only that; "
			"again: in one that has done it before"),
		11, 9);
	bench_beside(own_program, sizeof(own_program), "reach-connect");
	start_connector(&own, (char *[]){own_program, NULL});
	if (*peer_program)
		start_connector(&mitogen,
				(char *[]){"/usr/bin/python3", (char *)peer_program, NULL});
	while (read_target(&target))
		measure(&own, &mitogen, &target, rounds);
	return 0;
}
