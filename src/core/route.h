/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way a frame goes, and whether it may. A route covers a block of ids: all contexts below one
 * child. What is in no route is reached through the parent.
 *
 * Who may send what, checked at every hop by the stream on which a frame arrives:
 * - its source and its authority must lie behind that stream;
 * - between two children nothing passes, unless siblings are allowed to talk;
 * - who has joined this tree as a guest reaches this context and its children, and is answered; what
 *   those say who started him has our own authority from here on.
 * A frame with a wrong source is dropped, counted and logged: answering would tell the wrong
 * context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/router.h"
#include "wire/input.h"

struct rmt_route {
	uint32_t first, last; /* ids, both included */
	struct rmt_stream *stream;
	bool adopted; /* of another tree: charged to the account until it is removed */
};

/* Frames that lie behind each other in memory and go the same way: forwarded with one write. */
struct rmt_run {
	struct rmt_stream *stream;   /* to which; NULL: no run */
	struct rmt_account *account; /* of whom they come from; NULL: the parent */
	struct rmt_chunk *chunk;
	const unsigned char *data;
	size_t size;
};

/* 0, -EEXIST (overlaps another route) or -ENOMEM. */
int rmt_route_add(ramet_router *router, uint32_t first, uint32_t last, struct rmt_stream *stream);

/* The same for ids of another tree. -EDQUOT: its account has no room for them. */
int rmt_route_adopt(ramet_router *router, uint32_t first, uint32_t last, struct rmt_stream *stream);

/* Removes the routes through a stream; or those that cover nothing but these ids. */
void rmt_route_remove(ramet_router *router, struct rmt_stream *stream);
void rmt_route_forget(ramet_router *router, uint32_t first, uint32_t last);

/* True when there is a route to one of these. */
bool rmt_route_overlaps(const ramet_router *router, uint32_t first, uint32_t last);

/* The child's stream behind which `id` is; NULL when it is no descendant. */
struct rmt_stream *rmt_route_below(const ramet_router *router, uint32_t id);

/* The stream through which `id` is reached: below, or the parent's. NULL: no way. Not for the
 * router's own id. */
struct rmt_stream *rmt_route_to(const ramet_router *router, uint32_t id);

/* True when all these ids lie behind a stream. */
bool rmt_route_leads(const ramet_router *router, uint32_t first, uint32_t last,
		     const struct rmt_stream *stream);

/* The same, and the neighbour itself is not among them. */
bool rmt_route_covers(const ramet_router *router, uint32_t first, uint32_t last,
		      const struct rmt_stream *stream);

/* A frame has arrived on a stream: delivers it here, or forwards it (now, or as a part of the run).
 */
void rmt_route_arrival(struct rmt_stream *stream, struct rmt_arrival *arrival, struct rmt_run *run);

/* Something was refused that no honest context sends: counted, and logged now and then. */
void rmt_misbehaved(ramet_router *router, const char *format, ...) RMT_PRINTF(2, 3);

/* Where the payload of a frame that is on its way here may be put, and the chunk (a reference) in which
 * that is; NULL: where it comes. */
unsigned char *rmt_route_place(struct rmt_stream *stream, const struct rmt_frame *frame,
			       struct rmt_chunk **ret_chunk);

/* Writes the run. */
void rmt_run_forward(struct rmt_run *run);

/* True when the neighbour behind `stream`, or somebody behind it, has sent something to one of
 * these contexts, or was sent something by them. */
bool rmt_stream_talked(const struct rmt_stream *stream, uint32_t first, uint32_t last);

/* Answers a frame that cannot be delivered, if it wants an answer, in the place of its destination: the
 * sender's wait ends with this. The credit of a call comes back with it, unless COUNTED was taken away
 * because that was granted already. */
void rmt_dead_letter(ramet_router *router, const struct rmt_frame *frame, int code,
		     const char *format, ...) RMT_PRINTF(4, 5);
