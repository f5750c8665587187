/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where passwords come from. The context that runs a tool may be far from the one whose user knows
 * the password: the former asks, the latter, which called ramet_connect(), finds out. So a password
 * exists in two processes only, for as long as it takes, and is wiped.
 *
 * The key `password` names a source: env:NAME (a variable), fd:N (a descriptor: its first line, read
 * once and kept for the other hops that name it), ask (the terminal of the user), program (the
 * callback of the router, also used when the key is absent).
 */
#pragma once

#include <stddef.h>

#include "core/router.h"
#include "parent/path.h"

/* A password's bytes at most, without the end. */
#define RMT_PASSWORD_MAX 1023

struct rmt_password {
	char text[RMT_PASSWORD_MAX + 1];
	size_t size;
};

/* -EINVAL and an error: the key has none of these forms. */
int rmt_password_check(const struct rmt_hop *hop, ramet_error *error);

/* True if a prompt can be answered: the key is there, or the router has a callback. */
bool rmt_password_known(ramet_router *router, const struct rmt_hop *hop);

/*
 * Finds the password for a hop. `path` is that of the context to be, `prompt` the tool's own words.
 * 0; -ENOKEY and an error: there is none (no such variable, the end of the descriptor, no terminal,
 * the user gave up). May block on the user: called without the lock. The terminal's settings are
 * restored also when a signal ends the process.
 */
int rmt_password_get(ramet_router *router, const struct rmt_hop *hop, const char *path,
		     const char *prompt, struct rmt_password *ret_password, ramet_error *error);

/* Overwrites memory in a way that is not optimised away. */
void rmt_wipe(void *memory, size_t size);
