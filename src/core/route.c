/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/route.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "core/account.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/log.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/stream.h"
#include "wire/handshake.h"

/* --- the table ---------------------------------------------------------------------------- */

/* The index of the first route that ends at or behind id. */
static size_t position(const ramet_router *router, uint32_t id)
{
	size_t low = 0, high = router->route_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (router->routes[middle].last < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void routes_changed(ramet_router *router)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->streams, node, following)
		RMT_CONTAINER(node, struct rmt_stream, node)->checked = false;
}

bool rmt_route_overlaps(const ramet_router *router, uint32_t first, uint32_t last)
{
	size_t at = position(router, first);

	return at < router->route_count && router->routes[at].first <= last;
}

int rmt_route_add(ramet_router *router, uint32_t first, uint32_t last, struct rmt_stream *stream)
{
	size_t at = position(router, first);

	if (last < first || rmt_route_overlaps(router, first, last))
		return -EEXIST;
	if (router->route_count == router->route_capacity) {
		size_t capacity = router->route_capacity ? router->route_capacity * 2 : 8;
		struct rmt_route *grown = realloc(router->routes, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		router->routes = grown;
		router->route_capacity = capacity;
	}
	memmove(router->routes + at + 1, router->routes + at,
		(router->route_count - at) * sizeof(*router->routes));
	router->routes[at] = (struct rmt_route){first, last, stream, false};
	router->route_count++;
	routes_changed(router);
	return 0;
}

static uint32_t price(uint32_t first, uint32_t last)
{
	return RMT_MAX(last - first + 1, RMT_ADOPTED_LEAST);
}

int rmt_route_adopt(ramet_router *router, uint32_t first, uint32_t last, struct rmt_stream *stream)
{
	/* A tree has one region at least. */
	uint32_t most = RMT_MAX(router->quota.contexts, RMT_REGION_IDS);
	int r;

	if (price(first, last) > most - RMT_MIN(stream->account->adopted, most))
		return -EDQUOT;
	r = rmt_route_add(router, first, last, stream);
	if (r < 0)
		return r;
	router->routes[position(router, first)].adopted = true;
	stream->account->adopted += price(first, last);
	return 0;
}

/* Through that stream, or within [first, last]. */
static void routes_remove(ramet_router *router, const struct rmt_stream *stream, uint32_t first,
			  uint32_t last)
{
	size_t kept = 0;

	for (size_t i = 0; i < router->route_count; i++) {
		const struct rmt_route *route = &router->routes[i];

		if (route->stream != stream && !(route->first >= first && route->last <= last))
			router->routes[kept++] = *route;
		else if (route->adopted)
			route->stream->account->adopted -= price(route->first, route->last);
	}
	router->route_count = kept;
	routes_changed(router);
}

void rmt_route_remove(ramet_router *router, struct rmt_stream *stream)
{
	routes_remove(router, stream, 1, 0);
}

void rmt_route_forget(ramet_router *router, uint32_t first, uint32_t last)
{
	routes_remove(router, NULL, first, last);
}

struct rmt_stream *rmt_route_below(const ramet_router *router, uint32_t id)
{
	size_t at = position(router, id);

	if (at < router->route_count && router->routes[at].first <= id)
		return router->routes[at].stream;
	return NULL;
}

struct rmt_stream *rmt_route_to(const ramet_router *router, uint32_t id)
{
	struct rmt_stream *below = rmt_route_below(router, id);

	return below ? below : router->uplink;
}

bool rmt_route_leads(const ramet_router *router, uint32_t first, uint32_t last,
		     const struct rmt_stream *stream)
{
	if (last < first)
		return false;
	for (size_t at = position(router, first); at < router->route_count; at++) {
		const struct rmt_route *route = &router->routes[at];

		if (route->first > first || route->stream != stream)
			return false;
		if (route->last >= last)
			return true;
		first = route->last + 1;
	}
	return false;
}

bool rmt_route_covers(const ramet_router *router, uint32_t first, uint32_t last,
		      const struct rmt_stream *stream)
{
	return !(stream->peer && stream->peer->id >= first && stream->peer->id <= last) &&
	       rmt_route_leads(router, first, last, stream);
}

/* --- who has talked to whom --------------------------------------------------------------- */

static size_t talked_position(const struct rmt_stream *stream, uint32_t id)
{
	size_t low = 0, high = stream->talked_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (stream->talked[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool rmt_stream_talked(const struct rmt_stream *stream, uint32_t first, uint32_t last)
{
	size_t at = talked_position(stream, first);

	return stream->talked_all || (at < stream->talked_count && stream->talked[at] <= last);
}

/* When there is no memory to note it, that neighbour will not hear of the loss, but gets a dead
 * letter at its next message. */
static void note(struct rmt_stream *stream, uint32_t id)
{
	size_t at = talked_position(stream, id);

	if (stream->talked_all)
		return;
	if (at < stream->talked_count && stream->talked[at] == id)
		return;
	if (stream->talked_count == RMT_TALKED_MAX) {
		stream->talked_all = true;
		return;
	}
	if (stream->talked_count == stream->talked_capacity) {
		size_t capacity = stream->talked_capacity ? stream->talked_capacity * 2 : 8;
		uint32_t *grown = realloc(stream->talked, capacity * sizeof(*grown));

		if (!grown)
			return;
		stream->talked = grown;
		stream->talked_capacity = capacity;
	}
	memmove(stream->talked + at + 1, stream->talked + at,
		(stream->talked_count - at) * sizeof(*stream->talked));
	stream->talked[at] = id;
	stream->talked_count++;
}

static void note_talk(struct rmt_stream *stream, uint32_t id)
{
	if (stream->talked_last != id)
		note(stream, stream->talked_last = id);
}

/* --- dead letters ------------------------------------------------------------------------- */

void rmt_dead_letter(ramet_router *router, const struct rmt_frame *frame, int code,
		     const char *format, ...)
{
	va_list arguments;
	char text[512];

	/* A stream is closed by the first refusal, but calls go on. */
	if (frame->handle == RMT_HANDLE_CALL && (frame->flags & RMT_FRAME_COUNTED))
		rmt_control_credit(router, frame->destination, frame->source, frame->handle,
				   frame->length);
	/* Answers are not answered, and the rest of a message was answered with its first frame. */
	if (frame->flags & (RMT_FRAME_ERROR | RMT_FRAME_CONTINUES | RMT_FRAME_END))
		return;
	if (frame->handle == RMT_HANDLE_CONTROL && frame->reply == 0)
		return;
	va_start(arguments, format);
	rmt_formatv(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (frame->reply != 0) {
		rmt_send_failure_for(router, frame->destination, frame->source, frame->reply, code,
				     router->path, text, false);
	}
	if (frame->flags & RMT_FRAME_COUNTED && frame->handle != RMT_HANDLE_CALL) {
		rmt_control_closed(router, frame->destination, frame->source, frame->handle, code,
				   text);
	}
}

/* --- arrivals ----------------------------------------------------------------------------- */

/* True when a context with this id can be the author of what arrives on this stream. */
static bool lies_behind(const struct rmt_stream *stream, uint32_t id)
{
	const ramet_router *router = stream->router;
	struct rmt_stream *below = rmt_route_below(router, id);

	if (stream == router->uplink)
		return !below && id != router->id;
	return below == stream;
}

void rmt_misbehaved(ramet_router *router, const char *format, ...)
{
	uint64_t count = ++router->dropped;
	va_list arguments;
	char text[256];

	/* Once in a while: a flood must not become one in the log. */
	if (count & (count - 1))
		return;
	va_start(arguments, format);
	rmt_formatv(text, sizeof(text), format, arguments);
	va_end(arguments);
	rmt_log(router, RMT_LOG_SELF, RAMET_LOG_WARNING, "%s (refused so far: %llu)", text,
		(unsigned long long)count);
}

static bool check_source(struct rmt_stream *stream, const struct rmt_frame *frame)
{
	if (stream->checked && frame->source == stream->checked_source &&
	    frame->authority == stream->checked_authority)
		return true;
	if (!lies_behind(stream, frame->source) || !lies_behind(stream, frame->authority)) {
		rmt_misbehaved(stream->router,
			       "dropped a message that claims to come from context %u for %u, but "
			       "came from %s",
			       frame->source, frame->authority,
			       stream->peer ? rmt_peer_name(stream->peer) : "?");
		return false;
	}
	stream->checked = true;
	stream->checked_source = frame->source;
	stream->checked_authority = frame->authority;
	return true;
}

void rmt_run_forward(struct rmt_run *run)
{
	if (!run->stream)
		return;
	run->stream->output.charge = run->account ? &run->account->waiting : NULL;
	if (rmt_stream_forward(run->stream, run->data, run->size, run->chunk) < 0)
		rmt_stream_fail(run->stream, "out of memory");
	run->stream->output.charge = NULL;
	rmt_account_queued(run->account);
	rmt_chunk_unref(run->chunk);
	*run = (struct rmt_run){0};
}

static void forward(struct rmt_stream *from, struct rmt_stream *to,
		    const struct rmt_arrival *arrival, struct rmt_run *run)
{
	size_t size = RMT_FRAME_HEADER_SIZE + arrival->frame.length;

	note_talk(from, arrival->frame.destination);
	to->frames_out++;
	to->router->counters.frames_forwarded++;
	to->router->counters.bytes_forwarded += size;
	if (rmt_log_shows_frames(to->router))
		rmt_log_frame(to, "forwarded", &arrival->frame);
	/* Who is asked for something has to hear that nobody waits for it any more. */
	if (to->heard_last != arrival->frame.source)
		note(to, to->heard_last = arrival->frame.source);
	if (run->stream == to && run->chunk == arrival->chunk &&
	    run->data + run->size == arrival->header) {
		run->size += size;
		return;
	}
	rmt_run_forward(run);
	*run = (struct rmt_run){to, from == from->router->uplink ? NULL : from->account,
				rmt_chunk_ref(arrival->chunk), arrival->header, size};
}

/* Control messages have no answer; but who sends one may wait for something from there, which will not come. */
static void refuse(struct rmt_stream *from, const struct rmt_frame *frame, int code,
		   const char *text)
{
	ramet_router *router = from->router;
	const uint32_t range[1][2] = {{frame->destination, frame->destination}};

	if (frame->handle != RMT_HANDLE_CONTROL || frame->reply != 0)
		rmt_dead_letter(router, frame, code, "%s", text);
	else
		rmt_control_gone(from, range, 1, text);
}

static bool may_pass(const struct rmt_stream *from, const struct rmt_stream *to)
{
	const ramet_router *router = from->router;

	/* A guest has to do with our children alone. */
	if (from->guest || to->guest)
		return from->guest != to->guest && !from->joined && !to->joined &&
		       from != router->uplink && to != router->uplink;
	return from == router->uplink || to == router->uplink || router->allow_siblings;
}

/* Who commands the guest is to command here and below as well. */
static void lend_authority(const struct rmt_stream *stream, struct rmt_arrival *arrival)
{
	const struct rmt_frame *frame = &arrival->frame;

	/* What speaks for a context that is not there, or of a flow to it, says whose that is. */
	if (frame->source != frame->authority || (frame->flags & RMT_FRAME_ERROR) ||
	    (frame->handle == RMT_HANDLE_CONTROL &&
	     rmt_control_is_about_flow(arrival->payload, frame->length)))
		return;
	for (size_t i = 0; i < stream->chain_count; i++) {
		if (stream->chain[i] != arrival->frame.authority)
			continue;
		arrival->frame.authority = stream->router->id;
		/* The header is nobody else's: what others hold of the chunk lies beside it. */
		rmt_frame_encode(&arrival->frame, (unsigned char *)(uintptr_t)arrival->header);
		return;
	}
}

/* 0 stands for the root of the tree; that of a guest's is not here. */
static bool is_for_us(const struct rmt_stream *stream, uint32_t destination)
{
	const ramet_router *router = stream->router;

	return destination == router->id ||
	       (destination == 0 && rmt_router_is_root(router) && !stream->guest);
}

unsigned char *rmt_route_place(struct rmt_stream *stream, const struct rmt_frame *frame,
			       struct rmt_chunk **ret_chunk)
{
	/* Nobody writes into what another is sending: a source that was not just found to be right
	 * gets no place. */
	if (frame->destination != stream->router->id || !stream->checked ||
	    frame->source != stream->checked_source ||
	    frame->authority != stream->checked_authority)
		return NULL;
	return rmt_inflow_place(stream->router, frame, ret_chunk);
}

void rmt_route_arrival(struct rmt_stream *stream, struct rmt_arrival *arrival, struct rmt_run *run)
{
	ramet_router *router = stream->router;
	const struct rmt_frame *frame = &arrival->frame;
	struct rmt_stream *to;
	char text[160];

	if (!check_source(stream, frame))
		return;
	if (stream->guest)
		lend_authority(stream, arrival);
	if (is_for_us(stream, frame->destination)) {
		rmt_run_forward(run);
		rmt_deliver(router, stream, frame, arrival->chunk, arrival->payload);
		return;
	}
	to = rmt_route_to(router, frame->destination);
	if (to && to != stream && to->failed) {
		/* Its loss is about to be told to all who talked to it, with the reason. */
		rmt_run_forward(run);
		note_talk(stream, frame->destination);
	} else if (!to || to == stream) {
		rmt_run_forward(run);
		rmt_format(text, sizeof(text), "there is no context %u", frame->destination);
		refuse(stream, frame, EHOSTUNREACH, text);
	} else if (!may_pass(stream, to)) {
		rmt_run_forward(run);
		rmt_format(text, sizeof(text),
			   "contexts %u and %u are not parent and child, and siblings may not talk "
			   "to each other here",
			   frame->source, frame->destination);
		refuse(stream, frame, EPERM, text);
	} else {
		forward(stream, to, arrival, run);
	}
}
