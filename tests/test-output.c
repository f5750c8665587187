/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "wire/handle.h"
#include "wire/output.h"

/* What has been written, as the other end would see it. */
struct wire {
	unsigned char *data;
	size_t size;
};

static void wire_append(struct wire *wire, const struct iovec *space, int n, size_t size)
{
	for (int i = 0; i < n && size > 0; i++) {
		size_t part = space[i].iov_len < size ? space[i].iov_len : size;

		wire->data = realloc(wire->data, wire->size + part);
		assert_non_null(wire->data);
		memcpy(wire->data + wire->size, space[i].iov_base, part);
		wire->size += part;
		size -= part;
	}
	assert_int_equal(size, 0);
}

/* Writes at most `size` bytes; returns how many there were to write. */
static size_t write_some(struct rmt_output *output, struct wire *wire, size_t size, int max)
{
	struct iovec space[64];
	int n = rmt_output_next(output, space, max);
	size_t offered = 0;

	assert_true(n <= max);
	for (int i = 0; i < n; i++) {
		assert_true(space[i].iov_len > 0);
		offered += space[i].iov_len;
	}
	if (size > offered)
		size = offered;
	wire_append(wire, space, n, size);
	rmt_output_written(output, size);
	return offered;
}

static void write_all(struct rmt_output *output, struct wire *wire)
{
	while (!rmt_output_empty(output))
		assert_true(write_some(output, wire, SIZE_MAX, 64) > 0);
}

/* A frame whose payload begins with its serial number. */
static void push(struct rmt_output *output, unsigned flags, uint32_t source, uint32_t handle,
		 uint32_t serial, uint32_t size)
{
	struct rmt_frame frame = {
		.flags = (uint8_t)flags,
		.length = size,
		.source = source,
		.destination = 9,
		.handle = handle,
		.total = size,
	};
	unsigned char header[RMT_FRAME_HEADER_SIZE], *payload = calloc(1, size + sizeof(serial));

	assert_non_null(payload);
	memcpy(payload, &serial, sizeof(serial));
	for (uint32_t i = sizeof(serial); i < size; i++)
		payload[i] = (unsigned char)(i + serial);
	rmt_frame_encode(&frame, header);
	assert_int_equal(rmt_output_push(output, &frame, header, payload, NULL), 0);
	free(payload);
}

/* The frames on the wire. */
struct seen {
	struct rmt_frame frame;
	uint32_t serial;
};

static size_t parse(const struct wire *wire, struct seen *seen, size_t max)
{
	size_t at = 0, count = 0;

	while (at < wire->size) {
		assert_true(count < max && wire->size - at >= RMT_FRAME_HEADER_SIZE);
		assert_int_equal(rmt_frame_decode(wire->data + at, &seen[count].frame), 0);
		at += RMT_FRAME_HEADER_SIZE;
		assert_true(wire->size - at >= seen[count].frame.length);
		seen[count].serial = 0;
		if (seen[count].frame.length >= sizeof(uint32_t))
			memcpy(&seen[count].serial, wire->data + at, sizeof(uint32_t));
		for (uint32_t i = sizeof(uint32_t); i < seen[count].frame.length; i++)
			assert_int_equal(wire->data[at + i],
					 (unsigned char)(i + seen[count].serial));
		at += seen[count].frame.length;
		count++;
	}
	return count;
}

static void classes_follow_what_a_frame_is_for(void **state)
{
	struct rmt_frame control = {.handle = RMT_HANDLE_CONTROL, .flags = RMT_FRAME_COUNTED};
	struct rmt_frame call = {.handle = RMT_HANDLE_CALL, .flags = RMT_FRAME_COUNTED};
	struct rmt_frame reply = {.handle = 1000};
	struct rmt_frame data = {.handle = 1000, .flags = RMT_FRAME_COUNTED | RMT_FRAME_RAW};
	struct rmt_frame end = {.handle = 1000, .flags = RMT_FRAME_END};

	(void)state;
	assert_int_equal(rmt_output_class(&control), RMT_CLASS_CONTROL);
	assert_int_equal(rmt_output_class(&call), RMT_CLASS_CALL);
	assert_int_equal(rmt_output_class(&reply), RMT_CLASS_CALL);
	assert_int_equal(rmt_output_class(&data), RMT_CLASS_BULK);
	/* Or it would overtake what it ends. */
	assert_int_equal(rmt_output_class(&end), RMT_CLASS_BULK);
}

