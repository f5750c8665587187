/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* memcpy(3) for what is mostly small. That of musl is one string instruction, whose start takes
 * longer than copying a hundred bytes word by word. */
static inline void rmt_copy(void *to, const void *from, size_t size)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (size > 256) {
		memcpy(to, from, size);
		return;
	}
	for (; size >= 16; size -= 16, out += 16, in += 16) {
		uint64_t words[2];

		memcpy(words, in, 16);
		memcpy(out, words, 16);
	}
	if (size >= 8) {
		uint64_t word;

		memcpy(&word, in, 8);
		memcpy(out, &word, 8);
		size -= 8;
		out += 8;
		in += 8;
	}
	while (size-- > 0)
		*out++ = *in++;
}
