/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/account.h"
#include "core/route.h"

/* Draws that hit what is known already: with that many in a row, there is nothing else. */
#define DRAWS_MAX 1000

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

void rmt_id_request_free(struct rmt_id_request *request)
{
	request->account->requests--;
	rmt_account_unref(request->account);
	rmt_list_remove(&request->node);
	free(request);
}

void rmt_ids_done(ramet_router *router)
{
	while (!rmt_list_empty(&router->ids.below))
		rmt_id_request_free(
			rmt_list_first(&router->ids.below, struct rmt_id_request, node));
	free(router->ids.blocks);
	router->ids.blocks = NULL;
	router->ids.block_count = 0;
}
