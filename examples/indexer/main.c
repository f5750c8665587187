/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * indexer DIRECTORY [PATHS]: where words, and parts of words, occur in the text and HTML files below
 * a directory.
 *
 *   indexer /usr/share/doc                              forked workers of this machine
 *   indexer /srv/wiki 'ssh:files/local*4'               four workers where the files are
 *   echo 'licens*' | indexer --limit 0 /usr/share/doc   an answer for a script
 *
 * One function lists the files, task by task; a map gives the tasks to whoever is idle, and brings
 * back parts of the index, which the master puts together while the next ones are being made. What
 * it holds at any time is the index, and the tasks in hand. On other machines it is the same: the
 * members of a pool are contexts, wherever they are. They have to see the same files.
 */
#include "indexer.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: indexer [OPTION]... DIRECTORY [PATHS]\n"
	"Index the text and HTML files below DIRECTORY, also those that gzip has packed, and\n"
	"answer where words occur. PATHS are contexts that see the files; without, processes\n"
	"of this machine do the work.\n"
	"\n"
	"  -j, --jobs=N     so many workers, where there are no PATHS (one per processor)\n"
	"  -b, --batch      no prompt; so it is when standard input is no terminal\n"
	"  -e, --exact      words, not parts of them\n"
	"  -l, --limit=N    show so many places for a question, 0 for all (20)\n"
	"  -s, --stats      tell on standard error what was indexed, and how quickly\n"
	"  -h, --help       this text\n"
	"\n"
	"Questions are lines of words: \"word\" is found anywhere in words, \"word*\" where they\n"
	"begin, \"*word\" where they end, \"=word\" alone. Upper and lower case are the same.\n"
	"Answers are FILE:LINE:COLUMN: WORD; columns are bytes, from 1. In a packed file the\n"
	"place is that in its text. Characters that disturb terminals are shown as \\ooo.\n"
	"\n"
	"Exit status: 0; 1 if files or directories could not be read (questions are answered\n"
	"all the same); 2 for wrong usage, or if there is no index.\n";

struct options {
	const char *directory, *paths;
	long jobs;
	bool batch, exact, stats;
	uint64_t limit;
};

struct indexing {
	struct index *index;
	ramet_receiver *tasks, *scanning;
	ramet_value *task;      /* the last one */
	ramet_error list_error; /* why there are no more */
	int64_t bytes, binary, problems;
};

static void wrong_usage(const char *what, const char *argument)
{
	fprintf(stderr, "indexer: %s%s; see indexer --help\n", what, argument);
	exit(2);
}

static unsigned long number(const char *text, unsigned long least, unsigned long most)
{
	char *end;

	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || number < least || number > most)
		wrong_usage("no such number is possible: ", text);
	return number;
}

static struct options read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"jobs", required_argument, NULL, 'j'},
		{"batch", no_argument, NULL, 'b'},
		{"exact", no_argument, NULL, 'e'},
		{"stats", no_argument, NULL, 's'},
		{"limit", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.limit = 20};

	for (int option; (option = getopt_long(argc, argv, "j:besl:h", names, NULL)) != -1;)
		switch (option) {
		case 'j':
			options.jobs = (long)number(optarg, 1, 4096);
			break;
		case 'b':
			options.batch = true;
			break;
		case 'e':
			options.exact = true;
			break;
		case 's':
			options.stats = true;
			break;
		case 'l':
			options.limit = number(optarg, 0, INT64_MAX);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(fflush(stdout) ? 2 : 0);
		default:
			wrong_usage("wrong option", "");
		}
	if (optind == argc || argc - optind > 2)
		wrong_usage("one DIRECTORY, and perhaps PATHS", "");
	options.directory = argv[optind];
	options.paths = argv[optind + 1];
	if (options.paths && options.jobs)
		wrong_usage("PATHS say how many workers there are, not --jobs", "");
	return options;
}

/* Lines from members, which may have names of any bytes in them. */
static void report(struct indexing *indexing, const char *lines)
{
	char *copy = strdup(lines ? lines : ""), *rest = copy;

	for (char *line; (line = strsep(&rest, "\n"));) {
		if (!*line)
			continue;
		fputs("indexer: ", stderr);
		print_safely(stderr, line, strlen(line));
		fputc('\n', stderr);
		indexing->problems++;
	}
	free(copy);
}

