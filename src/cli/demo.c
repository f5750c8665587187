/* SPDX-License-Identifier: BSD-3-Clause */
/* ramet demo: grows a tree and lets it count words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/command.h"
#include "cli/contexts.h"
#include "cli/files.h"
#include "cli/functions.h"
#include "cli/output.h"
#include "cli/tree-draw.h"
#include "cli/words.h"

#define DIRECTORY "/usr/share/common-licenses"
#define PATHS "local*2/local*2"
#define TOP_WORDS 10

/* Larger files are counted in parts: all contexts can take one, and no result gets large. */
#define PIECE_SIZE (1 << 20)

/* One call's share of the bytes: so many calls for each context, but each worth making. */
#define CALLS_EACH 8
#define BATCH_LEAST (8 << 10)
#define BATCH_MOST PIECE_SIZE
#define BATCH_FILES 64

/* Calls on their way to each context: it finds the next one when it has done one. */
#define IN_FLIGHT 2

struct worker {
	ramet_context *context;
	size_t in_flight;
	int64_t calls, words;
};

/* Pieces for one call. */
struct batch {
	size_t begin, count;
	struct worker *worker;
	struct batch *next; /* in the list of those that were lost with their context */
};

struct demo {
	struct rmt_files files;
	piece *pieces;
	size_t *owners; /* the file of each piece */
	size_t piece_count;
	struct batch *batches, *again;
	size_t batch_count, batch_next, batches_done;
	struct worker *workers;
	size_t worker_count;
	ramet_select *select;
	struct rmt_words words;
	int64_t bytes, total;
	int64_t up_time, count_time;
};

/* --- dividing the work ------------------------------------------------------------------------ */

static int make_pieces(struct demo *demo)
{
	size_t count = 0, at = 0;

	for (size_t i = 0; i < demo->files.count; i++)
		count += (size_t)(demo->files.items[i].size / PIECE_SIZE) + 1;
	demo->pieces = calloc(count + 1, sizeof(*demo->pieces));
	demo->owners = calloc(count + 1, sizeof(*demo->owners));
	demo->batches = calloc(count + 1, sizeof(*demo->batches));
	if (!demo->pieces || !demo->owners || !demo->batches)
		return -ENOMEM;
	for (size_t i = 0; i < demo->files.count; i++) {
		const struct rmt_file *file = &demo->files.items[i];

		for (int64_t begin = 0; begin <= file->size; begin += PIECE_SIZE) {
			/* The last piece goes to where the end of the file is by then. */
			bool last = begin + PIECE_SIZE > file->size;

			demo->owners[at] = i;
			demo->pieces[at++] = (piece){
				.path = {file->path, strlen(file->path)},
				.begin = begin,
				.end = last ? INT64_MAX : begin + PIECE_SIZE,
			};
		}
	}
	demo->piece_count = at;
	return 0;
}

static int64_t piece_size(const struct demo *demo, size_t i)
{
	return RMT_MIN(demo->files.items[demo->owners[i]].size - demo->pieces[i].begin, PIECE_SIZE);
}

static void make_batches(struct demo *demo)
{
	int64_t total = 0, share, size = 0;
	struct batch *batch = demo->batches;

	for (size_t i = 0; i < demo->piece_count; i++)
		total += piece_size(demo, i);
	share = total / (int64_t)(demo->worker_count * CALLS_EACH);
	share = share < BATCH_LEAST ? BATCH_LEAST : RMT_MIN(share, BATCH_MOST);
	for (size_t i = 0; i < demo->piece_count; i++) {
		if (batch->count > 0 &&
		    (size + piece_size(demo, i) > share || batch->count == BATCH_FILES)) {
			(++batch)->begin = i;
			size = 0;
		}
		batch->count++;
		size += piece_size(demo, i);
	}
	demo->batch_count = (size_t)(batch - demo->batches) + (batch->count > 0);
}

