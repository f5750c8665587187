/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Detaching: a child becomes the root of a tree of its own. In the order of time:
 *
 *	ramet_detach()		binds the socket, leaves session and terminal; from here on the parent's
 *				SHUTDOWN is ignored
 *	no call runs		DETACHED goes up, behind all answers: each hop gives up the ids
 *	the parent closes	the parents are lost, the children are kept; whoever joins is let in
 */
#pragma once

#include "core/router.h"
#include "wire/cbor.h"

/* The hook of this name. */
void rmt_detaching(ramet_router *router, const char *text);

/* DETACHED has come from a neighbour. */
void rmt_detached_arrived(ramet_router *router, struct rmt_stream *stream,
			  struct rmt_cbor_reader *reader);

/* The router has ended. */
void rmt_detach_done(ramet_router *router);
