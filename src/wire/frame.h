/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frame: a fixed little-endian header of 32 bytes, then at most 64 KiB of payload. A message is
 * one frame, or a first frame and continuations in order. docs/protocol.md is normative.
 *
 *	offset size
 *	0      2    magic 0x52 0x6d ("Rm")
 *	2      1    protocol version
 *	3      1    flags
 *	4      4    length of the payload in this frame
 *	8      4    destination context
 *	12     4    source context
 *	16     4    authority: the context on whose behalf the source acts
 *	20     4    handle at the destination
 *	24     4    handle at the source for a reply, 0 for none
 *	28     4    first frame: bytes of the whole message;
 *	            continuation: offset of this payload in the message
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

#define RMT_PROTOCOL_VERSION 1

enum rmt_frame_flags {
	RMT_FRAME_MORE = 1 << 0,      /* continuations follow */
	RMT_FRAME_CONTINUES = 1 << 1, /* not the first frame of its message */
	RMT_FRAME_ERROR = 1 << 2,     /* the payload is an error, the end of what was asked for */
	RMT_FRAME_END = 1 << 3,       /* the source sends nothing more to this handle; no payload */
	RMT_FRAME_RAW = 1 << 4,       /* the payload is plain bytes, not CBOR */
	RMT_FRAME_COUNTED = 1 << 5,   /* charged to the flow's credit, granted back when consumed */
	RMT_FRAME_ABORT = 1 << 6,     /* with CONTINUES: the rest will not come; no payload */
	RMT_FRAME_FLAGS_KNOWN = (1 << 7) - 1,
};

struct rmt_frame {
	uint8_t flags;
	uint32_t length;
	uint32_t destination;
	uint32_t source;
	uint32_t authority;
	uint32_t handle;
	uint32_t reply;
	uint32_t total; /* or offset, when RMT_FRAME_CONTINUES */
};

/* docs/protocol.md has the table of legal combinations: END stands alone, ABORT with CONTINUES
 * only, ERROR excludes RAW, a frame with MORE or CONTINUES has a payload (unless it is an
 * ABORT). */

/* Writes the header of `frame` to out. */
void rmt_frame_encode(const struct rmt_frame *frame, unsigned char out[RMT_FRAME_HEADER_SIZE]);

/* Reads a header. 0; -EBADMSG: no frame starts here (magic, unknown flag, flags that contradict
 * each other, length over the limit, length against total); -EPROTONOSUPPORT: a frame of another
 * protocol version. */
int rmt_frame_decode(const unsigned char in[RMT_FRAME_HEADER_SIZE], struct rmt_frame *ret_frame);
