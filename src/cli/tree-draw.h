/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree of contexts, as it is found by asking them, and drawn for people. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ramet.h"

struct rmt_tree {
	ramet_context *context;
	char *host; /* NULL: it did not answer */
	char *machine;
	int64_t round_trip; /* microseconds of an empty call, a median; -1: not measured */
	struct rmt_tree *children;
	size_t count;
};

/*
 * Asks this process and all contexts below it, a level at a time. One that does not answer is in
 * the tree without a host, after a complaint; *ret_lost says how many these are. To be freed with
 * rmt_tree_done() in any case. Blocks.
 */
int rmt_tree_explore(ramet_router *router, struct rmt_tree *ret_tree, size_t *ret_lost);
void rmt_tree_done(struct rmt_tree *tree);

/* Appends the drawing: a line for each context, under a heading. */
void rmt_tree_draw(const struct rmt_tree *tree, struct rmt_buffer *out);

/* Appends text, made so many columns wide by spaces behind it (width > 0) or before it (< 0). */
void rmt_put_column(struct rmt_buffer *out, const char *text, int width);
