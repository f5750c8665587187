/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/type.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/limits.h"
#include "base/macro.h"

#define BUILT_IN(name, kind, type)                                  \
	RMT_PUBLIC const struct ramet_type ramet_type_##name[1] = { \
		{#name, kind, 0, type, NULL, NULL}}

BUILT_IN(none, RAMET_KIND_NONE, 0);
BUILT_IN(boolean, RAMET_KIND_BOOLEAN, sizeof(bool));
BUILT_IN(i32, RAMET_KIND_I32, sizeof(int32_t));
BUILT_IN(i64, RAMET_KIND_I64, sizeof(int64_t));
BUILT_IN(u64, RAMET_KIND_U64, sizeof(uint64_t));
BUILT_IN(f64, RAMET_KIND_F64, sizeof(double));
BUILT_IN(str, RAMET_KIND_STR, sizeof(const char *));
BUILT_IN(bytes, RAMET_KIND_BYTES, sizeof(ramet_bytes));
BUILT_IN(value, RAMET_KIND_VALUE, sizeof(ramet_value *));
BUILT_IN(context, RAMET_KIND_CONTEXT, sizeof(ramet_context *));
BUILT_IN(sender, RAMET_KIND_SENDER, sizeof(ramet_sender *));

/* What RAMET_ARRAY defines looks like this in memory. */
struct array {
	void *items;
	size_t count;
};

/* --- memory ------------------------------------------------------------------------------- */

#define ALIGNMENT 16u
#define BLOCK_SIZE 4096u

struct rmt_type_block {
	struct rmt_type_block *next;
	unsigned char data[] __attribute__((aligned(16)));
};

void rmt_type_memory_init(struct rmt_type_memory *memory, void *first, size_t size)
{
	*memory = (struct rmt_type_memory){
		.arena = first != NULL, .at = first, .end = (unsigned char *)first + size};
}

void *rmt_type_memory_take(struct rmt_type_memory *memory, size_t size)
{
	struct rmt_type_block *block;
	size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	void *taken;

	if (!memory->arena)
		return malloc(size);
	if (rounded < size)
		return NULL;
	if (rounded > (size_t)(memory->end - memory->at)) {
		size_t block_size = RMT_MAX(rounded, BLOCK_SIZE);

		if (block_size > SIZE_MAX - sizeof(*block))
			return NULL;
		block = malloc(sizeof(*block) + block_size);
		if (!block)
			return NULL;
		block->next = memory->blocks;
		memory->blocks = block;
		memory->at = block->data;
		memory->end = block->data + block_size;
	}
	taken = memory->at;
	memory->at += rounded;
	return taken;
}

void rmt_type_memory_done(struct rmt_type_memory *memory)
{
	while (memory->blocks) {
		struct rmt_type_block *block = memory->blocks;

		memory->blocks = block->next;
		free(block);
	}
	memory->at = memory->end = NULL;
}

/* --- encoding ----------------------------------------------------------------------------- */

void rmt_type_encode(const struct ramet_type *type, const void *object, struct rmt_buffer *out,
		     const struct rmt_type_hooks *hooks, void *userdata)
{
	const ramet_bytes *bytes = object;
	const struct array *array = object;

	switch (type->kind) {
	case RAMET_KIND_BOOLEAN:
		rmt_cbor_put_bool(out, *(const bool *)object);
		return;
	case RAMET_KIND_I32:
		rmt_cbor_put_int(out, *(const int32_t *)object);
		return;
	case RAMET_KIND_I64:
		rmt_cbor_put_int(out, *(const int64_t *)object);
		return;
	case RAMET_KIND_U64:
		rmt_cbor_put_uint(out, *(const uint64_t *)object);
		return;
	case RAMET_KIND_F64:
		rmt_cbor_put_f64(out, *(const double *)object);
		return;
	case RAMET_KIND_STR:
		rmt_cbor_put_str(out, *(const char *const *)object);
		return;
	case RAMET_KIND_BYTES:
		rmt_cbor_put_bytes(out, bytes->data, bytes->size);
		return;
	case RAMET_KIND_VALUE:
		hooks->encode_value(*(const ramet_value *const *)object, out, userdata);
		return;
	case RAMET_KIND_CONTEXT:
		hooks->encode_context(*(const ramet_context *const *)object, out, userdata);
		return;
	case RAMET_KIND_SENDER:
		hooks->encode_sender(*(ramet_sender *const *)object, out, userdata);
		return;
	case RAMET_KIND_STRUCT:
		rmt_cbor_put_array(out, type->count);
		for (unsigned i = 0; i < type->count; i++)
			rmt_type_encode(type->fields[i].type,
					(const char *)object + type->fields[i].offset, out, hooks,
					userdata);
		return;
	case RAMET_KIND_ARRAY:
		rmt_cbor_put_array(out, array->count);
		for (size_t i = 0; i < array->count; i++)
			rmt_type_encode(type->item,
					(const char *)array->items + i * type->item->size, out,
					hooks, userdata);
		return;
	default:
		rmt_cbor_put_null(out);
	}
}

/* --- decoding ----------------------------------------------------------------------------- */

struct decoder {
	struct rmt_cbor_reader *reader;
	struct rmt_type_memory *memory;
	const struct rmt_type_hooks *hooks;
	void *userdata;
	char *where;
	size_t where_size;
	unsigned depth;
};

static const char *const found_names[] = {
	[RMT_CBOR_UINT] = "an integer",
	[RMT_CBOR_NINT] = "a negative integer",
	[RMT_CBOR_BYTES] = "bytes",
	[RMT_CBOR_TEXT] = "text",
	[RMT_CBOR_ARRAY] = "a list",
	[RMT_CBOR_MAP] = "a map",
	[RMT_CBOR_TAG] = "a handle",
	[RMT_CBOR_FALSE] = "a boolean",
	[RMT_CBOR_TRUE] = "a boolean",
	[RMT_CBOR_NULL] = "none",
	[RMT_CBOR_FLOAT] = "a number with a point",
};

/* Says what was expected and what is there. Names of fields are put before it on the way out. */
static int mismatch(struct decoder *decoder, const struct ramet_type *type, size_t position,
		    int code)
{
	struct rmt_cbor_reader ahead = *decoder->reader;
	struct rmt_cbor_item item;
	const char *found = "the end";

	ahead.position = position;
	if (rmt_cbor_read(&ahead, &item) > 0)
		found = found_names[item.type];
	if (code == -ERANGE)
		rmt_format(decoder->where, decoder->where_size, "the number does not fit %s",
			   type->name);
	else if (code == -ENOMEM)
		rmt_format(decoder->where, decoder->where_size, "out of memory");
	else
		rmt_format(decoder->where, decoder->where_size, "expected %s, got %s", type->name,
			   found);
	return code;
}

/* "corners: 3: x: expected f64, got text" */
RMT_PRINTF(2, 3)
static void prefix(struct decoder *decoder, const char *format, ...)
{
	char before[96];
	va_list arguments;
	size_t size;

	va_start(arguments, format);
	size = rmt_formatv(before, sizeof(before), format, arguments);
	va_end(arguments);
	if (size == 0 || size >= sizeof(before) || size + 1 >= decoder->where_size)
		return;
	memmove(decoder->where + size, decoder->where, decoder->where_size - size);
	decoder->where[decoder->where_size - 1] = '\0';
	memcpy(decoder->where, before, size);
}

static int decode(struct decoder *decoder, const struct ramet_type *type, void *object);

static int decode_str(struct decoder *decoder, const char **ret)
{
	const char *data;
	size_t size;
	int r = rmt_cbor_read_str(decoder->reader, &data, &size);
	char *copy;

	if (r < 0 || !data)
		return r;
	copy = rmt_type_memory_take(decoder->memory, size + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	copy[size] = '\0';
	*ret = copy;
	return 0;
}

static int decode_bytes(struct decoder *decoder, ramet_bytes *ret)
{
	const void *data;
	size_t size;
	int r = rmt_cbor_read_bytes(decoder->reader, &data, &size);
	void *copy;

	if (r < 0)
		return r;
	if (!decoder->memory->arena) {
		copy = malloc(size ? size : 1);
		if (!copy)
			return -ENOMEM;
		data = memcpy(copy, data, size);
	}
	*ret = (ramet_bytes){data, size};
	return 0;
}

static int decode_i32(struct decoder *decoder, int32_t *ret)
{
	int64_t wide;
	int r = rmt_cbor_read_i64(decoder->reader, &wide);

	if (r < 0)
		return r;
	if (wide < INT32_MIN || wide > INT32_MAX)
		return -ERANGE;
	*ret = (int32_t)wide;
	return 0;
}

static int decode_struct(struct decoder *decoder, const struct ramet_type *type, void *object)
{
	size_t position = decoder->reader->position;
	uint64_t count;
	int r = rmt_cbor_read_array(decoder->reader, &count);

	if (r < 0)
		return mismatch(decoder, type, position, r);
	if (count != type->count) {
		rmt_format(decoder->where, decoder->where_size, "%llu values for the %u of %s",
			   (unsigned long long)count, type->count, type->name);
		return -EINVAL;
	}
	for (unsigned i = 0; i < type->count; i++) {
		r = decode(decoder, type->fields[i].type, (char *)object + type->fields[i].offset);
		if (r < 0) {
			prefix(decoder, "%s: ", type->fields[i].name);
			return r;
		}
	}
	return 0;
}

static int decode_array(struct decoder *decoder, const struct ramet_type *type, struct array *array)
{
	struct rmt_cbor_reader *reader = decoder->reader;
	size_t position = reader->position, size = type->item->size;
	uint64_t count;
	int r = rmt_cbor_read_array(reader, &count);

	if (r < 0)
		return mismatch(decoder, type, position, r);
	/* A claim of many items has to come with a byte for each, at least. */
	if (count > reader->size - reader->position)
		return mismatch(decoder, type, position, -EBADMSG);
	if (count == 0)
		return 0;
	if (count > SIZE_MAX / size)
		return mismatch(decoder, type, position, -ENOMEM);
	array->items = rmt_type_memory_take(decoder->memory, (size_t)count * size);
	if (!array->items)
		return mismatch(decoder, type, position, -ENOMEM);
	memset(array->items, 0, (size_t)count * size);
	array->count = (size_t)count;
	for (size_t i = 0; i < count; i++) {
		r = decode(decoder, type->item, (char *)array->items + i * size);
		if (r < 0) {
			prefix(decoder, "%zu: ", i);
			return r;
		}
	}
	return 0;
}

static int decode_scalar(struct decoder *decoder, const struct ramet_type *type, void *object)
{
	struct rmt_cbor_item item;

	switch (type->kind) {
	case RAMET_KIND_BOOLEAN:
		return rmt_cbor_read_bool(decoder->reader, object);
	case RAMET_KIND_I32:
		return decode_i32(decoder, object);
	case RAMET_KIND_I64:
		return rmt_cbor_read_i64(decoder->reader, object);
	case RAMET_KIND_U64:
		return rmt_cbor_read_u64(decoder->reader, object);
	case RAMET_KIND_F64:
		return rmt_cbor_read_f64(decoder->reader, object);
	case RAMET_KIND_STR:
		return decode_str(decoder, object);
	case RAMET_KIND_BYTES:
		return decode_bytes(decoder, object);
	case RAMET_KIND_VALUE:
		return decoder->hooks->decode_value(decoder->reader, decoder->userdata, object);
	case RAMET_KIND_CONTEXT:
		return decoder->hooks->decode_context(decoder->reader, decoder->userdata, object);
	case RAMET_KIND_SENDER:
		return decoder->hooks->decode_sender(decoder->reader, decoder->userdata, object);
	default:
		if (rmt_cbor_read(decoder->reader, &item) <= 0)
			return -EBADMSG;
		return item.type == RMT_CBOR_NULL ? 0 : -EINVAL;
	}
}

static int decode(struct decoder *decoder, const struct ramet_type *type, void *object)
{
	size_t position = decoder->reader->position;
	int r;

	if (type->kind == RAMET_KIND_STRUCT || type->kind == RAMET_KIND_ARRAY) {
		if (decoder->depth == RMT_CBOR_DEPTH_MAX)
			return mismatch(decoder, type, position, -EBADMSG);
		decoder->depth++;
		r = type->kind == RAMET_KIND_STRUCT ? decode_struct(decoder, type, object)
						    : decode_array(decoder, type, object);
		decoder->depth--;
		return r;
	}
	r = decode_scalar(decoder, type, object);
	return r < 0 ? mismatch(decoder, type, position, r) : 0;
}

int rmt_type_decode(const struct ramet_type *type, struct rmt_cbor_reader *reader, void *object,
		    struct rmt_type_memory *memory, const struct rmt_type_hooks *hooks,
		    void *userdata, char *where, size_t where_size)
{
	struct decoder decoder = {reader, memory, hooks, userdata, where, where_size, 0};
	int r;

	memset(object, 0, type->size);
	r = decode(&decoder, type, object);
	if (r < 0) {
		if (memory->arena)
			rmt_type_release(type, object);
		else
			ramet_type_clear(type, object);
		memset(object, 0, type->size);
	}
	return r;
}

/* --- dropping ----------------------------------------------------------------------------- */

static void drop(const struct ramet_type *type, void *object, bool free_memory)
{
	struct array *array = object;

	switch (type->kind) {
	case RAMET_KIND_STR:
		if (free_memory)
			ramet_free(*(const char **)object);
		return;
	case RAMET_KIND_BYTES:
		if (free_memory)
			ramet_free(((ramet_bytes *)object)->data);
		return;
	case RAMET_KIND_VALUE:
		ramet_value_unref(*(ramet_value **)object);
		return;
	case RAMET_KIND_CONTEXT:
		ramet_context_unref(*(ramet_context **)object);
		return;
	case RAMET_KIND_SENDER:
		ramet_sender_unref(*(ramet_sender **)object);
		return;
	case RAMET_KIND_STRUCT:
		for (unsigned i = 0; i < type->count; i++)
			drop(type->fields[i].type, (char *)object + type->fields[i].offset,
			     free_memory);
		return;
	case RAMET_KIND_ARRAY:
		for (size_t i = 0; i < array->count; i++)
			drop(type->item, (char *)array->items + i * type->item->size, free_memory);
		if (free_memory)
			free(array->items);
		return;
	default:
		return;
	}
}

void rmt_type_release(const struct ramet_type *type, void *object)
{
	drop(type, object, false);
}

RMT_PUBLIC void ramet_type_clear(const struct ramet_type *type, void *object)
{
	if (!object)
		return;
	drop(type, object, true);
	memset(object, 0, type->size);
}

/* --- signatures --------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u; /* FNV-1a */
	return hash;
}

static uint64_t mix_type(uint64_t hash, const struct ramet_type *type)
{
	unsigned char head[2] = {(unsigned char)type->kind, (unsigned char)type->count};

	hash = mix(hash, head, sizeof(head));
	if (type->kind == RAMET_KIND_ARRAY)
		return mix_type(hash, type->item);
	for (unsigned i = 0; type->kind == RAMET_KIND_STRUCT && i < type->count; i++)
		hash = mix_type(hash, type->fields[i].type);
	return hash;
}

uint64_t rmt_type_look(const struct ramet_type *type)
{
	return mix_type(0, type);
}

uint64_t rmt_function_signature(const struct ramet_function *function)
{
	uint64_t hash = mix(0xcbf29ce484222325u, function->name, strlen(function->name) + 1);

	return mix_type(mix_type(hash, function->result), &function->arguments);
}