static void frames_leave_by_class(void **state)
{
	struct rmt_output output;
	struct wire wire = {0};
	struct seen seen[8];

	(void)state;
	rmt_output_init(&output);
	push(&output, RMT_FRAME_COUNTED, 1, 1000, 1, 10);
	push(&output, RMT_FRAME_COUNTED, 1, 1001, 2, 10);
	push(&output, RMT_FRAME_COUNTED, 1, RMT_HANDLE_CALL, 3, 10);
	push(&output, 0, 1, 2000, 4, 10);
	push(&output, 0, 1, RMT_HANDLE_CONTROL, 5, 10);
	assert_int_equal(output.bytes, 5 * (RMT_FRAME_HEADER_SIZE + 10));
	write_all(&output, &wire);
	assert_int_equal(parse(&wire, seen, 8), 5);
	assert_int_equal(seen[0].serial, 5);
	assert_true(seen[1].serial == 3 || seen[1].serial == 4);
	assert_true(seen[2].serial == 3 || seen[2].serial == 4);
	assert_true(seen[3].serial <= 2 && seen[4].serial <= 2);
	free(wire.data);
	rmt_output_done(&output);
}

/* What is urgent passes everything that was not chosen for a write yet. */
static void control_frame_passes_bulk_that_waits(void **state)
{
	enum { FRAMES = 64 };
	struct rmt_output output;
	struct wire wire = {0};
	struct seen seen[FRAMES + 1];
	size_t place = 0;

	(void)state;
	rmt_output_init(&output);
	for (uint32_t i = 0; i < FRAMES; i++)
		push(&output, RMT_FRAME_COUNTED, 1, 1000, i, RMT_FRAME_PAYLOAD_MAX);
	write_some(&output, &wire, 100, 64);
	push(&output, 0, 1, RMT_HANDLE_CONTROL, 999, 10);
	write_all(&output, &wire);
	assert_int_equal(parse(&wire, seen, FRAMES + 1), FRAMES + 1);
	while (seen[place].serial != 999)
		place++;
	assert_in_range(place, 1, 3);
	free(wire.data);
	rmt_output_done(&output);
}

/* A flow with a few frames is not behind one with many. */
static void flows_take_turns(void **state)
{
	enum { MANY = 200, FEW = 5 };
	struct rmt_output output;
	struct wire wire = {0};
	struct seen seen[MANY + FEW];
	size_t last = 0;
	uint32_t other = 1001;

	(void)state;
	for (;; other++) {
		/* Two flows may share a lane, which is seen from what comes out; these two must not. */
		rmt_output_init(&output);
		wire = (struct wire){0};
		for (uint32_t i = 0; i < MANY; i++)
			push(&output, RMT_FRAME_COUNTED, 1, 1000, i, 16);
		for (uint32_t i = 0; i < FEW; i++)
			push(&output, RMT_FRAME_COUNTED, 1, other, MANY + i, 16);
		write_all(&output, &wire);
		rmt_output_done(&output);
		assert_int_equal(parse(&wire, seen, MANY + FEW), MANY + FEW);
		free(wire.data);
		for (size_t i = 0; i < MANY + FEW; i++)
			if (seen[i].serial >= MANY)
				last = i;
		if (last < MANY + FEW - 1)
			break;
		assert_true(other < 1010);
	}
	assert_in_range(last, 0, 2 * FEW + 1);
}

