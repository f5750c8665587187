/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/value.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/sort.h"
#include "core/control.h"
#include "core/peer.h"
#include "core/receiver.h"

/* A byte string above this keeps the chunk in which it arrived, instead of a copy. */
#define SHARE_BYTES 4096

struct ramet_value {
	atomic_uint references;
	enum ramet_kind kind;
	union {
		bool boolean;
		int64_t i64;
		uint64_t u64;
		double f64;
		ramet_bytes bytes; /* also STR, which has a NUL behind it */
		ramet_context *context;
		ramet_sender *sender;
		struct {
			ramet_value **items; /* of a map: key, value, key, value ... */
			size_t count;
		};
	};
	struct rmt_chunk *chunk; /* where its bytes are, if not in copy */
	struct rmt_chunk *home;  /* where it lies itself; NULL: in memory of its own */
	char copy[];
};

static ramet_value *value_new(enum ramet_kind kind, size_t extra)
{
	/* Not calloc(3), which allocators have a slower way for. */
	ramet_value *value = malloc(sizeof(*value) + extra);

	if (value) {
		*value = (ramet_value){.kind = kind};
		atomic_init(&value->references, 1);
	}
	return value;
}

/* --- making ------------------------------------------------------------------------------- */

RMT_PUBLIC ramet_value *ramet_value_new_none(void)
{
	return value_new(RAMET_KIND_NONE, 0);
}

