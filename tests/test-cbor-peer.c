/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our CBOR against that of libcbor, which shares no line with it: the same random values go into
 * both, and both must write the same bytes and understand the other's.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cbor.h>
#include <cmocka.h>

#include "wire/cbor.h"

static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Every width as often as every other, and its borders too. */
static uint64_t draw_integer(void)
{
	const uint64_t value = draw() >> (draw() % 64);

	switch (draw() % 4) {
	case 0: {
		static const uint64_t borders[] = {0,          23,         24,         UINT8_MAX,
						   256,        UINT16_MAX, 65536,      UINT32_MAX,
						   1ull << 32, INT64_MAX,  1ull << 63, UINT64_MAX};

		return borders[draw() % (sizeof(borders) / sizeof(borders[0]))];
	}
	default:
		return value;
	}
}

static cbor_item_t *build_uint(uint64_t value)
{
	return value <= UINT8_MAX    ? cbor_build_uint8((uint8_t)value)
	       : value <= UINT16_MAX ? cbor_build_uint16((uint16_t)value)
	       : value <= UINT32_MAX ? cbor_build_uint32((uint32_t)value)
				     : cbor_build_uint64(value);
}

static cbor_item_t *build_nint(uint64_t value)
{
	return value <= UINT8_MAX    ? cbor_build_negint8((uint8_t)value)
	       : value <= UINT16_MAX ? cbor_build_negint16((uint16_t)value)
	       : value <= UINT32_MAX ? cbor_build_negint32((uint32_t)value)
				     : cbor_build_negint64(value);
}

/* A half has 11 significant bits and no bit below 2^-24. */
static bool fits_half(double value)
{
	int exponent;

	if (value == 0 || isnan(value) || isinf(value))
		return true;
	return fabs(value) <= 65504 && ldexp(value, 24) == trunc(ldexp(value, 24)) &&
	       ldexp(frexp(value, &exponent), 11) == trunc(ldexp(frexp(value, &exponent), 11));
}

static bool fits_single(double value)
{
	int exponent;

	if (fits_half(value))
		return true;
	return fabs(value) <= 0x1.fffffep127 && ldexp(value, 149) == trunc(ldexp(value, 149)) &&
	       ldexp(frexp(value, &exponent), 24) == trunc(ldexp(frexp(value, &exponent), 24));
}

static double draw_float(void)
{
	const uint64_t bits = draw();
	const uint32_t narrow = (uint32_t)draw();
	double value;
	float single;

	switch (draw() % 5) {
	case 0:
		memcpy(&value, &bits, sizeof(value));
		return value;
	case 1:
		memcpy(&single, &narrow, sizeof(single));
		return single;
	case 2: /* few bits, around the limits of half and single */
		return ldexp((double)(bits % 4096), (int)(draw() % 40) - 30);
	case 3:
		return ldexp((double)(bits % 8), (int)(draw() % 300) - 170);
	default:
		return (double)(int64_t)bits / 1000;
	}
}

static cbor_item_t *build_float(double value)
{
	/* libcbor writes a single NaN as such. */
	if (fits_half(value))
		return cbor_build_float2((float)value);
	if (fits_single(value))
		return cbor_build_float4((float)value);
	return cbor_build_float8(value);
}

static size_t draw_text(char text[64])
{
	static const char *const pieces[] = {
		"a", "Z", " ", "\xc3\xbc", "\xe6\xb0\xb4", "\xf0\x90\x85\x91", "\"", "0123456789"};
	size_t size = 0;

	for (uint64_t n = draw() % 6; n > 0; n--) {
		const char *piece = pieces[draw() % (sizeof(pieces) / sizeof(pieces[0]))];

		memcpy(text + size, piece, strlen(piece));
		size += strlen(piece);
	}
	return size;
}

static cbor_item_t *generate(struct rmt_buffer *out, unsigned depth);

static cbor_item_t *generate_array(struct rmt_buffer *out, unsigned depth)
{
	const size_t count = draw() % 30 ? draw() % 5 : 30;
	cbor_item_t *array = cbor_new_definite_array(count);

	rmt_cbor_put_array(out, count);
	for (size_t i = 0; i < count; i++)
		assert_true(cbor_array_push(array, cbor_move(generate(out, depth + 1))));
	return array;
}

/* Keys in order: integers upwards, then texts of one letter. */
static cbor_item_t *generate_map(struct rmt_buffer *out, unsigned depth)
{
	const size_t integers = draw() % 4, texts = draw() % 3;
	cbor_item_t *map = cbor_new_definite_map(integers + texts);
	uint64_t key = draw() % 20;

	rmt_cbor_put_map(out, integers + texts);
	for (size_t i = 0; i < integers + texts; i++) {
		const char letter[2] = {(char)('a' + i)};
		struct cbor_pair pair;

		if (i < integers) {
			rmt_cbor_put_uint(out, key);
			pair.key = build_uint(key);
			key += 1 + draw() % 300;
		} else {
			rmt_cbor_put_text(out, letter, 1);
			pair.key = cbor_build_string(letter);
		}
		pair.value = generate(out, depth + 1);
		assert_true(cbor_map_add(map, pair));
		cbor_decref(&pair.key);
		cbor_decref(&pair.value);
	}
	return map;
}

