/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/range.h"

#include <string.h>

#include "base/limits.h"

/* Digits of a number at most: it fits 32 bits. */
#define DIGITS_MAX 9

size_t rmt_range_size(const char *text, const char *end)
{
	const char *at = text;

	if (at == end || *at++ != '[')
		return 0;
	while (at < end && *at && strchr("0123456789,-", *at))
		at++;
	return at < end && *at == ']' ? (size_t)(at + 1 - text) : 0;
}

/* Returns the digits that it took, 0 for none or too many. */
static int take_number(struct rmt_range *range, uint32_t *ret)
{
	uint32_t number = 0;
	int digits = 0;

	while (range->at < range->end && *range->at >= '0' && *range->at <= '9') {
		if (++digits > DIGITS_MAX)
			return 0;
		number = number * 10 + (uint32_t)(*range->at++ - '0');
	}
	*ret = number;
	return digits;
}

/* N or N-N, and the comma behind it. */
static bool take_element(struct rmt_range *range)
{
	const char *first = range->at;
	int digits = take_number(range, &range->value);

	range->width = digits > 1 && *first == '0' ? digits : 0;
	range->last = range->value;
	if (digits == 0)
		return false;
	if (range->at < range->end && *range->at == '-') {
		range->at++;
		if (take_number(range, &range->last) == 0 || range->last < range->value)
			return false;
	}
	if (range->at == range->end)
		return true;
	/* A number stands behind each comma. */
	return *range->at++ == ',' && range->at < range->end;
}

bool rmt_range_init(struct rmt_range *range, const char *text, size_t size, uint32_t *ret_count)
{
	uint32_t count = 0;

	*range = (struct rmt_range){.begin = text + 1, .end = text + size - 1, .at = text + 1};
	do {
		if (!take_element(range) || range->last - range->value >= RMT_COUNT_MAX)
			return false;
		count += range->last - range->value + 1;
		if (count > RMT_COUNT_MAX)
			return false;
	} while (range->at < range->end);
	range->at = range->begin;
	take_element(range);
	*ret_count = count;
	return true;
}

bool rmt_range_next(struct rmt_range *range)
{
	bool more = range->value < range->last || range->at < range->end;

	if (range->value < range->last) {
		range->value++;
	} else {
		if (!more)
			range->at = range->begin;
		take_element(range);
	}
	return more;
}
