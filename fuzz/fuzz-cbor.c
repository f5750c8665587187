/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBOR: no input makes a reader leave its bytes or write an output that it refuses, and what is
 * valid is written again as the same bytes: one value, one encoding.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void put_item(struct rmt_buffer *out, const struct rmt_cbor_item *item)
{
	switch (item->type) {
	case RMT_CBOR_UINT:
		rmt_cbor_put_uint(out, item->uint);
		break;
	case RMT_CBOR_NINT:
		rmt_cbor_put_int(out, -1 - (int64_t)item->uint);
		break;
	case RMT_CBOR_BYTES:
		rmt_cbor_put_bytes(out, item->data, item->size);
		break;
	case RMT_CBOR_TEXT:
		rmt_cbor_put_text(out, (const char *)item->data, item->size);
		break;
	case RMT_CBOR_ARRAY:
		rmt_cbor_put_array(out, item->uint);
		break;
	case RMT_CBOR_MAP:
		rmt_cbor_put_map(out, item->uint);
		break;
	case RMT_CBOR_TAG:
		rmt_cbor_put_tag(out, item->uint);
		break;
	case RMT_CBOR_FALSE:
	case RMT_CBOR_TRUE:
		rmt_cbor_put_bool(out, item->type == RMT_CBOR_TRUE);
		break;
	case RMT_CBOR_NULL:
		rmt_cbor_put_null(out);
		break;
	case RMT_CBOR_FLOAT:
		rmt_cbor_put_f64(out, item->f64);
		break;
	}
}

/* Heads one after the other, whatever they mean together; each is written as it was read. */
static void read_heads(const uint8_t *data, size_t size)
{
	struct rmt_cbor_reader reader;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_cbor_item item;

	rmt_cbor_reader_init(&reader, data, size);
	for (;;) {
		const size_t start = reader.position;
		const int r = rmt_cbor_read(&reader, &item);

		CHECK(reader.position <= size);
		if (r <= 0) {
			CHECK(r < 0 || start == size);
			break;
		}
		/* The writer has no value below INT64_MIN. */
		if (item.type == RMT_CBOR_NINT && item.uint > INT64_MAX)
			continue;
		rmt_buffer_reset(&out);
		put_item(&out, &item);
		CHECK(out.size == reader.position - start);
		CHECK(memcmp(out.data, data + start, out.size) == 0);
	}
	rmt_buffer_done(&out);
}

/* Validity of the whole says the same as skipping, and a valid whole consists of heads that read
 * well. */
static void check_whole(const uint8_t *data, size_t size)
{
	struct rmt_cbor_reader reader;
	struct rmt_cbor_item item;
	const int valid = rmt_cbor_validate(data, size);
	int r;

	rmt_cbor_reader_init(&reader, data, size);
	r = rmt_cbor_skip(&reader);
	CHECK(reader.position <= size);
	CHECK((valid == 0) == (r == 0 && reader.position == size));
	if (valid < 0)
		return;
	rmt_cbor_reader_init(&reader, data, size);
	while ((r = rmt_cbor_read(&reader, &item)) > 0)
		;
	CHECK(r == 0);
}

static struct rmt_cbor_reader *restart(struct rmt_cbor_reader *reader,
				       const struct rmt_cbor_reader *start)
{
	*reader = *start;
	return reader;
}

static void read_typed(const uint8_t *data, size_t size)
{
	struct rmt_cbor_reader reader, start;
	struct rmt_cbor_item item;
	const void *bytes;
	const char *string;
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	int64_t i64 = 0;
	size_t length;
	double f64;
	bool boolean;
	int unsigned_r, signed_r, narrow_r;

	rmt_cbor_reader_init(&start, data, size);
	while (start.position < size) {
		unsigned_r = rmt_cbor_read_u64(restart(&reader, &start), &u64);
		narrow_r = rmt_cbor_read_u32(restart(&reader, &start), &u32);
		signed_r = rmt_cbor_read_i64(restart(&reader, &start), &i64);
		CHECK(narrow_r < 0 ||
		      (unsigned_r == 0 && signed_r == 0 && u64 == u32 && i64 == u32));
		CHECK(unsigned_r < 0 || signed_r < 0 || (i64 >= 0 && (uint64_t)i64 == u64));

		rmt_cbor_read_bool(restart(&reader, &start), &boolean);
		rmt_cbor_read_f64(restart(&reader, &start), &f64);
		if (rmt_cbor_read_map(restart(&reader, &start), &u64) == 0)
			CHECK(2 * u64 <= size);
		if (rmt_cbor_read_array(restart(&reader, &start), &u64) == 0)
			CHECK(u64 <= size);
		if (rmt_cbor_read_bytes(restart(&reader, &start), &bytes, &length) == 0)
			CHECK((const uint8_t *)bytes + length == data + reader.position);

		string = "untouched";
		if (rmt_cbor_read_str(restart(&reader, &start), &string, &length) < 0)
			CHECK(strcmp(string, "untouched") == 0);
		else if (string)
			CHECK(!memchr(string, '\0', length));

		/* On to the next head, or to the next byte where none is. */
		if (rmt_cbor_read(restart(&reader, &start), &item) > 0)
			start = reader;
		else
			start.position++;
	}
}

/* Any bytes without a NUL are a string that comes back. */
static void check_string(const uint8_t *data, size_t size)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_cbor_reader reader;
	const char *string;
	size_t length;
	char *copy = malloc(size + 1);

	if (!copy)
		return;
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	rmt_cbor_put_str(&out, copy);
	CHECK(out.error == 0 && rmt_cbor_validate(out.data, out.size) == 0);
	rmt_cbor_reader_init(&reader, out.data, out.size);
	CHECK(rmt_cbor_read_str(&reader, &string, &length) == 0);
	CHECK(length == strlen(copy) && memcmp(string, copy, length) == 0);
	rmt_buffer_done(&out);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_heads(data, size);
	check_whole(data, size);
	read_typed(data, size);
	check_string(data, size);
	return 0;
}
