/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index: one long text of all words in order, and where the places of each word are in the parts
 * that have come. Parts stay as they are; adding one means to look up its words.
 */
#include "indexer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where a part has places of a word. While parts are added those of one word are a chain, from the
 * last one back; in the end they lie in a row. */
struct run {
	uint32_t part, offset, before;
};

struct finished_run {
	uint32_t part, offset;
};

struct kept_part {
	const unsigned char *places; /* ramet_free() */
	size_t size;
	uint32_t files; /* before it */
};

struct found_word {
	uint32_t text; /* offset in all_words */
	uint32_t runs; /* number of the first */
	uint64_t places;
};

struct index {
	struct kept_part *parts;
	uint32_t part_count;
	struct bytes names; /* of files, each ending with NUL */
	uint32_t *files;    /* offsets in it */
	uint32_t file_count, file_room;
	uint64_t places;
	/* until it is finished: */
	struct words words;
	struct run *runs; /* from 1 on: 0 ends a chain */
	uint32_t run_count, run_room;
	struct {
		uint32_t last; /* run */
		uint64_t places;
	} * tails; /* of each word */
	uint32_t tail_room;
	/* from then on: */
	struct bytes all_words; /* a newline before each, and behind the last */
	struct found_word *found;
	struct finished_run *finished; /* of the words in order */
	uint32_t word_count;
};

struct index *index_new(void)
{
	struct index *index = grown(NULL, 1, sizeof(*index));

	*index = (struct index){.run_count = 1};
	return index;
}

void index_free(struct index *index)
{
	for (uint32_t i = 0; i < index->part_count; i++)
		ramet_free(index->parts[i].places);
	free(index->parts);
	free(index->names.data);
	free(index->files);
	words_done(&index->words);
	free(index->runs);
	free(index->tails);
	free(index->all_words.data);
	free(index->found);
	free(index->finished);
	free(index);
}

/* --- adding -------------------------------------------------------------------------------- */

static void add_files(struct index *index, ramet_bytes names)
{
	const char *name = names.data, *end = name + names.size;

	for (; name < end; name += strlen(name) + 1) {
		if (index->file_count == index->file_room) {
			index->file_room = index->file_room ? 2 * index->file_room : 1024;
			index->files = grown(index->files, index->file_room, sizeof(uint32_t));
		}
		index->files[index->file_count++] = (uint32_t)index->names.size;
		bytes_add(&index->names, name, strlen(name) + 1);
	}
}

static void add_run(struct index *index, uint32_t number, uint32_t part, uint32_t offset,
		    uint64_t places)
{
	if (number >= index->tail_room) {
		uint32_t room = index->tail_room ? 2 * index->tail_room : 65536;

		index->tails = grown(index->tails, room, sizeof(*index->tails));
		memset(index->tails + index->tail_room, 0,
		       (room - index->tail_room) * sizeof(*index->tails));
		index->tail_room = room;
	}
	if (index->run_count >= index->run_room) {
		index->run_room = index->run_room ? 2 * index->run_room : 65536;
		index->runs = grown(index->runs, index->run_room, sizeof(*index->runs));
	}
	index->runs[index->run_count] = (struct run){part, offset, index->tails[number].last};
	index->tails[number].last = index->run_count++;
	index->tails[number].places += places;
}

int index_add(struct index *index, index_part *part)
{
	const unsigned char *at = part->words.data, *end = at + part->words.size;
	const unsigned char *places = part->places.data;
	const char *names = part->names.data;
	uint64_t offset = 0, common, more, count, size;
	size_t length = 0;
	char word[WORD_MAX];

	if (part->places.size > UINT32_MAX ||
	    (part->names.size > 0 && names[part->names.size - 1] != '\0'))
		return -EBADMSG;
	while (at < end) {
		common = number_take(&at, end);
		more = number_take(&at, end);
		if (common > length || more > WORD_MAX - common || more > (size_t)(end - at) ||
		    common + more == 0)
			return -EBADMSG;
		memcpy(word + common, at, more);
		length = common + more;
		at += more;
		count = number_take(&at, end);
		size = number_take(&at, end);
		if (size > part->places.size - offset)
			return -EBADMSG;
		add_run(index, words_number(&index->words, word, length), index->part_count,
			(uint32_t)offset, count);
		offset += size;
		index->places += count;
	}
	index->parts = grown(index->parts, index->part_count + 1, sizeof(*index->parts));
	index->parts[index->part_count++] = (struct kept_part){places, part->places.size,
							       index->file_count};
	part->places = (ramet_bytes){NULL, 0};
	add_files(index, part->names);
	return 0;
}