static void frames_of_a_flow_stay_in_order(void **state)
{
	enum { FLOWS = 100, FRAMES = 20 };
	struct rmt_output output;
	struct wire wire = {0};
	static struct seen seen[FLOWS * FRAMES];
	uint32_t next[FLOWS] = {0};

	(void)state;
	rmt_output_init(&output);
	for (uint32_t i = 0; i < FRAMES; i++)
		for (uint32_t flow = 0; flow < FLOWS; flow++) {
			push(&output, RMT_FRAME_COUNTED, flow % 7, 1000 + flow, i, 4 + flow);
			/* And some are written meanwhile, never whole frames. */
			write_some(&output, &wire, 37, 4);
		}
	write_all(&output, &wire);
	assert_int_equal(parse(&wire, seen, FLOWS * FRAMES), FLOWS * FRAMES);
	for (size_t i = 0; i < FLOWS * FRAMES; i++)
		assert_int_equal(seen[i].serial, next[seen[i].frame.handle - 1000]++);
	free(wire.data);
	rmt_output_done(&output);
}

/* Whatever its class, and however urgent what comes after it is. */
static void frame_behind_follows_what_waited_before_it(void **state)
{
	struct rmt_output output;
	struct rmt_frame frame = {
		.length = 4, .total = 4, .source = 1, .handle = RMT_HANDLE_CONTROL};
	unsigned char header[RMT_FRAME_HEADER_SIZE];
	struct wire wire = {0};
	struct seen seen[700];
	uint32_t serial = 1000;
	size_t count, at = 0;

	(void)state;
	rmt_output_init(&output);
	for (uint32_t i = 0; i < 300; i++)
		push(&output, RMT_FRAME_COUNTED, i % 3, RMT_HANDLE_FIRST + i % 50, i, 2000);
	rmt_frame_encode(&frame, header);
	assert_int_equal(rmt_output_push_behind(&output, &frame, header, &serial), 0);
	/* Another flow keeps the output busy all the time. */
	for (uint32_t i = 0; i < 300; i++) {
		push(&output, RMT_FRAME_COUNTED, 7, RMT_HANDLE_FIRST, 2000 + i, 2000);
		if (i % 3 == 0)
			write_some(&output, &wire, 5000, 64);
	}
	push(&output, 0, 2, RMT_HANDLE_CONTROL, 3000, 10);
	write_all(&output, &wire);
	count = parse(&wire, seen, 700);
	assert_int_equal(count, 602);
	while (seen[at].serial != 1000)
		at++;
	for (size_t i = 0; i < count; i++)
		if (seen[i].serial < 1000)
			assert_true(i < at);
	/* It did not wait for all that came later. */
	assert_true(at < count - 100);
	free(wire.data);
}

static void end_of_a_flow_comes_last(void **state)
{
	struct rmt_output output;
	struct wire wire = {0};
	struct seen seen[4];
	struct rmt_frame end = {
		.flags = RMT_FRAME_END, .source = 1, .destination = 9, .handle = 1000};
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	(void)state;
	rmt_output_init(&output);
	push(&output, RMT_FRAME_COUNTED, 1, 1000, 1, 100);
	push(&output, RMT_FRAME_COUNTED, 1, 1000, 2, 100);
	rmt_frame_encode(&end, header);
	assert_int_equal(rmt_output_push(&output, &end, header, NULL, NULL), 0);
	write_all(&output, &wire);
	assert_int_equal(parse(&wire, seen, 4), 3);
	assert_int_equal(seen[2].frame.flags, RMT_FRAME_END);
	free(wire.data);
	rmt_output_done(&output);
}

/* Three frames, one of them empty, written in two parts at every place. */
static void frames_written_in_parts_arrive_whole(void **state)
{
	const size_t total = 3 * RMT_FRAME_HEADER_SIZE + 40 + 0 + 7;

	(void)state;
	for (size_t split = 0; split <= total; split++) {
		for (int max = 2; max <= 6; max += 2) {
			struct rmt_output output;
			struct wire wire = {0};
			struct seen seen[4];
			size_t left = split;

			rmt_output_init(&output);
			push(&output, RMT_FRAME_COUNTED, 1, 1000, 1, 40);
			push(&output, RMT_FRAME_COUNTED | RMT_FRAME_RAW, 1, 1000, 0, 0);
			push(&output, RMT_FRAME_COUNTED, 1, 1000, 3, 7);
			while (left > 0) {
				size_t before = wire.size;

				write_some(&output, &wire, left, max);
				left -= wire.size - before;
			}
			assert_int_equal(output.bytes, total - split);
			assert_int_equal(rmt_output_empty(&output), split == total);
			write_all(&output, &wire);
			assert_int_equal(parse(&wire, seen, 4), 3);
			assert_int_equal(seen[0].serial, 1);
			assert_int_equal(seen[1].frame.length, 0);
			assert_int_equal(seen[2].serial, 3);
			free(wire.data);
			rmt_output_done(&output);
		}
	}
}

