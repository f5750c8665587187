/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/input.h"

enum { FRAMES_MAX = 4096 };

/* What a peer sends: frames one behind the other, and where each starts. */
struct stream {
	unsigned char *data;
	size_t size;
	size_t starts[FRAMES_MAX];
	uint32_t lengths[FRAMES_MAX];
	unsigned count;
};

/* Where pieces of the stream were put: what the kernel would have written to. */
struct landing {
	size_t offset, size;
	const unsigned char *at;
};

struct run {
	struct rmt_input input;
	struct landing *landings;
	size_t landing_count, landing_capacity;
	struct rmt_arrival *arrivals;
	unsigned count;
	bool hold; /* a reference to each arrival's chunk */
};

static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* --- making a stream ------------------------------------------------------------------------ */

static void stream_add(struct stream *stream, uint32_t length)
{
	const struct rmt_frame frame = {
		.flags = RMT_FRAME_RAW,
		.length = length,
		.total = length,
		.handle = stream->count,
	};
	unsigned char *payload;

	stream->data = realloc(stream->data, stream->size + RMT_FRAME_HEADER_SIZE + length);
	assert_non_null(stream->data);
	rmt_frame_encode(&frame, stream->data + stream->size);
	payload = stream->data + stream->size + RMT_FRAME_HEADER_SIZE;
	for (uint32_t i = 0; i < length; i++)
		payload[i] = (unsigned char)(i * 131 + (i >> 8) + stream->count * 17);
	stream->starts[stream->count] = stream->size;
	stream->lengths[stream->count] = length;
	stream->size += RMT_FRAME_HEADER_SIZE + length;
	stream->count++;
}

static struct stream stream_of(unsigned count, const uint32_t *lengths)
{
	struct stream stream = {0};

	for (unsigned i = 0; i < count; i++)
		stream_add(&stream, lengths[i]);
	return stream;
}

static struct stream stream_mixed(unsigned count)
{
	struct stream stream = {0};

	for (unsigned i = 0; i < count; i++) {
		switch (draw() % 6) {
		case 0:
			stream_add(&stream, RMT_FRAME_PAYLOAD_MAX);
			break;
		case 1:
			stream_add(&stream, (uint32_t)(draw() % (RMT_FRAME_PAYLOAD_MAX + 1)));
			break;
		case 2:
			stream_add(&stream, 0);
			break;
		default:
			stream_add(&stream, (uint32_t)(draw() % 3000));
		}
	}
	return stream;
}

static void stream_free(struct stream *stream)
{
	free(stream->data);
}

/* --- feeding it ----------------------------------------------------------------------------- */

static void run_init(struct run *run, struct rmt_chunk_pool *pool, bool hold)
{
	*run = (struct run){.hold = hold,
			    .arrivals = calloc(FRAMES_MAX, sizeof(struct rmt_arrival))};
	rmt_input_init(&run->input, pool);
}

static void run_done(struct run *run)
{
	for (unsigned i = 0; run->hold && i < run->count; i++)
		rmt_chunk_unref(run->arrivals[i].chunk);
	rmt_input_done(&run->input);
	free(run->arrivals);
	free(run->landings);
}

static void note_landing(struct run *run, size_t offset, size_t size, const unsigned char *at)
{
	if (run->landing_count == run->landing_capacity) {
		run->landing_capacity = run->landing_capacity ? 2 * run->landing_capacity : 64;
		run->landings = realloc(run->landings,
					run->landing_capacity * sizeof(run->landings[0]));
		assert_non_null(run->landings);
	}
	run->landings[run->landing_count++] = (struct landing){offset, size, at};
}

/* Where the byte at offset was put when it was read. */
static const unsigned char *landed_at(const struct run *run, size_t offset)
{
	for (size_t i = 0; i < run->landing_count; i++)
		if (offset - run->landings[i].offset < run->landings[i].size)
			return run->landings[i].at + (offset - run->landings[i].offset);
	return NULL;
}

static void check_arrival(const struct stream *stream, unsigned index,
			  const struct rmt_arrival *arrival)
{
	const unsigned char *sent = stream->data + stream->starts[index];

	assert_true(index < stream->count);
	assert_int_equal(arrival->frame.handle, index);
	assert_int_equal(arrival->frame.length, stream->lengths[index]);
	assert_ptr_equal(arrival->payload, arrival->header + RMT_FRAME_HEADER_SIZE);
	assert_true(arrival->header >= arrival->chunk->data);
	assert_true(arrival->payload + arrival->frame.length <=
		    arrival->chunk->data + arrival->chunk->capacity);
	assert_memory_equal(arrival->header, sent, RMT_FRAME_HEADER_SIZE + stream->lengths[index]);
}

