/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "wire/cbor-head.h"
#include "wire/cbor.h"

#define HALF_NAN 0x7e00u

/* --- floats ------------------------------------------------------------------------------- */

/* The bits of an IEEE 754 format with fewer bits, when nothing is lost. Bits are moved instead
 * of cast, because a cast out of range is undefined and half precision is no type of C. */
struct float_format {
	int mantissa_bits;
	int exponent_bits;
};

static bool narrow(uint64_t bits, struct float_format from, struct float_format to,
		   uint64_t *ret_bits)
{
	const int bias_from = (1 << (from.exponent_bits - 1)) - 1;
	const int bias_to = (1 << (to.exponent_bits - 1)) - 1;
	const int all_ones = (1 << from.exponent_bits) - 1;
	const uint64_t sign = bits >> (from.mantissa_bits + from.exponent_bits);
	uint64_t mantissa = bits & ((UINT64_C(1) << from.mantissa_bits) - 1);
	const int raw_exponent = (int)(bits >> from.mantissa_bits) & all_ones;
	int drop = from.mantissa_bits - to.mantissa_bits;
	int exponent = raw_exponent - bias_from + bias_to;
	uint64_t magnitude;

	if (raw_exponent == all_ones) {
		/* Infinity: a NaN does not come here. */
		magnitude = (UINT64_C(1) << to.exponent_bits) - 1;
		magnitude <<= to.mantissa_bits;
	} else if (raw_exponent == 0) {
		/* Zero, or smaller than anything that the narrow format has. */
		if (mantissa != 0)
			return false;
		magnitude = 0;
	} else if (exponent >= (1 << to.exponent_bits) - 1) {
		return false;
	} else {
		if (exponent <= 0) {
			/* Subnormal there: the leading one becomes visible. */
			drop += 1 - exponent;
			exponent = 0;
			mantissa |= UINT64_C(1) << from.mantissa_bits;
			if (drop > from.mantissa_bits)
				return false;
		}
		if (mantissa & ((UINT64_C(1) << drop) - 1))
			return false;
		magnitude = (uint64_t)exponent << to.mantissa_bits | mantissa >> drop;
	}
	*ret_bits = sign << (to.mantissa_bits + to.exponent_bits) | magnitude;
	return true;
}

unsigned rmt_cbor_shortest_float(double value, uint64_t *ret_bits)
{
	const struct float_format half = {10, 5}, single = {23, 8}, full = {52, 11};
	uint64_t bits;

	_Static_assert(sizeof(value) == sizeof(bits), "double must be IEEE 754 binary64");
	if (value != value) {
		*ret_bits = HALF_NAN;
		return 2;
	}
	memcpy(&bits, &value, sizeof(bits));
	if (narrow(bits, full, half, ret_bits))
		return 2;
	if (narrow(bits, full, single, ret_bits))
		return 4;
	*ret_bits = bits;
	return 8;
}

/* --- heads -------------------------------------------------------------------------------- */

static void put_bits(struct rmt_buffer *out, unsigned major, unsigned info, uint64_t bits,
		     unsigned bytes)
{
	unsigned char *end = rmt_buffer_reserve(out, 9);

	if (!end)
		return;
	*end++ = (unsigned char)(major << 5 | info);
	for (unsigned i = bytes; i > 0; i--)
		*end++ = (unsigned char)(bits >> (8 * (i - 1)));
	out->size += 1 + bytes;
}

static void put_head(struct rmt_buffer *out, unsigned major, uint64_t argument)
{
	if (argument < INFO_1_BYTE)
		put_bits(out, major, (unsigned)argument, 0, 0);
	else if (argument <= UINT8_MAX)
		put_bits(out, major, INFO_1_BYTE, argument, 1);
	else if (argument <= UINT16_MAX)
		put_bits(out, major, INFO_2_BYTES, argument, 2);
	else if (argument <= UINT32_MAX)
		put_bits(out, major, INFO_4_BYTES, argument, 4);
	else
		put_bits(out, major, INFO_8_BYTES, argument, 8);
}

void rmt_cbor_put_uint(struct rmt_buffer *out, uint64_t value)
{
	put_head(out, MAJOR_UINT, value);
}

void rmt_cbor_put_int(struct rmt_buffer *out, int64_t value)
{
	if (value < 0)
		put_head(out, MAJOR_NINT, ~(uint64_t)value); /* -1 - value */
	else
		put_head(out, MAJOR_UINT, (uint64_t)value);
}

void rmt_cbor_put_bool(struct rmt_buffer *out, bool value)
{
	put_bits(out, MAJOR_SIMPLE, value ? INFO_TRUE : INFO_FALSE, 0, 0);
}

void rmt_cbor_put_null(struct rmt_buffer *out)
{
	put_bits(out, MAJOR_SIMPLE, INFO_NULL, 0, 0);
}

void rmt_cbor_put_f64(struct rmt_buffer *out, double value)
{
	uint64_t bits;
	const unsigned bytes = rmt_cbor_shortest_float(value, &bits);
	const unsigned info = bytes == 2 ? INFO_HALF : bytes == 4 ? INFO_SINGLE : INFO_DOUBLE;

	put_bits(out, MAJOR_SIMPLE, info, bits, bytes);
}

void rmt_cbor_put_bytes(struct rmt_buffer *out, const void *data, size_t size)
{
	put_head(out, MAJOR_BYTES, size);
	rmt_buffer_append(out, data, size);
}

void rmt_cbor_put_text(struct rmt_buffer *out, const char *data, size_t size)
{
	put_head(out, MAJOR_TEXT, size);
	rmt_buffer_append(out, data, size);
}

void rmt_cbor_put_array(struct rmt_buffer *out, uint64_t count)
{
	put_head(out, MAJOR_ARRAY, count);
}

void rmt_cbor_put_map(struct rmt_buffer *out, uint64_t count)
{
	put_head(out, MAJOR_MAP, count);
}

void rmt_cbor_put_tag(struct rmt_buffer *out, uint64_t tag)
{
	put_head(out, MAJOR_TAG, tag);
}

void rmt_cbor_put_str(struct rmt_buffer *out, const char *string)
{
	size_t size;

	if (!string) {
		rmt_cbor_put_null(out);
		return;
	}
	size = strlen(string);
	if (rmt_utf8_valid(string, size))
		rmt_cbor_put_text(out, string, size);
	else
		rmt_cbor_put_bytes(out, string, size);
}
