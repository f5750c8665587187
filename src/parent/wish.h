/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that other contexts want from this one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/router.h"

/* A CONNECT message has arrived: starts the child, or finds it, and answers `reply` at `requester`
 * when it is there, or with the reason why not. */
void rmt_wish_arrived(ramet_router *router, uint32_t requester, uint32_t reply, const char *hop,
		      size_t hop_size, uint32_t index);
