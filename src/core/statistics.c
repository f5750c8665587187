/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/statistics.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/time.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/stream.h"
#include "wire/cbor.h"

/* Of the links in an answer, which is one frame: less than that by one link and the numbers, of which
 * none takes more than 2 KiB. */
#define LINKS_SIZE (RMT_FRAME_PAYLOAD_MAX - 4096)

/* Longer paths are cut. */
#define PATH_MAX_SIZE 1024

#define MEMBER(name) offsetof(ramet_statistics, name)
#define LINK_MEMBER(name) offsetof(ramet_link_statistics, name)

const unsigned short rmt_statistics_members[] = {
	MEMBER(link_count),
	MEMBER(pid),
	MEMBER(uptime),
	MEMBER(cpu_time),
	MEMBER(rss_max),
	MEMBER(bytes_in),
	MEMBER(bytes_out),
	MEMBER(frames_in),
	MEMBER(frames_out),
	MEMBER(bytes_forwarded),
	MEMBER(frames_forwarded),
	MEMBER(messages_in),
	MEMBER(messages_out),
	MEMBER(refused),
	MEMBER(calls_executed),
	MEMBER(calls_failed),
	MEMBER(calls_cancelled),
	MEMBER(calls_running),
	MEMBER(calls_queued),
	MEMBER(records_sent),
	MEMBER(records_dropped),
	MEMBER(children),
	MEMBER(peers),
	MEMBER(receivers),
	MEMBER(flows_out),
	MEMBER(flows_in),
	MEMBER(chunks_held),
	MEMBER(bytes_held),
};
const unsigned rmt_statistics_count = RMT_COUNT(rmt_statistics_members);

const unsigned short rmt_link_members[] = {
	LINK_MEMBER(id),
	LINK_MEMBER(up),
	LINK_MEMBER(bytes_in),
	LINK_MEMBER(bytes_out),
	LINK_MEMBER(frames_in),
	LINK_MEMBER(frames_out),
	LINK_MEMBER(queue_bytes),
	LINK_MEMBER(queue_peak),
	LINK_MEMBER(latency_count),
	LINK_MEMBER(latency_least),
	LINK_MEMBER(latency_most),
	LINK_MEMBER(latency_sum),
};
const unsigned rmt_link_count = RMT_COUNT(rmt_link_members);

static void put_numbers(const void *object, const unsigned short *members, unsigned count,
			struct rmt_buffer *out)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t number;

		memcpy(&number, (const char *)object + members[i], sizeof(number));
		rmt_cbor_put_uint(out, i);
		rmt_cbor_put_uint(out, number);
	}
}

static void put_link(const struct rmt_stream *stream, struct rmt_buffer *out)
{
	const struct rmt_latency *latency = &stream->latency;
	const char *path = stream->peer->path ? stream->peer->path : "";
	ramet_link_statistics link = {
		.id = stream->peer->id,
		.up = stream == stream->router->uplink,
		.bytes_in = stream->bytes_in,
		.bytes_out = stream->bytes_out,
		.frames_in = stream->frames_in,
		.frames_out = stream->frames_out,
		.queue_bytes = stream->output.bytes,
		.queue_peak = stream->output.peak,
		.latency_count = latency->count,
		.latency_least = latency->least,
		.latency_most = latency->most,
		.latency_sum = latency->sum,
	};
	unsigned buckets = RAMET_LATENCY_BUCKETS;

	while (buckets > 0 && latency->buckets[buckets - 1] == 0)
		buckets--;
	rmt_cbor_put_map(out, rmt_link_count + 2);
	put_numbers(&link, rmt_link_members, rmt_link_count, out);
	rmt_cbor_put_uint(out, RMT_LINK_PATH);
	rmt_cbor_put_str(out, strlen(path) <= PATH_MAX_SIZE ? path : "");
	rmt_cbor_put_uint(out, RMT_LINK_LATENCY);
	rmt_cbor_put_array(out, buckets);
	for (unsigned i = 0; i < buckets; i++)
		rmt_cbor_put_uint(out, latency->buckets[i]);
}

