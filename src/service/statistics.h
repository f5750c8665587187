/* SPDX-License-Identifier: BSD-3-Clause */
/* Behind the gate: what face-statistics.c calls. */
#pragma once

#include "ramet.h"

int rmt_context_statistics(ramet_context *context, ramet_statistics *statistics,
			   ramet_error *error);
int rmt_context_ping(ramet_context *context, int timeout, int64_t *ret_us, ramet_error *error);

/* Of an answer that holds something. */
const ramet_link_statistics *rmt_statistics_link(const ramet_statistics *statistics, size_t index);
void rmt_statistics_clear(ramet_statistics *statistics);
