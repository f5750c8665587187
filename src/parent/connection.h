/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting one child of this context: from a hop to a peer that can be called. A connection goes
 * straight through its phases, driven by the loop; whoever wants the child is told when it is
 * there, or why not.
 */
#pragma once

#include <stdint.h>

#include "core/peer.h"
#include "core/router.h"
#include "parent/gate.h"
#include "parent/method.h"
#include "parent/password.h"
#include "parent/path.h"
#include "parent/process.h"

/* Who wants to know: called once, with the lock held, with a peer or an error. The callee owns the
 * structure again. */
struct rmt_wanted {
	struct rmt_list node;
	void (*done)(struct rmt_wanted *wanted, struct rmt_peer *child, ramet_error *error);
	/* A tool asks for a password: rmt_connection_answer() is awaited, with the lock held. */
	void (*asks)(struct rmt_wanted *wanted, const char *prompt);
	struct rmt_connection *connection; /* while it is under way */
};

/* Starts the index-th member of a hop, or finds it. `done` may be called before this returns. */
void rmt_connection_start(ramet_router *router, const struct rmt_hop *hop, uint32_t index,
			  struct rmt_wanted *wanted);

/* The path of a child of `parent`, which has that path itself. malloc'd. */
char *rmt_connection_path(const char *parent, const struct rmt_hop *hop, uint32_t index);

/* The answer to asks. NULL: there is none, because of error. Also for one that is done meanwhile. */
void rmt_connection_answer(struct rmt_wanted *wanted, const struct rmt_password *password,
			   ramet_error *error);

/* Ids have arrived. */
void rmt_parent_ids_ready(ramet_router *router);

/* ADOPT, ADOPTED or DETACHED has. */
void rmt_parent_tree(ramet_router *router, struct rmt_stream *stream, enum rmt_operation operation,
		     struct rmt_cbor_reader *reader);

/* The hooks of this layer for routers, behind the gate. Those in front of it, which routers are made
 * with, are in gate.h. */
extern const struct rmt_parent_hooks rmt_connection_hooks;
