/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that are made from here, and what is common to both ends of a call. */
#pragma once

#include <stdint.h>

#include "core/router.h"
#include "core/type.h"

/* To whom something is encoded: the userdata of rmt_call_hooks. For decoding it is the router
 * alone. */
struct rmt_call_target {
	ramet_router *router;
	uint32_t context;
};

/* How contexts, senders and values are encoded and decoded inside arguments and results. */
extern const struct rmt_type_hooks rmt_call_hooks;
