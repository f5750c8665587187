/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text becomes words. A word is a run of letters, digits and "_", as in names of programs. All that
 * is needed to know of Unicode is below, so that every machine finds the same words whatever its
 * locale: what counts as a letter is everything from U+00AA on but ranges of signs.
 */
#include "indexer.h"

#include <string.h>

/* First and last of the ranges, in order. */
static const uint32_t signs[][2] = {
	{0x80, 0xa9},       {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
	{0xf7, 0xf7},       {0x2000, 0x206f}, {0x20a0, 0x20cf}, {0x2190, 0x2bff}, {0x2e00, 0x2e7f},
	{0x3000, 0x3004},   {0x3008, 0x3020}, {0xd800, 0xf8ff}, {0xfe10, 0xfe1f}, {0xfe30, 0xfe6f},
	{0xfeff, 0xff0f},   {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xfff0, 0xffff},
	{0x1f000, 0x1faff}, {0xe0000, ~0u},
};

static bool is_letter(uint32_t c)
{
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]) && c >= signs[i][0]; i++)
		if (c <= signs[i][1])
			return false;
	return true;
}

/* Simple folding of the alphabets that have two cases: Latin, Greek, Cyrillic, Armenian, and the
 * full-width forms. */
static uint32_t lower(uint32_t c)
{
	if (c >= 0xc0 && c <= 0xde)
		return c + 32;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1); /* pairs that begin with an odd one */
	if (c == 0x178)
		return 0xff;
	if ((c >= 0x100 && c <= 0x177 && c != 0x130 && c != 0x131 && c != 0x138) ||
	    (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff) ||
	    (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
		return c | 1;
	if ((c >= 0x391 && c <= 0x3ab) || (c >= 0x410 && c <= 0x42f) ||
	    (c >= 0xff21 && c <= 0xff3a))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if (c >= 0x531 && c <= 0x556)
		return c + 48;
	return c;
}

/* The character at `at`, and its size; 0 for what is no UTF-8 (RFC 3629). */
static unsigned decode(const unsigned char *at, const unsigned char *end, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned size = *at < 0x80 ? 1 : *at < 0xc0 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	uint32_t c = size < 2 ? *at : *at & (0x7f >> size);

	if (size == 0 || (size_t)(end - at) < size || *at > 0xf4)
		return 0;
	for (unsigned i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (at[i] & 0x3f);
	}
	if (size > 1 && (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	*ret = c;
	return size;
}

unsigned text_encode(uint32_t c, char out[4])
{
	unsigned size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (unsigned i = size - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(size == 1 ? c : (0xf00u >> size & 0xf0) | c);
	return size;
}

unsigned text_fold(const unsigned char *at, const unsigned char *end, unsigned *ret_size,
		   char folded[4])
{
	unsigned char c = *at;
	uint32_t character;

	*ret_size = 1;
	if (c < 0x80) {
		folded[0] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
		return (c >= '0' && c <= '9') || c == '_' || (folded[0] >= 'a' && folded[0] <= 'z');
	}
	unsigned size = decode(at, end, &character);
	if (size == 0)
		return 0;
	*ret_size = size;
	return is_letter(character) ? text_encode(lower(character), folded) : 0;
}

void text_begin(struct text *text, const void *data, size_t size)
{
	text->at = text->line_start = data;
	text->end = text->at + size;
	text->line = 1;
}

/* What ASCII becomes in a word; 0: it ends words. Nearly all text is that, and needs no call. */
static const char ascii[128] = {
	['0'] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ['A'] = 'a', 'b',         'c',
	'd',         'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n',         'o',         'p',
	'q',         'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', ['_'] = '_', ['a'] = 'a', 'b',
	'c',         'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',         'n',         'o',
	'p',         'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
};

bool text_next_word(struct text *text, struct word *word)
{
	const unsigned char *at = text->at, *end = text->end;
	unsigned size = 0, taken;
	bool cut = false;
	char folded[4];

	for (; at < end; at += taken) { /* to the beginning */
		taken = 1;
		if (*at < 0x80) {
			if (ascii[*at])
				break;
			if (*at == '\n') {
				text->line++;
				text->line_start = at + 1;
			}
		} else if (text_fold(at, end, &taken, folded) > 0) {
			break;
		}
	}
	if (at == end) {
		text->at = at;
		return false;
	}
	word->line = text->line;
	word->column = (unsigned)(at - text->line_start) + 1;
	for (; at < end; at += taken) {
		unsigned more = 1;

		taken = 1;
		if (*at >= 0x80)
			more = text_fold(at, end, &taken, folded);
		else if (*at != TEXT_NOTHING)
			folded[0] = ascii[*at];
		else
			continue;
		if (more == 0 || folded[0] == '\0')
			break;
		if (cut || size + more > WORD_MAX) {
			cut = true; /* what follows is not in the word, even if it were short enough */
			continue;
		}
		memcpy(word->text + size, folded, more);
		size += more;
	}
	text->at = at;
	word->size = size;
	return true;
}