/* The pool asks for a task whenever somebody will be idle soon; so the list of files is read only as
 * far as it is needed. */
static int next_task(struct index_files_args *task, void *data)
{
	struct indexing *indexing = data;
	int64_t files;

	for (;;) {
		ramet_value_unref(indexing->task);
		indexing->task = NULL;
		int r = ramet_receive(indexing->tasks, -1, &indexing->task, &indexing->list_error);
		if (r == 0) /* the end of the list, or of who made it */
			r = scan_finish(indexing->scanning, -1, &files, &indexing->list_error);
		if (!indexing->task)
			return r;
		if (ramet_value_kind(indexing->task) == RAMET_KIND_BYTES) {
			task->names = ramet_value_bytes(indexing->task);
			return 1;
		}
		report(indexing, ramet_value_str(indexing->task));
	}
}

/* In the order of the tasks, so that answers have the order of the files. */
static int task_done(uint64_t number, index_part *part, void *data)
{
	struct indexing *indexing = data;

	(void)number;
	report(indexing, part->problems);
	indexing->bytes += part->bytes;
	indexing->binary += part->binary;
	int r = index_add(indexing->index, part);
	index_part_clear(part);
	return r;
}

static int make_index(const struct options *options, struct indexing *indexing)
{
	ramet_error map_error = RAMET_ERROR_INIT, *error = &map_error;
	ramet_router *router = NULL;
	ramet_pool *pool = NULL;
	ramet_context *first = NULL;
	char forks[32];

	snprintf(forks, sizeof(forks), "fork*%ld", options->jobs ? options->jobs : ramet_cores());
	int r = ramet_router_new(NULL, &router);
	if (r == 0)
		r = ramet_pool_new(router, options->paths ? options->paths : forks, NULL, &pool,
				   error);
	if (r == 0) {
		first = ramet_pool_get(pool, 0);
		r = ramet_receiver_new(router, &indexing->tasks);
	}
	if (r == 0)
		r = scan_start(first, options->directory, ramet_receiver_sender(indexing->tasks),
			       &indexing->scanning, error);
	if (r == 0)
		r = index_files_each(pool, next_task, task_done, indexing, NULL, error);
	if (indexing->list_error.message) /* closer to the reason than what came of it */
		error = &indexing->list_error;
	if (r < 0)
		fprintf(stderr, "indexer: %s\n", error->message ? error->message : strerror(-r));
	ramet_value_unref(indexing->task);
	ramet_receiver_unref(indexing->scanning);
	ramet_receiver_unref(indexing->tasks);
	ramet_context_unref(first);
	ramet_pool_unref(pool);
	ramet_router_unref(router); /* nobody works while the user thinks */
	ramet_error_clear(&map_error);
	ramet_error_clear(&indexing->list_error);
	return r;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void print_stats(const struct indexing *indexing, double seconds)
{
	struct index_size size = index_size(indexing->index);

	fprintf(stderr,
		"indexer: %" PRIu64 " files, %" PRId64 " bytes of text; %" PRId64
		" not text, %" PRId64 " problems\n"
		"indexer: %" PRIu64 " words, %" PRIu64 " places; an index of %" PRIu64 " bytes\n"
		"indexer: %.2f seconds\n",
		size.files, indexing->bytes, indexing->binary, indexing->problems, size.words,
		size.places, size.bytes, seconds);
}

int main(int argc, char **argv)
{
	ramet_init(argc, argv); /* a member serves calls in here */

	struct options options = read_options(argc, argv);
	struct indexing indexing = {.index = index_new()};
	double begin = now();

	if (make_index(&options, &indexing) < 0) {
		index_free(indexing.index);
		return 2;
	}
	index_finish(indexing.index);
	if (options.stats)
		print_stats(&indexing, now() - begin);
	ask(&(struct asking){indexing.index, options.exact, options.limit},
	    !options.batch && isatty(STDIN_FILENO));
	index_free(indexing.index);
	return indexing.problems > 0;
}
