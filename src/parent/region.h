/* SPDX-License-Identifier: BSD-3-Clause */
/* The ids of a tree, or of a part of one, as trees that meet tell each other: ranges. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/router.h"
#include "wire/cbor.h"

struct rmt_region {
	uint32_t (*ranges)[2]; /* first and last */
	size_t count;
};

#define RMT_REGION_INIT \
	{               \
		NULL, 0 \
	}

void rmt_region_done(struct rmt_region *region);
int rmt_region_add(struct rmt_region *region, uint32_t first, uint32_t last);

/* Of this context and all below it, without other trees that were joined. 0 or -ENOMEM. */
int rmt_region_own(const ramet_router *router, struct rmt_region *ret_region);

/* first, last, first, last ... */
void rmt_region_put(struct rmt_buffer *out, const struct rmt_region *region);

/* From so many items of a message; sorted. 0, -EBADMSG (also when they overlap) or -ENOMEM. */
int rmt_region_read(struct rmt_cbor_reader *reader, uint64_t items, struct rmt_region *ret_region);

bool rmt_region_has(const struct rmt_region *region, uint32_t id);

/* True when some of it is known here. */
bool rmt_region_is_known(const ramet_router *router, const struct rmt_region *region);

/* Routes for all of it, through that stream; or none: -EEXIST (some of it is known here), -EDQUOT
 * (there is too much behind that stream), -ENOMEM.
 * Contexts that were lost with these ids are forgotten. */
int rmt_region_route(ramet_router *router, const struct rmt_region *region,
		     struct rmt_stream *stream);
void rmt_region_unroute(ramet_router *router, const struct rmt_region *region);

/* It belongs to another tree from now on: it is none of this context's blocks any more. */
void rmt_region_cut(ramet_router *router, const struct rmt_region *region);
