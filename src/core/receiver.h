/* SPDX-License-Identifier: BSD-3-Clause */
/* Receivers: where the result of a call, or the values of a stream, arrive. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/table.h"
#include "core/message.h"
#include "core/router.h"

struct rmt_account;
struct rmt_inflow;
struct rmt_notice;

struct rmt_entry {
	struct rmt_entry *next;
	struct rmt_chunk *block; /* where it lies, with the value; NULL: inline_entry */
	ramet_value *value;      /* a small message that needs no decoding is one already */
	struct rmt_message message;
};

struct ramet_receiver {
	struct rmt_table_node node; /* in router->receivers, by handle, while it takes messages */
	ramet_router *router;
	unsigned references;
	bool registered;
	bool result;                              /* of a call; else a stream, unless `ticks` */
	bool ticks;                               /* of a timer */
	void (*notify)(ramet_receiver *receiver); /* something has arrived; called by the loop */
	void *data;

	/* Of a call. */
	struct rmt_list pending; /* in respondent->pending until it is done */
	struct rmt_peer *respondent;
	struct rmt_timer
		timer; /* the call's own time-out; or the one whose expirations are values */
	/* its name, for messages; lives as long as the program or the value */
	const char *function;
	bool done;
	bool cancelled;
	int code; /* of a failure that arose here; 0: look into the message */
	char *text;

	/* The result, or the values of a stream, in order. */
	struct rmt_entry *first, *last;
	struct rmt_entry inline_entry; /* the one that a result needs */

	/* Of a timer. */
	bool expired;     /* and not taken yet: it rests */
	int64_t interval; /* us; 0: once */

	/* Of a stream. */
	enum ramet_policy policy;
	uint32_t message_size_max;

	/* Of a stream, or a timer. */
	bool closed;
	int trouble;               /* a message was lost here: the reader is told once */
	struct rmt_inflow *recent; /* of the last message, among the following */
	struct rmt_list inflows;   /* struct rmt_inflow.of_receiver: those who have sent, or may */
	bool had_senders;          /* some of those are gone, and with them their inflows */
	ramet_sender *sender;

	struct ramet_select *select;
	struct rmt_list in_select; /* in select->members */
	struct rmt_list announced; /* in select->ready, while there is something */
	struct rmt_notice *notice; /* NULL: nobody asked for a descriptor */
};

/* One that is in nothing yet. */
void rmt_receiver_init(ramet_receiver *receiver, ramet_router *router);

/* It may have something now that it had not: whoever waits for it is told. */
void rmt_receiver_changed(ramet_receiver *receiver);

/* It may have nothing any more. */
void rmt_receiver_settled(ramet_receiver *receiver);

/* Puts a message into the queue, with its chunk. 0 or -ENOMEM. */
int rmt_receiver_push(ramet_receiver *receiver, const struct rmt_message *message);

/* A receiver for the result of a call by `respondent`, in memory of the caller's. */
void rmt_receiver_expect(ramet_receiver *receiver, struct rmt_peer *respondent,
			 const char *function);

/* Takes it out of everything; its memory is the caller's. */
void rmt_receiver_done(ramet_receiver *receiver);

void rmt_receiver_drop(ramet_receiver *receiver);

ramet_receiver *rmt_receiver_find(const ramet_router *router, uint32_t handle);

/*
 * True when a frame may come in: the result of a call from who was asked, or, when it is an error, from
 * one who may speak for it; a value from a context that holds a sender, or whom the policy lets in. Else
 * its sender was told, and it was counted.
 */
bool rmt_receiver_admits(ramet_receiver *receiver, const struct rmt_frame *frame);

/* True when the source of this GIVEN can have a sender to pass on. */
bool rmt_receiver_may_give(const ramet_receiver *receiver, const struct rmt_frame *frame);

/* A message has arrived; takes its chunk. */
void rmt_receiver_arrived(ramet_receiver *receiver, struct rmt_message *message);

/* A message from `source` could not be taken: its call fails, or its reader is told. When it was the
 * source that did what it may not, nothing more is taken from it. */
void rmt_receiver_message_lost(ramet_receiver *receiver, uint32_t source, int code,
			       const char *text);

/* The call will have no other result. */
void rmt_receiver_fail(ramet_receiver *receiver, int code, const char *format, ...)
	RMT_PRINTF(3, 4);

/* A context that sends to this stream is gone. */
void rmt_receiver_source_lost(ramet_receiver *receiver, struct rmt_inflow *inflow,
			      const char *reason);

/* One of the senders that a context had was closed. */
void rmt_receiver_ended(ramet_receiver *receiver, uint32_t source);

/* A sender to this stream was given to a context: its END is waited for. `cause` is charged for that,
 * NULL: this context itself did it, or one above. */
int rmt_receiver_given(ramet_receiver *receiver, uint32_t context, struct rmt_account *cause);

/* It did not get it after all. */
void rmt_receiver_taken_back(ramet_receiver *receiver, uint32_t context);

/*
 * Takes the next message of a stream if it is plain bytes, without waiting. 1: *ret_value is it, 0:
 * nothing is there now. -EPIPE: the end; -ECONNRESET: a context that sent here is gone; -EINVAL:
 * it is something else, and is dropped; -ENOMEM.
 */
int rmt_receiver_take_bytes(ramet_receiver *receiver, ramet_value **ret_value);

/* Whether all senders of a stream have closed, what they sent being taken already or not. */
bool rmt_receiver_has_ended(const ramet_receiver *receiver);

/* Predicates for rmt_wait. */
bool rmt_receiver_is_done(void *receiver);
bool rmt_receiver_has_something(void *receiver);

/* The failure of a call that is done, as an error; 0 if it has a value, which is in
 * receiver->first->message. */
int rmt_receiver_failure(ramet_receiver *receiver, ramet_error *error);

struct ramet_sender {
	ramet_router *router;
	unsigned references;
	uint32_t destination, handle;
	struct rmt_flow *flow; /* NULL: closed */
	int timeout;
	bool acknowledged;
	struct rmt_notice *notice;
	bool own; /* a receiver's own end: its closing says nothing to anybody */
};

/* A sender that arrived as a value: closing it tells the reader. */
ramet_sender *rmt_sender_new(ramet_router *router, uint32_t destination, uint32_t handle, bool own);
void rmt_sender_drop(ramet_sender *sender);

/* Sends one item that is encoded already, and holds no senders. As ramet_send_value(). */
int rmt_sender_send_item(ramet_sender *sender, const struct rmt_buffer *item);

/* The sender is being given to a context, in a message that is about to be sent. 0 or -ENOMEM. */
int rmt_sender_give(ramet_sender *sender, uint32_t context);