static void take_arrivals(struct run *run, const struct stream *stream)
{
	struct rmt_arrival arrival;
	int r;

	while ((r = rmt_input_next(&run->input, &arrival)) > 0) {
		check_arrival(stream, run->count, &arrival);
		run->arrivals[run->count++] = arrival;
		if (run->hold)
			rmt_chunk_ref(arrival.chunk);
	}
	assert_int_equal(r, 0);
}

/* Bytes [from, to) of the stream in reads of at most `piece` bytes. */
static void feed(struct run *run, const struct stream *stream, size_t from, size_t to, size_t piece)
{
	while (from < to) {
		struct iovec space[2];
		size_t size = to - from < piece ? to - from : piece;

		assert_int_equal(rmt_input_space(&run->input, space), 1);
		assert_true(space[0].iov_len > 0);
		if (size > space[0].iov_len)
			size = space[0].iov_len;
		memcpy(space[0].iov_base, stream->data + from, size);
		note_landing(run, from, size, space[0].iov_base);
		rmt_input_filled(&run->input, size);
		from += size;
		take_arrivals(run, stream);
	}
}

static void check_whole(struct rmt_chunk_pool *pool, const struct stream *stream, size_t piece,
			bool hold)
{
	struct run run;

	run_init(&run, pool, hold);
	feed(&run, stream, 0, stream->size, piece);
	assert_int_equal(run.count, stream->count);
	assert_true(rmt_input_at_boundary(&run.input));
	/* What is held has not changed since. */
	for (unsigned i = 0; hold && i < run.count; i++)
		check_arrival(stream, i, &run.arrivals[i]);
	if (!hold)
		assert_null(run.input.chunk);
	run_done(&run);
}

/* --- tests ---------------------------------------------------------------------------------- */

static struct rmt_chunk_pool *pool_of(void **state)
{
	return *state;
}

static int setup(void **state)
{
	*state = rmt_chunk_pool_new(RMT_INPUT_CHUNK, 4);
	seed = 88172645463325252ull;
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	rmt_chunk_pool_unref(*state);
	return 0;
}

static void input_every_split_gives_same_frames(void **state)
{
	const uint32_t lengths[] = {0, 1, 31, 32, 33, 0, 0, 100, 5};
	struct stream stream = stream_of(9, lengths);

	for (size_t piece = 1; piece <= stream.size + 1; piece++) {
		check_whole(pool_of(state), &stream, piece, false);
		check_whole(pool_of(state), &stream, piece, true);
	}
	/* In two reads, wherever the cut is. */
	for (size_t cut = 0; cut <= stream.size; cut++) {
		struct run run;

		run_init(&run, pool_of(state), cut & 1);
		feed(&run, &stream, 0, cut, SIZE_MAX);
		feed(&run, &stream, cut, stream.size, SIZE_MAX);
		assert_int_equal(run.count, stream.count);
		run_done(&run);
	}
	stream_free(&stream);
}

static void input_big_and_small_frames_mixed_arrive_whole(void **state)
{
	static const size_t pieces[] = {61,    4096,  16384, 16385,  65535,
					65536, 65568, 65600, 1 << 20};
	struct stream stream = stream_mixed(150);

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		check_whole(pool_of(state), &stream, pieces[i], false);
		check_whole(pool_of(state), &stream, pieces[i], true);
		check_whole(NULL, &stream, pieces[i], true);
	}
	stream_free(&stream);
}

static void input_random_reads_give_same_frames(void **state)
{
	struct rmt_chunk_pool *wide = rmt_chunk_pool_new(3 * RMT_INPUT_CHUNK, 4);

	for (int round = 0; round < 30; round++) {
		struct stream stream = stream_mixed(40);
		struct run run;
		size_t from = 0;

		run_init(&run, round % 3 ? pool_of(state) : wide, round & 1);
		while (from < stream.size) {
			size_t to = from + 1 + draw() % (1u << draw() % 19);

			if (to > stream.size)
				to = stream.size;
			feed(&run, &stream, from, to, SIZE_MAX);
			from = to;
		}
		assert_int_equal(run.count, stream.count);
		for (unsigned i = 0; run.hold && i < run.count; i++)
			check_arrival(&stream, i, &run.arrivals[i]);
		run_done(&run);
		stream_free(&stream);
	}
	rmt_chunk_pool_unref(wide);
}

