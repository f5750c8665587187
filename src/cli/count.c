/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts the words in pieces of files. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/macro.h"
#include "cli/functions.h"
#include "cli/words.h"

#define READ_SIZE 65536

struct counting {
	const piece *piece;
	struct rmt_words words;
	struct rmt_buffer word; /* the one that has begun */
	bool foreign;           /* we are in a word that began before the piece */
	int64_t bytes, total;
	unsigned char data[READ_SIZE];
};

/* The lower case of a byte of a word; 0 for one that is in none. */
static unsigned char letter(unsigned char c)
{
	if (c >= 0x80)
		return c;
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c : 0;
}

static int end_word(struct counting *counting)
{
	int r;

	if (counting->word.size == 0)
		return 0;
	r = rmt_words_add(&counting->words, counting->word.data, counting->word.size, 1);
	rmt_buffer_reset(&counting->word);
	counting->total++;
	return r;
}

/* Takes what stands at `position` of the file; 1: the piece is over. */
static int count_data(struct counting *counting, size_t size, int64_t position)
{
	const piece *part = counting->piece;
	int r = 0;

	for (size_t i = 0; i < size && r == 0; i++, position++) {
		unsigned char c = letter(counting->data[i]);

		/* A word is counted where it begins, so the last one is read to its end. */
		if (position >= part->end && (counting->foreign || counting->word.size == 0))
			return 1;
		if (position < part->begin) {
			counting->foreign = c;
			continue;
		}
		counting->bytes += position < part->end;
		if (!c) {
			counting->foreign = false;
			r = end_word(counting);
			if (position >= part->end)
				return r < 0 ? r : 1;
		} else if (!counting->foreign) {
			rmt_buffer_append_byte(&counting->word, c);
			r = counting->word.error;
		}
	}
	return r;
}

static int count_file(struct counting *counting, int fd)
{
	/* The byte before tells whether a word begins with the piece. */
	int64_t position = counting->piece->begin > 0 ? counting->piece->begin - 1 : 0;
	int r = 0;

	counting->foreign = false;
	while (r == 0) {
		ssize_t n = pread(fd, counting->data, sizeof(counting->data), position);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return end_word(counting);
		r = count_data(counting, (size_t)n, position);
		position += n;
	}
	return r < 0 ? r : 0;
}

static int count_piece(struct counting *counting, const piece *part)
{
	char *path = strndup(part->path.data, part->path.size);
	/* Had it become a FIFO meanwhile, we would not wait for a writer. */
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
	int r = path ? fd < 0 ? -errno : 0 : -ENOMEM;

	free(path);
	if (fd < 0)
		return r;
	counting->piece = part;
	r = count_file(counting, fd);
	rmt_buffer_done(&counting->word);
	close(fd);
	return r;
}

/* The words, in memory that lives until the result has been sent. */
static int give_words(ramet_call *call, const struct rmt_words *words, word_counts *ret)
{
	word_count *items = ramet_call_alloc(call, words->used * sizeof(*items));
	size_t used = 0;

	for (size_t i = 0; items && i < words->capacity; i++) {
		const struct rmt_word *word = &words->slots[i];
		char *text;

		if (word->count == 0)
			continue;
		text = ramet_call_alloc(call, word->size);
		if (!text)
			return -ENOMEM;
		memcpy(text, word->text, word->size);
		items[used++] = (word_count){.word = {text, word->size}, .count = word->count};
	}
	if (!items)
		return -ENOMEM;
	*ret = (word_counts){items, used};
	return 0;
}

count_result rmt_count(ramet_call *call, pieces input)
{
	struct counting *counting = calloc(1, sizeof(*counting));
	count_result result = {0};
	int r = counting ? 0 : -ENOMEM;

	result.failures.items = ramet_call_alloc(call,
						 input.count * sizeof(*result.failures.items));
	if (!result.failures.items)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < input.count; i++) {
		int why = ramet_call_cancelled(call) ? -ECANCELED
						     : count_piece(counting, &input.items[i]);

		if (why < 0)
			result.failures.items[result.failures.count++] = (piece_failure){
				(int64_t)i, strerror(-why)};
	}
	if (r == 0)
		r = give_words(call, &counting->words, &result.counts);
	if (counting) {
		result.bytes = counting->bytes;
		result.words = counting->total;
		rmt_words_done(&counting->words);
	}
	free(counting);
	if (r < 0)
		ramet_fail(call, r, "cannot count: %s", strerror(-r));
	return result;
}
