/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/time.h"

#include <limits.h>

#include "base/macro.h"
#include "ramet.h"

int64_t rmt_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t rmt_after(int timeout_ms)
{
	return timeout_ms < 0 ? RMT_NEVER : rmt_now() + (int64_t)timeout_ms * 1000;
}

int rmt_poll_timeout(int64_t until, int64_t now)
{
	int64_t left;

	if (until == RMT_NEVER)
		return -1;
	if (until <= now)
		return 0;
	left = (until - now + 999) / 1000;
	return left > INT_MAX ? INT_MAX : (int)left;
}

struct timespec rmt_timespec(int64_t microseconds)
{
	return (struct timespec){
		.tv_sec = microseconds / 1000000,
		.tv_nsec = microseconds % 1000000 * 1000,
	};
}

RMT_PUBLIC int64_t ramet_deadline(int timeout)
{
	return timeout < 0 ? -1 : rmt_now() / 1000 + timeout;
}

RMT_PUBLIC int ramet_time_left(int64_t deadline)
{
	return deadline < 0 ? -1 : rmt_poll_timeout(deadline * 1000, rmt_now());
}
