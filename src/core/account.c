/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/account.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "core/message.h"
#include "core/route.h"
#include "core/stream.h"

static void account_free(struct rmt_account *account)
{
	if (account->waiting.references == 0)
		free(account);
}

/* --- those that pause --------------------------------------------------------------------- */

/* Whoever read nothing while others paused because of it will not read. */
static void look_for_stalled(struct rmt_timer *timer)
{
	ramet_router *router = RMT_CONTAINER(timer, ramet_router, stalled);
	struct rmt_list *node, *following;
	bool paused = false;

	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);

		paused |= stream->account->paused;
	}
	if (!paused)
		return;
	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);

		if (stream != router->uplink && !rmt_stream_idle(stream) &&
		    stream->bytes_out == stream->bytes_out_then)
			rmt_stream_fail(stream, "it has read nothing for %d s, while others waited",
					RMT_STALL_MS / 1000);
		stream->bytes_out_then = stream->bytes_out;
	}
	rmt_loop_timer_start(&router->loop, timer, rmt_after(RMT_STALL_MS));
}

static void set_paused(struct rmt_account *account, bool paused)
{
	struct rmt_stream *stream = account->stream;
	ramet_router *router = stream->router;
	struct rmt_list *node, *following;

	account->paused = paused;
	rmt_stream_pause(stream, paused);
	if (!paused || router->stalled.index != 0)
		return;
	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *other = RMT_CONTAINER(node, struct rmt_stream, node);

		other->bytes_out_then = other->bytes_out;
	}
	router->stalled.expired = look_for_stalled;
	rmt_loop_timer_start(&router->loop, &router->stalled, rmt_after(RMT_STALL_MS));
}

static void waiting_less(struct rmt_charge *charge)
{
	struct rmt_account *account = RMT_CONTAINER(charge, struct rmt_account, waiting);

	if (account->stream && account->paused && charge->bytes <= RMT_DETOUR_MAX / 2)
		set_paused(account, false);
	account_free(account);
}

void rmt_account_queued(struct rmt_account *account)
{
	if (account && account->stream && !account->paused &&
	    account->waiting.bytes > RMT_DETOUR_MAX)
		set_paused(account, true);
}

void rmt_account_unread(struct rmt_stream *stream)
{
	if (stream != stream->router->uplink && !stream->failed &&
	    stream->output.memory > stream->router->quota.unread)
		rmt_stream_fail(stream, "it does not read: %zu bytes wait for it",
				stream->output.bytes);
}

/* --- accounts ----------------------------------------------------------------------------- */

struct rmt_account *rmt_account_new(struct rmt_stream *stream)
{
	struct rmt_account *account = calloc(1, sizeof(*account));

	if (account) {
		account->waiting = (struct rmt_charge){.references = 1, .less = waiting_less};
		account->stream = stream;
	}
	return account;
}

void rmt_account_close(struct rmt_account *account)
{
	account->stream = NULL;
	rmt_account_unref(account);
}

struct rmt_account *rmt_account_of(const ramet_router *router, uint32_t id)
{
	struct rmt_stream *below = rmt_route_below(router, id);

	return below ? below->account : NULL;
}

struct rmt_account *rmt_account_ref(struct rmt_account *account)
{
	if (account)
		account->waiting.references++;
	return account;
}

void rmt_account_unref(struct rmt_account *account)
{
	if (!account)
		return;
	account->waiting.references--;
	account_free(account);
}

bool rmt_account_has_room(const ramet_router *router, const struct rmt_account *account,
			  size_t size)
{
	return !account || account->bytes + size + RMT_MESSAGE_OVERHEAD <= router->quota.bytes;
}

void rmt_account_message(struct rmt_account *account, struct rmt_message *message)
{
	message->account = rmt_account_ref(account);
	if (account)
		account->bytes += RMT_MESSAGE_OVERHEAD;
}

void rmt_account_settle(struct rmt_message *message)
{
	struct rmt_account *account = message->account;

	if (!account)
		return;
	message->account = NULL;
	account->bytes -= message->size + RMT_MESSAGE_OVERHEAD;
	rmt_account_unref(account);
}
