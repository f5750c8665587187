/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vectors.h"
#include "wire/frame.h"

static void check_valid(const struct vector *vector)
{
	struct rmt_frame frame = {0};
	unsigned char again[RMT_FRAME_HEADER_SIZE];
	char text[256];
	int r = rmt_frame_decode(vector->data, &frame);

	snprintf(text, sizeof(text),
		 "%u %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32
		 " %" PRIu32,
		 frame.flags, frame.length, frame.destination, frame.source, frame.authority,
		 frame.handle, frame.reply, frame.total);
	if (r != 0 || strcmp(text, vector->rest) != 0)
		fail_msg("line %d: r %d, %s instead of %s", vector->line, r, text, vector->rest);

	rmt_frame_encode(&frame, again);
	assert_memory_equal(again, vector->data, sizeof(again));
}

static void check_invalid(const struct vector *vector)
{
	const int expected = strncmp(vector->rest, "EPROTONOSUPPORT ", 16) == 0 ? -EPROTONOSUPPORT
										: -EBADMSG;
	struct rmt_frame frame, untouched;
	int r;

	memset(&frame, 0xa5, sizeof(frame));
	untouched = frame;
	r = rmt_frame_decode(vector->data, &frame);
	if (r != expected)
		fail_msg("line %d: r %d: %s", vector->line, r, vector->rest);
	assert_memory_equal(&frame, &untouched, sizeof(frame));
}

static void frame_vectors_decode_as_said(void **state)
{
	struct vector vector = {0};
	FILE *file = vectors_open("frame.txt");
	int r, valid = 0, invalid = 0;

	(void)state;
	assert_non_null(file);
	while ((r = vectors_next(file, &vector)) > 0) {
		if (vector.size != RMT_FRAME_HEADER_SIZE)
			fail_msg("line %d: no header", vector.line);
		if (strcmp(vector.word, "valid") == 0) {
			check_valid(&vector);
			valid++;
		} else {
			assert_string_equal(vector.word, "invalid");
			check_invalid(&vector);
			invalid++;
		}
	}
	if (r < 0)
		fail_msg("line %d: cannot be read", vector.line);
	fclose(file);
	assert_true(valid > 10);
	assert_true(invalid > 20);
}

/* The rules of docs/protocol.md written once more, as a table: what may stand together with
 * what. */
static bool flags_are_legal(unsigned flags)
{
	if (flags & 0x80)
		return false;
	switch (flags & (RMT_FRAME_END | RMT_FRAME_ABORT)) {
	case 0:
		return (flags & (RMT_FRAME_ERROR | RMT_FRAME_RAW)) !=
		       (RMT_FRAME_ERROR | RMT_FRAME_RAW);
	case RMT_FRAME_END:
		return flags == 0x08;
	case RMT_FRAME_ABORT:
		return flags == 0x42;
	default:
		return false;
	}
}

static void frame_every_flag_combination_is_judged(void **state)
{
	unsigned legal = 0;

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		const bool empty = flags & (RMT_FRAME_END | RMT_FRAME_ABORT);
		const bool partial = flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES);
		const struct rmt_frame frame = {
			.flags = (uint8_t)flags,
			.length = empty ? 0 : 10,
			.total = empty     ? 0
				 : partial ? 20
					   : 10,
		};
		unsigned char header[RMT_FRAME_HEADER_SIZE];
		struct rmt_frame decoded;
		int r;

		rmt_frame_encode(&frame, header);
		r = rmt_frame_decode(header, &decoded);
		if (r != (flags_are_legal(flags) ? 0 : -EBADMSG))
			fail_msg("flags 0x%02x: %d", flags, r);
		legal += r == 0;
	}
	assert_int_equal(legal, 26);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_vectors_decode_as_said),
		cmocka_unit_test(frame_every_flag_combination_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