static void input_run_of_full_frames_is_not_copied(void **state)
{
	for (int hold = 0; hold < 2; hold++) {
		struct stream stream = {0};
		struct run run;

		for (int i = 0; i < 20; i++)
			stream_add(&stream, RMT_FRAME_PAYLOAD_MAX);
		run_init(&run, pool_of(state), hold);
		feed(&run, &stream, 0, stream.size, SIZE_MAX);
		assert_int_equal(run.count, 20);
		/* The payload stayed where it was put; one read for each frame. */
		for (unsigned i = 0; i < 20; i++) {
			const size_t first = stream.starts[i] + RMT_FRAME_HEADER_SIZE;

			assert_ptr_equal(run.arrivals[i].payload, landed_at(&run, first));
			assert_ptr_equal(run.arrivals[i].payload + RMT_FRAME_PAYLOAD_MAX - 1,
					 landed_at(&run, first + RMT_FRAME_PAYLOAD_MAX - 1));
		}
		assert_int_equal(run.landing_count, 20);
		run_done(&run);
		stream_free(&stream);
	}
}

static void check_not_copied(struct rmt_chunk_pool *pool, const uint32_t lengths[3], size_t piece)
{
	struct stream stream = stream_of(3, lengths);
	struct run run;

	run_init(&run, pool, true);
	/* The first header comes alone, as the others do behind a large frame. */
	feed(&run, &stream, 0, RMT_FRAME_HEADER_SIZE, SIZE_MAX);
	feed(&run, &stream, RMT_FRAME_HEADER_SIZE, stream.size, piece);
	assert_int_equal(run.count, 3);
	for (unsigned i = 0; i < 3; i++)
		for (size_t byte = 0; byte < stream.lengths[i]; byte += 499)
			assert_ptr_equal(
				run.arrivals[i].payload + byte,
				landed_at(&run, stream.starts[i] + RMT_FRAME_HEADER_SIZE + byte));
	run_done(&run);
	stream_free(&stream);
}

static void input_full_frames_in_pieces_are_not_copied(void **state)
{
	for (size_t piece = 1000; piece < 66000; piece += 1234)
		check_not_copied(pool_of(state), (const uint32_t[]){65536, 65536, 65536}, piece);
	check_not_copied(pool_of(state), (const uint32_t[]){65536, 65536, 65536}, 65536);
	check_not_copied(pool_of(state), (const uint32_t[]){65536, 65536, 65536}, 65568);
}

static void input_large_frames_of_any_length_are_not_copied(void **state)
{
	for (uint32_t length = 16384; length <= 65536; length += 777)
		check_not_copied(pool_of(state), (const uint32_t[]){length, 65536, length},
				 SIZE_MAX);
}

static void input_small_frames_share_one_read(void **state)
{
	struct stream stream = {0};
	struct run run;

	for (int i = 0; i < 1000; i++)
		stream_add(&stream, 32);
	run_init(&run, pool_of(state), true);
	feed(&run, &stream, 0, stream.size, SIZE_MAX);
	assert_int_equal(run.count, 1000);
	assert_int_equal(run.landing_count, 1);
	for (unsigned i = 0; i < 1000; i++) {
		assert_ptr_equal(run.arrivals[i].chunk, run.arrivals[0].chunk);
		assert_ptr_equal(run.arrivals[i].header, landed_at(&run, stream.starts[i]));
	}
	run_done(&run);
	stream_free(&stream);
}

static void input_kept_small_frames_share_chunks(void **state)
{
	struct stream stream = {0};
	struct run run;
	unsigned chunks = 1;

	for (int i = 0; i < 2000; i++)
		stream_add(&stream, 68);
	run_init(&run, pool_of(state), true);
	/* One by one, as from a peer that sends now and then. */
	for (unsigned i = 0; i < stream.count; i++)
		feed(&run, &stream, stream.starts[i], stream.starts[i] + 100, SIZE_MAX);
	for (unsigned i = 1; i < run.count; i++)
		chunks += run.arrivals[i].chunk != run.arrivals[i - 1].chunk;
	/* 200,000 bytes. */
	assert_true(chunks <= 4);
	run_done(&run);
	stream_free(&stream);
}

static void input_unshared_chunk_is_used_again(void **state)
{
	struct stream stream = {0};
	struct run run;

	for (int i = 0; i < 3000; i++)
		stream_add(&stream, 69); /* so that reads end in the middle of a frame */
	run_init(&run, pool_of(state), false);
	feed(&run, &stream, 0, stream.size - 1, SIZE_MAX);
	for (unsigned i = 1; i < run.count; i++)
		assert_ptr_equal(run.arrivals[i].chunk, run.arrivals[0].chunk);
	run_done(&run);
	stream_free(&stream);
}

