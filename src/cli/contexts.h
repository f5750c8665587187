/* SPDX-License-Identifier: BSD-3-Clause */
/* What all subcommands begin with. */
#pragma once

#include <stdint.h>

#include "ramet.h"

/* Makes a router and starts the contexts of the paths. Returns 0, or, after a complaint, the exit
 * status. Blocks. */
int rmt_start_contexts(const char *paths, ramet_router **ret_router, ramet_group **ret_group);

/* Microseconds of a call that does nothing, the median of five; -1: it failed. Blocks. */
int64_t rmt_round_trip(ramet_context *context);
