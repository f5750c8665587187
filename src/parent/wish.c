/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/wish.h"

#include <errno.h>
#include <stdlib.h>

#include "core/message.h"
#include "core/peer.h"
#include "parent/connection.h"
#include "parent/path.h"
#include "wire/cbor.h"
#include "wire/handshake.h"

struct wish {
	struct rmt_wanted wanted;
	ramet_router *router;
	uint32_t requester, reply;
};

static void wish_done(struct rmt_wanted *wanted, struct rmt_peer *child, ramet_error *error)
{
	struct wish *wish = RMT_CONTAINER(wanted, struct wish, wanted);
	struct rmt_frame frame = {.destination = wish->requester, .handle = wish->reply};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	if (child && rmt_peer_hold(child, wish->requester) == 0) {
		rmt_cbor_put_array(&out, 3);
		rmt_cbor_put_uint(&out, child->id);
		rmt_cbor_put_str(&out, child->path ? child->path : "");
		rmt_cbor_put_uint(&out, (unsigned)child->pid);
	} else {
		frame.flags = RMT_FRAME_ERROR;
		rmt_failure_encode(error ? error->code : ENOMEM, wish->router->path,
				   error && error->message ? error->message : "out of memory",
				   &out);
	}
	if (out.error < 0 ||
	    rmt_send_frame(wish->router, &frame, out.data, out.size, false) == -ENOMEM)
		rmt_answer_lost(wish->router, wish->requester, wish->reply);
	rmt_buffer_done(&out);
	free(wish);
}

void rmt_wish_arrived(ramet_router *router, uint32_t requester, uint32_t reply, const char *text,
		      size_t size, uint32_t index)
{
	struct wish *wish = calloc(1, sizeof(*wish));
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_hop hop;

	if (!wish) {
		rmt_answer_lost(router, requester, reply);
		return;
	}
	*wish = (struct wish){{.done = wish_done}, router, requester, reply};
	if (rmt_hop_parse(text, size, &hop, &error) < 0) {
		wish_done(&wish->wanted, NULL, &error);
		ramet_error_clear(&error);
		return;
	}
	rmt_connection_start(router, &hop, index, &wish->wanted);
	rmt_hop_done(&hop);
}