static void input_without_bytes_holds_no_chunk(void **state)
{
	struct stream stream = stream_of(2, (const uint32_t[]){10, 65536});
	struct rmt_arrival arrival;
	struct iovec space[2];
	struct run run;

	run_init(&run, pool_of(state), false);
	assert_null(run.input.chunk);
	assert_int_equal(rmt_input_space(&run.input, space), 1);
	assert_int_equal(rmt_input_next(&run.input, &arrival), 0);
	assert_null(run.input.chunk);
	feed(&run, &stream, 0, stream.size, SIZE_MAX);
	assert_null(run.input.chunk);
	run_done(&run);
	stream_free(&stream);
}

static void input_trim_drops_only_empty_chunk(void **state)
{
	struct stream stream = stream_of(2, (const uint32_t[]){10, 10});
	struct run run;

	run_init(&run, pool_of(state), true);
	feed(&run, &stream, 0, 43, SIZE_MAX);
	assert_int_equal(run.count, 1);
	assert_non_null(run.input.chunk);
	rmt_input_trim(&run.input);
	assert_non_null(run.input.chunk);
	feed(&run, &stream, 43, stream.size, SIZE_MAX);
	assert_int_equal(run.count, 2);
	assert_non_null(run.input.chunk);
	rmt_input_trim(&run.input);
	assert_null(run.input.chunk);
	check_arrival(&stream, 0, &run.arrivals[0]);
	check_arrival(&stream, 1, &run.arrivals[1]);
	run_done(&run);
	stream_free(&stream);
}

static void input_in_middle_of_frame_is_not_at_boundary(void **state)
{
	struct stream stream = stream_of(2, (const uint32_t[]){10, 0});

	for (size_t size = 0; size <= stream.size; size++) {
		struct run run;

		run_init(&run, pool_of(state), false);
		feed(&run, &stream, 0, size, SIZE_MAX);
		assert_int_equal(rmt_input_at_boundary(&run.input),
				 size == 0 || size == stream.starts[1] || size == stream.size);
		run_done(&run);
	}
	stream_free(&stream);
}

static void check_error(struct rmt_chunk_pool *pool, const char *garbage, size_t size, int error)
{
	struct stream stream = stream_of(1, (const uint32_t[]){10});
	struct rmt_arrival arrival;
	const unsigned char *data = NULL;
	struct iovec space[2];
	struct run run;

	run_init(&run, pool, false);
	feed(&run, &stream, 0, 20, SIZE_MAX);
	assert_int_equal(rmt_input_space(&run.input, space), 1);
	memcpy(space[0].iov_base, stream.data + 20, 22);
	memcpy((char *)space[0].iov_base + 22, garbage, size);
	rmt_input_filled(&run.input, 22 + size);
	/* The frame before the garbage is good. */
	assert_int_equal(rmt_input_next(&run.input, &arrival), 1);
	check_arrival(&stream, 0, &arrival);
	assert_int_equal(rmt_input_next(&run.input, &arrival), error);
	assert_int_equal(rmt_input_next(&run.input, &arrival), error);
	assert_int_equal(rmt_input_space(&run.input, space), error);
	assert_int_equal(rmt_input_peek(&run.input, &data), size);
	assert_memory_equal(data, garbage, size);
	assert_false(rmt_input_at_boundary(&run.input));
	run_done(&run);
	stream_free(&stream);
}

static void input_garbage_is_sticky_error(void **state)
{
	check_error(pool_of(state), "Password for alice@db1: please enter", 36, -EBADMSG);
	check_error(pool_of(state), "Rm\2                             ", 32, -EPROTONOSUPPORT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(input_every_split_gives_same_frames),
		TEST(input_big_and_small_frames_mixed_arrive_whole),
		TEST(input_random_reads_give_same_frames),
		TEST(input_run_of_full_frames_is_not_copied),
		TEST(input_full_frames_in_pieces_are_not_copied),
		TEST(input_large_frames_of_any_length_are_not_copied),
		TEST(input_small_frames_share_one_read),
		TEST(input_kept_small_frames_share_chunks),
		TEST(input_unshared_chunk_is_used_again),
		TEST(input_without_bytes_holds_no_chunk),
		TEST(input_trim_drops_only_empty_chunk),
		TEST(input_in_middle_of_frame_is_not_at_boundary),
		TEST(input_garbage_is_sticky_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
