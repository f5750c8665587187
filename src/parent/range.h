/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges in targets: "rack[1,2]-node[01-50]" has two. Numbers are as wide as the first one of their
 * element, if that begins with 0. Text in, numbers out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ranges in one target. */
#define RMT_RANGES_MAX 8

struct rmt_range {
	const char *begin, *end; /* between the brackets */
	const char *at;          /* behind the element that is being counted */
	uint32_t value, last;
	int width;
};

/* Bytes of what looks like a range at this place, brackets included; 0: it does not. */
size_t rmt_range_size(const char *text, const char *end);

/* Begins at the first member. `text` is what rmt_range_size() has measured, and lives as long as the
 * range. *ret_count members, at most RMT_COUNT_MAX; false: it makes no sense. */
bool rmt_range_init(struct rmt_range *range, const char *text, size_t size, uint32_t *ret_count);

/* To the next member; false: to the first again. */
bool rmt_range_next(struct rmt_range *range);
