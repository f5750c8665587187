/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fetching from the parent what it has of this program, or gets from its own parent: the part that
 * did not travel with us, an image for another machine. The answers are one frame each, so that the
 * parent keeps nothing in mind between them; who fetches asks for the next.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/receiver.h"
#include "core/router.h"

/* Bytes in one answer: as many as fit a frame besides the heads of the CBOR around them. */
#define RMT_FETCH_BYTES (RMT_FRAME_PAYLOAD_MAX - 32)

struct rmt_fetch {
	ramet_router *router;
	ramet_receiver receiver;
	struct rmt_deferred next;
	enum rmt_part part;
	char *name;
	bool asked; /* the receiver is in use */
	uint64_t total;
	struct rmt_buffer bytes; /* what has come */
	ramet_error error;       /* code 0: it is all there */
	/* Called by the loop, once. */
	void (*done)(struct rmt_fetch *fetch);
	void *data;
};

/* 0, and done() will be called; -ENOMEM; -ENOENT: there is no parent. */
int rmt_fetch_start(struct rmt_fetch *fetch, ramet_router *router, enum rmt_part part,
		    const char *name, void (*done)(struct rmt_fetch *fetch));

/* Frees what it holds, or gives up. Also for one that was zeroed and not started. */
void rmt_fetch_done(struct rmt_fetch *fetch);

/* Answers a request that arrived: `size` bytes in all, from `offset` on as many as fit. */
void rmt_fetch_answer(ramet_router *router, uint32_t requester, uint32_t reply, const void *data,
		      size_t size, uint64_t offset);
