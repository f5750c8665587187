/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "wire/cbor-head.h"
#include "wire/cbor.h"

void rmt_cbor_reader_init(struct rmt_cbor_reader *reader, const void *data, size_t size)
{
	*reader = (struct rmt_cbor_reader){.data = data, .size = size};
}

static size_t left(const struct rmt_cbor_reader *reader)
{
	return reader->size - reader->position;
}

/* --- heads -------------------------------------------------------------------------------- */

/* The argument of a head, and how many bytes followed the first. Whether it could have been
 * shorter is for the caller to say: it depends on the major type. */
static int read_argument(struct rmt_cbor_reader *reader, unsigned info, uint64_t *ret_argument,
			 unsigned *ret_bytes)
{
	uint64_t argument = info;
	unsigned bytes = 0;

	if (info > INFO_8_BYTES) /* reserved, or of indefinite length */
		return -EBADMSG;
	if (info >= INFO_1_BYTE) {
		bytes = 1u << (info - INFO_1_BYTE);
		if (left(reader) < bytes)
			return -EBADMSG;
		argument = 0;
		for (unsigned i = 0; i < bytes; i++)
			argument = argument << 8 | reader->data[reader->position++];
	}
	*ret_argument = argument;
	*ret_bytes = bytes;
	return 0;
}

static bool is_shortest(uint64_t argument, unsigned bytes)
{
	switch (bytes) {
	case 0:
		return true;
	case 1:
		return argument >= INFO_1_BYTE;
	case 2:
		return argument > UINT8_MAX;
	case 4:
		return argument > UINT16_MAX;
	default:
		return argument > UINT32_MAX;
	}
}

static double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* RFC 8949, appendix D, without ldexp. */
static double half_to_double(uint64_t half)
{
	const uint64_t sign = half >> 15 << 63;
	const uint64_t exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;

	if (exponent == 0)
		return (double)mantissa * (sign ? -0x1p-24 : 0x1p-24);
	if (exponent == 0x1f)
		return double_of(sign | UINT64_C(0x7ff) << 52 | mantissa << 42);
	return double_of(sign | (exponent + 1023 - 15) << 52 | mantissa << 42);
}

static double single_to_double(uint64_t bits)
{
	const uint32_t narrow = (uint32_t)bits;
	float value;

	_Static_assert(sizeof(value) == sizeof(narrow), "float must be IEEE 754 binary32");
	memcpy(&value, &narrow, sizeof(value));
	return value;
}

static int read_float(uint64_t bits, unsigned bytes, struct rmt_cbor_item *item)
{
	uint64_t shortest;

	item->type = RMT_CBOR_FLOAT;
	item->f64 = bytes == 2   ? half_to_double(bits)
		    : bytes == 4 ? single_to_double(bits)
				 : double_of(bits);
	/* The bits as well as the width, because only one NaN is allowed. */
	if (rmt_cbor_shortest_float(item->f64, &shortest) != bytes || shortest != bits)
		return -EBADMSG;
	return 0;
}

static int read_simple(unsigned info, uint64_t argument, unsigned bytes, struct rmt_cbor_item *item)
{
	switch (info) {
	case INFO_FALSE:
		item->type = RMT_CBOR_FALSE;
		return 0;
	case INFO_TRUE:
		item->type = RMT_CBOR_TRUE;
		return 0;
	case INFO_NULL:
		item->type = RMT_CBOR_NULL;
		return 0;
	case INFO_HALF:
	case INFO_SINGLE:
	case INFO_DOUBLE:
		return read_float(argument, bytes, item);
	default:
		return -EBADMSG;
	}
}

static int read_string(struct rmt_cbor_reader *reader, struct rmt_cbor_item *item)
{
	if (item->uint > left(reader))
		return -EBADMSG;
	item->data = reader->data + reader->position;
	item->size = (size_t)item->uint;
	if (item->type == RMT_CBOR_TEXT && !rmt_utf8_valid(item->data, item->size))
		return -EBADMSG;
	reader->position += item->size;
	return 0;
}

