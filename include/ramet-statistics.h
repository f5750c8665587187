/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a context has done so far, and what it holds now. Included by ramet.h, whose rules hold here, too.
 */
#ifndef RAMET_STATISTICS_H
#define RAMET_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Round trips are counted by how long they took: in bucket 0 those below 1 us, in bucket n those of 2^(n-1) us or
 * more and below 2^n us, and in the last one all that took longer. */
#define RAMET_LATENCY_BUCKETS 32

/* The stream between a context and one of its neighbours in the tree, as that context sees it. */
typedef struct ramet_link_statistics {
	const char *path; /* of the neighbour */
	uint64_t id;      /* of the neighbour */
	uint64_t up;      /* 1: the neighbour is the parent; 0: a child */
	uint64_t bytes_in, bytes_out, frames_in, frames_out;
	uint64_t queue_bytes, queue_peak; /* not written yet: now, and at the worst */
	/* round trips: how many were measured, their least, greatest and summed time in us. Each
	 * PING of the heartbeat is one, and each ramet_context_ping() from one end to the other */
	uint64_t latency_count, latency_least, latency_most, latency_sum;
	uint64_t latency[RAMET_LATENCY_BUCKETS];
} ramet_link_statistics;

/* Begin with RAMET_STATISTICS_INIT. Bytes and frames are those of all links, also of those that are
 * gone. What a context of an older program does not count is 0. */
typedef struct ramet_statistics {
	size_t size; /* sizeof(ramet_statistics): tells the library which members there are */
	void *links; /* see ramet_statistics_link() */
	uint64_t link_count;
	uint64_t pid;
	uint64_t uptime;   /* us, since it is a context */
	uint64_t cpu_time; /* us, of the process, user and system */
	uint64_t rss_max;  /* bytes, the largest resident set of the process */
	uint64_t bytes_in, bytes_out, frames_in, frames_out;
	uint64_t bytes_forwarded, frames_forwarded; /* for others, in bytes_out and frames_out */
	uint64_t messages_in, messages_out;         /* of its own */
	uint64_t refused; /* messages dropped because they claimed what they must not */
	uint64_t calls_executed, calls_failed,
		calls_cancelled;              /* the latter two among the first, or */
	uint64_t calls_running, calls_queued; /* ... before they began */
	uint64_t records_sent,
		records_dropped; /* log records (in the master: dropped ones alone) */
	uint64_t children;
	uint64_t peers;     /* contexts that it knows: itself, neighbours, whom it talks to */
	uint64_t receivers; /* handles: of streams, and of results that are waited for */
	uint64_t flows_out, flows_in;
	uint64_t chunks_held,
		bytes_held; /* blocks with what was read and is in use, and their bytes */
} ramet_statistics;

#ifdef __cplusplus
#define RAMET_STATISTICS_INIT            \
	{                                \
		sizeof(ramet_statistics) \
	}
#else
#define RAMET_STATISTICS_INIT                    \
	{                                        \
		.size = sizeof(ramet_statistics) \
	}
#endif

/*
 * Asks a context: this one, a neighbour below, or any further below. It answers at once, also when
 * its main thread and all its workers are busy. What was in *statistics is freed and replaced; free
 * it with ramet_statistics_clear(). The time-out is that of the handle (ramet_context_with()).
 * Errors: -EINVAL (size), -EPERM (the context is not below this one), -ECONNRESET (it is gone),
 * -ETIMEDOUT, -EHOSTUNREACH, -ESHUTDOWN, -EPROTO. Blocks.
 */
int ramet_context_statistics(ramet_context *context, ramet_statistics *statistics,
			     ramet_error *error);

/* The index-th of the links: the parent's first, then those of children. NULL behind the last.
 * Borrowed. */
const ramet_link_statistics *ramet_statistics_link(const ramet_statistics *statistics,
						   size_t index);

/* Frees what an answer holds; it is then as new. */
void ramet_statistics_clear(ramet_statistics *statistics);

/*
 * Measures a round trip: *ret_us is how many microseconds it took until the context has answered,
 * whatever it is doing. For this one, a context below, or the parent.
 * Errors: -ETIMEDOUT (timeout, ms), -EPERM (neither below nor the parent), -ECONNRESET,
 * -EHOSTUNREACH, -ESHUTDOWN. Blocks.
 */
int ramet_context_ping(ramet_context *context, int timeout, int64_t *ret_us, ramet_error *error);

#ifdef __cplusplus
}
#endif

#endif
