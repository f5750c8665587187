/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream: the descriptors to a neighbour in the tree, with what was read but is not a whole frame
 * yet and what could not be written yet. Frames are written at once when nothing waits before them,
 * or gathered for a moment when they come one after the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/poller.h"
#include "core/router.h"
#include "wire/input.h"
#include "wire/output.h"

struct rmt_inflow;

/* Round trips to the neighbour, us. */
struct rmt_latency {
	uint64_t count, least, most, sum;
	uint64_t buckets[RAMET_LATENCY_BUCKETS];
};

struct rmt_stream {
	ramet_router *router;
	struct rmt_list node;  /* in router->streams */
	struct rmt_list dirty; /* in router->dirty while frames are gathered */
	/* it has failed: rmt_stream_lost outside of whatever noticed it */
	struct rmt_deferred loss;
	struct rmt_deferred unread; /* frames may be there already */
	struct rmt_source in, out;  /* out is unused when both directions are one descriptor */
	bool deaf;                  /* nobody reads what is written: it is dropped */
	bool out_watched;           /* out is in the loop */
	bool is_socket;             /* one descriptor, written with MSG_NOSIGNAL */
	bool failed;
	bool joined;           /* to another tree, of which the peer is the root */
	bool guest;            /* from another tree, see parent/join.h; the peer has joined us */
	const uint32_t *chain; /* of a guest: who commands here as we do ourselves */
	size_t chain_count;
	struct rmt_input input;
	struct rmt_output output;
	struct rmt_chunk *gathered; /* small frames, not yet written */
	size_t gathered_size;
	int64_t written_at; /* when something was last written */
	size_t blocked;     /* threads that wait for room */

	/* Before the handshake is done, frames go here: returns 0, or a negative errno that loses
	 * the stream. */
	int (*frame)(struct rmt_stream *stream, const struct rmt_arrival *arrival);
	/* The stream has failed or ended, and is closed: reason says how. Called once. The callee
	 * frees the stream. */
	void (*lost)(struct rmt_stream *stream, const char *reason);
	void *data;

	struct rmt_peer *peer; /* at the other end; NULL before the handshake is done */
	char *reason;          /* of its failure */

	/* What was checked last, to check it once for a run of frames. Cleared when routes change.
	 */
	bool checked;
	uint32_t checked_source, checked_authority;
	/* the contexts last noted in `talked` */
	uint32_t talked_last, heard_last;
	uint32_t *talked; /* sorted: contexts with which this neighbour's side has to do */
	size_t talked_count, talked_capacity;

	uint64_t bytes_in, bytes_out, frames_in, frames_out;

	/* Signs of life. See heartbeat.h. */
	uint64_t heard;    /* bytes_in when that was last looked at */
	unsigned silent;   /* how often it was the same since */
	int64_t pinged_at; /* 0: no PONG is waited for */
	struct rmt_latency latency;

	/* In the master: records that came from here. */
	struct rmt_log_limit log_limit;
	size_t log_held; /* bytes of those that wait for the sink */
};

/*
 * A stream over in_fd and out_fd (which may be the same, a socket). On success it owns them and
 * sets them non-blocking. The caller sets frame, lost and data, before it lets go of the lock.
 */
int rmt_stream_new(ramet_router *router, int in_fd, int out_fd, struct rmt_stream **ret_stream);

/* Bytes that were read from it before it was a stream. They are handled as if they came now, by the
 * loop. 0 or -ENOMEM. */
int rmt_stream_unread(struct rmt_stream *stream, const void *data, size_t size);

/* Closes it without a word to anybody. NULL is fine. */
void rmt_stream_free(struct rmt_stream *stream);

/* Marks it failed: nothing more is read or written, and stream->lost is called soon. The first
 * reason counts. */
void rmt_stream_fail(struct rmt_stream *stream, const char *format, ...) RMT_PRINTF(2, 3);

/*
 * Sends one frame, whose header is complete. With a chunk, payload lies in it and is kept if it has
 * to wait; without, it is copied then. `gather` allows it to wait for others that follow soon.
 * Failures of the stream itself come through `lost`; the result is 0 or -ENOMEM.
 */
int rmt_stream_send(struct rmt_stream *stream, const struct rmt_frame *frame, const void *payload,
		    struct rmt_chunk *chunk, bool gather);

/* Sends a frame, copied, behind all that waits for the stream now, also what is less urgent. */
int rmt_stream_send_behind(struct rmt_stream *stream, const struct rmt_frame *frame,
			   const void *payload);

/* Forwards frames as they arrived, one behind the other in chunk. */
int rmt_stream_forward(struct rmt_stream *stream, const unsigned char *data, size_t size,
		       struct rmt_chunk *chunk);

/* True when a write could be tried at once: nothing waits. */
static inline bool rmt_stream_idle(const struct rmt_stream *stream)
{
	return rmt_output_empty(&stream->output);
}

/* Writes what was gathered, on one stream or on all. */
void rmt_stream_flush(struct rmt_stream *stream);
void rmt_streams_flush(ramet_router *router);
