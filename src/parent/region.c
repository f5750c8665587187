/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/region.h"

#include <errno.h>
#include <stdlib.h>

#include "base/sort.h"
#include "core/ids.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"

void rmt_region_done(struct rmt_region *region)
{
	free(region->ranges);
	*region = (struct rmt_region)RMT_REGION_INIT;
}

int rmt_region_add(struct rmt_region *region, uint32_t first, uint32_t last)
{
	uint32_t(*grown)[2];

	if (region->count > 0 && region->ranges[region->count - 1][1] + 1 == first) {
		region->ranges[region->count - 1][1] = last;
		return 0;
	}
	grown = realloc(region->ranges, (region->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	region->ranges = grown;
	grown[region->count][0] = first;
	grown[region->count++][1] = last;
	return 0;
}

bool rmt_region_has(const struct rmt_region *region, uint32_t id)
{
	for (size_t i = 0; i < region->count; i++)
		if (id >= region->ranges[i][0] && id <= region->ranges[i][1])
			return true;
	return false;
}

int rmt_region_own(const ramet_router *router, struct rmt_region *ret_region)
{
	struct rmt_region region = RMT_REGION_INIT;
	int r = 0;

	for (size_t i = 0; i < router->ids.block_count && r == 0; i++)
		r = rmt_region_add(&region, router->ids.blocks[i][0], router->ids.blocks[i][1]);
	if (r == 0 && !rmt_region_has(&region, router->id))
		r = rmt_region_add(&region, router->id, router->id);
	/* In a root the routes lie within its blocks, but for those of other trees. */
	for (size_t i = 0; i < router->route_count && r == 0 && !rmt_router_is_root(router); i++) {
		const struct rmt_route *route = &router->routes[i];

		if (!route->stream->guest && !route->stream->joined &&
		    !rmt_region_has(&region, route->first))
			r = rmt_region_add(&region, route->first, route->last);
	}
	if (r < 0)
		rmt_region_done(&region);
	else
		*ret_region = region;
	return r;
}

void rmt_region_put(struct rmt_buffer *out, const struct rmt_region *region)
{
	for (size_t i = 0; i < region->count; i++) {
		rmt_cbor_put_uint(out, region->ranges[i][0]);
		rmt_cbor_put_uint(out, region->ranges[i][1]);
	}
}

static int by_first(const void *a, const void *b)
{
	const uint32_t *one = a, *other = b;

	return (one[0] > other[0]) - (one[0] < other[0]);
}

int rmt_region_read(struct rmt_cbor_reader *reader, uint64_t items, struct rmt_region *ret_region)
{
	struct rmt_region region = RMT_REGION_INIT;
	uint32_t first, last;
	int r = items % 2 || items > 2 * (uint64_t)RMT_ID_RANGES_MAX ? -EBADMSG : 0;

	for (uint64_t i = 0; i < items && r == 0; i += 2) {
		if (rmt_cbor_read_u32(reader, &first) < 0 || rmt_cbor_read_u32(reader, &last) < 0 ||
		    first == 0 || last < first)
			r = -EBADMSG;
		else
			r = rmt_region_add(&region, first, last);
	}
	/* What is told of their loss has to be in order. */
	if (r == 0)
		rmt_sort(region.ranges, region.count, sizeof(*region.ranges), by_first);
	for (size_t i = 1; i < region.count && r == 0; i++)
		if (region.ranges[i][0] <= region.ranges[i - 1][1])
			r = -EBADMSG;
	if (r < 0)
		rmt_region_done(&region);
	else
		*ret_region = region;
	return r;
}

static bool is_known(const ramet_router *router, const uint32_t range[2])
{
	for (size_t i = 0; i < router->parent_count; i++)
		if (router->parents[i] >= range[0] && router->parents[i] <= range[1])
			return true;
	return rmt_ids_known(router, range[0], range[1]);
}

bool rmt_region_is_known(const ramet_router *router, const struct rmt_region *region)
{
	for (size_t i = 0; i < region->count; i++)
		if (is_known(router, region->ranges[i]))
			return true;
	return false;
}

int rmt_region_route(ramet_router *router, const struct rmt_region *region,
		     struct rmt_stream *stream)
{
	int r = 0;
	size_t i;

	for (i = 0; i < region->count && r == 0; i++) {
		const uint32_t *range = region->ranges[i];

		r = is_known(router, range) ? -EEXIST
					    : rmt_route_adopt(router, range[0], range[1], stream);
	}
	while (r < 0 && --i > 0)
		rmt_route_forget(router, region->ranges[i - 1][0], region->ranges[i - 1][1]);
	for (i = 0; i < region->count && r == 0; i++)
		rmt_peers_renew(router, region->ranges[i][0], region->ranges[i][1]);
	return r;
}

void rmt_region_unroute(ramet_router *router, const struct rmt_region *region)
{
	for (size_t i = 0; i < region->count; i++)
		rmt_route_forget(router, region->ranges[i][0], region->ranges[i][1]);
}

/* A block without a range in it may be two. */
static void cut(struct rmt_ids *ids, uint32_t first, uint32_t last, struct rmt_region *left)
{
	for (size_t i = 0; i < ids->block_count; i++) {
		const uint32_t *block = ids->blocks[i];

		if (last < block[0] || first > block[1]) {
			rmt_region_add(left, block[0], block[1]);
			continue;
		}
		if (first > block[0])
			rmt_region_add(left, block[0], first - 1);
		if (last < block[1])
			rmt_region_add(left, last + 1, block[1]);
	}
}

void rmt_region_cut(ramet_router *router, const struct rmt_region *region)
{
	struct rmt_ids *ids = &router->ids;

	for (size_t i = 0; i < region->count; i++) {
		struct rmt_region left = RMT_REGION_INIT;

		cut(ids, region->ranges[i][0], region->ranges[i][1], &left);
		free(ids->blocks);
		ids->blocks = left.ranges;
		ids->block_count = left.count;
	}
}
