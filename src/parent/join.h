/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listening side of a tree that others may join: ramet_router_listen(). Who joins is a *guest*:
 * its stream is neither the parent's nor a child's. It reaches this context and all below it, as one
 * more ancestor would (meeting.h says how that begins, core/route.h what it may). When its stream is
 * lost, all that it had started here is released, and the tree goes on.
 */
#pragma once

#include "core/router.h"
#include "parent/socket.h"

struct rmt_listener;

/* Binds; nobody is accepted before rmt_listener_open(). The listener is the router's. */
int rmt_listener_new(ramet_router *router, const char *name, const ramet_listen_options *options,
		     struct rmt_listener **ret_listener, ramet_error *error);
int rmt_listener_open(struct rmt_listener *listener);
struct rmt_listener *rmt_listener_find(struct rmt_list *listeners, const char *name);
void rmt_listener_free(struct rmt_listener *listener);

/* The router is ending: nobody else joins. Guests stay until all is said. */
void rmt_listeners_close(ramet_router *router);

/* The router has ended. */
void rmt_listeners_done(ramet_router *router);

/* Guests reach these from now on, too. */
void rmt_guests_told(ramet_router *router, uint32_t first, uint32_t last);

/* DETACHED has come from a guest, which leaves, or from a tree that was joined, which ends. */
void rmt_guest_left(struct rmt_stream *stream);
