/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may call which function here, and who may send to which receiver. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/router.h"

/* True when a policy lets in what `source` sends for `authority`. GIVEN lets in nobody by itself: see
 * receiver.c. */
bool rmt_policy_admits(const ramet_router *router, enum ramet_policy policy, uint32_t source,
		       uint32_t authority);

/* True when such a caller may call some function: the frame is worth looking into. */
bool rmt_policy_calls(const ramet_router *router, uint32_t source, uint32_t authority);

/* True when it may call this one. */
bool rmt_policy_calls_function(const ramet_router *router, const char *name, size_t size,
			       uint32_t source, uint32_t authority);

void rmt_policy_done(ramet_router *router);
