/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What two trees say to each other when they meet, and what is said in each of them because of it.
 *
 *	who joins (J)			who listens (L)
 *	WELCOME			->			as to any child
 *				<-	TREE		who I am already, and which ids are mine
 *	ADOPT, up to J's root				may these ids be reached through me?
 *	ADOPTED, back to J				yes; and these are the ids of our tree
 *	JOIN			->			who commands me, and which ids are ours
 *				<-	JOIN		agreed; or REFUSE
 *
 * From then on the stream carries frames like any other. Later L sends ADOPT when it has been given
 * more ids. DETACHED ends it from J's side.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "parent/region.h"
#include "wire/handshake.h"

struct rmt_tree_hello {
	struct rmt_hello hello;
	uint32_t id;
	struct rmt_region region;
};

struct rmt_join {
	uint32_t chain[RMT_TREE_DEPTH_MAX]; /* from the root down to who joins */
	size_t chain_count;
	struct rmt_region region;
};

void rmt_tree_hello_encode(const struct rmt_tree_hello *tree, struct rmt_buffer *out);

/* 0; -EBADMSG: it is no such message. Texts point into it; the region is the caller's. */
int rmt_tree_hello_decode(const void *data, size_t size, struct rmt_tree_hello *ret_tree);

void rmt_join_encode(const struct rmt_join *join, struct rmt_buffer *out);
int rmt_join_decode(const void *data, size_t size, struct rmt_join *ret_join);

/* The answer to JOIN. */
void rmt_joined_encode(struct rmt_buffer *out);
bool rmt_joined_decode(const void *data, size_t size);

/* [operation, first, last, ...]; with a text (not NULL) before them, or a code and a text. */
void rmt_adopt_encode(const struct rmt_region *region, struct rmt_buffer *out);
void rmt_adopted_encode(int code, const char *text, const struct rmt_region *region,
			struct rmt_buffer *out);
void rmt_detached_encode(const char *name, const struct rmt_region *region, struct rmt_buffer *out);