static void frames_written_byte_by_byte_arrive_whole(void **state)
{
	struct rmt_output output;
	struct wire wire = {0};
	struct seen seen[64];

	(void)state;
	rmt_output_init(&output);
	for (uint32_t i = 0; i < 60; i++)
		push(&output, RMT_FRAME_COUNTED, 1, 1000 + i % 5, i / 5, 4 + i);
	while (!rmt_output_empty(&output))
		write_some(&output, &wire, 1, 8);
	assert_int_equal(parse(&wire, seen, 64), 60);
	free(wire.data);
	rmt_output_done(&output);
}

/* What a direct write could not place: head and data, cut anywhere, before all frames. */
static void rest_goes_before_everything(void **state)
{
	static const char head[] = "0123456789", data[] = "abcdefghij";
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, sizeof(data));

	(void)state;
	memcpy(chunk->data, data, sizeof(data));
	for (size_t cut = 0; cut < 20; cut++) {
		for (int kept = 0; kept < 2; kept++) {
			struct rmt_output output;
			struct wire wire = {0};
			size_t head_size = cut < 10 ? 10 - cut : 0, skip = cut < 10 ? 0 : cut - 10;
			char expected[21];

			rmt_output_init(&output);
			assert_int_equal(
				rmt_output_push_rest(&output, head + 10 - head_size, head_size,
						     (kept ? (char *)chunk->data : data) + skip,
						     10 - skip, kept ? chunk : NULL),
				0);
			push(&output, 0, 1, RMT_HANDLE_CONTROL, 1, 10);
			write_some(&output, &wire, 3, 2);
			write_all(&output, &wire);
			memcpy(expected, head, 10);
			memcpy(expected + 10, data, 10);
			assert_int_equal(wire.size, 20 - cut + RMT_FRAME_HEADER_SIZE + 10);
			assert_memory_equal(wire.data, expected + cut, 20 - cut);
			free(wire.data);
			rmt_output_done(&output);
			assert_true(rmt_chunk_unshared(chunk));
		}
	}
	rmt_chunk_unref(chunk);
}

static void payload_in_a_chunk_is_kept_not_copied(void **state)
{
	struct rmt_output output;
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, 10000);
	struct rmt_frame frame = {
		.length = 10000, .handle = 1000, .flags = RMT_FRAME_COUNTED, .total = 10000};
	unsigned char header[RMT_FRAME_HEADER_SIZE];
	struct iovec space[2];

	(void)state;
	rmt_output_init(&output);
	rmt_frame_encode(&frame, header);
	assert_int_equal(rmt_output_push(&output, &frame, header, chunk->data, chunk), 0);
	assert_false(rmt_chunk_unshared(chunk));
	assert_int_equal(rmt_output_next(&output, space, 2), 2);
	assert_ptr_equal(space[1].iov_base, chunk->data);
	rmt_output_written(&output, RMT_FRAME_HEADER_SIZE + 9999);
	assert_false(rmt_chunk_unshared(chunk));
	rmt_output_written(&output, 1);
	assert_true(rmt_chunk_unshared(chunk));
	rmt_output_done(&output);
	rmt_chunk_unref(chunk);
}

