/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of hops: which a method has, what they may hold, and what they mean.
 *
 * A list of keys is a text, as messages show it: names separated by blanks, each perhaps with what it
 * may hold, either words or the least and the greatest number:
 *
 *	"username port=1-65535 compression=yes|no"
 */
#pragma once

#include <stdbool.h>

#include "parent/path.h"
#include "ramet.h"

/* True if the list has a key of that name; *ret_values is then what stands behind its '=', or NULL. */
bool rmt_keys_have(const char *list, const char *name, const char **ret_values);

/* -EINVAL and an error: the key does not hold what `values` says, or nothing. */
int rmt_keys_check(const struct rmt_key *key, const char *values, ramet_error *error);

/* --- for hops whose keys were checked ----------------------------------------------------- */

/* yes or no. */
bool rmt_hop_flag(const struct rmt_hop *hop, const char *name, bool otherwise);
long rmt_hop_number(const struct rmt_hop *hop, const char *name, long otherwise);
bool rmt_hop_is(const struct rmt_hop *hop, const char *name, const char *value);

/* The user of methods whose target is one: the target, the key `username`, or root. */
const char *rmt_hop_user(const struct rmt_hop *hop);

/* ms for the connection: the key `connect_timeout`, or what the router has. */
int rmt_hop_timeout(const struct rmt_hop *hop, int otherwise);

/* The shell on the other side. */
const char *rmt_hop_shell(const struct rmt_hop *hop);

/* Who started the child, for ps(1) over there: the key `remote_name`, or USER@HOST:PID of this process
 * without slashes. malloc'd; NULL: out of memory. */
char *rmt_hop_remote_name(const struct rmt_hop *hop);
