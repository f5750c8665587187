/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sending half of a stream: what could not be written at once waits here, and leaves in a fair
 * order. No descriptor in here.
 *
 * Three classes: control before calls before bulk. Within a class, flows take turns, one frame
 * each: a flow hashes to one of RMT_OUTPUT_LANES queues (stochastic fairness queueing, McKenney
 * 1990), so frames of one flow never overtake each other, no state is kept for a flow, and an idle
 * stream has no queues at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/chunk.h"
#include "wire/frame.h"

enum rmt_class { RMT_CLASS_CONTROL, RMT_CLASS_CALL, RMT_CLASS_BULK, RMT_CLASS_COUNT };

#define RMT_OUTPUT_LANES 32u

struct rmt_outgoing;
struct rmt_lanes;

struct rmt_output {
	struct rmt_lanes *lanes; /* NULL while nothing waits */
	/* its first bytes are written already: nothing goes before the rest */
	struct rmt_outgoing *current;
	size_t bytes; /* all that waits, headers too */
	size_t peak;  /* the most that it ever was */
};

void rmt_output_init(struct rmt_output *output);
void rmt_output_done(struct rmt_output *output);

static inline bool rmt_output_empty(const struct rmt_output *output)
{
	return output->bytes == 0;
}

/* The class and the lane of a frame, by what it is for. */
enum rmt_class rmt_output_class(const struct rmt_frame *frame);

/*
 * Queues a frame: header, then frame->length bytes of payload. With a chunk, payload lies in it and
 * a reference is taken; without one it is copied. 0 or -ENOMEM.
 */
int rmt_output_push(struct rmt_output *output, const struct rmt_frame *frame,
		    const unsigned char header[RMT_FRAME_HEADER_SIZE], const void *payload,
		    struct rmt_chunk *chunk);

/* Queues a frame, copied, behind all that waits now, whatever its class: what it says is true only
 * after those. 0 or -ENOMEM. */
int rmt_output_push_behind(struct rmt_output *output, const struct rmt_frame *frame,
			   const unsigned char header[RMT_FRAME_HEADER_SIZE], const void *payload);

/*
 * Queues the rest of what a direct write could not place: it goes before everything else. Only when
 * there is no current entry. Up to two pieces; with a chunk, data lies in it and a reference is
 * taken, without one both are copied. 0 or -ENOMEM.
 */
int rmt_output_push_rest(struct rmt_output *output, const void *head, size_t head_size,
			 const void *data, size_t size, struct rmt_chunk *chunk);

/* What to write next: fills at most max iovecs (at least 2) and returns how many. */
int rmt_output_next(struct rmt_output *output, struct iovec *space, int max);

/* So many bytes of what rmt_output_next gave were written. */
void rmt_output_written(struct rmt_output *output, size_t size);
