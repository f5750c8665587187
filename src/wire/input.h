/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiving half of a stream: bytes in, frames out, no descriptor. It says where the next bytes should be put,
 * so that a large payload lands in the chunk in which it stays.
 *
 *	for (;;) {
 *		struct iovec space[2];
 *		int n = rmt_input_space(&input, space);
 *		ssize_t got = readv(fd, space, n);
 *		...
 *		rmt_input_filled(&input, got);
 *		while ((r = rmt_input_next(&input, &arrival)) > 0)
 *			...
 *	}
 *
 * Small frames: many are read at once into one chunk and each arrival points into it. A frame with a large payload
 * gets a chunk of its own; while its payload is incomplete, space is { the rest of the payload, a header's worth },
 * so that a run of full frames is read without a copy. An input that holds no bytes holds no chunk either (an idle
 * stream costs nothing), except that a chunk handed out by rmt_input_space may stay until something was read.
 */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

#include "base/chunk.h"
#include "wire/frame.h"

struct rmt_input {
	struct rmt_chunk_pool *pool; /* borrowed; chunk capacity at least RMT_INPUT_CHUNK */
	struct rmt_chunk *chunk;     /* bytes not yet taken: [start, end) of its data */
	size_t start, end;
	struct rmt_chunk *payload;   /* of the large frame under way, or NULL */
	size_t payload_filled;
	struct rmt_frame frame;      /* header of that frame */
	unsigned char header[RMT_FRAME_HEADER_SIZE]; /* raw header of that frame */
	int error;                   /* sticky */
};

/* Room for a header and a full payload in one chunk, rounded up. */
#define RMT_INPUT_CHUNK (RMT_FRAME_HEADER_SIZE + RMT_FRAME_PAYLOAD_MAX + 32u)

/* One frame that has arrived whole. header points at its raw 32 bytes, payload at frame.length bytes. When
 * contiguous is set, header and payload lie behind each other in memory and so do, in turn, the following contiguous
 * arrivals with the same chunk: a router forwards a run of them with one write. The pointers are good as long as a
 * reference to chunk is held; chunk is borrowed until the next call on the input. */
struct rmt_arrival {
	struct rmt_frame frame;
	struct rmt_chunk *chunk;
	const unsigned char *header;
	const unsigned char *payload;
	bool contiguous;
};

void rmt_input_init(struct rmt_input *input, struct rmt_chunk_pool *pool);
void rmt_input_done(struct rmt_input *input);

/* Where to read to: fills 1 or 2 iovecs and returns how many, or -ENOMEM. */
int rmt_input_space(struct rmt_input *input, struct iovec space[2]);

/* That many bytes were put there, in order. */
void rmt_input_filled(struct rmt_input *input, size_t size);

/* 1: *ret_arrival is the next frame; 0: more bytes are needed; negative (sticky): what rmt_frame_decode said, or
 * -ENOMEM. */
int rmt_input_next(struct rmt_input *input, struct rmt_arrival *ret_arrival);

/* The bytes at which decoding stopped, for an error message: at most size, returns how many. */
size_t rmt_input_peek(const struct rmt_input *input, const unsigned char **ret_data);

/* True when the stream may end here: not in the middle of a frame. */
bool rmt_input_at_boundary(const struct rmt_input *input);
