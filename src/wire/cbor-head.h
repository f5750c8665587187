/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the writer and the reader of CBOR share: the parts of a head (RFC 8949, section 3), and the
 * widths of floats.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	MAJOR_UINT = 0,
	MAJOR_NINT = 1,
	MAJOR_BYTES = 2,
	MAJOR_TEXT = 3,
	MAJOR_ARRAY = 4,
	MAJOR_MAP = 5,
	MAJOR_TAG = 6,
	MAJOR_SIMPLE = 7,
};

/* Low five bits of a head; below INFO_1_BYTE they are the argument itself. */
enum {
	INFO_1_BYTE = 24,
	INFO_2_BYTES = 25,
	INFO_4_BYTES = 26,
	INFO_8_BYTES = 27,

	INFO_FALSE = 20,
	INFO_TRUE = 21,
	INFO_NULL = 22,
	INFO_HALF = INFO_2_BYTES,
	INFO_SINGLE = INFO_4_BYTES,
	INFO_DOUBLE = INFO_8_BYTES,
};

/* The shortest encoding of a double: 2, 4 or 8 bytes of *ret_bits. Every NaN is the same NaN. */
unsigned rmt_cbor_shortest_float(double value, uint64_t *ret_bits);
