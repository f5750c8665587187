/* SPDX-License-Identifier: BSD-3-Clause */
/* Control messages: what contexts say to each other besides calls and data. docs/protocol.md lists
 * them. */
#pragma once

#include <stdint.h>

#include "core/router.h"

/* A control message has arrived. `stream` is NULL when it was sent here, too. */
void rmt_control_arrived(ramet_router *router, struct rmt_stream *stream,
			 const struct rmt_frame *frame, const unsigned char *data);

/* In the name of `authority`, which is this context, or one that does not get what was sent to it. */
void rmt_control_credit(ramet_router *router, uint32_t authority, uint32_t destination,
			uint32_t handle, uint64_t bytes);

/* Nobody reads at that handle of `authority`, which is this context, or one that is not there. */
void rmt_control_closed(ramet_router *router, uint32_t authority, uint32_t destination,
			uint32_t handle, int code, const char *text);
void rmt_control_cancel(ramet_router *router, uint32_t destination, uint32_t reply);
void rmt_control_reset(ramet_router *router, uint32_t destination, uint32_t chain);
void rmt_control_shutdown(ramet_router *router, uint32_t destination, int ms);
void rmt_control_given(ramet_router *router, uint32_t destination, uint32_t handle,
		       uint32_t context);

/* ms < 0: one holder less. */
void rmt_control_release(ramet_router *router, uint32_t destination, uint32_t id, int ms);

/* Tells a neighbour. */
void rmt_control_gone(struct rmt_stream *stream, const uint32_t (*ranges)[2], size_t count,
		      const char *reason);

/* Takes `count` consecutive ids for children: 0, and *ret_first is the first; -EAGAIN: they were
 * asked for, hooks-> ids_ready will be called; -ENOSPC: the tree has none left. */
int rmt_ids_take(ramet_router *router, uint32_t count, uint32_t *ret_first);

void rmt_ids_done(ramet_router *router);
