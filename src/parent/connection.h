/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting one child of this context: from a hop to a peer that can be called. A connection goes
 * straight through its phases, driven by the loop; whoever wants the child is told when it is
 * there, or why not.
 */
#pragma once

#include <stdint.h>

#include "core/peer.h"
#include "core/router.h"
#include "parent/path.h"
#include "parent/process.h"

/* What one method does: launches a process whose stream is a socket of ours. */
struct rmt_method {
	const char *name;
	/* 0, or -EINVAL and an error: keys and target that the method cannot use. */
	int (*check)(const struct rmt_hop *hop, ramet_error *error);
	/* fds become 0, 1 and 2 of the child. 0, or a negative errno and an error. Does not return
	 * in a forked child. */
	int (*launch)(ramet_router *router, const struct rmt_hop *hop, const char *path,
		      const int fds[3], pid_t *ret_pid, ramet_error *error);
};

extern const struct rmt_method rmt_method_local, rmt_method_fork;

/* The method of a hop, its target and keys checked. -EPROTONOSUPPORT, -EINVAL. */
int rmt_method_find(const struct rmt_hop *hop, const struct rmt_method **ret_method,
		    ramet_error *error);

/* Who wants to know: called once, with the lock held, with a peer or an error. The callee owns the
 * structure again. */
struct rmt_wanted {
	struct rmt_list node;
	void (*done)(struct rmt_wanted *wanted, struct rmt_peer *child, ramet_error *error);
};

/* Starts the index-th member of a hop, or finds it. `done` may be called before this returns. */
void rmt_connection_start(ramet_router *router, const struct rmt_hop *hop, uint32_t index,
			  struct rmt_wanted *wanted);

/* The hooks of this layer for routers; each router with them needs rmt_parent_attach. */
extern const struct rmt_parent_hooks rmt_parent_hooks;