void index_finish(struct index *index)
{
	struct words *words = &index->words;
	uint32_t *sorted = words_sorted(words), runs = 0;

	index->word_count = words->count;
	index->found = grown(NULL, words->count + 1, sizeof(*index->found));
	index->finished = grown(NULL, index->run_count, sizeof(*index->finished));
	bytes_reserve(&index->all_words, words->text.size + words->count + 1);
	for (uint32_t i = 0; i < words->count; i++) {
		uint32_t number = sorted[i], first = runs;
		size_t size;
		const char *text = words_text(words, number, &size);

		bytes_add(&index->all_words, "\n", 1);
		index->found[i] = (struct found_word){(uint32_t)index->all_words.size, runs,
						      index->tails[number].places};
		bytes_add(&index->all_words, text, size);
		for (uint32_t run = index->tails[number].last; run; run = index->runs[run].before)
			index->finished[runs++] = (struct finished_run){index->runs[run].part,
									index->runs[run].offset};
		for (uint32_t last = runs; first + 1 < last; first++) { /* the first part first */
			struct finished_run swap = index->finished[--last];

			index->finished[last] = index->finished[first];
			index->finished[first] = swap;
		}
	}
	bytes_add(&index->all_words, "\n", 1);
	index->found[words->count] = (struct found_word){(uint32_t)index->all_words.size, runs, 0};
	free(sorted);
	words_done(words);
	free(index->runs);
	free(index->tails);
	index->runs = NULL;
	index->tails = NULL;
}

struct index_size index_size(const struct index *index)
{
	struct index_size size = {index->file_count, index->word_count, index->places, 0};

	for (uint32_t i = 0; i < index->part_count; i++)
		size.bytes += index->parts[i].size + sizeof(index->parts[i]);
	size.bytes += index->names.size + index->file_count * sizeof(uint32_t) +
		      index->all_words.size + index->word_count * sizeof(struct found_word) +
		      index->run_count * sizeof(struct finished_run);
	return size;
}

/* --- questions ----------------------------------------------------------------------------- */

const char *index_word(const struct index *index, uint32_t number, size_t *ret_size)
{
	*ret_size = index->found[number + 1].text - 1 - index->found[number].text;
	return (const char *)index->all_words.data + index->found[number].text;
}

/* The first word that is not before these bytes. */
static uint32_t first_from(const struct index *index, const char *text, size_t size)
{
	uint32_t low = 0, high = index->word_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		size_t length;
		const char *word = index_word(index, middle, &length);
		int r = memcmp(word, text, length < size ? length : size);

		if (r < 0 || (r == 0 && length < size))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The word that a byte of all_words is in. */
static uint32_t word_at(const struct index *index, uint32_t offset)
{
	uint32_t low = 0, high = index->word_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (index->found[middle].text <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void add_found(const struct index *index, struct found *found, uint32_t number)
{
	if ((found->count & (found->count - 1)) == 0) /* it is a power of two: full */
		found->numbers = grown(found->numbers, found->count ? 2 * found->count : 1,
				       sizeof(*found->numbers));
	found->numbers[found->count++] = number;
	found->places += index->found[number].places;
}

struct found index_find(const struct index *index, enum find what, const char *fragment,
			size_t size)
{
	const char *all = (const char *)index->all_words.data, *end = all + index->all_words.size;
	struct found found = {NULL, 0, 0};

	if (size == 0)
		return found;
	if (what == FIND_BEGIN || what == FIND_WORD) {
		for (uint32_t i = first_from(index, fragment, size); i < index->word_count; i++) {
			size_t length;
			const char *word = index_word(index, i, &length);

			if (length < size || memcmp(word, fragment, size) != 0 ||
			    (what == FIND_WORD && length > size))
				break;
			add_found(index, &found, i);
		}
		return found;
	}
	/* One sweep over a few megabytes takes memmem(3) two milliseconds. No fragment has a newline in
	 * it, so what it finds is in one word; the search goes on behind that. */
	for (const char *at = all; (at = memmem(at, (size_t)(end - at), fragment, size));) {
		if (what == FIND_END && at[size] != '\n') {
			at++;
			continue;
		}
		uint32_t number = word_at(index, (uint32_t)(at - all));
		add_found(index, &found, number);
		at = all + index->found[number + 1].text - 1;
	}
	return found;
}

bool index_places(const struct index *index, uint32_t number, index_show *show, void *data)
{
	uint32_t last = index->found[number + 1].runs;

	for (uint32_t i = index->found[number].runs; i < last; i++) {
		const struct kept_part *part = &index->parts[index->finished[i].part];
		const unsigned char *end = part->places + part->size;
		const unsigned char *at = part->places + index->finished[i].offset;
		uint64_t file = part->files, difference; /* files are counted from 1 on */

		while ((difference = number_take(&at, end)) > 0) {
			uint64_t line = 0, column = 0;

			file += difference;
			if (file > index->file_count)
				return false;
			const char *name = (const char *)index->names.data + index->files[file - 1];
			while ((difference = number_take(&at, end)) > 0) {
				uint64_t column_difference = number_take(&at, end);

				column = difference == 1 ? column + column_difference
							 : column_difference;
				line += difference - 1;
				if (!show(name, line, column, data))
					return false;
			}
		}
	}
	return true;
}
