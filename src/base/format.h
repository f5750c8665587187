/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * printf's formats without stdio, which would be a tenth of every image. Texts are the same as those
 * of snprintf in the C locale, for
 *
 *	d i u o x X c s p m %     with every flag, width, precision and length
 *	f F e E g G               exactly rounded; a long double is taken as a double
 *
 * At anything else (%n, %a, wide characters, arguments by number) the rest of the format is copied
 * as it stands: what its arguments are is not known, and whoever reads it sees where.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

/* Writes at most size bytes with the NUL at the end, nothing for a size of 0. Returns the length
 * that the whole text has without the NUL. */
size_t rmt_format(char *text, size_t size, const char *format, ...) RMT_PRINTF(3, 4);
size_t rmt_formatv(char *text, size_t size, const char *format, va_list arguments);

/* The text in memory that the caller frees; NULL: there was none. */
char *rmt_format_new(const char *format, ...) RMT_PRINTF(1, 2);
char *rmt_format_newv(const char *format, va_list arguments);

/* Bytes as a text, in memory that the caller frees; NULL: there was none. Unlike strndup(3) it does not
 * look for an end in them. */
char *rmt_text_new(const void *data, size_t size);

/* --- for format.c and format-float.c ---------------------------------------------------------- */

/* Most characters that a double has in front of its exponent, with its exact fraction. */
#define RMT_FLOAT_TEXT_MAX 1400

/* A number: prefix, zeros, body, more zeros, tail; blanks on one side. */
struct rmt_number {
	char prefix[3]; /* sign, or 0x */
	size_t zeros;
	const char *body;
	size_t body_size;
	size_t more_zeros;
	char tail[6]; /* an exponent */
	bool finite;
};

/* All but the sign; `text` has RMT_FLOAT_TEXT_MAX bytes for the body. A precision of -1 is none. */
void rmt_format_float(double value, char conversion, int precision, bool alternate, char *text,
		      struct rmt_number *number);
