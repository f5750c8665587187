/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys that every method takes: what a child does with itself before its first call. */
#pragma once

#include "parent/path.h"
#include "wire/handshake.h"

/* What a setup made from a hop points to. */
struct rmt_setup_texts {
	struct rmt_text *env;
	char **pairs;
	size_t count;
};

/* True for a key of every method. */
bool rmt_setup_has_key(const char *name);

/* -EINVAL with an error that names the key. */
int rmt_setup_check(const struct rmt_hop *hop, ramet_error *error);

/* For a hop that was checked. 0 or -ENOMEM; _done in any case. ret_setup is good as long as hop and
 * texts are. */
int rmt_setup_from_hop(const struct rmt_hop *hop, struct rmt_setup *ret_setup,
		       struct rmt_setup_texts *texts);
void rmt_setup_texts_done(struct rmt_setup_texts *texts);
