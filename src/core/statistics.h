/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a context counts. The answer to STATISTICS is a map from small numbers to numbers, in the order
 * of the tables below, and a list of links, each such a map of its own. Numbers that are not known
 * are passed over, so that there can be more one day.
 */
#pragma once

#include <stdint.h>

#include "core/router.h"

/* Where the member with a number lies in ramet_statistics, and in ramet_link_statistics: uint64_t
 * each. New ones come at the end; none is ever taken out. */
extern const unsigned short rmt_statistics_members[];
extern const unsigned short rmt_link_members[];
extern const unsigned rmt_statistics_count, rmt_link_count;

/* Keys of what are no numbers. */
#define RMT_STATISTICS_LINKS 1000 /* of the answer: a list */
#define RMT_LINK_PATH 1000        /* of a link: str */
#define RMT_LINK_LATENCY 1001     /* of a link: a list of the buckets, without zeros at its end */

/* Answers `reply` at `requester` with all numbers, and with as many links as fit, from the one with
 * that index on. */
void rmt_statistics_answer(ramet_router *router, uint32_t requester, uint32_t reply,
			   uint32_t first_link);
