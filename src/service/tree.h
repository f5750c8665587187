/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a transfer through the tree of contexts: from the source to each target, so that each link
 * is crossed once. A node is where data is written, or where ways part; between two nodes routers
 * forward it as they do everything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ramet.h"

struct rmt_way_node {
	ramet_context *context;
	int above;       /* index of the node that sends here; -1: the source, which is node 0 */
	int outcome;     /* index of the target; -1: nothing is written here */
	bool up;         /* above the source in the tree of contexts */
	unsigned height; /* levels of nodes below */
	unsigned children;
	int child;    /* the last of them; -1 */
	bool dropped; /* not needed after all */
};

struct rmt_way {
	struct rmt_way_node *nodes;
	int count, capacity;
};

/* 0; -ENOMEM; -EINVAL: a target is there twice. */
int rmt_way_make(struct rmt_way *way, ramet_context *source, ramet_context *const *targets,
		 size_t count);
void rmt_way_done(struct rmt_way *way);
