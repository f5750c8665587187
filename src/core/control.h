/* SPDX-License-Identifier: BSD-3-Clause */
/* Control messages: what contexts say to each other besides calls and data. docs/protocol.md lists
 * them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
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

/* True when a control message speaks of a flow, so that its authority says whose that is. */
bool rmt_control_is_about_flow(const unsigned char *data, size_t size);

void rmt_control_cancel(ramet_router *router, uint32_t destination, uint32_t reply);
void rmt_control_reset(ramet_router *router, uint32_t destination, uint32_t chain);
void rmt_control_shutdown(ramet_router *router, uint32_t destination, int ms);
void rmt_control_level(ramet_router *router, uint32_t destination, enum ramet_log_level level);

/* To a neighbour. */
void rmt_control_ping(ramet_router *router, uint32_t destination);
void rmt_control_pong(ramet_router *router, uint32_t destination);
void rmt_control_given(ramet_router *router, uint32_t destination, uint32_t handle,
		       uint32_t context);

/* ms: also one of these. */
#define RMT_UNHOLD (-1) /* one holder less */
#define RMT_KEEP (-2)   /* it stays, also when nobody holds it */
void rmt_control_release(ramet_router *router, uint32_t destination, uint32_t id, int ms);

/* To a tree that was joined, or from one that ends to a guest: what is sent before this arrives, then it
 * closes. */
void rmt_control_leave(struct rmt_stream *stream);

/* Tells a neighbour. */
void rmt_control_gone(struct rmt_stream *stream, const uint32_t (*ranges)[2], size_t count,
		      const char *reason);

/* [operation, a, b], and any message that was put together. A loss of it is the loss of the
 * destination: it would leave somebody waiting for ever. */
void rmt_control_pair(ramet_router *router, uint32_t destination, enum rmt_operation operation,
		      uint64_t a, uint64_t b);
void rmt_control_send(ramet_router *router, uint32_t destination, struct rmt_buffer *out);

/* To a neighbour, behind all that waits for it. */
void rmt_control_behind(struct rmt_stream *stream, struct rmt_buffer *out);

/* One of those that rmt_parent_hooks.control is there for has arrived, and may be obeyed. Cold. */
void rmt_control_parent(ramet_router *router, struct rmt_stream *stream,
			const struct rmt_frame *frame, const unsigned char *data);

/* True for one that is worth it to fetch what is cold; others make no sense without it. */
bool rmt_control_is_worth(const unsigned char *data, size_t size);
