/* SPDX-License-Identifier: BSD-3-Clause */
/* Which key each member of ramet_hop_options stands for. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum rmt_option_kind {
	RMT_OPTION_TEXT,   /* const char *; NULL: not there */
	RMT_OPTION_NUMBER, /* int; 0: not there */
	RMT_OPTION_FLAG,   /* enum ramet_flag */
};

struct rmt_option {
	const char *key;
	uint16_t offset;
	uint8_t kind;
};

extern const struct rmt_option rmt_options[];
extern const size_t rmt_option_count;
