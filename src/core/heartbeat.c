/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/heartbeat.h"

#include "base/time.h"
#include "core/control.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/stream.h"

void rmt_heartbeat_took(struct rmt_stream *stream, int64_t us)
{
	struct rmt_latency *latency = &stream->latency;
	uint64_t took = us > 0 ? (uint64_t)us : 0;
	unsigned bucket = 0;

	while (bucket + 1 < RAMET_LATENCY_BUCKETS && took >> bucket > 0)
		bucket++;
	latency->buckets[bucket]++;
	latency->least = latency->count > 0 ? RMT_MIN(latency->least, took) : took;
	latency->most = RMT_MAX(latency->most, took);
	latency->sum += took;
	latency->count++;
}

void rmt_heartbeat_pong(struct rmt_stream *stream)
{
	if (stream->pinged_at > 0)
		rmt_heartbeat_took(stream, rmt_now() - stream->pinged_at);
	stream->pinged_at = 0;
}

/* Who waits for the answer, has a reply handle. */
void rmt_heartbeat_ping(ramet_router *router, const struct rmt_frame *frame)
{
	static const unsigned char null[] = {0xf6};
	struct rmt_frame answer = {.destination = frame->source, .handle = frame->reply};

	if (frame->reply == 0)
		rmt_control_pong(router, frame->source);
	else if (rmt_send_frame(router, &answer, null, sizeof(null), false) < 0)
		rmt_answer_lost(router, answer.destination, answer.handle);
}

static void look_at(struct rmt_stream *stream)
{
	ramet_router *router = stream->router;

	if (stream->failed || !stream->peer)
		return;
	if (stream->bytes_in != stream->heard) {
		stream->heard = stream->bytes_in;
		stream->silent = 0;
		return;
	}
	if (stream->silent++ >= router->heartbeat_misses) {
		rmt_stream_fail(stream, "no sign of life for %llu ms",
				(unsigned long long)stream->silent * router->heartbeat_interval);
		return;
	}
	if (stream->pinged_at == 0)
		stream->pinged_at = rmt_now();
	rmt_control_ping(router, stream->peer->id);
}

static void look(struct rmt_timer *timer)
{
	ramet_router *router = RMT_CONTAINER(timer, ramet_router, heartbeat);
	struct rmt_list *node, *following;

	rmt_list_each(&router->streams, node, following)
		look_at(RMT_CONTAINER(node, struct rmt_stream, node));
	if (!rmt_list_empty(&router->streams))
		rmt_heartbeat_begin(router);
}

void rmt_heartbeat_begin(ramet_router *router)
{
	if (router->heartbeat_interval == 0 || router->heartbeat.index != 0)
		return;
	router->heartbeat.expired = look;
	/* Without memory for a timer, nobody is looked after: as if there were no interval. */
	rmt_loop_timer_start(&router->loop, &router->heartbeat,
			     rmt_now() + (int64_t)router->heartbeat_interval * 1000);
}
