/* SPDX-License-Identifier: BSD-3-Clause */
/* What grows. */
#include "indexer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *grown(void *items, size_t count, size_t size)
{
	void *more = reallocarray(items, count ? count : 1, size);

	if (!more) {
		fputs("indexer: out of memory\n", stderr);
		exit(2);
	}
	return more;
}

unsigned char *bytes_reserve(struct bytes *bytes, size_t more)
{
	if (bytes->room - bytes->size < more) {
		size_t room = bytes->room + bytes->room / 2;

		bytes->room = room > bytes->size + more ? room : bytes->size + more;
		bytes->data = grown(bytes->data, bytes->room, 1);
	}
	return bytes->data + bytes->size;
}

void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
	if (size > 0)
		memcpy(bytes_reserve(bytes, size), data, size);
	bytes->size += size;
}

void bytes_add_number(struct bytes *bytes, uint64_t number)
{
	unsigned char *to = bytes_reserve(bytes, NUMBER_MAX);

	for (; number >= 0x80; number >>= 7)
		*to++ = (unsigned char)(number | 0x80);
	*to++ = (unsigned char)number;
	bytes->size = (size_t)(to - bytes->data);
}

uint64_t number_take(const unsigned char **at, const unsigned char *end)
{
	uint64_t number = 0;

	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		unsigned char byte = *(*at)++;

		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return number;
	}
	return 0;
}
