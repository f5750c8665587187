/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBOR (RFC 8949), deterministic form (section 4.2.1): shortest heads, definite lengths, map keys
 * in bytewise order. The writer produces nothing else and the reader accepts nothing else. Bounded:
 * RMT_CBOR_DEPTH_MAX levels, and no length is believed before the bytes are there.
 *
 * The reader takes one head at a time and never allocates: strings point into the input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum rmt_cbor_type {
	RMT_CBOR_UINT,  /* item.uint */
	RMT_CBOR_NINT,  /* item.uint is n where the value is -1 - n */
	RMT_CBOR_BYTES, /* item.data, item.size */
	RMT_CBOR_TEXT,  /* item.data, item.size; valid UTF-8, checked */
	RMT_CBOR_ARRAY, /* item.uint items follow */
	RMT_CBOR_MAP,   /* item.uint pairs follow */
	RMT_CBOR_TAG,   /* item.uint is the tag, one item follows */
	RMT_CBOR_FALSE,
	RMT_CBOR_TRUE,
	RMT_CBOR_NULL,
	RMT_CBOR_FLOAT, /* item.f64, whatever width it had */
};

struct rmt_cbor_item {
	enum rmt_cbor_type type;
	uint64_t uint;
	double f64;
	const unsigned char *data;
	size_t size;
};

/* --- writing ------------------------------------------------------------------------------ */

void rmt_cbor_put_uint(struct rmt_buffer *out, uint64_t value);
void rmt_cbor_put_int(struct rmt_buffer *out, int64_t value);
void rmt_cbor_put_bool(struct rmt_buffer *out, bool value);
void rmt_cbor_put_null(struct rmt_buffer *out);
/* the shortest of half, single, double that is exact */
void rmt_cbor_put_f64(struct rmt_buffer *out, double value);
void rmt_cbor_put_bytes(struct rmt_buffer *out, const void *data, size_t size);
/* data must be valid UTF-8 */
void rmt_cbor_put_text(struct rmt_buffer *out, const char *data, size_t size);
void rmt_cbor_put_array(struct rmt_buffer *out, uint64_t count);
void rmt_cbor_put_map(struct rmt_buffer *out, uint64_t count);
void rmt_cbor_put_tag(struct rmt_buffer *out, uint64_t tag);

/* A C string that may be NULL and need not be UTF-8 (a file name): null, text when it is valid
 * UTF-8, bytes else. */
void rmt_cbor_put_str(struct rmt_buffer *out, const char *string);

bool rmt_utf8_valid(const void *data, size_t size);

/* --- reading ------------------------------------------------------------------------------ */

struct rmt_cbor_reader {
	const unsigned char *data;
	size_t size;
	size_t position;
};

void rmt_cbor_reader_init(struct rmt_cbor_reader *reader, const void *data, size_t size);

/* The next head. 1: *ret_item is it and the reader stands behind it (behind the content of strings,
 * before the items of arrays, maps, tags). 0: the input ended exactly here. -EBADMSG: not
 * deterministic CBOR, or cut short. */
int rmt_cbor_read(struct rmt_cbor_reader *reader, struct rmt_cbor_item *ret_item);

/* Steps over the next item with all it contains, checking it (nesting, key order). 0, or -EBADMSG.
 */
int rmt_cbor_skip(struct rmt_cbor_reader *reader);

/* Typed forms: the next item must be one of this type and range. 0, -EBADMSG (not CBOR), -EINVAL
 * (another type), -ERANGE (does not fit). On failure the reader's position is undefined and nothing
 * is written to the output. */
int rmt_cbor_read_u64(struct rmt_cbor_reader *reader, uint64_t *ret);
int rmt_cbor_read_u32(struct rmt_cbor_reader *reader, uint32_t *ret);
int rmt_cbor_read_i64(struct rmt_cbor_reader *reader, int64_t *ret);
int rmt_cbor_read_bool(struct rmt_cbor_reader *reader, bool *ret);
int rmt_cbor_read_f64(struct rmt_cbor_reader *reader, double *ret);
int rmt_cbor_read_array(struct rmt_cbor_reader *reader, uint64_t *ret_count);
int rmt_cbor_read_map(struct rmt_cbor_reader *reader, uint64_t *ret_count);

/* What rmt_cbor_put_str wrote: *ret_data is NULL for null, and is not NUL-terminated otherwise. A
 * string with a NUL inside is -EINVAL: no C string. */
int rmt_cbor_read_str(struct rmt_cbor_reader *reader, const char **ret_data, size_t *ret_size);
int rmt_cbor_read_bytes(struct rmt_cbor_reader *reader, const void **ret_data, size_t *ret_size);

/* The whole of data is exactly one valid item. 0, or -EBADMSG. */
int rmt_cbor_validate(const void *data, size_t size);
