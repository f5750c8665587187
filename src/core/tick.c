/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/tick.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"

static void expired(struct rmt_timer *timer)
{
	ramet_receiver *receiver = RMT_CONTAINER(timer, ramet_receiver, timer);

	receiver->expired = true;
	rmt_receiver_changed(receiver);
}

RMT_PUBLIC int ramet_receiver_new_timer(ramet_router *router, int first, int interval,
					ramet_receiver **ret_receiver)
{
	ramet_receiver *receiver;
	int r = -ESHUTDOWN;

	if (first < 0 || interval < 0)
		return -EINVAL;
	receiver = malloc(sizeof(*receiver));
	if (!receiver)
		return -ENOMEM;
	rmt_lock(router);
	rmt_receiver_init(receiver, router);
	receiver->ticks = true;
	receiver->interval = (int64_t)interval * 1000;
	receiver->timer.expired = expired;
	if (router->state != RMT_ROUTER_ENDED)
		r = rmt_loop_timer_start(&router->loop, &receiver->timer, rmt_after(first));
	if (r == 0)
		rmt_router_hold(router);
	rmt_unlock(router);
	if (r < 0)
		free(receiver);
	else
		*ret_receiver = receiver;
	return r;
}

int rmt_tick_take(ramet_receiver *receiver, ramet_value **ret_value)
{
	ramet_router *router = receiver->router;
	int64_t count = 1, due = receiver->timer.when;
	ramet_value *value;

	if (receiver->interval > 0) {
		count += (rmt_now() - due) / receiver->interval;
		due += count * receiver->interval;
	}
	value = ramet_value_new_i64(count);
	if (!value)
		return -ENOMEM;
	if (receiver->interval == 0) {
		receiver->closed = true;
	} else if (router->state != RMT_ROUTER_ENDED &&
		   rmt_loop_timer_start(&router->loop, &receiver->timer, due) < 0) {
		ramet_value_unref(value);
		return -ENOMEM;
	}
	receiver->expired = false;
	*ret_value = value;
	return 0;
}