int rmt_cbor_read(struct rmt_cbor_reader *reader, struct rmt_cbor_item *ret_item)
{
	static const enum rmt_cbor_type types[MAJOR_SIMPLE] = {
		[MAJOR_UINT] = RMT_CBOR_UINT,   [MAJOR_NINT] = RMT_CBOR_NINT,
		[MAJOR_BYTES] = RMT_CBOR_BYTES, [MAJOR_TEXT] = RMT_CBOR_TEXT,
		[MAJOR_ARRAY] = RMT_CBOR_ARRAY, [MAJOR_MAP] = RMT_CBOR_MAP,
		[MAJOR_TAG] = RMT_CBOR_TAG,
	};
	struct rmt_cbor_item item = {0};
	unsigned major, info, bytes;
	uint64_t content = 0; /* bytes that must follow, at least: an item has one or more */
	int r;

	if (left(reader) == 0)
		return 0;
	major = reader->data[reader->position] >> 5;
	info = reader->data[reader->position] & 0x1f;
	reader->position++;
	r = read_argument(reader, info, &item.uint, &bytes);
	if (r < 0)
		return r;

	if (major == MAJOR_SIMPLE) {
		r = read_simple(info, item.uint, bytes, &item);
	} else {
		item.type = types[major];
		if (!is_shortest(item.uint, bytes))
			return -EBADMSG;
		if (major == MAJOR_BYTES || major == MAJOR_TEXT)
			r = read_string(reader, &item);
		else if (major == MAJOR_ARRAY)
			content = item.uint;
		else if (major == MAJOR_MAP && __builtin_mul_overflow(item.uint, 2, &content))
			return -EBADMSG;
		else if (major == MAJOR_TAG)
			content = 1;
	}
	if (r < 0)
		return r;
	if (content > left(reader))
		return -EBADMSG;
	*ret_item = item;
	return 1;
}

/* --- whole items -------------------------------------------------------------------------- */

static int skip_item(struct rmt_cbor_reader *reader, unsigned depth);

/* Deterministic encodings are never a prefix of each other, so that bytes up to the shorter
 * length decide. */
static bool is_before(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size)
{
	return memcmp(a, b, a_size < b_size ? a_size : b_size) < 0;
}

