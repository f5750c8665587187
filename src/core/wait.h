/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whoever waits, polls. A thread that has to wait for something runs the event loop itself if
 * nobody does; the others sleep until what they wait for is there, or until the loop needs
 * somebody. So the answer to a call is read by the thread that wants it, and no hand-over between
 * threads lies on its way.
 *
 * While no thread of the program waits, the broker keeps the loop going: broker.h.
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

/* The loop is nobody's now: gives it to a sleeper, or lets the broker know. */
void rmt_wait_leave(ramet_router *router);

/* Calls the sleepers whose wait is over. */
void rmt_wait_call_ready(ramet_router *router);

/* Waits until nobody runs the loop. The router has ended, so that nobody takes it again. */
void rmt_wait_end(ramet_router *router);
