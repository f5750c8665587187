/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receivers whose values are the expirations of a timer. After one, the timer rests until it was
 * taken, and those in between are counted then by the clock: a reader that is slow costs nothing,
 * and no interval is lost or moved.
 */
#pragma once

#include <stdbool.h>

#include "core/receiver.h"

/* Takes what has expired: the count as a value. The receiver has something. The lock is held. 0 or
 * -ENOMEM, which changes nothing. */
int rmt_tick_take(ramet_receiver *receiver, ramet_value **ret_value);
