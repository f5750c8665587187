/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/assembly.h"

#include <errno.h>
#include <string.h>

/* What the frames of one message have in common: they say who speaks to whom, and what the
 * payload is. */
#define SHARED_FLAGS (RMT_FRAME_ERROR | RMT_FRAME_RAW | RMT_FRAME_COUNTED)

void rmt_assembly_init(struct rmt_assembly *assembly)
{
	*assembly = (struct rmt_assembly){0};
}

void rmt_assembly_done(struct rmt_assembly *assembly)
{
	rmt_chunk_unref(assembly->chunk);
	rmt_assembly_init(assembly);
}

static bool same_message(const struct rmt_frame *first, const struct rmt_frame *frame)
{
	return (first->flags & SHARED_FLAGS) == (frame->flags & SHARED_FLAGS) &&
	       first->destination == frame->destination && first->source == frame->source &&
	       first->authority == frame->authority && first->handle == frame->handle &&
	       first->reply == frame->reply;
}

/* Doubles the room, so that a message is moved a few times at most and never holds more than
 * twice what came; the end is announced, so nothing is wasted there. */
static int make_room(struct rmt_assembly *assembly, size_t needed)
{
	struct rmt_chunk *chunk = assembly->chunk;
	size_t capacity = needed;

	if (chunk && needed <= chunk->capacity)
		return 0;
	if (chunk && capacity < 2 * chunk->capacity)
		capacity = 2 * chunk->capacity;
	if (capacity > assembly->total)
		capacity = assembly->total;

	chunk = chunk ? rmt_chunk_grow(chunk, capacity) : rmt_chunk_new(NULL, capacity);
	if (!chunk)
		return -ENOMEM;
	assembly->chunk = chunk;
	return 0;
}

static int check(const struct rmt_assembly *assembly, const struct rmt_frame *frame, size_t limit)
{
	const bool more = frame->flags & RMT_FRAME_MORE;

	if (frame->flags & RMT_FRAME_ABORT)
		return -ECANCELED;
	if (!(frame->flags & RMT_FRAME_CONTINUES)) {
		if (assembly->chunk || !more || frame->length >= frame->total)
			return -EBADMSG;
		return frame->total > limit ? -EMSGSIZE : 0;
	}
	if (!assembly->chunk || !same_message(&assembly->first, frame) ||
	    frame->total != assembly->size)
		return -EBADMSG;
	if (frame->length > assembly->total - assembly->size)
		return -EBADMSG;
	/* The last frame ends the message, no other does. */
	if (more != (frame->length < assembly->total - assembly->size))
		return -EBADMSG;
	return assembly->total > limit ? -EMSGSIZE : 0;
}

int rmt_assembly_add(struct rmt_assembly *assembly, const struct rmt_frame *frame,
		     const void *payload, size_t limit, struct rmt_chunk **ret_chunk,
		     struct rmt_frame *ret_first)
{
	int r = check(assembly, frame, limit);

	if (r == 0 && !(frame->flags & RMT_FRAME_CONTINUES)) {
		assembly->total = frame->total;
		assembly->first = *frame;
	}
	if (r == 0)
		r = make_room(assembly, assembly->size + frame->length);
	if (r < 0) {
		rmt_assembly_done(assembly);
		return r;
	}

	memcpy(assembly->chunk->data + assembly->size, payload, frame->length);
	assembly->size += frame->length;
	if (assembly->size < assembly->total)
		return 0;

	*ret_chunk = assembly->chunk;
	*ret_first = assembly->first;
	rmt_assembly_init(assembly);
	return 1;
}
