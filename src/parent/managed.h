/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts that are connected again when they are lost. Each has a thread of its own, which does what a
 * program would do otherwise: it waits for the loss, and calls rmt_connect() until that succeeds.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "core/peer.h"
#include "core/router.h"

/* Of a router: part of struct rmt_parent. */
struct rmt_managed_set {
	struct rmt_list threads;   /* struct managed: those whose thread runs */
	struct rmt_condition left; /* for whoever waits until none does */
};

void rmt_managed_init(struct rmt_managed_set *set);

/* The router has ended: waits for the threads, which have noticed. */
void rmt_managed_done(struct rmt_managed_set *set, ramet_router *router);

/* The other side of the public functions. */
int rmt_connect_managed(ramet_router *router, const char *path, const ramet_manage_options *options,
			ramet_context **ret_context, ramet_error *error);
int rmt_context_wait_connected(ramet_context *context, int timeout);
