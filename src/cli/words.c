/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/sort.h"

#define CAPACITY_MIN 256

/* FNV-1a: short, and good enough for words. */
static uint64_t hash_of(const unsigned char *text, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ text[i]) * 0x100000001b3;
	return hash ^ hash >> 32;
}

static struct rmt_word *find(const struct rmt_words *words, const void *text, size_t size,
			     uint64_t hash)
{
	for (size_t i = hash;; i++) {
		struct rmt_word *word = &words->slots[i & (words->capacity - 1)];

		if (word->count == 0 || (word->hash == hash && word->size == size &&
					 memcmp(word->text, text, size) == 0))
			return word;
	}
}

static int grow(struct rmt_words *words)
{
	struct rmt_words grown = {.capacity = words->capacity ? words->capacity * 2 : CAPACITY_MIN};

	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (size_t i = 0; i < words->capacity; i++) {
		const struct rmt_word *word = &words->slots[i];

		if (word->count)
			*find(&grown, word->text, word->size, word->hash) = *word;
	}
	free(words->slots);
	words->slots = grown.slots;
	words->capacity = grown.capacity;
	return 0;
}

int rmt_words_add(struct rmt_words *words, const void *text, size_t size, int64_t count)
{
	uint64_t hash = hash_of(text, size);
	struct rmt_word *word;

	if (words->used >= words->capacity / 2) {
		int r = grow(words);

		if (r < 0)
			return r;
	}
	word = find(words, text, size, hash);
	if (word->count == 0) {
		char *copy = malloc(size);

		if (!copy)
			return -ENOMEM;
		memcpy(copy, text, size);
		*word = (struct rmt_word){.text = copy, .size = size, .hash = hash};
		words->used++;
	}
	word->count += count;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct rmt_word *one = a, *other = b;
	int order;

	if (one->count != other->count)
		return one->count > other->count ? -1 : 1;
	order = memcmp(one->text, other->text, RMT_MIN(one->size, other->size));
	return order ? order : (one->size > other->size) - (one->size < other->size);
}

void rmt_words_sort(struct rmt_words *words)
{
	size_t used = 0;

	for (size_t i = 0; i < words->capacity; i++)
		if (words->slots[i].count)
			words->slots[used++] = words->slots[i];
	words->capacity = used;
	if (used > 0)
		rmt_sort(words->slots, used, sizeof(*words->slots), compare);
}

void rmt_words_done(struct rmt_words *words)
{
	for (size_t i = 0; i < words->capacity; i++)
		if (words->slots[i].count)
			free(words->slots[i].text);
	free(words->slots);
	*words = (struct rmt_words){0};
}
