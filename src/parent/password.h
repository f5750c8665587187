/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where passwords come from. The context that runs a tool may be far from the one whose user knows
 * the password: the former asks, the latter, which called ramet_connect(), finds out. So nobody has a
 * password before a tool asks for it, and these two wipe it; those between pass it on like any
 * message. (docs/security.md)
 *
 * The key `password` names a source: env:NAME (a variable), fd:N (a descriptor: its first line, read
 * once and kept for the other hops that name it), ask (the terminal of the user), program (the
 * callback of the router, also used when the key is absent).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/router.h"
#include "parent/path.h"

/* A password's bytes at most, without the end. */
#define RMT_PASSWORD_MAX 1023

struct rmt_password {
	char text[RMT_PASSWORD_MAX + 1];
	size_t size;
};

/* On a page of its own: neither in core dumps nor in forked processes, and not swapped out where the
 * limits allow that. NULL: out of memory. */
struct rmt_password *rmt_password_new(void);
/* Wipes it. */
void rmt_password_free(struct rmt_password *password);

/* -EINVAL and an error: the key has none of these forms. */
int rmt_password_check(const struct rmt_hop *hop, ramet_error *error);

/* To be called before a path's first process is started: from now on no process that this one
 * executes inherits the variable that the hop's key names. */
int rmt_password_hide(const struct rmt_hop *hop);

/* What is left of the environment: an array to free (not its texts), or NULL if nothing is hidden.
 * -ENOMEM. */
int rmt_password_environment(char ***ret_environment);

/* True if a prompt can be answered: the key is there, or the router has a callback. */
bool rmt_password_known(ramet_router *router, const struct rmt_hop *hop);

/*
 * Finds the password for a hop. `path` is that of the context to be, `prompt` the tool's own words.
 * 0; -ENOKEY and an error: there is none (no such variable, the end of the descriptor, no terminal,
 * the user gave up); -EINTR: a signal came while the user was asked, and was passed on to the program;
 * a callback's own code. May block on the user: called without the lock. The terminal's settings are
 * restored also when a signal ends the process.
 */
int rmt_password_get(ramet_router *router, const struct rmt_hop *hop, const char *path,
		     const char *prompt, struct rmt_password *ret_password, ramet_error *error);

/* The part in password-ask.c: asks at /dev/tty. One thread asks at a time, others wait. */
int rmt_password_ask(const char *path, const char *prompt, struct rmt_password *ret_password,
		     ramet_error *error);

void rmt_password_ask_after_fork(void);

/* Around fork(2): a copy of the process has none of the passwords that are kept. */
void rmt_passwords_before_fork(void);
void rmt_passwords_after_fork(bool in_child);

/* Overwrites memory in a way that is not optimised away. */
void rmt_wipe(void *memory, size_t size);
