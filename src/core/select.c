/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/select.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "core/notice.h"
#include "core/wait.h"

struct ramet_select {
	ramet_router *router;
	unsigned references;
	struct rmt_list members; /* ramet_receiver.in_select, a reference each */
	/* ramet_receiver.announced: those that have something, in the order of arrival */
	struct rmt_list ready;
	/* given out by the last _next after it left: kept until the next use */
	ramet_receiver *last;
	struct rmt_notice *notice; /* NULL: nobody asked for a descriptor */
};

RMT_PUBLIC int ramet_select_new(ramet_router *router, ramet_select **ret_select)
{
	ramet_select *select = calloc(1, sizeof(*select));

	if (!select)
		return -ENOMEM;
	select->router = router;
	select->references = 1;
	rmt_list_init(&select->members);
	rmt_list_init(&select->ready);
	rmt_lock(router);
	rmt_router_hold(router);
	rmt_unlock(router);
	*ret_select = select;
	return 0;
}

void rmt_select_announce(ramet_select *select, ramet_receiver *receiver)
{
	if (rmt_list_empty(&receiver->announced))
		rmt_list_append(&select->ready, &receiver->announced);
	rmt_notice_update(select->notice, select->router);
}

void rmt_select_withdraw(ramet_select *select, ramet_receiver *receiver)
{
	rmt_list_remove(&receiver->announced);
	rmt_notice_update(select->notice, select->router);
}

void rmt_select_leave(ramet_select *select, ramet_receiver *receiver)
{
	rmt_list_remove(&receiver->in_select);
	receiver->select = NULL;
	rmt_select_withdraw(select, receiver);
	/* Who waits for members that are none any more must not. */
	if (rmt_list_empty(&select->members))
		rmt_wait_changed(select->router);
}

static void forget_last(ramet_select *select)
{
	ramet_receiver *last = select->last;

	select->last = NULL;
	if (last)
		rmt_receiver_drop(last);
}

RMT_PUBLIC int ramet_select_add(ramet_select *select, ramet_receiver *receiver)
{
	ramet_router *router = select->router;
	int r = 0;

	if (receiver->router != router)
		return -EINVAL;
	rmt_lock(router);
	if (receiver->select) {
		r = -EEXIST;
	} else {
		receiver->select = select;
		receiver->references++;
		rmt_router_hold(router);
		rmt_list_append(&select->members, &receiver->in_select);
		rmt_notice_update(select->notice, router);
		if (rmt_receiver_has_something(receiver)) {
			rmt_select_announce(select, receiver);
			rmt_wait_changed(router);
		}
	}
	rmt_unlock(router);
	return r;
}

RMT_PUBLIC int ramet_select_remove(ramet_select *select, ramet_receiver *receiver)
{
	ramet_router *router = select->router;
	int r = 0;

	rmt_lock(router);
	rmt_router_hold(router);
	if (receiver->select != select) {
		r = -ENOENT;
	} else {
		rmt_select_leave(select, receiver);
		rmt_receiver_drop(receiver);
	}
	rmt_router_release(router);
	return r;
}

static bool select_has_something(void *argument)
{
	ramet_select *select = argument;

	return !rmt_list_empty(&select->ready) || rmt_list_empty(&select->members);
}

/* Takes the first announced receiver; NULL: another thread was faster. */
static ramet_receiver *take_ready(ramet_select *select)
{
	ramet_receiver *receiver;

	if (rmt_list_empty(&select->ready))
		return NULL;
	receiver = rmt_list_first(&select->ready, ramet_receiver, announced);
	if (rmt_receiver_is_done(receiver)) {
		/* It leaves, but the caller still looks at it. */
		rmt_select_leave(select, receiver);
		select->last = receiver;
	} else {
		/* To the end of the queue: others have their turn before its next message. */
		rmt_list_remove(&receiver->announced);
		rmt_list_append(&select->ready, &receiver->announced);
	}
	return receiver;
}

RMT_PUBLIC int ramet_select_next(ramet_select *select, int timeout, ramet_receiver **ret_receiver)
{
	ramet_router *router = select->router;
	int64_t until = rmt_after(timeout);
	ramet_receiver *receiver = NULL;
	int r = 0;

	rmt_lock(router);
	rmt_router_hold(router);
	forget_last(select);
	while (!receiver && r == 0 &&
	       !(rmt_list_empty(&select->ready) && rmt_list_empty(&select->members))) {
		r = rmt_wait(router, select_has_something, select, until);
		if (r == 0)
			receiver = take_ready(select);
	}
	rmt_router_release(router);
	if (r < 0)
		return r;
	if (receiver)
		*ret_receiver = receiver;
	return receiver != NULL;
}

RMT_PUBLIC int ramet_select_fd(ramet_select *select)
{
	int fd;

	rmt_lock(select->router);
	fd = rmt_notice_fd(&select->notice, select->router, false, select_has_something, select);
	rmt_unlock(select->router);
	return fd;
}

RMT_PUBLIC ramet_select *ramet_select_ref(ramet_select *select)
{
	rmt_lock(select->router);
	select->references++;
	rmt_unlock(select->router);
	return select;
}

RMT_PUBLIC void ramet_select_unref(ramet_select *select)
{
	ramet_router *router;

	if (!select)
		return;
	router = select->router;
	rmt_lock(router);
	if (--select->references > 0) {
		rmt_unlock(router);
		return;
	}
	forget_last(select);
	while (!rmt_list_empty(&select->members)) {
		ramet_receiver *receiver = rmt_list_first(&select->members, ramet_receiver,
							  in_select);

		rmt_select_leave(select, receiver);
		rmt_receiver_drop(receiver);
	}
	rmt_notice_free(select->notice);
	free(select);
	rmt_router_release(router);
}
