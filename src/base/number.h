/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The whole text, digits of the base (up to 10) perhaps behind a '-', is a number in [least,
 * most]. */
bool rmt_number_parse(const char *text, unsigned base, int64_t least, int64_t most, int64_t *ret);
