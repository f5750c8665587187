/* SPDX-License-Identifier: BSD-3-Clause */
/* Floating point numbers as decimal digits: all of them, which a double has in a finite number. */
#include <stdint.h>
#include <string.h>

#include "base/format.h"

/* Where the decimal point stands in the digits: before it the 309 of the largest double and one for
 * what rounding carries, behind it the 1074 of the smallest. */
#define POINT 310
#define DIGITS (POINT + 1074)

/* The exponent that belongs to the mantissa as an integer. */
#define EXPONENT_BIAS 1075

/* Powers of two that one pass over the digits multiplies or divides by: ten times that fits 32
 * bits. */
#define SHIFT_MAX 28

/* Values of digits, zeros but for [first, end). */
struct decimal {
	int first; /* the first that is not 0, or the last before the point */
	int end;
	unsigned char digits[DIGITS];
};

static void shift_left(struct decimal *decimal, int shift)
{
	uint32_t carry = 0;

	for (int i = decimal->end; i-- > decimal->first;) {
		carry += (uint32_t)decimal->digits[i] << shift;
		decimal->digits[i] = (unsigned char)(carry % 10);
		carry /= 10;
	}
	for (; carry > 0; carry /= 10)
		decimal->digits[--decimal->first] = (unsigned char)(carry % 10);
}

static void shift_right(struct decimal *decimal, int shift)
{
	uint32_t rest = 0;

	for (int i = decimal->first; i < decimal->end || rest > 0; i++) {
		if (i == decimal->end)
			decimal->end++;
		rest = rest * 10 + decimal->digits[i];
		decimal->digits[i] = (unsigned char)(rest >> shift);
		rest &= (UINT32_C(1) << shift) - 1;
	}
}

static void decompose(double value, struct decimal *decimal)
{
	uint64_t bits;
	int exponent;

	memcpy(&bits, &value, sizeof(bits));
	exponent = (int)(bits >> 52 & 0x7ff);
	bits &= (UINT64_C(1) << 52) - 1;
	if (exponent > 0)
		bits |= UINT64_C(1) << 52;
	else
		exponent = 1;
	exponent -= EXPONENT_BIAS;

	memset(decimal, 0, sizeof(*decimal));
	decimal->first = decimal->end = POINT;
	for (; bits > 0; bits /= 10)
		decimal->digits[--decimal->first] = (unsigned char)(bits % 10);
	if (decimal->first == POINT) {
		decimal->first--;
		return;
	}
	for (int shift; exponent > 0; exponent -= shift) {
		shift = RMT_MIN(exponent, SHIFT_MAX);
		shift_left(decimal, shift);
	}
	for (int shift; exponent < 0; exponent += shift) {
		shift = RMT_MIN(-exponent, SHIFT_MAX);
		shift_right(decimal, shift);
	}
	while (decimal->digits[decimal->first] == 0)
		decimal->first++;
}

/* Keeps the digits before `cut`; what is exactly between two goes to the even one. */
static void round_at(struct decimal *decimal, int64_t cut)
{
	int i = (int)cut, rest;
	bool up;

	if (cut >= decimal->end)
		return;
	for (rest = i + 1; rest < decimal->end && decimal->digits[rest] == 0; rest++)
		;
	up = decimal->digits[i] > 5 ||
	     (decimal->digits[i] == 5 && (rest < decimal->end || decimal->digits[i - 1] % 2 == 1));
	memset(decimal->digits + i, 0, (size_t)(decimal->end - i));
	decimal->end = i;
	if (!up)
		return;
	while (decimal->digits[--i] == 9)
		decimal->digits[i] = 0;
	decimal->digits[i]++;
	if (i < decimal->first)
		decimal->first = i;
}

/* Digits from `from`: one group before the point, `precision` behind it. */
static void put_digits(const struct decimal *decimal, int from, int point, int precision,
		       bool alternate, char *text, struct rmt_number *number)
{
	/* Behind the last digit there is nothing but zeros. */
	int digits = RMT_MIN(precision, DIGITS - point);
	char *at = text;

	for (int i = from; i < point; i++)
		*at++ = (char)('0' + decimal->digits[i]);
	if (precision > 0 || alternate)
		*at++ = '.';
	for (int i = point; i < point + digits; i++)
		*at++ = (char)('0' + decimal->digits[i]);
	number->body = text;
	number->body_size = (size_t)(at - text);
	number->more_zeros = (size_t)(precision - digits);
}

static void put_exponent(int exponent, char letter, char *text)
{
	unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);

	*text++ = letter;
	*text++ = exponent < 0 ? '-' : '+';
	if (size >= 100)
		*text++ = (char)('0' + size / 100);
	*text++ = (char)('0' + size / 10 % 10);
	*text++ = (char)('0' + size % 10);
	*text = '\0';
}

void rmt_format_float(double value, char conversion, int precision, bool alternate, char *text,
		      struct rmt_number *number)
{
	char letter = (char)(conversion & 0x20), style = (char)(conversion | 0x20);
	bool shortest = style == 'g';
	struct decimal decimal;

	number->finite = __builtin_isfinite(value);
	if (!number->finite) {
		number->body = __builtin_isnan(value) ? letter ? "nan" : "NAN"
			       : letter               ? "inf"
						      : "INF";
		number->body_size = 3;
		return;
	}
	decompose(value, &decimal);
	if (precision < 0)
		precision = 6;
	if (shortest && precision == 0)
		precision = 1;
	round_at(&decimal, (int64_t)precision + (style == 'f' ? POINT
						 : shortest   ? decimal.first
							      : decimal.first + 1));
	if (shortest) {
		int exponent = POINT - 1 - decimal.first, last = decimal.end;

		style = exponent < -4 || exponent >= precision ? 'e' : 'f';
		precision -= 1 + (style == 'f' ? exponent : 0);
		while (last > decimal.first && decimal.digits[last - 1] == 0)
			last--;
		if (!alternate)
			precision = RMT_MIN(
				precision,
				RMT_MAX(last - (style == 'f' ? POINT : decimal.first + 1), 0));
	}
	if (style == 'f') {
		put_digits(&decimal, RMT_MIN(decimal.first, POINT - 1), POINT, precision, alternate,
			   text, number);
		return;
	}
	put_digits(&decimal, decimal.first, decimal.first + 1, precision, alternate, text, number);
	put_exponent(POINT - 1 - decimal.first, (char)('E' | letter), number->tail);
}
