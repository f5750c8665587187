/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/control.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"

/* Draws that hit what is known already: with that many in a row, there is nothing else. */
#define DRAWS_MAX 1000

struct id_request {
	struct rmt_list node; /* in ids->below */
	uint32_t child;       /* who asked */
	uint32_t token;       /* its own name for the request */
	uint32_t count;
};

bool rmt_ids_known(const ramet_router *router, uint32_t first, uint32_t last)
{
	const struct rmt_ids *ids = &router->ids;

	for (size_t i = 0; i < ids->block_count; i++)
		if (first <= ids->blocks[i][1] && last >= ids->blocks[i][0])
			return true;
	return (router->id >= first && router->id <= last) ||
	       rmt_route_overlaps(router, first, last);
}

int rmt_ids_add(ramet_router *router, uint32_t first, uint32_t last)
{
	struct rmt_ids *ids = &router->ids;
	uint32_t(*grown)[2] = realloc(ids->blocks, (ids->block_count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	ids->blocks = grown;
	grown[ids->block_count][0] = first;
	grown[ids->block_count++][1] = last;
	return 0;
}

int rmt_ids_draw(ramet_router *router)
{
	struct rmt_ids *ids = &router->ids;
	uint32_t first;
	int r;

	for (unsigned i = 0; i < DRAWS_MAX; i++) {
		if (getrandom(&first, sizeof(first), 0) != sizeof(first))
			return -errno;
		first &= ~(RMT_REGION_IDS - 1);
		/* The last one would end at the number behind which there is none. */
		if (first == 0 || first + RMT_REGION_IDS == 0 ||
		    rmt_ids_known(router, first, first + RMT_REGION_IDS - 1))
			continue;
		r = rmt_ids_add(router, first, first + RMT_REGION_IDS - 1);
		if (r < 0)
			return r;
		ids->next = first;
		ids->end = first + RMT_REGION_IDS;
		if (router->hooks && router->hooks->ids_grew)
			router->hooks->ids_grew(router, first, ids->end - 1);
		return 0;
	}
	return -ENOSPC;
}

static void ask_for_ids(ramet_router *router)
{
	struct rmt_ids *ids = &router->ids;
	uint32_t count = ids->wanted;
	uint32_t token = 0;

	if (ids->asked || !router->uplink)
		return;
	if (!rmt_list_empty(&ids->below)) {
		struct id_request *request = rmt_list_first(&ids->below, struct id_request, node);

		count = request->count;
		token = 1;
	} else if (count == 0) {
		return;
	}
	ids->asked = true;
	rmt_control_pair(router, router->uplink->peer->id, RMT_OP_ALLOCATE, count, token);
}

int rmt_ids_take(ramet_router *router, uint32_t count, uint32_t *ret_first)
{
	struct rmt_ids *ids = &router->ids;
	int r = 0;

	if (ids->end - ids->next < count && !rmt_router_is_root(router)) {
		ids->wanted = RMT_MAX(ids->wanted, RMT_MAX(count, RMT_ID_BLOCK));
		ask_for_ids(router);
		return -EAGAIN;
	}
	if (ids->end - ids->next < count)
		r = rmt_ids_draw(router);
	if (r < 0)
		return r;
	*ret_first = ids->next;
	ids->next += count;
	return 0;
}

void rmt_ids_done(ramet_router *router)
{
	while (!rmt_list_empty(&router->ids.below)) {
		struct id_request *request = rmt_list_first(&router->ids.below, struct id_request,
							    node);

		rmt_list_remove(&request->node);
		free(request);
	}
	free(router->ids.blocks);
	router->ids.blocks = NULL;
	router->ids.block_count = 0;
}

static void give_ids(ramet_router *router, struct rmt_stream *stream, uint32_t token,
		     uint32_t first, uint32_t last)
{
	unsigned char memory[64];
	struct rmt_buffer out;

	if (rmt_route_add(router, first, last, stream) < 0)
		return;
	rmt_buffer_init(&out, memory, sizeof(memory));
	rmt_cbor_put_array(&out, 4);
	rmt_cbor_put_uint(&out, RMT_OP_ALLOCATED);
	rmt_cbor_put_uint(&out, token);
	rmt_cbor_put_uint(&out, first);
	rmt_cbor_put_uint(&out, last);
	rmt_control_send(router, stream->peer->id, &out);
}

void rmt_ids_allocate(ramet_router *router, struct rmt_stream *stream,
		      struct rmt_cbor_reader *reader)
{
	struct id_request *request;
	uint32_t count, token, first;

	if (rmt_cbor_read_u32(reader, &count) < 0 || rmt_cbor_read_u32(reader, &token) < 0 ||
	    count == 0 || count > RMT_REGION_IDS || stream == router->uplink || stream->guest)
		return;
	if (rmt_router_is_root(router)) {
		if (rmt_ids_take(router, count, &first) == 0)
			give_ids(router, stream, token, first, first + count - 1);
		return;
	}
	request = calloc(1, sizeof(*request));
	if (!request)
		return;
	*request = (struct id_request){.child = stream->peer->id, .token = token, .count = count};
	rmt_list_append(&router->ids.below, &request->node);
	ask_for_ids(router);
}

void rmt_ids_allocated(ramet_router *router, struct rmt_stream *stream,
		       struct rmt_cbor_reader *reader)
{
	struct rmt_ids *ids = &router->ids;
	uint32_t token, first, last;

	if (rmt_cbor_read_u32(reader, &token) < 0 || rmt_cbor_read_u32(reader, &first) < 0 ||
	    rmt_cbor_read_u32(reader, &last) < 0 || last < first || stream != router->uplink)
		return;
	ids->asked = false;
	if (router->hooks && router->hooks->ids_grew)
		router->hooks->ids_grew(router, first, last);
	if (token == 0 && rmt_ids_add(router, first, last) == 0) {
		ids->next = first;
		ids->end = last + 1;
		ids->wanted = 0;
		if (router->hooks)
			router->hooks->ids_ready(router);
	} else if (token != 0 && !rmt_list_empty(&ids->below)) {
		struct id_request *request = rmt_list_first(&ids->below, struct id_request, node);
		struct rmt_peer *child = rmt_peer_find(router, request->child);

		rmt_list_remove(&request->node);
		/* If the child is gone meanwhile its block is lost with it. */
		if (child && child->stream && !child->stream->failed)
			give_ids(router, child->stream, request->token, first, last);
		free(request);
	}
	ask_for_ids(router);
}
