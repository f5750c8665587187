/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/printable.h"

#include <string.h>

/* Terminals obey U+0080 to U+009F, too, and perhaps what has a longer form than it needs. */
static size_t wide(const unsigned char *at, size_t left)
{
	size_t size = *at >= 0xf5 ? 0 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : *at >= 0xc2 ? 2 : 0;

	if (size == 0 || size > left || ((*at == 0xc2 || *at == 0xe0) && at[1] < 0xa0) ||
	    (*at == 0xf0 && at[1] < 0x90))
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

size_t rmt_printable(const void *at, size_t left)
{
	const unsigned char *first = at;

	return *first >= 0x80 ? wide(first, left) : *first >= 0x20 && *first != 0x7f;
}

void rmt_make_printable(char *text)
{
	for (size_t left = strlen(text), size; left > 0; left -= size, text += size) {
		size = rmt_printable(text, left);
		if (size == 0) {
			*text = '?';
			size = 1;
		}
	}
}
