/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiving half of a stream: however the bytes are cut into reads, the same frames, messages
 * and errors come out, and what was handed out does not change while it is held.
 *
 * The input: one byte that says what the rest is (odd: bytes of a stream; even: short records, each
 * of which becomes a frame, because a fuzzer does not find 32 bytes of header by chance), eight
 * bytes that seed the cuts, the rest.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "wire/assembly.h"
#include "wire/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

enum {
	FLOWS = 4,
	HELD_MAX = 64,
	STREAM_MAX = 1 << 20,
	RECORD_SIZE = 8,
	MESSAGE_LIMIT = 200000,
};

struct held {
	struct rmt_arrival arrival;
	uint64_t sum;
};

struct run {
	struct rmt_input input;
	struct rmt_assembly flows[FLOWS];
	struct held held[HELD_MAX];
	unsigned held_count;
	uint64_t seed; /* 0: as large reads as there is space for, nothing held */
	uint64_t sum;  /* of all that came out */
	size_t frames;
	int error;
};

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t add_to_sum(uint64_t sum, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static uint64_t sum_of(const struct rmt_arrival *arrival)
{
	return add_to_sum(0, arrival->header, RMT_FRAME_HEADER_SIZE + arrival->frame.length);
}

/* --- making a stream ------------------------------------------------------------------------ */

/* Flags, length (2 bytes, scaled by 2), how total follows from length, its amount (2 bytes),
 * handle. */
static void add_frame(struct rmt_buffer *stream, const uint8_t record[RECORD_SIZE])
{
	struct rmt_frame frame = {
		.flags = record[0] & RMT_FRAME_FLAGS_KNOWN,
		.length = (record[1] | (uint32_t)record[2] << 8) << (record[3] & 1),
		.handle = record[6] % FLOWS,
		.reply = record[7] >> 7,
	};
	const uint32_t amount = record[4] | (uint32_t)record[5] << 8;
	unsigned char header[RMT_FRAME_HEADER_SIZE];
	unsigned char *payload;

	if (frame.length > RMT_FRAME_PAYLOAD_MAX)
		frame.length = RMT_FRAME_PAYLOAD_MAX;
	if (stream->size + frame.length > STREAM_MAX)
		return;
	frame.total = (record[3] & 2 ? amount : frame.length + amount) << (record[3] >> 2 & 3);
	rmt_frame_encode(&frame, header);
	rmt_buffer_append(stream, header, sizeof(header));
	payload = rmt_buffer_reserve(stream, frame.length);
	if (!payload)
		return;
	memset(payload, record[7], frame.length);
	stream->size += frame.length;
}

/* --- running it ----------------------------------------------------------------------------- */

static void run_drop_held(struct run *run)
{
	for (unsigned i = 0; i < run->held_count; i++) {
		CHECK(sum_of(&run->held[i].arrival) == run->held[i].sum);
		rmt_chunk_unref(run->held[i].arrival.chunk);
	}
	run->held_count = 0;
}

static void run_hold(struct run *run, const struct rmt_arrival *arrival)
{
	if (!run->seed || draw(&run->seed) & 1)
		return;
	if (run->held_count == HELD_MAX)
		run_drop_held(run);
	rmt_chunk_ref(arrival->chunk);
	run->held[run->held_count++] = (struct held){*arrival, sum_of(arrival)};
}

static void run_assemble(struct run *run, const struct rmt_arrival *arrival)
{
	struct rmt_assembly *flow = &run->flows[arrival->frame.handle % FLOWS];
	struct rmt_chunk *chunk = NULL;
	struct rmt_frame first;
	const int r = rmt_assembly_add(flow, &arrival->frame, arrival->chunk, arrival->payload,
				       MESSAGE_LIMIT, &chunk, &first);

	run->sum = add_to_sum(run->sum, &r, sizeof(r));
	CHECK((r > 0) == (chunk != NULL));
	CHECK((r == 0) == (flow->chunk != NULL));
	if (r <= 0)
		return;
	CHECK(first.total <= MESSAGE_LIMIT && first.total <= chunk->capacity);
	run->sum = add_to_sum(run->sum, chunk->data, first.total);
	rmt_chunk_unref(chunk);
}

static void run_take(struct run *run)
{
	struct rmt_arrival arrival;

	while ((run->error = rmt_input_next(&run->input, &arrival)) > 0) {
		CHECK(arrival.payload == arrival.header + RMT_FRAME_HEADER_SIZE);
		CHECK(arrival.header >= arrival.chunk->data);
		CHECK(arrival.payload + arrival.frame.length <=
		      arrival.chunk->data + arrival.chunk->capacity);
		run->sum = add_to_sum(run->sum, arrival.header,
				      RMT_FRAME_HEADER_SIZE + arrival.frame.length);
		run->frames++;
		if (arrival.frame.flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES))
			run_assemble(run, &arrival);
		run_hold(run, &arrival);
	}
	if (run->seed && draw(&run->seed) % 8 == 0)
		run_drop_held(run);
	if (run->seed && draw(&run->seed) % 8 == 0)
		rmt_input_trim(&run->input);
}

