/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow control. A flow is what one context sends to one handle of another. The sending side (struct
 * rmt_flow) may have RMT_FLOW_WINDOW bytes on their way; the receiving side (struct rmt_inflow)
 * grants bytes back as they are consumed. So nobody in between ever holds more than a window for
 * each flow, however slow the reader is.
 *
 * Frames of a message that is still being put together are granted at once as long as its flow has
 * nothing else waiting here: else a message larger than the window could never arrive.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/table.h"
#include "core/message.h"
#include "core/router.h"
#include "wire/assembly.h"

/* The sending side. */
struct rmt_flow {
	struct rmt_table_node node; /* in router->flows, by (destination, handle) */
	struct rmt_list of_peer;    /* in peer->flows */
	struct rmt_peer *peer;      /* the destination */
	uint32_t handle;
	unsigned references; /* senders, and threads that send */
	uint64_t in_flight;
	bool busy;      /* a thread is in the middle of a message */
	bool closed;    /* nobody reads any more */
	bool lasting;   /* to a stream: senders come and go, what is on its way counts for all */
	uint32_t given; /* ENDs that the reader waits for from here */
};

/* The receiving side. */
struct rmt_inflow {
	struct rmt_table_node node;  /* in router->inflows, by (source, handle) */
	struct rmt_list of_peer;     /* in peer->inflows */
	struct rmt_list of_receiver; /* in receiver->inflows; itself, when it belongs to calls */
	struct rmt_peer *peer;       /* the source */
	ramet_receiver *receiver;    /* NULL: calls, or the result of one */
	uint32_t handle;
	struct rmt_assembly assembly;
	/* bytes of the message being put together that were not granted */
	size_t held;
	size_t waiting; /* whole messages that wait here to be consumed */
	size_t granted; /* consumed, but the grant was not sent yet */
	/* for streams: senders that the source was given, and those it has closed */
	uint32_t given, ended;
};

struct rmt_flow *rmt_flow_get(ramet_router *router, uint32_t destination, uint32_t handle);
struct rmt_flow *rmt_flow_find(const ramet_router *router, uint32_t destination, uint32_t handle);
struct rmt_flow *rmt_flow_of_calls(struct rmt_peer *peer); /* to its RMT_HANDLE_CALL */
void rmt_flow_unref(struct rmt_flow *flow);

/* The reader has consumed so much. A flow that nobody refers to may be gone then, or when it is
 * closed. */
void rmt_flow_credit(struct rmt_flow *flow, uint64_t bytes);

/* Nobody reads there any more: whoever sends gets -EPIPE. The reason is for the log. */
void rmt_flow_close(struct rmt_flow *flow, const char *reason);

/* A frame of so many bytes could go now, or never. */
bool rmt_flow_has_room(const struct rmt_flow *flow, uint32_t size);

/* Until when somebody waits who does not wait at all. */
#define RMT_AT_ONCE 0

/*
 * Sends a message of any size, in frames, waiting for credit and room; the lock is given up
 * meanwhile. The caller sets handle, reply and flags of the frame; data must stay. `gather` as for
 * streams. Threads that send on one flow take turns, a message each. 0, -EPIPE (closed, or the
 * destination is gone), -ETIMEDOUT, -EMSGSIZE, -ESHUTDOWN, -ENOMEM. After a failure nothing of the
 * message is delivered.
 *
 * RMT_AT_ONCE: all of it goes now, or nothing: -EAGAIN, or -EMSGSIZE for what is larger than a
 * window, which never could.
 */
int rmt_flow_send(struct rmt_flow *flow, const struct rmt_frame *frame, const void *data,
		  size_t size, int64_t until, bool gather);

/* The same for who may let go of the flow meanwhile: when *held is another one, it is -EPIPE. */
int rmt_flow_send_held(struct rmt_flow *const *held, const struct rmt_frame *frame,
		       const void *data, size_t size, int64_t until, bool gather);

/*
 * Sending without a thread that waits, for what the loop does by itself. `deferred.run` is set by the
 * caller and `deferred.node` initialised; the loop runs it once after rmt_flow_may_send() was false.
 */
struct rmt_flow_turn {
	struct rmt_deferred deferred; /* in router->turns while it waits */
	struct rmt_flow *flow;
	uint32_t size;
};

/* True when a frame of so many bytes could be sent now, or the flow is closed; else the turn comes
 * when that is so. */
bool rmt_flow_may_send(struct rmt_flow_turn *turn, uint32_t size);

/* Sends a frame for which there is room, of at most RMT_FRAME_PAYLOAD_MAX bytes. 0, -EPIPE, -ENOMEM. */
int rmt_flow_send_now(struct rmt_flow *flow, struct rmt_frame *frame, const void *data,
		      size_t size);

/* The same as rmt_flow_may_send(), and only looks. */
bool rmt_flow_has_turn(const struct rmt_flow_turn *turn);

/* Gives up waiting. */
void rmt_flow_turn_done(struct rmt_flow_turn *turn);

/* Something has changed that turns may wait for. */
void rmt_flow_turns_look(ramet_router *router);

struct rmt_inflow *rmt_inflow_get(ramet_router *router, uint32_t source, uint32_t handle);

/* The same for a receiver, where the last one is mostly the right one. */
struct rmt_inflow *rmt_inflow_to(ramet_receiver *receiver, uint32_t source);
struct rmt_inflow *rmt_inflow_find(const ramet_router *router, uint32_t source, uint32_t handle);
void rmt_inflow_free(struct rmt_inflow *inflow);

/*
 * Takes a frame that has MORE, CONTINUES or COUNTED. 1: *ret_message is whole (the caller has its
 * chunk); 0: not yet; negative: it will not become whole, the sender was told if it wants to know.
 */
int rmt_inflow_frame(struct rmt_inflow *inflow, const struct rmt_frame *frame,
		     struct rmt_chunk *chunk, const unsigned char *payload,
		     struct rmt_message *ret_message);

/* If all senders of the source are closed and nothing is left of what they sent, it is granted to the
 * last byte: the source then forgets the flow. */
void rmt_inflow_settle(struct rmt_inflow *inflow);

/* Where the payload of a frame that is on its way may be put, and the chunk (a reference) in which that
 * is; NULL: where it comes. */
unsigned char *rmt_inflow_place(ramet_router *router, const struct rmt_frame *frame,
				struct rmt_chunk **ret_chunk);

/* A message that rmt_inflow_frame gave was consumed; finds its flow again, which may be gone. The
 * receiver is NULL for calls. */
void rmt_inflow_consumed(ramet_router *router, ramet_receiver *receiver,
			 const struct rmt_message *message);
