/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/input.h"

#include <errno.h>
#include <string.h>

/* From this payload on, what is read stops behind the next header: then the frame that follows
 * starts a chunk of its own at the price of moving 32 bytes. Below it, one more read would cost
 * more than moving the piece of a frame that ends a chunk. */
#define LARGE_PAYLOAD 16384u

/* In a chunk with room for it, what is read stops one full frame later. */
#define ANOTHER (RMT_FRAME_PAYLOAD_MAX + RMT_FRAME_HEADER_SIZE)

/* A chunk with less room than this is left: reads of a few bytes each would cost more than a
 * fresh chunk does. */
#define ROOM_MIN 8192u

void rmt_input_init(struct rmt_input *input, struct rmt_chunk_pool *pool)
{
	*input = (struct rmt_input){.pool = pool};
}

void rmt_input_done(struct rmt_input *input)
{
	rmt_chunk_unref(input->chunk);
	rmt_chunk_unref(input->place_held);
	*input = (struct rmt_input){0};
}

/* Puts the bytes not yet taken at the start of a chunk that nobody else reads. */
static int make_room(struct rmt_input *input)
{
	const size_t pending = input->end - input->start;
	struct rmt_chunk *chunk = input->chunk;

	if (chunk && rmt_chunk_unshared(chunk)) {
		memmove(chunk->data, chunk->data + input->start, pending);
	} else {
		chunk = rmt_chunk_new(input->pool, RMT_INPUT_CHUNK);
		if (!chunk)
			return -ENOMEM;
		if (pending > 0)
			memcpy(chunk->data, input->chunk->data + input->start, pending);
		rmt_chunk_unref(input->chunk);
		input->chunk = chunk;
	}
	input->start = 0;
	input->end = pending;
	return 0;
}

static bool is_large(const struct rmt_input *input)
{
	return input->wanted >= RMT_FRAME_HEADER_SIZE + LARGE_PAYLOAD;
}

/* Also false when the chunk could be used from its start again, at no cost. */
static bool has_room(const struct rmt_input *input)
{
	const struct rmt_chunk *chunk = input->chunk;

	if (!chunk || input->wanted > chunk->capacity - input->start)
		return false;
	if (input->start == input->end && input->start > 0 && rmt_chunk_unshared(chunk))
		return false;
	return is_large(input) || chunk->capacity - input->end >= ROOM_MIN;
}

/* The rest of the payload, and of the header behind it. */
static int space_of_placed(struct rmt_input *input, struct iovec *ret_space)
{
	size_t pending = input->end - input->start;
	int r;

	if (input->chunk->capacity - input->start < 2 * RMT_FRAME_HEADER_SIZE) {
		r = make_room(input);
		if (r < 0)
			return r;
	}
	ret_space[0].iov_base = input->place + input->placed;
	ret_space[0].iov_len = input->wanted - RMT_FRAME_HEADER_SIZE - input->placed;
	ret_space[1].iov_base = input->chunk->data + input->end;
	ret_space[1].iov_len = 2 * RMT_FRAME_HEADER_SIZE - pending;
	return pending < 2 * RMT_FRAME_HEADER_SIZE ? 2 : 1;
}

int rmt_input_space(struct rmt_input *input, struct iovec ret_space[2])
{
	size_t room, limit = RMT_INPUT_CHUNK;
	int r;

	if (input->error < 0)
		return input->error;
	if (input->place)
		return space_of_placed(input, ret_space);
	if (!has_room(input)) {
		r = make_room(input);
		if (r < 0)
			return r;
	}

	room = input->chunk->capacity - input->end;
	if (is_large(input)) {
		limit = input->wanted - (input->end - input->start) + RMT_FRAME_HEADER_SIZE;
		if (room >= limit + ANOTHER)
			limit += ANOTHER;
	}
	ret_space->iov_base = input->chunk->data + input->end;
	ret_space->iov_len = room < limit ? room : limit;
	return 1;
}

void rmt_input_filled(struct rmt_input *input, size_t size)
{
	if (input->place) {
		size_t left = input->wanted - RMT_FRAME_HEADER_SIZE - input->placed;
		size_t there = size < left ? size : left;

		input->placed += there;
		size -= there;
	}
	input->end += size;
}

bool rmt_input_coming(const struct rmt_input *input, struct rmt_frame *ret_frame)
{
	return is_large(input) && !input->place && input->error == 0 &&
	       rmt_frame_decode(input->chunk->data + input->start, ret_frame) == 0;
}

void rmt_input_place(struct rmt_input *input, struct rmt_chunk *chunk, unsigned char *place)
{
	size_t payload = input->start + RMT_FRAME_HEADER_SIZE;

	input->place_held = rmt_chunk_ref(chunk);
	input->place = place;
	input->placed = input->end - payload;
	memcpy(place, input->chunk->data + payload, input->placed);
	input->end = payload;
}

void rmt_input_trim(struct rmt_input *input)
{
	if (input->start != input->end)
		return;
	input->chunk = rmt_chunk_unref(input->chunk);
	input->start = input->end = 0;
}

/* Nothing to hand out. A chunk that others hold stays, because letting go of it would free
 * nothing: the next small frames go behind those, instead of each holding a chunk of its own. */
static int need_more(struct rmt_input *input)
{
	if (input->chunk && rmt_chunk_unshared(input->chunk))
		rmt_input_trim(input);
	return 0;
}

/* The frame whose payload was placed: 1 when it is whole. */
static int next_placed(struct rmt_input *input, struct rmt_arrival *ret_arrival)
{
	unsigned char *header = input->chunk->data + input->start;

	if (input->placed < input->wanted - RMT_FRAME_HEADER_SIZE)
		return 0;
	rmt_frame_decode(header, &ret_arrival->frame);
	ret_arrival->chunk = input->place_held;
	ret_arrival->header = header;
	ret_arrival->payload = input->place;
	input->place = NULL;
	input->wanted = 0;
	input->start += RMT_FRAME_HEADER_SIZE;
	return 1;
}

int rmt_input_next(struct rmt_input *input, struct rmt_arrival *ret_arrival)
{
	const size_t pending = input->end - input->start;
	struct rmt_frame frame;
	unsigned char *header;
	int r;

	if (input->error < 0)
		return input->error;
	if (input->place)
		return next_placed(input, ret_arrival);
	if (input->place_held)
		input->place_held = rmt_chunk_unref(input->place_held);
	/* The frame under way is known and still incomplete. */
	if (pending < RMT_FRAME_HEADER_SIZE || pending < input->wanted)
		return need_more(input);

	header = input->chunk->data + input->start;
	r = rmt_frame_decode(header, &frame);
	if (r < 0) {
		input->error = r;
		return r;
	}

	input->wanted = RMT_FRAME_HEADER_SIZE + frame.length;
	if (pending < input->wanted)
		return 0;
	input->start += input->wanted;
	input->wanted = 0;

	ret_arrival->frame = frame;
	ret_arrival->chunk = input->chunk;
	ret_arrival->header = header;
	ret_arrival->payload = header + RMT_FRAME_HEADER_SIZE;
	return 1;
}

size_t rmt_input_peek(const struct rmt_input *input, const unsigned char **ret_data)
{
	if (!input->chunk)
		return 0;
	*ret_data = input->chunk->data + input->start;
	return input->end - input->start;
}

bool rmt_input_at_boundary(const struct rmt_input *input)
{
	return input->start == input->end;
}
