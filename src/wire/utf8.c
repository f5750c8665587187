/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "wire/cbor.h"

#define ASCII_MASK UINT64_C(0x8080808080808080)

/* The length of the sequence of several bytes at data and the range of its second byte, as in the table of RFC
 * 3629, section 4: that range is what keeps out overlong forms, surrogates and what lies past
 * U+10FFFF. 0: no sequence starts so. */
static size_t sequence(unsigned char first, unsigned char *ret_low, unsigned char *ret_high)
{
	*ret_low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*ret_high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

bool rmt_utf8_valid(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	unsigned char low, high;
	size_t length;

	while (size > 0) {
		uint64_t word;

		/* Nearly all text is ASCII: eight bytes at a time. */
		if (size >= sizeof(word)) {
			memcpy(&word, bytes, sizeof(word));
			if (!(word & ASCII_MASK)) {
				bytes += sizeof(word);
				size -= sizeof(word);
				continue;
			}
		}

		if (bytes[0] < 0x80) {
			bytes++;
			size--;
			continue;
		}
		length = sequence(bytes[0], &low, &high);
		if (length == 0 || length > size)
			return false;
		if (bytes[1] < low || bytes[1] > high)
			return false;
		for (size_t i = 2; i < length; i++)
			if ((bytes[i] & 0xc0) != 0x80)
				return false;
		bytes += length;
		size -= length;
	}
	return true;
}
