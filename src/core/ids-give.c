/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has children asks for ids, and gives them: cold, see parent/gate.h. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "core/account.h"
#include "core/control.h"
#include "core/ids.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"

static void ask_for_ids(ramet_router *router)
{
	struct rmt_ids *ids = &router->ids;
	uint32_t count = ids->wanted;
	uint32_t token = 0;

	if (ids->asked || !router->uplink)
		return;
	if (!rmt_list_empty(&ids->below)) {
		struct rmt_id_request *request = rmt_list_first(&ids->below, struct rmt_id_request,
								node);

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

	if (ids->refused < 0)
		return ids->refused;
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

static void give_ids(ramet_router *router, struct rmt_stream *stream, uint32_t token,
		     uint32_t first, uint32_t last)
{
	unsigned char memory[64];
	struct rmt_buffer out;

	if (rmt_route_add(router, first, last, stream) < 0)
		return;
	stream->account->contexts += last - first + 1;
	rmt_buffer_init(&out, memory, sizeof(memory));
	rmt_cbor_put_array(&out, 4);
	rmt_cbor_put_uint(&out, RMT_OP_ALLOCATED);
	rmt_cbor_put_uint(&out, token);
	rmt_cbor_put_uint(&out, first);
	rmt_cbor_put_uint(&out, last);
	rmt_control_send(router, stream->peer->id, &out);
}

void rmt_ids_settle(ramet_router *router)
{
	struct rmt_ids *ids = &router->ids;
	uint32_t first;

	ids->asked = false;
	ids->wanted = 0;
	while (!rmt_list_empty(&ids->below)) {
		struct rmt_id_request *request = rmt_list_first(&ids->below, struct rmt_id_request,
								node);
		struct rmt_stream *stream = request->account->stream;

		if (stream && !stream->failed && rmt_ids_take(router, request->count, &first) == 0)
			give_ids(router, stream, request->token, first, first + request->count - 1);
		rmt_id_request_free(request);
	}
	router->hooks->ids_ready(router);
}

static void refuse_ids(ramet_router *router, struct rmt_stream *stream, uint32_t token, int code,
		       const char *text)
{
	unsigned char memory[256];
	struct rmt_buffer out;

	rmt_buffer_init(&out, memory, sizeof(memory));
	rmt_cbor_put_array(&out, 6);
	rmt_cbor_put_uint(&out, RMT_OP_ALLOCATED);
	rmt_cbor_put_uint(&out, token);
	rmt_cbor_put_uint(&out, 0);
	rmt_cbor_put_uint(&out, 0);
	rmt_cbor_put_uint(&out, (unsigned)code);
	rmt_cbor_put_str(&out, text);
	rmt_control_send(router, stream->peer->id, &out);
}

/* The root gives them; others ask for them. 0, or why not. */
static int allocate(ramet_router *router, struct rmt_stream *stream, uint32_t token, uint32_t count)
{
	struct rmt_account *account = stream->account;
	struct rmt_id_request *request;
	uint32_t first;
	int r;

	if (rmt_router_is_root(router)) {
		r = rmt_ids_take(router, count, &first);
		if (r == 0)
			give_ids(router, stream, token, first, first + count - 1);
		return r;
	}
	if (account->requests == RMT_ALLOCATE_MAX)
		return -EBUSY;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	*request = (struct rmt_id_request){
		.account = rmt_account_ref(account), .token = token, .count = count};
	account->requests++;
	rmt_list_append(&router->ids.below, &request->node);
	ask_for_ids(router);
	return 0;
}

void rmt_ids_allocate(ramet_router *router, struct rmt_stream *stream,
		      struct rmt_cbor_reader *reader)
{
	const struct rmt_account *account = stream->account;
	uint32_t count, token, most = router->quota.contexts;
	char text[160];
	int r;

	if (!account || stream->guest || rmt_cbor_read_u32(reader, &count) < 0 ||
	    rmt_cbor_read_u32(reader, &token) < 0 || count == 0 || count > RMT_REGION_IDS)
		return;
	/* A route for each block: they must not be as small as who asks would like. */
	count = (count + RMT_ID_BLOCK - 1) / RMT_ID_BLOCK * RMT_ID_BLOCK;
	if (count > most - RMT_MIN(account->contexts, most)) {
		rmt_format(text, sizeof(text),
			   "the quota of %u contexts at and below %.64s is used up", most,
			   rmt_peer_name(stream->peer));
		rmt_misbehaved(router, "%s", text);
		refuse_ids(router, stream, token, EDQUOT, text);
		return;
	}
	r = allocate(router, stream, token, count);
	if (r < 0)
		refuse_ids(router, stream, token, -r,
			   r == -ENOSPC ? "the tree has no ids left" : "ids cannot be had now");
}

static void own_ids(ramet_router *router, uint32_t first, uint32_t last)
{
	struct rmt_ids *ids = &router->ids;

	if (rmt_ids_add(router, first, last) < 0)
		return;
	ids->next = first;
	ids->end = last + 1;
	ids->wanted = 0;
	if (router->hooks)
		router->hooks->ids_ready(router);
}

/* All who wait for them hear why there are none. */
static void no_ids(ramet_router *router, int code, const char *text, size_t size)
{
	struct rmt_ids *ids = &router->ids;

	ids->wanted = 0;
	ids->refused = -code;
	ids->reason = strndup(text, size);
	if (router->hooks)
		router->hooks->ids_ready(router);
	ids->refused = 0;
	free(ids->reason);
	ids->reason = NULL;
}

/* The answer for who has asked first. If that one is gone meanwhile, its block is lost with it. */
static void pass_on(ramet_router *router, uint32_t first, uint32_t last, int code, const char *text,
		    size_t size)
{
	struct rmt_id_request *request = rmt_list_first(&router->ids.below, struct rmt_id_request,
							node);
	struct rmt_stream *stream = request->account->stream;
	char reason[160];

	if (stream && !stream->failed && code == 0) {
		give_ids(router, stream, request->token, first, last);
	} else if (stream && !stream->failed) {
		rmt_format(reason, sizeof(reason), "%.*s", (int)RMT_MIN(size, sizeof(reason)),
			   text);
		refuse_ids(router, stream, request->token, code, reason);
	}
	rmt_id_request_free(request);
}

/* [token, first, last], or [token, 0, 0, errno, text]. */
void rmt_ids_allocated(ramet_router *router, struct rmt_stream *stream,
		       struct rmt_cbor_reader *reader, uint64_t items)
{
	struct rmt_ids *ids = &router->ids;
	uint32_t token, first, last, code = 0;
	const char *text = NULL;
	size_t size = 0;

	if (rmt_cbor_read_u32(reader, &token) < 0 || rmt_cbor_read_u32(reader, &first) < 0 ||
	    rmt_cbor_read_u32(reader, &last) < 0 || last < first || stream != router->uplink)
		return;
	if (items > 4 && (rmt_cbor_read_u32(reader, &code) < 0 || code == 0 || code > INT_MAX ||
			  rmt_cbor_read_str(reader, &text, &size) < 0 || !text))
		return;
	ids->asked = false;
	if (code == 0 && router->hooks && router->hooks->ids_grew)
		router->hooks->ids_grew(router, first, last);
	if (token != 0 && !rmt_list_empty(&ids->below))
		pass_on(router, first, last, (int)code, text, size);
	else if (token == 0 && code == 0)
		own_ids(router, first, last);
	else if (token == 0)
		no_ids(router, (int)code, text, size);
	ask_for_ids(router);
}
