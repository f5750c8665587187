/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiving half of a stream: bytes in, frames out, no descriptor. It says where the next bytes
 * should be put, so that a large payload lands in the chunk in which it stays.
 *
 *	for (;;) {
 *		struct iovec space;
 *		rmt_input_space(&input, &space);
 *		ssize_t got = read(fd, space.iov_base, space.iov_len);
 *		...
 *		rmt_input_filled(&input, got);
 *		while ((r = rmt_input_next(&input, &arrival)) > 0)
 *			...
 *	}
 *
 * Small frames: many are read at once into one chunk and each arrival points into it. While the
 * payload of a large frame is incomplete, the space ends behind the next frame's header, or behind
 * the one after that, when there is room for a full frame more: that header alone moves on to a fresh
 * chunk, and a run of full frames is read without a copy. Header and payload always lie behind each
 * other.
 *
 * The payload of a large frame can also be read to where it is going to stay: while it is incomplete,
 * rmt_input_coming shows its header, and rmt_input_place says where.
 *
 * What was handed out is never written again while somebody holds its chunk. An input that holds no
 * bytes holds no chunk either (an idle stream costs nothing), with two exceptions: a chunk that
 * rmt_input_space gave may stay until something was read, and a chunk that others hold may stay
 * until rmt_input_trim, so that messages that come one by one and are kept share a chunk instead of
 * pinning one each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/chunk.h"
#include "wire/frame.h"

struct rmt_input {
	struct rmt_chunk_pool *pool; /* borrowed, may be NULL; RMT_INPUT_CHUNK or more a chunk */
	struct rmt_chunk *chunk;     /* bytes not yet taken: [start, end) of its data */
	size_t start, end;
	size_t wanted; /* bytes of the frame at start; 0: its header is not there yet */
	/* Where the payload of the frame at start goes, NULL: behind its header; then its header is
	 * followed by the bytes behind the frame. */
	unsigned char *place;
	size_t placed;                /* bytes of it that are there */
	struct rmt_chunk *place_held; /* in which it lies, up to the call after its arrival */
	int error;                    /* sticky */
};

/* Room for a header and a full payload in one chunk, rounded up. */
#define RMT_INPUT_CHUNK (RMT_FRAME_HEADER_SIZE + RMT_FRAME_PAYLOAD_MAX + 32u)

/* One frame that has arrived whole. header points at its raw 32 bytes, payload behind it at
 * frame.length bytes. The next arrival lies right behind this one when it is in the same chunk
 * and its header is where this payload ends: a router forwards such a run with one write. A payload
 * that was placed lies there, and chunk is the one given then; its header lies elsewhere. The
 * pointers are good as long as a reference to chunk is held; chunk is borrowed until the next
 * call on the input. */
struct rmt_arrival {
	struct rmt_frame frame;
	struct rmt_chunk *chunk;
	const unsigned char *header;
	const unsigned char *payload;
};

void rmt_input_init(struct rmt_input *input, struct rmt_chunk_pool *pool);
void rmt_input_done(struct rmt_input *input);

/* Where to read to, once rmt_input_next has returned 0: the number of pieces in ret_space, none of
 * them empty, which is 1 unless a payload was placed; or -ENOMEM, or the sticky error. */
int rmt_input_space(struct rmt_input *input, struct iovec ret_space[2]);

/* That many bytes were put there, in order. */
void rmt_input_filled(struct rmt_input *input, size_t size);

/* 1: *ret_arrival is the next frame; 0: more bytes are needed; negative (sticky): what
 * rmt_frame_decode said. */
int rmt_input_next(struct rmt_input *input, struct rmt_arrival *ret_arrival);

/* True when the next frame is a large one of which the header is there, but not all, and which has
 * no place yet: *ret_frame is what its header says. */
bool rmt_input_coming(const struct rmt_input *input, struct rmt_frame *ret_frame);

/* Has the payload of that frame put at place, which lies in chunk; what is there of it already is
 * copied. Takes a reference. Nobody else writes there until the frame has arrived. */
void rmt_input_place(struct rmt_input *input, struct rmt_chunk *chunk, unsigned char *place);

/* Lets go of the chunk if no byte is pending: for a stream that is going to be idle. */
void rmt_input_trim(struct rmt_input *input);

/* The bytes not yet taken, for a message about an error: returns how many, *ret_data is where
 * they start. */
size_t rmt_input_peek(const struct rmt_input *input, const unsigned char **ret_data);

/* True when the stream may end here: not in the middle of a frame. */
bool rmt_input_at_boundary(const struct rmt_input *input);