static cbor_item_t *generate_leaf(struct rmt_buffer *out)
{
	const uint64_t integer = draw_integer();
	double value = draw_float();
	char text[64];
	const size_t size = draw_text(text);

	/* libcbor 0.8 loses bits when it writes a subnormal half; what it reads is tested below. */
	if (fits_half(value) && fabs(value) < 0x1p-14)
		value = 0;

	switch (draw() % 7) {
	case 0:
		rmt_cbor_put_uint(out, integer);
		return build_uint(integer);
	case 1:
		rmt_cbor_put_int(out, -1 - (int64_t)(integer >> 1));
		return build_nint(integer >> 1);
	case 2:
		rmt_cbor_put_bytes(out, text, size);
		return cbor_build_bytestring((const unsigned char *)text, size);
	case 3:
		rmt_cbor_put_text(out, text, size);
		return cbor_build_stringn(text, size);
	case 4:
		rmt_cbor_put_f64(out, value);
		return build_float(value);
	case 5:
		rmt_cbor_put_bool(out, integer & 1);
		return cbor_build_bool(integer & 1);
	default:
		rmt_cbor_put_null(out);
		return cbor_new_null();
	}
}

/* One random value, written by us to out and built for libcbor as the result. */
static cbor_item_t *generate(struct rmt_buffer *out, unsigned depth)
{
	if (depth < 6) {
		switch (draw() % 6) {
		case 0:
			return generate_array(out, depth);
		case 1:
			return generate_map(out, depth);
		case 2: {
			uint64_t tag = draw_integer();

			/* libcbor 0.8 refuses the tags 6 to 20, unassigned once. */
			if (tag >= 6 && tag <= 20)
				tag += 20;
			rmt_cbor_put_tag(out, tag);
			return cbor_build_tag(tag, cbor_move(generate(out, depth + 1)));
		}
		default:
			break;
		}
	}
	return generate_leaf(out);
}

static void check_bytes(cbor_item_t *item, const struct rmt_buffer *ours, uint64_t start)
{
	unsigned char *theirs;
	size_t capacity, size = cbor_serialize_alloc(item, &theirs, &capacity);

	if (size != ours->size || memcmp(theirs, ours->data, size) != 0)
		fail_msg("seed %llu: written differently", (unsigned long long)start);
	if (rmt_cbor_validate(theirs, size) != 0)
		fail_msg("seed %llu: theirs is refused", (unsigned long long)start);
	free(theirs);
}

static void cbor_random_values_agree_with_libcbor(void **state)
{
	(void)state;
	for (uint64_t start = 1; start <= 20000; start++) {
		struct rmt_buffer ours = RMT_BUFFER_INIT;
		struct cbor_load_result result;
		cbor_item_t *built, *loaded;

		seed = start * 0x9e3779b97f4a7c15ull;
		built = generate(&ours, 0);
		assert_int_equal(ours.error, 0);
		check_bytes(built, &ours, start);

		loaded = cbor_load(ours.data, ours.size, &result);
		if (!loaded || result.error.code != CBOR_ERR_NONE || result.read != ours.size)
			fail_msg("seed %llu: ours is refused", (unsigned long long)start);
		check_bytes(loaded, &ours, start);
		cbor_decref(&loaded);
		cbor_decref(&built);
		rmt_buffer_done(&ours);
	}
}

static double load_float(const unsigned char *data, size_t size)
{
	struct cbor_load_result result;
	cbor_item_t *item = cbor_load(data, size, &result);
	double value;

	assert_non_null(item);
	assert_int_equal(result.read, size);
	assert_true(cbor_isa_float_ctrl(item));
	value = cbor_float_get_float(item);
	cbor_decref(&item);
	return value;
}

static void cbor_every_half_is_read_and_written(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits <= UINT16_MAX; bits++) {
		const unsigned char data[3] = {0xf9, (unsigned char)(bits >> 8),
					       (unsigned char)bits};
		const double theirs = load_float(data, 3);
		struct rmt_buffer buffer = RMT_BUFFER_INIT;
		struct rmt_cbor_reader reader;
		double ours = 0.1;
		int r;

		rmt_cbor_reader_init(&reader, data, 3);
		r = rmt_cbor_read_f64(&reader, &ours);
		if (isnan(theirs) && bits != 0x7e00) {
			assert_int_equal(r, -EBADMSG);
			continue;
		}
		assert_int_equal(r, 0);
		assert_true(isnan(theirs) ? isnan(ours)
					  : ours == theirs && !signbit(ours) == !signbit(theirs));
		rmt_cbor_put_f64(&buffer, ours);
		assert_int_equal(buffer.size, 3);
		assert_memory_equal(buffer.data, data, 3);
		rmt_buffer_done(&buffer);
	}
}

static void cbor_floats_come_back_in_shortest_width(void **state)
{
	(void)state;
	seed = 88172645463325252ull;
	for (int i = 0; i < 300000; i++) {
		const double value = draw_float();
		struct rmt_buffer buffer = RMT_BUFFER_INIT;
		struct rmt_cbor_reader reader;
		double ours, theirs;

		rmt_cbor_put_f64(&buffer, value);
		assert_int_equal(buffer.size, fits_half(value) ? 3 : fits_single(value) ? 5 : 9);
		rmt_cbor_reader_init(&reader, buffer.data, buffer.size);
		assert_int_equal(rmt_cbor_read_f64(&reader, &ours), 0);
		theirs = load_float(buffer.data, buffer.size);
		assert_true(isnan(value) ? isnan(ours) : memcmp(&ours, &value, sizeof(value)) == 0);
		assert_true(isnan(value) ? isnan(theirs)
					 : memcmp(&theirs, &value, sizeof(value)) == 0);
		rmt_buffer_done(&buffer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cbor_random_values_agree_with_libcbor),
		cmocka_unit_test(cbor_every_half_is_read_and_written),
		cmocka_unit_test(cbor_floats_come_back_in_shortest_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