static void run_stream(struct run *run, struct rmt_chunk_pool *pool, const unsigned char *data,
		       size_t size)
{
	size_t position = 0;

	rmt_input_init(&run->input, pool);
	while (position < size && run->error >= 0) {
		struct iovec space[2];
		size_t step = size - position;

		CHECK(rmt_input_space(&run->input, space) == 1);
		CHECK(space[0].iov_len > 0);
		if (step > space[0].iov_len)
			step = space[0].iov_len;
		if (run->seed) {
			const size_t limit = (size_t)1 << draw(&run->seed) % 18;
			const size_t piece = 1 + draw(&run->seed) % limit;

			step = step < piece ? step : piece;
		}
		memcpy(space[0].iov_base, data + position, step);
		rmt_input_filled(&run->input, step);
		position += step;
		run_take(run);
	}
	CHECK(run->error <= 0);
}

static void run_done(struct run *run)
{
	run_drop_held(run);
	for (int i = 0; i < FLOWS; i++)
		rmt_assembly_done(&run->flows[i]);
	rmt_input_done(&run->input);
}

static void compare(const unsigned char *data, size_t size, uint64_t seed)
{
	struct rmt_chunk_pool *pool = rmt_chunk_pool_new(RMT_INPUT_CHUNK, 4);
	struct run *whole = calloc(1, sizeof(*whole)), *cut = calloc(1, sizeof(*cut));

	CHECK(pool && whole && cut);
	cut->seed = seed | 1;
	run_stream(whole, pool, data, size);
	run_stream(cut, pool, data, size);

	CHECK(whole->error == cut->error);
	CHECK(whole->frames == cut->frames);
	CHECK(whole->sum == cut->sum);
	CHECK(rmt_input_at_boundary(&whole->input) == rmt_input_at_boundary(&cut->input) ||
	      whole->error < 0);

	/* The input goes first: what is held does not need it, nor the pool. */
	rmt_input_done(&cut->input);
	rmt_chunk_pool_unref(pool);
	run_done(whole);
	run_done(cut);
	free(whole);
	free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rmt_buffer stream = RMT_BUFFER_INIT;
	uint64_t seed;

	if (size < 1 + sizeof(seed))
		return 0;
	memcpy(&seed, data + 1, sizeof(seed));
	if (data[0] & 1) {
		rmt_buffer_append(&stream, data + 1 + sizeof(seed), size - 1 - sizeof(seed));
	} else {
		for (size_t i = 1 + sizeof(seed); i + RECORD_SIZE <= size; i += RECORD_SIZE)
			add_frame(&stream, data + i);
	}
	if (stream.error == 0)
		compare(stream.data, stream.size, seed);
	rmt_buffer_done(&stream);
	return 0;
}
