/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The broker: a thread that keeps the loop going while no thread of the program waits. It takes over
 * when that has been so for RMT_BROKER_US.
 *
 * It must cost nothing on the way of a call, so nobody wakes it: it sleeps in read(2) on a timer
 * (timerfd_create(2)). Whoever leaves the loop to nobody arms the timer, and whoever takes the loop
 * soon after disarms it: two cheap calls, and no thread runs. When calls come one after the other
 * even that is left out: the timer goes off once in a while, the broker sees that the loop is
 * taken again and again, and arms the timer itself until this is over.
 */
#pragma once

#include <stdbool.h>

#include "core/router.h"

int rmt_broker_start(ramet_router *router);

/* Ends and joins the broker. Not from the broker's own thread. The lock is held, and released
 * meanwhile. */
void rmt_broker_stop(ramet_router *router);

/* True in the broker thread: small stack, no signals. */
bool rmt_broker_is_self(const ramet_router *router);

/* Nobody polls now: the broker is to do so if that stays so. */
void rmt_broker_expect(ramet_router *router);

/* A thread polls now. */
void rmt_broker_relieve(ramet_router *router);

/* There are frames gathered, which must not stay for longer than RMT_BROKER_US: makes sure that
 * somebody writes them. */
void rmt_broker_flush_soon(ramet_router *router);
