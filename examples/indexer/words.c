/* SPDX-License-Identifier: BSD-3-Clause */
/* A set of words: a hash table with open addressing over one long text. */
#include "indexer.h"

#include <stdlib.h>
#include <string.h>

/* Eight bytes at a time; the multiplication carries what differs to the upper bits. */
static uint32_t hash(const char *text, size_t size)
{
	uint64_t state = size, next;

	for (; size >= 8; text += 8, size -= 8) {
		memcpy(&next, text, 8);
		state = (state ^ next) * 0x9e3779b97f4a7c15u;
		state ^= state >> 32;
	}
	next = 0;
	for (size_t i = 0; i < size; i++)
		next |= (uint64_t)(unsigned char)text[i] << (8 * i);
	state = (state ^ next) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(state >> 32);
}

static void slots_grow(struct words *words)
{
	words->slot_count = words->slot_count ? 2 * words->slot_count : 1024;
	words->slots = grown(words->slots, words->slot_count, sizeof(uint32_t));
	memset(words->slots, 0, words->slot_count * sizeof(uint32_t));
	for (uint32_t i = 0; i < words->count; i++) {
		uint32_t slot = words->items[i].hash;

		while (words->slots[slot & (words->slot_count - 1)])
			slot++;
		words->slots[slot & (words->slot_count - 1)] = i + 1;
	}
}

const char *words_text(const struct words *words, uint32_t number, size_t *ret_size)
{
	const struct word_at *item = &words->items[number];

	*ret_size = item[1].text - item->text;
	return (const char *)words->text.data + item->text;
}

uint32_t words_number(struct words *words, const char *text, size_t size)
{
	uint32_t key = hash(text, size), slot = key, number;

	if (2 * words->count >= words->slot_count)
		slots_grow(words);
	for (;; slot++) {
		number = words->slots[slot & (words->slot_count - 1)];
		if (number == 0)
			break;
		size_t length;
		const char *other = words_text(words, number - 1, &length);
		if (words->items[number - 1].hash == key && length == size &&
		    memcmp(other, text, size) == 0)
			return number - 1;
	}
	if (words->count + 1 >= words->room) {
		words->room = words->room ? 2 * words->room : 1024;
		words->items = grown(words->items, words->room, sizeof(*words->items));
	}
	words->items[words->count] = (struct word_at){(uint32_t)words->text.size, key};
	bytes_add(&words->text, text, size);
	words->slots[slot & (words->slot_count - 1)] = ++words->count;
	words->items[words->count].text = (uint32_t)words->text.size;
	return words->count - 1;
}

/* The first eight bytes, as a number that sorts as they do, decide nearly always, without a look at
 * memory elsewhere. */
struct sorted {
	uint64_t start;
	const char *rest;
	uint32_t rest_size, number;
};

static int compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	size_t both = x->rest_size < y->rest_size ? x->rest_size : y->rest_size;
	int r = memcmp(x->rest, y->rest, both);
	return r ? r : (x->rest_size > y->rest_size) - (x->rest_size < y->rest_size);
}

uint32_t *words_sorted(const struct words *words)
{
	struct sorted *all = grown(NULL, words->count, sizeof(*all));
	uint32_t *numbers = grown(NULL, words->count, sizeof(*numbers));

	for (uint32_t i = 0; i < words->count; i++) {
		size_t size;
		const char *text = words_text(words, i, &size);
		size_t first = size < 8 ? size : 8;

		all[i] = (struct sorted){0, text + first, (uint32_t)(size - first), i};
		for (size_t k = 0; k < first; k++)
			all[i].start |= (uint64_t)(unsigned char)text[k] << (56 - 8 * k);
	}
	qsort(all, words->count, sizeof(*all), compare);
	for (uint32_t i = 0; i < words->count; i++)
		numbers[i] = all[i].number;
	free(all);
	return numbers;
}

void words_clear(struct words *words)
{
	words->text.size = 0;
	words->count = 0;
	if (words->slots)
		memset(words->slots, 0, words->slot_count * sizeof(uint32_t));
}

void words_done(struct words *words)
{
	free(words->text.data);
	free(words->items);
	free(words->slots);
	*words = (struct words){0};
}
