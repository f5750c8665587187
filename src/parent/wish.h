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

/* The answer to a question of ours about the child that `reply` at `requester` waits for. */
void rmt_wish_answered(ramet_router *router, uint32_t requester, uint32_t reply,
		       const char *password, size_t size, const char *text, size_t text_size);

/* The wishes of a router, which its hooks_data keeps. */
struct rmt_list *rmt_wishes(ramet_router *router);
