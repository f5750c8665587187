/* SPDX-License-Identifier: BSD-3-Clause */
/* Words and how often they were seen. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rmt_word {
	char *text; /* not terminated */
	size_t size;
	uint64_t hash;
	int64_t count; /* 0: an empty slot */
};

struct rmt_words {
	struct rmt_word *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t used;
};

/* The text is copied. 0 or -ENOMEM. */
int rmt_words_add(struct rmt_words *words, const void *text, size_t size, int64_t count);

/* Sorts the words, the most frequent first, in alphabetical order where that is the same: slots[0]
 * to slots[used - 1]. Nothing can be added any more. */
void rmt_words_sort(struct rmt_words *words);

void rmt_words_done(struct rmt_words *words);
