/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting a message together from its frames: one assembly per flow (source, handle), because the
 * frames of one message are not mixed with those of another on the same flow.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "wire/frame.h"

/* Room for a message of 1 MiB and the head of a value. */
#define RMT_ASSEMBLY_CHUNK ((1u << 20) + 64u)

struct rmt_assembly {
	/* Borrowed, may be NULL. Messages of up to RMT_ASSEMBLY_CHUNK whose first frame is large are
	 * put into its chunks: memory of that size from malloc is mapped and cleared for each. */
	struct rmt_chunk_pool *pool;
	/* The message so far, grown as frames come: a claim costs a peer its own bytes first. */
	struct rmt_chunk *chunk;
	size_t size;            /* bytes there */
	size_t total;           /* bytes announced by the first frame */
	struct rmt_frame first; /* header of the first frame */
};

void rmt_assembly_init(struct rmt_assembly *assembly, struct rmt_chunk_pool *pool);
void rmt_assembly_done(struct rmt_assembly *assembly);

/*
 * Takes a frame that has MORE or CONTINUES (a frame with neither is a message by itself and does
 * not come here). Its payload lies in chunk; it is copied, unless rmt_assembly_place gave its place.
 *
 * 1: the message is complete: *ret_chunk (a reference for the caller) holds ret_first->total bytes
 *    from its start and *ret_first is the first frame's header; the assembly is empty again.
 * 0: more is needed.
 * Negative, and the assembly is empty again: -EMSGSIZE, announced past limit; -EBADMSG, a
 * continuation without a beginning, one that differs from it in more than length, offset and MORE,
 * an offset out of order, more or fewer bytes than announced, a second beginning; -ECANCELED, the
 * sender aborted; -ENOMEM.
 */
int rmt_assembly_add(struct rmt_assembly *assembly, const struct rmt_frame *frame,
		     struct rmt_chunk *chunk, const void *payload, size_t limit,
		     struct rmt_chunk **ret_chunk, struct rmt_frame *ret_first);

/*
 * Where the payload of the frame that comes next may be put before the frame is added: *ret_chunk (a
 * reference for the caller) has room for it at the pointer that is returned. NULL: nowhere, because
 * the frame does not fit or there is no memory; rmt_assembly_add will tell. What is added from there
 * is not copied, and what is never added was never there.
 */
unsigned char *rmt_assembly_place(struct rmt_assembly *assembly, const struct rmt_frame *frame,
				  size_t limit, struct rmt_chunk **ret_chunk);