static int skip_map(struct rmt_cbor_reader *reader, uint64_t pairs, unsigned depth)
{
	const unsigned char *last = NULL;
	size_t last_size = 0;

	for (uint64_t i = 0; i < pairs; i++) {
		const unsigned char *key = reader->data + reader->position;
		size_t size = reader->position;
		int r = skip_item(reader, depth);

		if (r < 0)
			return r;
		size = reader->position - size;
		if (last && !is_before(last, last_size, key, size))
			return -EBADMSG;
		last = key;
		last_size = size;
		r = skip_item(reader, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

static int skip_items(struct rmt_cbor_reader *reader, uint64_t count, unsigned depth)
{
	for (uint64_t i = 0; i < count; i++) {
		int r = skip_item(reader, depth);

		if (r < 0)
			return r;
	}
	return 0;
}

/* depth: how many arrays, maps and tags the item lies in. */
static int skip_item(struct rmt_cbor_reader *reader, unsigned depth)
{
	struct rmt_cbor_item item;
	int r = rmt_cbor_read(reader, &item);

	if (r <= 0)
		return -EBADMSG;
	if (item.type != RMT_CBOR_ARRAY && item.type != RMT_CBOR_MAP && item.type != RMT_CBOR_TAG)
		return 0;
	if (depth == RMT_CBOR_DEPTH_MAX)
		return -EBADMSG;
	if (item.type == RMT_CBOR_MAP)
		return skip_map(reader, item.uint, depth + 1);
	return skip_items(reader, item.type == RMT_CBOR_TAG ? 1 : item.uint, depth + 1);
}

int rmt_cbor_skip(struct rmt_cbor_reader *reader)
{
	return skip_item(reader, 0);
}

int rmt_cbor_validate(const void *data, size_t size)
{
	struct rmt_cbor_reader reader;
	int r;

	rmt_cbor_reader_init(&reader, data, size);
	r = rmt_cbor_skip(&reader);
	if (r < 0)
		return r;
	return left(&reader) == 0 ? 0 : -EBADMSG;
}

/* --- typed forms -------------------------------------------------------------------------- */

static int read_head(struct rmt_cbor_reader *reader, struct rmt_cbor_item *ret_item)
{
	const int r = rmt_cbor_read(reader, ret_item);

	return r == 0 ? -EBADMSG : r;
}

static int read_of_type(struct rmt_cbor_reader *reader, enum rmt_cbor_type type,
			struct rmt_cbor_item *ret_item)
{
	const int r = read_head(reader, ret_item);

	if (r < 0)
		return r;
	return ret_item->type == type ? 0 : -EINVAL;
}

static int read_unsigned(struct rmt_cbor_reader *reader, uint64_t max, uint64_t *ret)
{
	struct rmt_cbor_item item;
	const int r = read_head(reader, &item);

	if (r < 0)
		return r;
	if (item.type == RMT_CBOR_NINT)
		return -ERANGE;
	if (item.type != RMT_CBOR_UINT)
		return -EINVAL;
	if (item.uint > max)
		return -ERANGE;
	*ret = item.uint;
	return 0;
}

int rmt_cbor_read_u64(struct rmt_cbor_reader *reader, uint64_t *ret)
{
	return read_unsigned(reader, UINT64_MAX, ret);
}

int rmt_cbor_read_u32(struct rmt_cbor_reader *reader, uint32_t *ret)
{
	uint64_t value;
	const int r = read_unsigned(reader, UINT32_MAX, &value);

	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int rmt_cbor_read_i64(struct rmt_cbor_reader *reader, int64_t *ret)
{
	struct rmt_cbor_item item;
	const int r = read_head(reader, &item);

	if (r < 0)
		return r;
	if (item.type != RMT_CBOR_UINT && item.type != RMT_CBOR_NINT)
		return -EINVAL;
	if (item.uint > INT64_MAX)
		return -ERANGE;
	*ret = item.type == RMT_CBOR_UINT ? (int64_t)item.uint : -1 - (int64_t)item.uint;
	return 0;
}

int rmt_cbor_read_bool(struct rmt_cbor_reader *reader, bool *ret)
{
	struct rmt_cbor_item item;
	const int r = read_head(reader, &item);

	if (r < 0)
		return r;
	if (item.type != RMT_CBOR_FALSE && item.type != RMT_CBOR_TRUE)
		return -EINVAL;
	*ret = item.type == RMT_CBOR_TRUE;
	return 0;
}

int rmt_cbor_read_f64(struct rmt_cbor_reader *reader, double *ret)
{
	struct rmt_cbor_item item;
	const int r = read_of_type(reader, RMT_CBOR_FLOAT, &item);

	if (r < 0)
		return r;
	*ret = item.f64;
	return 0;
}

int rmt_cbor_read_array(struct rmt_cbor_reader *reader, uint64_t *ret_count)
{
	struct rmt_cbor_item item;
	const int r = read_of_type(reader, RMT_CBOR_ARRAY, &item);

	if (r < 0)
		return r;
	*ret_count = item.uint;
	return 0;
}

int rmt_cbor_read_map(struct rmt_cbor_reader *reader, uint64_t *ret_count)
{
	struct rmt_cbor_item item;
	const int r = read_of_type(reader, RMT_CBOR_MAP, &item);

	if (r < 0)
		return r;
	*ret_count = item.uint;
	return 0;
}

int rmt_cbor_read_str(struct rmt_cbor_reader *reader, const char **ret_data, size_t *ret_size)
{
	struct rmt_cbor_item item;
	const int r = read_head(reader, &item);

	if (r < 0)
		return r;
	if (item.type == RMT_CBOR_NULL) {
		*ret_data = NULL;
		*ret_size = 0;
		return 0;
	}
	if (item.type != RMT_CBOR_TEXT && item.type != RMT_CBOR_BYTES)
		return -EINVAL;
	if (memchr(item.data, '\0', item.size))
		return -EINVAL;
	/* One string, one encoding: bytes are for what cannot be text. */
	if (item.type == RMT_CBOR_BYTES && rmt_utf8_valid(item.data, item.size))
		return -EINVAL;
	*ret_data = (const char *)item.data;
	*ret_size = item.size;
	return 0;
}

int rmt_cbor_read_bytes(struct rmt_cbor_reader *reader, const void **ret_data, size_t *ret_size)
{
	struct rmt_cbor_item item;
	const int r = read_of_type(reader, RMT_CBOR_BYTES, &item);

	if (r < 0)
		return r;
	*ret_data = item.data;
	*ret_size = item.size;
	return 0;
}
