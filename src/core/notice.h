/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A descriptor that is readable as long as something is so, for the event loops of others: an
 * eventfd(2) that is written when it becomes so and read when it ends. Who never asks for one pays
 * for a NULL pointer.
 */
#pragma once

#include <stdbool.h>

#include "core/router.h"

struct rmt_notice {
	struct rmt_list node; /* in router->notices or router->watched */
	int fd;
	bool raised;
	bool (*ready)(void *argument);
	void *argument;
};

/*
 * The descriptor of *notice, which is made if it is NULL. ready(argument) says whether it is
 * readable, and only looks; a router that has ended makes it readable for ever. `watched`: it is
 * asked after each turn of the loop and each change that waiting threads are told of; else
 * rmt_notice_update() is called at every change. The descriptor, or a negative errno.
 */
int rmt_notice_fd(struct rmt_notice **notice, ramet_router *router, bool watched,
		  bool (*ready)(void *argument), void *argument);

/* Closes it. NULL is fine. */
void rmt_notice_free(struct rmt_notice *notice);

void rmt_notice_look(struct rmt_notice *notice, const ramet_router *router);

/* Something has changed. NULL is fine. */
static inline void rmt_notice_update(struct rmt_notice *notice, const ramet_router *router)
{
	if (notice)
		rmt_notice_look(notice, router);
}

/* All of a list. */
void rmt_notices_look(struct rmt_list *notices, const ramet_router *router);