RMT_PUBLIC ramet_value *ramet_value_new_boolean(bool boolean)
{
	ramet_value *value = value_new(RAMET_KIND_BOOLEAN, 0);

	if (value)
		value->boolean = boolean;
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_new_i64(int64_t i64)
{
	ramet_value *value = value_new(RAMET_KIND_I64, 0);

	if (value)
		value->i64 = i64;
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_new_u64(uint64_t u64)
{
	ramet_value *value;

	if (u64 <= INT64_MAX)
		return ramet_value_new_i64((int64_t)u64);
	value = value_new(RAMET_KIND_U64, 0);
	if (value)
		value->u64 = u64;
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_new_f64(double f64)
{
	ramet_value *value = value_new(RAMET_KIND_F64, 0);

	if (value)
		value->f64 = f64;
	return value;
}

static ramet_value *copy_new(enum ramet_kind kind, const void *data, size_t size)
{
	ramet_value *value = value_new(kind, size + 1);

	if (value) {
		if (size > 0)
			rmt_copy(value->copy, data, size);
		value->copy[size] = '\0';
		value->bytes = (ramet_bytes){value->copy, size};
	}
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_new_str(const char *string)
{
	return string ? copy_new(RAMET_KIND_STR, string, strlen(string)) : ramet_value_new_none();
}

RMT_PUBLIC ramet_value *ramet_value_new_bytes(ramet_bytes bytes)
{
	return copy_new(RAMET_KIND_BYTES, bytes.data, bytes.size);
}

RMT_PUBLIC ramet_value *ramet_value_new_context(ramet_context *context)
{
	ramet_value *value = value_new(RAMET_KIND_CONTEXT, 0);

	if (value)
		value->context = ramet_context_ref(context);
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_new_sender(ramet_sender *sender)
{
	ramet_value *value = value_new(RAMET_KIND_SENDER, 0);

	if (value)
		value->sender = ramet_sender_ref(sender);
	return value;
}

/* Room for items, which are NULL at first. */
static ramet_value *items_new(enum ramet_kind kind, size_t count)
{
	ramet_value *value = value_new(kind, 0);

	if (!value)
		return NULL;
	value->items = calloc(count ? count : 1, sizeof(ramet_value *));
	if (!value->items) {
		free(value);
		return NULL;
	}
	value->count = count;
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_new_array(ramet_value *const *items, size_t count)
{
	ramet_value *value = items_new(RAMET_KIND_ARRAY, count);

	for (size_t i = 0; value && i < count; i++)
		value->items[i] = ramet_value_ref(items[i]);
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_new_map(ramet_value *const *keys, ramet_value *const *values,
					    size_t count)
{
	ramet_value *value = items_new(RAMET_KIND_MAP, count * 2);

	for (size_t i = 0; value && i < count; i++) {
		value->items[2 * i] = ramet_value_ref(keys[i]);
		value->items[2 * i + 1] = ramet_value_ref(values[i]);
	}
	return value;
}

RMT_PUBLIC ramet_value *ramet_value_ref(ramet_value *value)
{
	atomic_fetch_add_explicit(&value->references, 1, memory_order_relaxed);
	return value;
}

RMT_PUBLIC void ramet_value_unref(ramet_value *value)
{
	if (!value)
		return;
	/* The only holder needs no locked instruction, as in chunk.c. */
	if (atomic_load_explicit(&value->references, memory_order_acquire) > 1 &&
	    atomic_fetch_sub_explicit(&value->references, 1, memory_order_acq_rel) > 1)
		return;
	if (value->kind == RAMET_KIND_CONTEXT)
		ramet_context_unref(value->context);
	else if (value->kind == RAMET_KIND_SENDER)
		ramet_sender_unref(value->sender);
	if (value->kind == RAMET_KIND_ARRAY || value->kind == RAMET_KIND_MAP) {
		for (size_t i = 0; i < value->count; i++)
			ramet_value_unref(value->items[i]);
		free(value->items);
	}
	rmt_chunk_unref(value->chunk);
	if (value->home)
		rmt_chunk_unref(value->home);
	else
		free(value);
}

size_t rmt_value_room(size_t size)
{
	return sizeof(ramet_value) + size + 1;
}

ramet_value *rmt_value_bytes_in(struct rmt_chunk *home, void *memory, const void *data, size_t size)
{
	ramet_value *value = memory;

	*value = (ramet_value){.kind = RAMET_KIND_BYTES, .home = home};
	atomic_init(&value->references, 1);
	rmt_copy(value->copy, data, size);
	value->bytes = (ramet_bytes){value->copy, size};
	return value;
}

/* --- looking ------------------------------------------------------------------------------ */

RMT_PUBLIC enum ramet_kind ramet_value_kind(const ramet_value *value)
{
	return value ? value->kind : RAMET_KIND_NONE;
}

RMT_PUBLIC bool ramet_value_boolean(const ramet_value *value)
{
	return ramet_value_kind(value) == RAMET_KIND_BOOLEAN && value->boolean;
}

RMT_PUBLIC int64_t ramet_value_i64(const ramet_value *value)
{
	return ramet_value_kind(value) == RAMET_KIND_I64 ? value->i64 : 0;
}

RMT_PUBLIC uint64_t ramet_value_u64(const ramet_value *value)
{
	if (ramet_value_kind(value) == RAMET_KIND_U64)
		return value->u64;
	return ramet_value_i64(value) > 0 ? (uint64_t)value->i64 : 0;
}

RMT_PUBLIC double ramet_value_f64(const ramet_value *value)
{
	return ramet_value_kind(value) == RAMET_KIND_F64 ? value->f64 : 0;
}

RMT_PUBLIC const char *ramet_value_str(const ramet_value *value)
{
	return ramet_value_kind(value) == RAMET_KIND_STR ? value->bytes.data : NULL;
}

RMT_PUBLIC ramet_bytes ramet_value_bytes(const ramet_value *value)
{
	return ramet_value_kind(value) == RAMET_KIND_BYTES ? value->bytes : (ramet_bytes){NULL, 0};
}

RMT_PUBLIC ramet_context *ramet_value_context(const ramet_value *value)
{
	return ramet_value_kind(value) == RAMET_KIND_CONTEXT ? value->context : NULL;
}

RMT_PUBLIC ramet_sender *ramet_value_sender(const ramet_value *value)
{
	return ramet_value_kind(value) == RAMET_KIND_SENDER ? value->sender : NULL;
}

RMT_PUBLIC size_t ramet_value_count(const ramet_value *value)
{
	switch (ramet_value_kind(value)) {
	case RAMET_KIND_ARRAY:
		return value->count;
	case RAMET_KIND_MAP:
		return value->count / 2;
	default:
		return 0;
	}
}

RMT_PUBLIC const ramet_value *ramet_value_item(const ramet_value *value, size_t index)
{
	if (index >= ramet_value_count(value))
		return NULL;
	return value->items[value->kind == RAMET_KIND_MAP ? 2 * index + 1 : index];
}

RMT_PUBLIC const ramet_value *ramet_value_key(const ramet_value *value, size_t index)
{
	if (ramet_value_kind(value) != RAMET_KIND_MAP || index >= ramet_value_count(value))
		return NULL;
	return value->items[2 * index];
}

/* --- encoding ----------------------------------------------------------------------------- */

void rmt_context_encode(const ramet_context *context, struct rmt_buffer *out)
{
	const struct rmt_peer *peer;

	if (!context) {
		rmt_cbor_put_null(out);
		return;
	}
	rmt_cbor_put_tag(out, RMT_TAG_CONTEXT);
	rmt_cbor_put_array(out, 3);
	/* All of one peer: the handle may get another one. */
	rmt_lock(context->router);
	peer = context->peer;
	rmt_cbor_put_uint(out, peer->id);
	rmt_cbor_put_str(out, peer->path ? peer->path : "");
	rmt_cbor_put_uint(out, (unsigned)peer->pid);
	rmt_unlock(context->router);
}

void rmt_sender_encode(const ramet_sender *sender, struct rmt_buffer *out)
{
	if (!sender) {
		rmt_cbor_put_null(out);
		return;
	}
	rmt_cbor_put_tag(out, RMT_TAG_SENDER);
	rmt_cbor_put_array(out, 2);
	rmt_cbor_put_uint(out, sender->destination);
	rmt_cbor_put_uint(out, sender->handle);
}

/* Deterministic CBOR wants the keys in the order of their encoded bytes. */
struct pair {
	size_t key, value, end; /* offsets in the buffer of all pairs */
	const unsigned char *data;
};

static int pair_compare(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	size_t x_size = x->value - x->key, y_size = y->value - y->key;
	int r = memcmp(x->data + x->key, y->data + y->key, RMT_MIN(x_size, y_size));

	return r ? r : (x_size > y_size) - (x_size < y_size);
}

static void encode_map(const ramet_value *value, struct rmt_buffer *out)
{
	size_t count = value->count / 2;
	struct pair *pairs = calloc(count ? count : 1, sizeof(*pairs));
	struct rmt_buffer all = RMT_BUFFER_INIT;

	for (size_t i = 0; pairs && i < count; i++) {
		pairs[i].key = all.size;
		rmt_value_encode(value->items[2 * i], &all);
		pairs[i].value = all.size;
		rmt_value_encode(value->items[2 * i + 1], &all);
		pairs[i].end = all.size;
	}
	if (!pairs || all.error < 0) {
		out->error = -ENOMEM;
	} else {
		for (size_t i = 0; i < count; i++)
			pairs[i].data = all.data;
		rmt_sort(pairs, count, sizeof(*pairs), pair_compare);
		rmt_cbor_put_map(out, count);
		for (size_t i = 0; i < count; i++)
			rmt_buffer_append(out, all.data + pairs[i].key,
					  pairs[i].end - pairs[i].key);
	}
	rmt_buffer_done(&all);
	free(pairs);
}

void rmt_value_encode(const ramet_value *value, struct rmt_buffer *out)
{
	switch (ramet_value_kind(value)) {
	case RAMET_KIND_BOOLEAN:
		rmt_cbor_put_bool(out, value->boolean);
		return;
	case RAMET_KIND_I64:
		rmt_cbor_put_int(out, value->i64);
		return;
	case RAMET_KIND_U64:
		rmt_cbor_put_uint(out, value->u64);
		return;
	case RAMET_KIND_F64:
		rmt_cbor_put_f64(out, value->f64);
		return;
	case RAMET_KIND_STR:
		rmt_cbor_put_str(out, value->bytes.data);
		return;
	case RAMET_KIND_BYTES:
		rmt_cbor_put_bytes(out, value->bytes.data, value->bytes.size);
		return;
	case RAMET_KIND_CONTEXT:
		rmt_context_encode(value->context, out);
		return;
	case RAMET_KIND_SENDER:
		rmt_sender_encode(value->sender, out);
		return;
	case RAMET_KIND_ARRAY:
		rmt_cbor_put_array(out, value->count);
		for (size_t i = 0; i < value->count; i++)
			rmt_value_encode(value->items[i], out);
		return;
	case RAMET_KIND_MAP:
		encode_map(value, out);
		return;
	default:
		rmt_cbor_put_null(out);
	}
}

int rmt_value_give(const ramet_value *value, ramet_router *router, uint32_t context)
{
	int r = 0;

	switch (ramet_value_kind(value)) {
	case RAMET_KIND_SENDER:
		return rmt_sender_give(value->sender, context);
	case RAMET_KIND_ARRAY:
	case RAMET_KIND_MAP:
		for (size_t i = 0; i < value->count && r == 0; i++)
			r = rmt_value_give(value->items[i], router, context);
		return r;
	default:
		return 0;
	}
}

/* --- decoding ----------------------------------------------------------------------------- */

/* The next item is this tag, around an array of so many items. */
static int read_tagged(struct rmt_cbor_reader *reader, uint64_t tag, uint64_t items)
{
	struct rmt_cbor_item item;
	uint64_t count;

	if (rmt_cbor_read(reader, &item) <= 0)
		return -EBADMSG;
	if (item.type != RMT_CBOR_TAG || item.uint != tag)
		return -EINVAL;
	if (rmt_cbor_read_array(reader, &count) < 0 || count != items)
		return -EBADMSG;
	return 0;
}

static bool read_null(struct rmt_cbor_reader *reader)
{
	struct rmt_cbor_reader ahead = *reader;
	struct rmt_cbor_item item;

	if (rmt_cbor_read(&ahead, &item) <= 0 || item.type != RMT_CBOR_NULL)
		return false;
	*reader = ahead;
	return true;
}

int rmt_context_decode(ramet_router *router, struct rmt_cbor_reader *reader,
		       ramet_context **ret_context)
{
	struct rmt_peer *peer;
	const char *path;
	size_t path_size;
	uint32_t id, pid;
	int r;

	if (read_null(reader)) {
		*ret_context = NULL;
		return 0;
	}
	r = read_tagged(reader, RMT_TAG_CONTEXT, 3);
	if (r < 0)
		return r;
	if (rmt_cbor_read_u32(reader, &id) < 0 ||
	    rmt_cbor_read_str(reader, &path, &path_size) < 0 || rmt_cbor_read_u32(reader, &pid) < 0)
		return -EBADMSG;
	rmt_lock(router);
	peer = rmt_peer_get(router, id);
	if (peer) {
		rmt_peer_describe(peer, path, path_size, pid <= INT32_MAX ? (int)pid : 0);
		*ret_context = rmt_context_take(peer);
	}
	rmt_unlock(router);
	return peer ? 0 : -ENOMEM;
}

int rmt_sender_decode(ramet_router *router, struct rmt_cbor_reader *reader,
		      ramet_sender **ret_sender)
{
	uint32_t id, handle;
	ramet_sender *sender;
	int r;

	if (read_null(reader)) {
		*ret_sender = NULL;
		return 0;
	}
	r = read_tagged(reader, RMT_TAG_SENDER, 2);
	if (r < 0)
		return r;
	if (rmt_cbor_read_u32(reader, &id) < 0 || rmt_cbor_read_u32(reader, &handle) < 0 ||
	    handle < RMT_HANDLE_FIRST)
		return -EBADMSG;
	rmt_lock(router);
	sender = rmt_sender_new(router, id, handle, false);
	rmt_unlock(router);
	if (!sender)
		return -ENOMEM;
	*ret_sender = sender;
	return 0;
}

static int decode(ramet_router *router, struct rmt_cbor_reader *reader, struct rmt_chunk *chunk,
		  unsigned depth, ramet_value **ret_value);

static int decode_items(ramet_router *router, struct rmt_cbor_reader *reader,
			struct rmt_chunk *chunk, unsigned depth, enum ramet_kind kind,
			uint64_t count, ramet_value **ret_value)
{
	ramet_value *value;
	int r = 0;

	/* Every item is a byte at least. */
	if (depth == 0 || count > reader->size - reader->position)
		return -EBADMSG;
	value = items_new(kind, (size_t)count);
	if (!value)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = decode(router, reader, chunk, depth - 1, &value->items[i]);
	if (r < 0)
		ramet_value_unref(value);
	else
		*ret_value = value;
	return r;
}

static ramet_value *decode_bytes(const struct rmt_cbor_item *item, struct rmt_chunk *chunk)
{
	ramet_value *value;

	if (!chunk || item->size < SHARE_BYTES)
		return copy_new(RAMET_KIND_BYTES, item->data, item->size);
	value = value_new(RAMET_KIND_BYTES, 0);
	if (value) {
		value->chunk = rmt_chunk_ref(chunk);
		value->bytes = (ramet_bytes){item->data, item->size};
	}
	return value;
}

static int decode_tag(ramet_router *router, struct rmt_cbor_reader *reader, uint64_t tag,
		      ramet_value **ret_value)
{
	ramet_value *value;
	int r = -EINVAL;

	/* What belongs to a router, and there is none. */
	if (!router)
		return -EINVAL;
	value = value_new(RAMET_KIND_NONE, 0);
	if (!value)
		return -ENOMEM;
	if (tag == RMT_TAG_CONTEXT) {
		r = rmt_context_decode(router, reader, &value->context);
		if (r == 0)
			value->kind = RAMET_KIND_CONTEXT;
	} else if (tag == RMT_TAG_SENDER) {
		r = rmt_sender_decode(router, reader, &value->sender);
		if (r == 0)
			value->kind = RAMET_KIND_SENDER;
	}
	if (r < 0)
		ramet_value_unref(value);
	else
		*ret_value = value;
	return r;
}

static int decode(ramet_router *router, struct rmt_cbor_reader *reader, struct rmt_chunk *chunk,
		  unsigned depth, ramet_value **ret_value)
{
	struct rmt_cbor_reader before = *reader;
	struct rmt_cbor_item item;
	ramet_value *value;

	if (rmt_cbor_read(reader, &item) <= 0)
		return -EBADMSG;
	switch (item.type) {
	case RMT_CBOR_UINT:
		value = ramet_value_new_u64(item.uint);
		break;
	case RMT_CBOR_NINT:
		if (item.uint > INT64_MAX)
			return -ERANGE;
		value = ramet_value_new_i64(-1 - (int64_t)item.uint);
		break;
	case RMT_CBOR_BYTES:
		value = decode_bytes(&item, chunk);
		break;
	case RMT_CBOR_TEXT:
		if (memchr(item.data, '\0', item.size))
			return -EINVAL;
		value = copy_new(RAMET_KIND_STR, item.data, item.size);
		break;
	case RMT_CBOR_ARRAY:
		return decode_items(router, reader, chunk, depth, RAMET_KIND_ARRAY, item.uint,
				    ret_value);
	case RMT_CBOR_MAP:
		if (item.uint > SIZE_MAX / 2)
			return -EBADMSG;
		return decode_items(router, reader, chunk, depth, RAMET_KIND_MAP, item.uint * 2,
				    ret_value);
	case RMT_CBOR_TAG:
		*reader = before;
		return decode_tag(router, reader, item.uint, ret_value);
	case RMT_CBOR_FALSE:
	case RMT_CBOR_TRUE:
		value = ramet_value_new_boolean(item.type == RMT_CBOR_TRUE);
		break;
	case RMT_CBOR_FLOAT:
		value = ramet_value_new_f64(item.f64);
		break;
	default:
		value = ramet_value_new_none();
	}
	if (!value)
		return -ENOMEM;
	*ret_value = value;
	return 0;
}

static bool has_items(unsigned char head)
{
	return head >> 5 >= 4 && head >> 5 <= 6; /* RFC 8949, section 3.1 */
}

int rmt_value_decode(ramet_router *router, struct rmt_cbor_reader *reader, struct rmt_chunk *chunk,
		     ramet_value **ret_value)
{
	struct rmt_cbor_reader ahead = *reader;

	/* Checks what decoding does not: the order of keys, the depth. Of arrays, maps and tags, that is; most
	 * values are none. */
	if (reader->position < reader->size && has_items(reader->data[reader->position]) &&
	    rmt_cbor_skip(&ahead) < 0)
		return -EBADMSG;
	return decode(router, reader, chunk, RMT_CBOR_DEPTH_MAX, ret_value);
}

int rmt_value_from_message(ramet_router *router, const struct rmt_message *message,
			   ramet_value **ret_value)
{
	struct rmt_cbor_reader reader;
	ramet_value *value;
	int r;

	if (message->frame.flags & RMT_FRAME_RAW) {
		struct rmt_cbor_item bytes = {.data = message->data, .size = message->size};

		value = decode_bytes(&bytes, message->chunk);
		if (!value)
			return -ENOMEM;
		*ret_value = value;
		return 0;
	}
	rmt_cbor_reader_init(&reader, message->data, message->size);
	r = rmt_value_decode(router, &reader, message->chunk, &value);
	if (r == 0 && reader.position != message->size) {
		ramet_value_unref(value);
		r = -EBADMSG;
	}
	if (r == 0)
		*ret_value = value;
	return r;
}

/* The next sender in encoded values. */
static bool next_sender(struct rmt_cbor_reader *reader, uint32_t *ret_context, uint32_t *ret_handle)
{
	struct rmt_cbor_item item;
	uint64_t count;

	while (rmt_cbor_read(reader, &item) > 0) {
		if (item.type != RMT_CBOR_TAG || item.uint != RMT_TAG_SENDER)
			continue;
		return rmt_cbor_read_array(reader, &count) == 0 && count == 2 &&
		       rmt_cbor_read_u32(reader, ret_context) == 0 &&
		       rmt_cbor_read_u32(reader, ret_handle) == 0 &&
		       *ret_handle >= RMT_HANDLE_FIRST;
	}
	return false;
}

void rmt_senders_end(ramet_router *router, const void *data, size_t size)
{
	struct rmt_frame end = {.flags = RMT_FRAME_END};
	struct rmt_cbor_reader reader;

	rmt_cbor_reader_init(&reader, data, size);
	while (next_sender(&reader, &end.destination, &end.handle))
		rmt_send_frame(router, &end, NULL, 0, false);
}

void rmt_senders_take_back(ramet_router *router, uint32_t context, const void *data, size_t size)
{
	struct rmt_cbor_reader reader;
	uint32_t owner, handle;

	rmt_cbor_reader_init(&reader, data, size);
	while (next_sender(&reader, &owner, &handle)) {
		ramet_receiver *receiver = owner == router->id ? rmt_receiver_find(router, handle)
							       : NULL;

		if (receiver && !receiver->result)
			rmt_receiver_taken_back(receiver, context);
		else if (owner != router->id)
			rmt_control_pair(router, context, RMT_OP_DROP, owner, handle);
	}
}
