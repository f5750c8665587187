/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The joining side: a connection that met a tree instead of a new child, and what each hop up to the
 * root does about it. See meeting.h.
 */
#pragma once

#include "core/router.h"
#include "parent/meeting.h"
#include "wire/input.h"

struct rmt_connection;

/* An answer to ADOPT that is awaited; they come in the order of the requests. */
struct rmt_adoption {
	struct rmt_list node; /* in parent->adoptions */
	struct rmt_region region;
	struct rmt_account *account;       /* of the child that asked us; NULL: none did */
	struct rmt_connection *connection; /* of our own; NULL: none, or it is gone */
	int refused;                       /* nobody above was asked: only its turn is awaited */
};

/* What a connection knows of the tree that it has met. */
struct rmt_met {
	struct rmt_tree_hello tree; /* without texts */
	struct rmt_region own;      /* of our own tree */
	struct rmt_adoption *adoption;
	char host[65]; /* HOST_NAME_MAX of Linux, and a NUL */
	bool routed;
	bool asked;  /* the other tree, to agree */
	bool parked; /* the same tree is being left: goes on when it is */
};

/* The first message is that of a tree: goes on with it from here on. False: it is not. */
bool rmt_adopt_begin(struct rmt_connection *connection, const struct rmt_arrival *arrival);

/* A child, or a tree that was joined, is gone: goes on with what had to wait for that. */
void rmt_adopt_again(ramet_router *router);

/* The connection has failed before it was there: takes back what was said of it. */
void rmt_adopt_undo(struct rmt_connection *connection);
void rmt_met_free(struct rmt_met *met);

/* ADOPT and ADOPTED from neighbours. */
void rmt_adopt_asked(ramet_router *router, struct rmt_stream *stream,
		     struct rmt_cbor_reader *reader);
void rmt_adopt_answered(ramet_router *router, struct rmt_stream *stream,
			struct rmt_cbor_reader *reader);

void rmt_adoptions_done(ramet_router *router);

/* A root that nobody knows yet draws other ids, its own as well. 0; -EBUSY: somebody knows it. */
int rmt_adopt_redraw(ramet_router *router);
