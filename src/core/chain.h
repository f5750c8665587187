/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of calls at the side of the callee: the first failure answers all later calls of the chain,
 * until the caller resets it or is gone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/execute.h"
#include "core/router.h"

/* A call of a chain has failed. Those of the same chain that wait behind it get its failure and will
 * not run. */
void rmt_chain_fail(ramet_call *call, int code, const char *where, const char *text);

/* Why calls of this chain are refused; NULL: they are not. */
const ramet_error *rmt_chain_failure(ramet_router *router, uint32_t caller, uint32_t chain);

/* True when it can be remembered that this chain has failed. */
bool rmt_chain_has_room(ramet_router *router, uint32_t caller, uint32_t chain);

void rmt_chain_reset(ramet_router *router, uint32_t caller, uint32_t chain);

/* Forgets the chains of one caller, or of all. */
void rmt_chains_forget(ramet_router *router, uint32_t caller);
void rmt_chains_done(ramet_router *router);