/* A small frame must not keep a large chunk, whatever else came in that. */
static void small_payload_in_a_chunk_is_copied(void **state)
{
	struct rmt_output output;
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, 100000);
	struct rmt_frame frame = {
		.length = 100, .handle = 1000, .flags = RMT_FRAME_COUNTED, .total = 100};
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	(void)state;
	rmt_output_init(&output);
	rmt_frame_encode(&frame, header);
	assert_int_equal(rmt_output_push(&output, &frame, header, chunk->data, chunk), 0);
	assert_true(rmt_chunk_unshared(chunk));
	rmt_output_done(&output);
	rmt_chunk_unref(chunk);
}

static unsigned told;

static void less(struct rmt_charge *charge)
{
	(void)charge;
	told++;
}

/* Who is charged for what waits is told of each frame that has left, written or not. */
static void output_charges_what_waits_and_tells_when_it_has_left(void **state)
{
	struct rmt_output output;
	struct rmt_charge charge = {.less = less};
	struct rmt_frame frame = {
		.length = 100, .handle = 1000, .flags = RMT_FRAME_COUNTED, .total = 100};
	unsigned char header[RMT_FRAME_HEADER_SIZE], payload[100] = {0};
	struct iovec space[2];

	(void)state;
	told = 0;
	rmt_output_init(&output);
	rmt_frame_encode(&frame, header);
	output.charge = &charge;
	for (int i = 0; i < 3; i++)
		assert_int_equal(rmt_output_push(&output, &frame, header, payload, NULL), 0);
	output.charge = NULL;
	assert_int_equal(rmt_output_push(&output, &frame, header, payload, NULL), 0);
	assert_int_equal(charge.references, 3);
	assert_true(charge.bytes >= 300 && charge.bytes < output.memory);
	assert_int_equal(rmt_output_next(&output, space, 2), 2);
	rmt_output_written(&output, RMT_FRAME_HEADER_SIZE + 100);
	assert_int_equal(told, 1);
	assert_int_equal(charge.references, 2);
	rmt_output_done(&output);
	assert_int_equal(told, 3);
	assert_int_equal(charge.references, 0);
	assert_int_equal(charge.bytes, 0);
}

/* An idle stream has no queues; one that is freed with frames in every state frees them. */
static void output_keeps_no_memory_when_empty_or_done(void **state)
{
	struct rmt_output output;
	struct wire wire = {0};
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, 8);
	struct rmt_frame frame = {
		.length = 8, .handle = 1000, .flags = RMT_FRAME_COUNTED, .total = 8};
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	(void)state;
	rmt_output_init(&output);
	push(&output, 0, 1, RMT_HANDLE_CALL, 1, 10);
	assert_non_null(output.lanes);
	write_all(&output, &wire);
	assert_null(output.lanes);
	assert_int_equal(write_some(&output, &wire, 1, 2), 0);
	free(wire.data);

	rmt_frame_encode(&frame, header);
	for (int i = 0; i < 8; i++)
		assert_int_equal(rmt_output_push(&output, &frame, header, chunk->data, chunk), 0);
	wire = (struct wire){0};
	write_some(&output, &wire, RMT_FRAME_HEADER_SIZE + 9, 6);
	free(wire.data);
	rmt_output_done(&output);
	assert_true(rmt_chunk_unshared(chunk));
	rmt_chunk_unref(chunk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(classes_follow_what_a_frame_is_for),
		FIXTURE_TEST(frames_leave_by_class),
		FIXTURE_TEST(control_frame_passes_bulk_that_waits),
		FIXTURE_TEST(flows_take_turns),
		FIXTURE_TEST(frames_of_a_flow_stay_in_order),
		FIXTURE_TEST(frame_behind_follows_what_waited_before_it),
		FIXTURE_TEST(end_of_a_flow_comes_last),
		FIXTURE_TEST(frames_written_in_parts_arrive_whole),
		FIXTURE_TEST(frames_written_byte_by_byte_arrive_whole),
		FIXTURE_TEST(rest_goes_before_everything),
		FIXTURE_TEST(payload_in_a_chunk_is_kept_not_copied),
		FIXTURE_TEST(small_payload_in_a_chunk_is_copied),
		FIXTURE_TEST(output_charges_what_waits_and_tells_when_it_has_left),
		FIXTURE_TEST(output_keeps_no_memory_when_empty_or_done),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
