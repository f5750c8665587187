/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/number.h"

bool rmt_number_parse(const char *text, unsigned base, int64_t least, int64_t most, int64_t *ret)
{
	bool negative = *text == '-';
	int64_t number = 0;

	text += negative;
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned char)*text - '0';

		/* Downwards when negative, because the least number has no counterpart. */
		if (digit >= base || __builtin_mul_overflow(number, (int64_t)base, &number) ||
		    __builtin_add_overflow(number, negative ? -(int64_t)digit : (int64_t)digit,
					   &number))
			return false;
	}
	if (number < least || number > most)
		return false;
	*ret = number;
	return true;
}
