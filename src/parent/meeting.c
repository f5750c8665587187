/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/meeting.h"

#include <errno.h>
#include <string.h>

#include "wire/cbor.h"
#include "wire/handle.h"

#define TREE_ITEMS 6

static void put_text(struct rmt_buffer *out, struct rmt_text text)
{
	if (!text.data)
		rmt_cbor_put_null(out);
	else if (rmt_utf8_valid(text.data, text.size))
		rmt_cbor_put_text(out, text.data, text.size);
	else
		rmt_cbor_put_bytes(out, text.data, text.size);
}

static int read_text(struct rmt_cbor_reader *reader, struct rmt_text *ret)
{
	return rmt_cbor_read_str(reader, &ret->data, &ret->size);
}

/* An array of `least` items or more that begins with this operation; how many there are. */
static uint64_t begin(struct rmt_cbor_reader *reader, const void *data, size_t size,
		      enum rmt_operation operation, uint64_t least)
{
	uint64_t count, found;

	rmt_cbor_reader_init(reader, data, size);
	if (rmt_cbor_read_array(reader, &count) < 0 || count < least ||
	    rmt_cbor_read_u64(reader, &found) < 0 || found != operation)
		return 0;
	return count;
}

void rmt_tree_hello_encode(const struct rmt_tree_hello *tree, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, TREE_ITEMS + 2 * tree->region.count);
	rmt_cbor_put_uint(out, RMT_OP_TREE);
	rmt_cbor_put_uint(out, tree->hello.program);
	rmt_cbor_put_uint(out, tree->hello.pid);
	put_text(out, tree->hello.machine);
	put_text(out, tree->hello.host);
	rmt_cbor_put_uint(out, tree->id);
	rmt_region_put(out, &tree->region);
}

/* The items that are left are ranges, and nothing follows. */
static int read_region(struct rmt_cbor_reader *reader, uint64_t items,
		       struct rmt_region *ret_region)
{
	int r = rmt_region_read(reader, items, ret_region);

	if (r < 0 || reader->position == reader->size)
		return r;
	rmt_region_done(ret_region);
	return -EBADMSG;
}

int rmt_tree_hello_decode(const void *data, size_t size, struct rmt_tree_hello *ret_tree)
{
	struct rmt_tree_hello tree = {0};
	struct rmt_cbor_reader reader;
	uint64_t items = begin(&reader, data, size, RMT_OP_TREE, TREE_ITEMS + 2);
	int r;

	if (items == 0 || rmt_cbor_read_u64(&reader, &tree.hello.program) < 0 ||
	    rmt_cbor_read_u32(&reader, &tree.hello.pid) < 0 ||
	    read_text(&reader, &tree.hello.machine) < 0 ||
	    read_text(&reader, &tree.hello.host) < 0 || rmt_cbor_read_u32(&reader, &tree.id) < 0)
		return -EBADMSG;
	r = read_region(&reader, items - TREE_ITEMS, &tree.region);
	if (r == 0 && !rmt_region_has(&tree.region, tree.id)) {
		rmt_region_done(&tree.region);
		r = -EBADMSG;
	}
	if (r == 0)
		*ret_tree = tree;
	return r;
}

void rmt_join_encode(const struct rmt_join *join, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, 2 + 2 * join->region.count);
	rmt_cbor_put_uint(out, RMT_OP_JOIN);
	rmt_cbor_put_array(out, join->chain_count);
	for (size_t i = 0; i < join->chain_count; i++)
		rmt_cbor_put_uint(out, join->chain[i]);
	rmt_region_put(out, &join->region);
}

int rmt_join_decode(const void *data, size_t size, struct rmt_join *ret_join)
{
	struct rmt_join join = {0};
	struct rmt_cbor_reader reader;
	uint64_t items = begin(&reader, data, size, RMT_OP_JOIN, 4), count;
	int r;

	if (items == 0 || rmt_cbor_read_array(&reader, &count) < 0 || count == 0 ||
	    count > RMT_TREE_DEPTH_MAX)
		return -EBADMSG;
	join.chain_count = (size_t)count;
	for (size_t i = 0; i < join.chain_count; i++)
		if (rmt_cbor_read_u32(&reader, &join.chain[i]) < 0)
			return -EBADMSG;
	r = read_region(&reader, items - 2, &join.region);
	for (size_t i = 0; r == 0 && i < join.chain_count; i++)
		if (!rmt_region_has(&join.region, join.chain[i]))
			r = -EBADMSG;
	if (r == 0)
		*ret_join = join;
	else
		rmt_region_done(&join.region);
	return r;
}

void rmt_joined_encode(struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, 1);
	rmt_cbor_put_uint(out, RMT_OP_JOIN);
}

bool rmt_joined_decode(const void *data, size_t size)
{
	struct rmt_cbor_reader reader;

	return begin(&reader, data, size, RMT_OP_JOIN, 1) == 1;
}

void rmt_adopt_encode(const struct rmt_region *region, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, 1 + 2 * region->count);
	rmt_cbor_put_uint(out, RMT_OP_ADOPT);
	rmt_region_put(out, region);
}

void rmt_adopted_encode(int code, const char *text, const struct rmt_region *region,
			struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, 3 + 2 * region->count);
	rmt_cbor_put_uint(out, RMT_OP_ADOPTED);
	rmt_cbor_put_uint(out, (unsigned)(code < 0 ? -code : code));
	rmt_cbor_put_str(out, text);
	rmt_region_put(out, region);
}

void rmt_detached_encode(const char *name, const struct rmt_region *region, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, 2 + 2 * region->count);
	rmt_cbor_put_uint(out, RMT_OP_DETACHED);
	rmt_cbor_put_str(out, name);
	rmt_region_put(out, region);
}
