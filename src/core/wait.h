/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whoever waits, polls. A thread that has to wait for something runs the event loop itself if
 * nobody does; the others sleep until what they wait for is there, or until the loop needs
 * somebody. So the answer to a call is read by the thread that wants it, and no hand-over between
 * threads lies on its way.
 *
 * The broker thread keeps the loop going while no thread of the program waits. It takes over when
 * that has been so for RMT_BROKER_US: while calls keep coming it looks with a short timed wait, and
 * costs nothing on the calls' way; when a thread polls for long (an idle child) it sleeps without a
 * time-out, and the next thread that leaves the loop to nobody wakes it once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/router.h"

/*
 * Waits until ready(argument) is true. 0; -ETIMEDOUT at `until`; -ESHUTDOWN when the router has
 * ended. ready is called with the lock held, from this and other threads, and must only look.
 */
int rmt_wait(ramet_router *router, bool (*ready)(void *argument), void *argument, int64_t until);

/* Something changed that a waiting thread may look for. (Changes made by the loop's own callbacks
 * are noticed without this.) */
void rmt_wait_changed(ramet_router *router);

/* Handles what has happened meanwhile, without waiting, if no other thread does. */
void rmt_wait_turn(ramet_router *router);

/* There are frames gathered, which must not stay for longer than RMT_BROKER_US: makes sure that
 * somebody is awake. */
void rmt_wait_soon(ramet_router *router);

/* A condition whose timed waits use the monotonic clock. */
int rmt_condition_init(pthread_cond_t *cond);

int rmt_broker_start(ramet_router *router);

/* True in the broker thread: small stack, no signals. */
bool rmt_broker_is_self(const ramet_router *router);

/* Ends and joins the broker, and waits until nobody runs the loop: the router has ended. Not from
 * the broker's own thread. The lock is held, and released meanwhile. */
void rmt_broker_stop(ramet_router *router);