/* The parent first. Returns how many there are in all. */
static uint32_t put_links(ramet_router *router, uint32_t first, struct rmt_buffer *out,
			  uint32_t *ret_written)
{
	uint32_t count = 0, written = 0;
	struct rmt_list *node, *following;

	if (router->uplink && count++ >= first) {
		put_link(router->uplink, out);
		written++;
	}
	rmt_list_each(&router->children, node, following) {
		struct rmt_peer *child = RMT_CONTAINER(node, struct rmt_peer, child);

		if (!child->stream || count++ < first || out->size > LINKS_SIZE - 2048)
			continue;
		put_link(child->stream, out);
		written++;
	}
	*ret_written = written;
	return count;
}

static uint64_t list_length(const struct rmt_list *list)
{
	uint64_t count = 0;

	for (const struct rmt_list *node = list->next; node != list; node = node->next)
		count++;
	return count;
}

static uint64_t micro(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void fill_process(ramet_router *router, ramet_statistics *all)
{
	struct rusage usage;

	all->pid = (uint64_t)getpid();
	all->uptime = (uint64_t)(rmt_now() - router->counters.started_at);
	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	all->cpu_time = micro(usage.ru_utime) + micro(usage.ru_stime);
	all->rss_max = (uint64_t)usage.ru_maxrss * 1024;
}

static void fill(ramet_router *router, ramet_statistics *all)
{
	const struct rmt_counters *counters = &router->counters;
	const struct rmt_execution *execution = &router->execution;
	struct rmt_list *node, *following;
	size_t chunks, bytes;

	fill_process(router, all);
	all->bytes_in = counters->bytes_in;
	all->bytes_out = counters->bytes_out;
	all->frames_in = counters->frames_in;
	all->frames_out = counters->frames_out;
	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);

		all->bytes_in += stream->bytes_in;
		all->bytes_out += stream->bytes_out;
		all->frames_in += stream->frames_in;
		all->frames_out += stream->frames_out;
	}
	all->bytes_forwarded = counters->bytes_forwarded;
	all->frames_forwarded = counters->frames_forwarded;
	all->messages_in = counters->messages_in;
	all->messages_out = counters->messages_out;
	all->refused = router->dropped;
	all->calls_executed = counters->calls_executed;
	all->calls_failed = counters->calls_failed;
	all->calls_cancelled = counters->calls_cancelled;
	all->calls_running = list_length(&execution->running);
	all->calls_queued = list_length(&execution->serial) + list_length(&execution->concurrent);
	all->records_sent = router->logging.sent;
	all->records_dropped = router->logging.dropped;
	all->children = list_length(&router->children);
	all->peers = router->peers.count;
	all->receivers = router->receivers.count;
	all->flows_out = router->flows.count;
	all->flows_in = router->inflows.count;
	rmt_chunk_pool_used(router->chunks, &chunks, &bytes);
	all->chunks_held = chunks;
	all->bytes_held = bytes;
}

void rmt_statistics_answer(ramet_router *router, uint32_t requester, uint32_t reply,
			   uint32_t first_link)
{
	struct rmt_frame frame = {.destination = requester, .handle = reply};
	struct rmt_buffer out = RMT_BUFFER_INIT, links = RMT_BUFFER_INIT;
	ramet_statistics all = RAMET_STATISTICS_INIT;
	uint32_t written;

	fill(router, &all);
	all.link_count = put_links(router, first_link, &links, &written);
	rmt_cbor_put_map(&out, rmt_statistics_count + 1);
	put_numbers(&all, rmt_statistics_members, rmt_statistics_count, &out);
	rmt_cbor_put_uint(&out, RMT_STATISTICS_LINKS);
	rmt_cbor_put_array(&out, written);
	rmt_buffer_append(&out, links.data, links.size);
	if (links.error < 0 || out.error < 0 ||
	    rmt_send_frame(router, &frame, out.data, out.size, false) < 0)
		rmt_answer_lost(router, requester, reply);
	rmt_buffer_done(&links);
	rmt_buffer_done(&out);
}
