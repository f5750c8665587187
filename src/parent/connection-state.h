/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection from the inside, for the files that work on it: connection.c (its beginning, its end),
 * departure.c (how it gets on its way), greeting.c (welcome and hello), parent.c (all of them).
 */
#pragma once

#include "base/buffer.h"
#include "core/stream.h"
#include "parent/admission.h"
#include "parent/bootstrap.h"
#include "parent/connection.h"
#include "parent/managed.h"
#include "parent/module.h"

enum rmt_connection_state {
	RMT_WAITING_FOR_ID,
	RMT_WAITING_FOR_TURN, /* of a tool; perhaps not the first */
	RMT_ON_THE_WAY,       /* a tool works on it: bootstrap.h */
	RMT_WAITING_FOR_HELLO,
	RMT_CONNECTED,
	RMT_FAILED, /* the process, if any, has to end before the error can be told */
};

struct rmt_connection {
	struct rmt_list node; /* in parent->connections */
	ramet_router *router;
	enum rmt_connection_state state;
	const struct rmt_method *method;
	struct rmt_hop hop;
	uint32_t index;
	char *key;
	char *path; /* of the new context */
	uint32_t id;
	int64_t started;
	struct rmt_timer timer; /* the deadline; later: patience with the process's end */
	int timeout;            /* ms */
	int64_t deadline;
	struct rmt_list wanted;
	struct rmt_bootstrap bootstrap;
	struct rmt_buffer welcome;
	struct rmt_ticket ticket;
	struct rmt_timer away; /* until the next attempt */
	struct rmt_stream *stream;
	struct rmt_process *process; /* NULL for one that was joined */
	struct rmt_peer *peer;
	bool peer_lost;
	char *loss; /* why the stream ended */
	ramet_error error;
};

/* What this layer keeps for a router: hooks_data. */
struct rmt_parent {
	/* struct rmt_connection, from the start to the end of the process */
	struct rmt_list connections;
	struct rmt_admission admission;
	struct rmt_list wishes; /* of other contexts: wish.h */
	struct rmt_modules modules;
	struct rmt_managed_set managed;
};

/* --- parent.c ----------------------------------------------------------------------------- */

/* NULL: there is no memory for it. */
struct rmt_parent *rmt_parent_of(ramet_router *router);
struct rmt_admission *rmt_connection_admission(struct rmt_connection *connection);

/* One to the same hop that is under way. */
struct rmt_connection *rmt_connection_find(struct rmt_parent *parent, const char *key);

/* --- connection.c ------------------------------------------------------------------------- */

/* It will not come about; its error is set. May free it. */
void rmt_connection_fail(struct rmt_connection *connection);
void rmt_connection_free(struct rmt_connection *connection);

/* Tells everybody who wants it: the peer, or NULL and the error. */
void rmt_connection_tell(struct rmt_connection *connection, struct rmt_peer *peer);

/* It has been given an id, or may get one. */
void rmt_connection_proceed(struct rmt_connection *connection);

/* Of its process and its stream. */
void rmt_connection_process_ended(struct rmt_process *process);
void rmt_connection_stream_lost(struct rmt_stream *stream, const char *reason);

/* --- departure.c -------------------------------------------------------------------------- */

/* It has an id and its welcome: sets off, now or when it is its turn. 0, or a negative errno and an
 * error. */
int rmt_connection_depart(struct rmt_connection *connection, ramet_error *error);

/* Its process has ended, it has failed: true when that was because a server was too busy to hear us,
 * and it will be tried again. */
bool rmt_connection_again(struct rmt_connection *connection);

/* Time to come back. */
void rmt_connection_away_over(struct rmt_timer *timer);
void rmt_connection_turn(struct rmt_ticket *ticket);

/* --- greeting.c --------------------------------------------------------------------------- */

/* Encodes the welcome; connection->welcome.error says whether that worked. */
void rmt_connection_welcome(struct rmt_connection *connection);
int rmt_connection_send_welcome(struct rmt_connection *connection);

/* The first frame of a child: rmt_stream.frame. */
int rmt_connection_hello(struct rmt_stream *stream, const struct rmt_arrival *arrival);