/* Every context of the tree works, those in the middle, too. */
static int add_workers(struct demo *demo, const struct rmt_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		struct worker *grown = realloc(demo->workers,
					       (demo->worker_count + 1) * sizeof(*demo->workers));
		int r;

		if (!grown)
			return -ENOMEM;
		demo->workers = grown;
		grown[demo->worker_count++] = (struct worker){.context = tree->children[i].context};
		r = add_workers(demo, &tree->children[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- counting --------------------------------------------------------------------------------- */

static struct batch *take_batch(struct demo *demo)
{
	struct batch *batch = demo->again;

	if (batch)
		demo->again = batch->next;
	else if (demo->batch_next < demo->batch_count)
		batch = &demo->batches[demo->batch_next++];
	return batch;
}

static void put_back(struct demo *demo, struct batch *batch)
{
	batch->next = demo->again;
	demo->again = batch;
}

/* Gives the context as much to do as it should have, if there is anything. */
static int feed(struct demo *demo, struct worker *worker)
{
	while (worker->in_flight < IN_FLIGHT && ramet_context_alive(worker->context)) {
		struct batch *batch = take_batch(demo);
		ramet_receiver *receiver;
		int r;

		if (!batch)
			break;
		batch->worker = worker;
		r = count_words_start(worker->context,
				      (pieces){demo->pieces + batch->begin, batch->count},
				      &receiver, NULL);
		if (r < 0) {
			put_back(demo, batch);
			return ramet_context_alive(worker->context) ? r : 0;
		}
		ramet_receiver_set_data(receiver, batch);
		r = ramet_select_add(demo->select, receiver);
		ramet_receiver_unref(receiver);
		if (r < 0)
			return r;
		worker->in_flight++;
	}
	return 0;
}

static int merge(struct demo *demo, const struct batch *batch, const count_result *result)
{
	demo->bytes += result->bytes;
	demo->total += result->words;
	batch->worker->words += result->words;
	batch->worker->calls++;
	demo->batches_done++;
	for (size_t i = 0; i < result->failures.count; i++) {
		size_t at = batch->begin + (size_t)result->failures.items[i].piece;
		struct rmt_file *file = at < demo->piece_count
						? &demo->files.items[demo->owners[at]]
						: NULL;

		if (!file || file->skipped)
			continue;
		file->skipped = true;
		rmt_complain("%s: %s", file->path, result->failures.items[i].reason);
	}
	for (size_t i = 0; i < result->counts.count; i++) {
		const word_count *item = &result->counts.items[i];
		int r = rmt_words_add(&demo->words, item->word.data, item->word.size, item->count);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Takes a result. What a lost context had to do is done by the others. */
static int take_result(struct demo *demo, ramet_receiver *receiver)
{
	struct batch *batch = ramet_receiver_data(receiver);
	struct worker *worker = batch->worker;
	ramet_error error = RAMET_ERROR_INIT;
	count_result result;
	int r = count_words_finish(receiver, 0, &result, &error);

	worker->in_flight--;
	if (r == 0) {
		r = merge(demo, batch, &result);
		count_result_clear(&result);
		return r;
	}
	put_back(demo, batch);
	if (!ramet_context_alive(worker->context))
		r = 0;
	rmt_complain_error(ramet_context_path(worker->context), &error);
	return r;
}

static int count(struct demo *demo)
{
	ramet_receiver *receiver;
	int r = 0;

	while (r == 0) {
		for (size_t i = 0; i < demo->worker_count && r == 0; i++)
			r = feed(demo, &demo->workers[i]);
		if (r < 0 || ramet_select_next(demo->select, -1, &receiver) <= 0)
			break;
		r = take_result(demo, receiver);
	}
	if (r == 0 && demo->batches_done < demo->batch_count) {
		rmt_complain("all contexts are lost");
		r = -ECONNRESET;
	}
	return r;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void put_time(struct rmt_buffer *out, const char *what, int64_t microseconds)
{
	rmt_buffer_printf(out, "  %-16s %8lld.%lld ms\n", what, (long long)(microseconds / 1000),
			  (long long)(microseconds % 1000 / 100));
}

static void put_number(struct rmt_buffer *out, const char *what, int64_t number)
{
	rmt_buffer_printf(out, "  %-16s %10lld\n", what, (long long)number);
}

static void put_totals(struct demo *demo, const char *directory, struct rmt_buffer *out)
{
	size_t skipped = 0;

	for (size_t i = 0; i < demo->files.count; i++)
		skipped += demo->files.items[i].skipped;
	rmt_buffer_printf(out, "\nThe words below ");
	rmt_put_text(out, directory, strlen(directory), rmt_is_terminal(STDOUT_FILENO));
	rmt_buffer_printf(out, "\n\n");
	put_number(out, "files", (int64_t)(demo->files.count - skipped));
	put_number(out, "skipped", (int64_t)(demo->files.skipped + skipped));
	put_number(out, "bytes", demo->bytes);
	put_number(out, "words", demo->total);
	put_number(out, "distinct words", (int64_t)demo->words.used);
}

static void put_top(struct demo *demo, struct rmt_buffer *out)
{
	rmt_words_sort(&demo->words);
	rmt_buffer_printf(out, "\nThe most frequent words\n\n");
	for (size_t i = 0; i < demo->words.used && i < TOP_WORDS; i++) {
		const struct rmt_word *word = &demo->words.slots[i];

		rmt_buffer_printf(out, "  %10lld  ", (long long)word->count);
		rmt_put_text(out, word->text, word->size, rmt_is_terminal(STDOUT_FILENO));
		rmt_buffer_append_byte(out, '\n');
	}
}

static void put_shares(const struct demo *demo, struct rmt_buffer *out)
{
	rmt_buffer_printf(out, "\nWho counted\n\n");
	for (size_t i = 0; i < demo->worker_count; i++) {
		const struct worker *worker = &demo->workers[i];
		int64_t share = demo->total > 0 ? worker->words * 100 / demo->total : 0;

		rmt_buffer_printf(out, "  ");
		rmt_put_column(out, ramet_context_path(worker->context), 17);
		rmt_buffer_printf(out, "%10lld words %3lld %% %6lld calls\n",
				  (long long)worker->words, (long long)share,
				  (long long)worker->calls);
	}
	rmt_buffer_printf(out, "\n");
	put_time(out, "tree up in", demo->up_time);
	put_time(out, "counted in", demo->count_time);
}

/* --- the whole -------------------------------------------------------------------------------- */

static int work(struct demo *demo, ramet_router *router, const char *directory,
		struct rmt_buffer *out)
{
	int64_t begin = rmt_now();
	int r = make_pieces(demo);

	if (r == 0)
		r = ramet_select_new(router, &demo->select);
	if (r == 0) {
		make_batches(demo);
		r = count(demo);
	}
	demo->count_time = rmt_now() - begin;
	if (r < 0)
		return r;
	put_totals(demo, directory, out);
	put_top(demo, out);
	put_shares(demo, out);
	return 0;
}

static void demo_done(struct demo *demo)
{
	ramet_select_unref(demo->select);
	free(demo->workers);
	free(demo->batches);
	free(demo->owners);
	free(demo->pieces);
	rmt_words_done(&demo->words);
	rmt_files_done(&demo->files);
}

static int grow_and_work(struct demo *demo, const char *directory)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_tree tree;
	ramet_router *router;
	ramet_group *group;
	int64_t begin = rmt_now();
	int status = rmt_start_contexts(PATHS, &router, &group), r;
	size_t lost;

	if (status)
		return status;
	demo->up_time = rmt_now() - begin;
	r = rmt_tree_explore(router, &tree, &lost);
	if (r == 0) {
		rmt_tree_draw(&tree, &out);
		r = add_workers(demo, &tree);
	}
	if (r == 0)
		r = work(demo, router, directory, &out);
	status = rmt_print(&out, r == 0             ? 0
				 : r == -ECONNRESET ? RMT_EXIT_UNREACHABLE
						    : RMT_EXIT_FAILURE);
	if (r < 0 && r != -ECONNRESET)
		rmt_complain("%s", strerror(-r));
	demo_done(demo);
	rmt_tree_done(&tree);
	ramet_group_unref(group);
	ramet_router_unref(router);
	return status;
}

static int demo_main(int argc, char **argv)
{
	const char *directory = argc > 0 ? argv[0] : DIRECTORY;
	struct demo demo = {0};
	int r = rmt_files_find(directory, &demo.files);

	if (r < 0) {
		rmt_complain("%s: %s", directory, strerror(-r));
		return RMT_EXIT_FAILURE;
	}
	return grow_and_work(&demo, directory);
}

const struct rmt_command rmt_command_demo = {
	.name = "demo",
	.help = "usage: ramet demo [DIRECTORY]\n"
		"\n"
		"Grows a tree of two contexts with two more below each, draws it, and has all\n"
		"of them count the words in the files below the directory: how many there are,\n"
		"the most frequent ones, who counted, and how long it took. Without a directory\n"
		"that is " DIRECTORY ".\n"
		"\n"
		"A word is a run of ASCII letters and bytes from 128 on; upper and lower case\n"
		"are the same. Every regular file counts once, whatever names and links it has;\n"
		"links to directories are not followed. What cannot be read is reported and\n"
		"skipped.\n",
	.least = 0,
	.most = 1,
	.main = demo_main,
};
