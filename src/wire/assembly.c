/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/assembly.h"

#include <errno.h>
#include <string.h>

/* What the frames of one message have in common: they say who speaks to whom, and what the
 * payload is. */
#define SHARED_FLAGS (RMT_FRAME_ERROR | RMT_FRAME_RAW | RMT_FRAME_COUNTED)

/* From this payload on, a first frame may take a chunk of the pool. */
#define LARGE_PAYLOAD 16384u

void rmt_assembly_init(struct rmt_assembly *assembly, struct rmt_chunk_pool *pool)
{
	*assembly = (struct rmt_assembly){.pool = pool};
}

void rmt_assembly_done(struct rmt_assembly *assembly)
{
	rmt_chunk_unref(assembly->chunk);
	rmt_assembly_init(assembly, assembly->pool);
}

static bool same_message(const struct rmt_frame *first, const struct rmt_frame *frame)
{
	return (first->flags & SHARED_FLAGS) == (frame->flags & SHARED_FLAGS) &&
	       first->destination == frame->destination && first->source == frame->source &&
	       first->authority == frame->authority && first->handle == frame->handle &&
	       first->reply == frame->reply;
}

static struct rmt_chunk *first_chunk(const struct rmt_assembly *assembly,
				     const struct rmt_frame *frame)
{
	if (frame->length >= LARGE_PAYLOAD && frame->total <= RMT_ASSEMBLY_CHUNK && assembly->pool)
		return rmt_chunk_new(assembly->pool, RMT_ASSEMBLY_CHUNK);
	return rmt_chunk_new(NULL, frame->length);
}

/* Doubles the room, so that a message is moved a few times at most and never holds more than
 * twice what came; the end is announced, so nothing is wasted there. */
static int make_room(struct rmt_assembly *assembly, size_t needed)
{
	struct rmt_chunk *chunk = assembly->chunk;
	size_t capacity = needed;

	if (needed <= chunk->capacity)
		return 0;
	if (capacity < 2 * chunk->capacity)
		capacity = 2 * chunk->capacity;
	if (capacity > assembly->total)
		capacity = assembly->total;

	chunk = rmt_chunk_grow(chunk, capacity);
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

unsigned char *rmt_assembly_place(struct rmt_assembly *assembly, const struct rmt_frame *frame,
				  size_t limit, struct rmt_chunk **ret_chunk)
{
	struct rmt_chunk *chunk;

	if (check(assembly, frame, limit) < 0)
		return NULL;
	if (!(frame->flags & RMT_FRAME_CONTINUES)) {
		chunk = first_chunk(assembly, frame);
		if (!chunk)
			return NULL;
		*ret_chunk = chunk;
		return chunk->data;
	}
	if (make_room(assembly, assembly->size + frame->length) < 0)
		return NULL;
	*ret_chunk = rmt_chunk_ref(assembly->chunk);
	return assembly->chunk->data + assembly->size;
}

/* Makes this the first frame. A header lies before a payload, unless that was placed. */
static int begin(struct rmt_assembly *assembly, const struct rmt_frame *frame,
		 struct rmt_chunk *chunk, const void *payload)
{
	assembly->chunk = payload == chunk->data ? rmt_chunk_ref(chunk)
						 : first_chunk(assembly, frame);
	assembly->total = frame->total;
	assembly->first = *frame;
	return assembly->chunk ? 0 : -ENOMEM;
}

int rmt_assembly_add(struct rmt_assembly *assembly, const struct rmt_frame *frame,
		     struct rmt_chunk *chunk, const void *payload, size_t limit,
		     struct rmt_chunk **ret_chunk, struct rmt_frame *ret_first)
{
	int r = check(assembly, frame, limit);
	unsigned char *to;

	if (r == 0)
		r = frame->flags & RMT_FRAME_CONTINUES
			    ? make_room(assembly, assembly->size + frame->length)
			    : begin(assembly, frame, chunk, payload);
	if (r < 0) {
		rmt_assembly_done(assembly);
		return r;
	}

	to = assembly->chunk->data + assembly->size;
	if (to != payload)
		memcpy(to, payload, frame->length);
	assembly->size += frame->length;
	if (assembly->size < assembly->total)
		return 0;

	*ret_chunk = assembly->chunk;
	*ret_first = assembly->first;
	rmt_assembly_init(assembly, assembly->pool);
	return 1;
}
