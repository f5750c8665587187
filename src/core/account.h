/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one child, with all that lies behind it, makes this context hold: each stream has an account, each limit of it a reason in base/limits.h and an option of the router. What comes from
 * above is charged to nobody: a parent owns its children.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/charge.h"
#include "core/router.h"

struct rmt_message;
struct rmt_stream;

struct rmt_account {
	struct rmt_charge waiting; /* frames from there, in the queues of other streams */
	struct rmt_stream *stream; /* NULL: it is lost, and others still refer to this */
	bool paused;               /* nothing is read from it until `waiting` is less */
	uint64_t bytes;            /* parts of messages, and messages that wait to be consumed */
	uint32_t flows;            /* struct rmt_inflow */
	uint32_t contexts;         /* ids that were allocated */
	uint32_t adopted;          /* ids of other trees that are reached there */
	uint32_t adopting;         /* ranges of such ids that wait for the answer from above */
	uint32_t detached;         /* ranges that are another tree's since */
	uint32_t requests;         /* for ids, that wait for the answer from above */
	uint32_t chains;           /* of calls, that have failed */
};

/* With the reference of the stream. NULL: out of memory. */
struct rmt_account *rmt_account_new(struct rmt_stream *stream);

/* The stream is no more. */
void rmt_account_close(struct rmt_account *account);

/* Of the child behind which the context lies; NULL: it is this context, or lies above. */
struct rmt_account *rmt_account_of(const ramet_router *router, uint32_t id);

struct rmt_account *rmt_account_ref(struct rmt_account *account); /* NULL is fine */
void rmt_account_unref(struct rmt_account *account);              /* NULL is fine */

/* Room for so many bytes more of a message. An account of NULL has room for everything. */
bool rmt_account_has_room(const ramet_router *router, const struct rmt_account *account,
			  size_t size);

/* A message of `account` is whole, its bytes were charged as they came: from here on the message is
 * what they are charged for. */
void rmt_account_message(struct rmt_account *account, struct rmt_message *message);

/* It is no more. May be called again for the same message. */
void rmt_account_settle(struct rmt_message *message);

/* Frames of this child were queued elsewhere: it may have to pause. */
void rmt_account_queued(struct rmt_account *account);

/* Something was queued for a stream: a child that does not read is lost. */
void rmt_account_unread(struct rmt_stream *stream);
