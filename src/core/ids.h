/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ids of contexts. The root of a tree owns all of its ids; who needs some asks its parent, hop by hop
 * up, and on the way down each hop notes the block as a route to whoever had asked it.
 *
 * Trees meet (ADOPT, see parent/join.h), so that the ids of two trees must differ: a root draws a
 * region of RMT_REGION_IDS at random, and another one when that is used up. 0 is nobody's id; on the
 * wire it stands for the root.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/router.h"
#include "wire/cbor.h"

/* Draws a region for the root of a tree. 0, -ENOSPC or -ENOMEM. */
int rmt_ids_draw(ramet_router *router);

/* [first, last] belongs to this context, to give to children. 0 or -ENOMEM. */
int rmt_ids_add(ramet_router *router, uint32_t first, uint32_t last);

/* True when one of these ids belongs to this context, or lies below it. */
bool rmt_ids_known(const ramet_router *router, uint32_t first, uint32_t last);

/* Takes `count` consecutive ids for children: 0, and *ret_first is the first; -EAGAIN: they were
 * asked for, hooks->ids_ready will be called; -ENOSPC: the tree has none left; another errno, while
 * ids_ready is called: they were refused, ids.reason says why. */
int rmt_ids_take(ramet_router *router, uint32_t count, uint32_t *ret_first);

/* This context has become a root: what was asked for above is its own to give. */
void rmt_ids_settle(ramet_router *router);

void rmt_ids_done(ramet_router *router);

/* ALLOCATE and ALLOCATED have come from a neighbour. */
void rmt_ids_allocate(ramet_router *router, struct rmt_stream *stream,
		      struct rmt_cbor_reader *reader);
void rmt_ids_allocated(ramet_router *router, struct rmt_stream *stream,
		       struct rmt_cbor_reader *reader, uint64_t items);

/* --- between the files ------------------------------------------------------------------------- */

struct rmt_id_request {
	struct rmt_list node;        /* in ids->below */
	struct rmt_account *account; /* of who asked */
	uint32_t token;              /* its own name for the request */
	uint32_t count;
};

void rmt_id_request_free(struct rmt_id_request *request);
