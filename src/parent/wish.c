/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/wish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/message.h"
#include "core/peer.h"
#include "parent/connection.h"
#include "parent/path.h"
#include "wire/cbor.h"
#include "wire/handle.h"
#include "wire/handshake.h"

struct wish {
	struct rmt_list node; /* in rmt_wishes() */
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
	rmt_list_remove(&wish->node);
	free(wish);
}

static void wish_asks(struct rmt_wanted *wanted, const char *prompt)
{
	struct wish *wish = RMT_CONTAINER(wanted, struct wish, wanted);
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_cbor_put_array(&out, 3);
	rmt_cbor_put_uint(&out, RMT_OP_ASK);
	rmt_cbor_put_uint(&out, wish->reply);
	rmt_cbor_put_str(&out, prompt);
	if (out.error < 0)
		rmt_connection_answer(wanted, NULL, NULL);
	else
		rmt_send_control(wish->router, wish->requester, &out);
	rmt_buffer_done(&out);
}

void rmt_wish_answered(ramet_router *router, uint32_t requester, uint32_t reply,
		       const char *password, size_t size, const char *text, size_t text_size)
{
	struct rmt_list *wishes = rmt_wishes(router), *node, *following;
	struct rmt_password copy = {.size = size};
	ramet_error error = RAMET_ERROR_INIT;

	if (!wishes || (password && size > RMT_PASSWORD_MAX))
		return;
	if (password)
		memcpy(copy.text, password, size);
	else
		rmt_error_set_text(&error, ENOKEY, "", text, text_size);
	rmt_list_each(wishes, node, following) {
		struct wish *wish = RMT_CONTAINER(node, struct wish, node);

		if (wish->requester != requester || wish->reply != reply)
			continue;
		rmt_connection_answer(&wish->wanted, password ? &copy : NULL, &error);
		break;
	}
	rmt_wipe(&copy, sizeof(copy));
	/* The frame that it came in lies in memory that will be used again. */
	if (password)
		rmt_wipe((void *)(uintptr_t)password, size);
	ramet_error_clear(&error);
}

void rmt_wish_arrived(ramet_router *router, uint32_t requester, uint32_t reply, const char *text,
		      size_t size, uint32_t index)
{
	struct wish *wish = calloc(1, sizeof(*wish));
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_list *wishes;
	struct rmt_hop hop;

	if (!wish) {
		rmt_answer_lost(router, requester, reply);
		return;
	}
	*wish = (struct wish){
		.wanted = {.done = wish_done, .asks = wish_asks},
		.router = router,
		.requester = requester,
		.reply = reply,
	};
	rmt_list_init(&wish->node);
	if (rmt_hop_parse(text, size, &hop, &error) < 0) {
		wish_done(&wish->wanted, NULL, &error);
		ramet_error_clear(&error);
		return;
	}
	wishes = rmt_wishes(router);
	if (wishes)
		rmt_list_append(wishes, &wish->node);
	rmt_connection_start(router, &hop, index, &wish->wanted);
	rmt_hop_done(&hop);
}
