/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside, time is microseconds of the monotonic clock; RMT_NEVER is later than every point in time.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define RMT_NEVER INT64_MAX

int64_t rmt_now(void);

/* The point in time that is timeout ms from now; RMT_NEVER for a negative one. */
int64_t rmt_after(int timeout_ms);

/* What poll(2) takes: ms until then, rounded up so that a wait never ends before its time; -1 for
 * RMT_NEVER. */
int rmt_poll_timeout(int64_t until, int64_t now);

struct timespec rmt_timespec(int64_t microseconds);
