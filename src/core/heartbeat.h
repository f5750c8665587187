/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signs of life. At each interval a router looks at its streams: one on which nothing came since the
 * last look is sent a PING, and one that left as many as router->heartbeat_misses of them unanswered
 * has failed. Whatever comes is a sign of life, also a part of a frame.
 *
 * What counts is how often this process has looked, not what the clock says: who was stopped itself
 * must not take everybody else for dead.
 */
#pragma once

#include "core/router.h"

/* A neighbour is there: it is looked after from now on, if there is an interval. */
void rmt_heartbeat_begin(ramet_router *router);

/* A PING has arrived from a neighbour, or from a parent; or a PONG. */
void rmt_heartbeat_ping(ramet_router *router, const struct rmt_frame *frame);
void rmt_heartbeat_pong(struct rmt_stream *stream);

/* A round trip to the neighbour took so many microseconds. */
void rmt_heartbeat_took(struct rmt_stream *stream, int64_t us);
