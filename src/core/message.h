/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages: sending them from here, and what arrives here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/router.h"

/* A whole message that has arrived for this context. */
struct rmt_message {
	struct rmt_frame frame;  /* header of its first frame */
	struct rmt_chunk *chunk; /* a reference, or NULL for an empty one */
	const unsigned char *data;
	size_t size;
	size_t owed; /* credit that its sender gets back when it is consumed */
	/* who is charged for its memory, see account.h; NULL: nobody */
	struct rmt_account *account;
};

/* Up to so many bytes are copied out of the chunk that they came in: one read
 * brings hundreds of small messages, and a chunk of 128 KiB, for which nobody is charged, should not
 * stay for one of them. Larger byte strings are not copied when they are decoded, either. */
#define RMT_MESSAGE_SMALL 4096

/*
 * Sends a message that fits one frame, without flow control: for what answers something, and for
 * control. The caller sets destination, handle, reply and flags of the frame; it speaks for this
 * context. A destination that
 * cannot be reached is answered like any other, with a dead letter. 0, -EMSGSIZE or -ENOMEM.
 */
int rmt_send_frame(ramet_router *router, struct rmt_frame *frame, const void *data, size_t size,
		   bool gather);

/* The same in place of `authority`, a context that cannot be reached or does not take a message: only
 * those on the way to it may say so. */
int rmt_send_frame_for(ramet_router *router, uint32_t authority, struct rmt_frame *frame,
		       const void *data, size_t size, bool gather);

/* An answer for which there is no memory: whoever waits for it must not wait for ever. Here its call
 * fails; on the way to another context the stream does. */
void rmt_answer_lost(ramet_router *router, uint32_t destination, uint32_t handle);

/* Encodes a failure and sends it as an answer. */
void rmt_send_failure(ramet_router *router, uint32_t destination, uint32_t handle, int code,
		      const char *where, const char *text, bool gather);
void rmt_send_failure_for(ramet_router *router, uint32_t authority, uint32_t destination,
			  uint32_t handle, int code, const char *where, const char *text,
			  bool gather);

/* Sends a control message: the content of out, which is then reset. */
void rmt_send_control(ramet_router *router, uint32_t destination, struct rmt_buffer *out);

/* A frame that arrived is for this context. `stream` is NULL when it was sent here, too. */
void rmt_deliver(ramet_router *router, struct rmt_stream *stream, const struct rmt_frame *frame,
		 struct rmt_chunk *chunk, const unsigned char *payload);
