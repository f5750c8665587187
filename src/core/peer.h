/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer: what this context knows of one context, itself included. Public handles (ramet_context)
 * point to it. A peer exists while anything here refers to it: a handle, a pending call, a flow, or
 * a child's process.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/table.h"
#include "core/router.h"

/* A handle. The first of a peer is a part of it; those with options of their own are allocated, and so
 * are managed ones, which get another peer when theirs is lost. */
struct ramet_context {
	ramet_router *router;
	struct rmt_peer *peer; /* guarded by the router's lock, as what follows */
	atomic_uint id;        /* of the peer; may be read without it */
	unsigned references;
	int timeout;    /* of calls, ms; <= 0: none */
	uint32_t chain; /* 0: none */
	struct rmt_managed *managed;
	struct rmt_list of_managed; /* in managed->handles */
};

/* What this layer has to know of managed handles: parent/managed.h. The lock is held. */
struct rmt_managed {
	struct rmt_list handles; /* ramet_context: all to the same context */
	char *path;              /* of the contexts, one after the other */
	/* There is none now: the error for a call, whose code is returned. */
	int (*absent)(const struct rmt_managed *managed, ramet_error *error);
	/* The last handle was dropped; frees it. */
	void (*dropped)(struct rmt_managed *managed);
	/* No more attempts. True: quiet(managed) is to be waited for, which is true when nothing of it
	 * runs any more. */
	bool (*stop)(struct rmt_managed *managed);
	bool (*quiet)(void *managed);
};

/* Another context for which a child of ours was started (or found). */
struct rmt_holder {
	uint32_t id;
	uint32_t count;
};

struct rmt_peer {
	struct rmt_table_node node; /* in router->peers, by id */
	ramet_router *router;
	uint32_t id;
	char *path; /* NULL: not known */
	int pid;
	bool alive;
	char *reason; /* why not */
	struct ramet_context handle;
	unsigned handles; /* allocated handles */

	struct rmt_list pending; /* ramet_receiver: calls that wait for this context's answer */
	struct rmt_list flows;   /* struct rmt_flow to it */
	struct rmt_flow *calls;  /* the one of calls, among them */
	struct rmt_list inflows; /* struct rmt_inflow from it */

	/* A child that this context has started. */
	struct rmt_list child; /* in router->children while it is alive */
	struct rmt_stream *stream;
	void *process; /* of the layer above */
	char *key;     /* the hop that leads here, to find it again */
	struct rmt_holder *holders;
	size_t holder_count;
	bool kept;
	bool joined;            /* the root of a tree of its own: ends only when that is said */
	bool ending;            /* was asked to end */
	struct rmt_timer grace; /* then it is killed */
	/* a borrowed handle is out: stays in memory until the router ends */
	bool lent;

	/* A child of another context that was started from here. */
	/* its parent, with a reference to the handle; NULL: not started from here */
	struct rmt_peer *via;
	uint32_t holds; /* how often it was asked for: as many RELEASEs are due */
};

/* The peer with that id, made if there is none. NULL: out of memory. */
struct rmt_peer *rmt_peer_get(ramet_router *router, uint32_t id);
struct rmt_peer *rmt_peer_find(const ramet_router *router, uint32_t id);

/* Fills in what is not known yet. Takes no ownership. */
void rmt_peer_describe(struct rmt_peer *peer, const char *path, size_t path_size, int pid);

/* What to call it in messages: its path, or "context ID"; the master is "the master". From a buffer
 * of the thread. */
const char *rmt_peer_name(const struct rmt_peer *peer);

/* Frees the peer if nothing refers to it any more. */
void rmt_peer_collect(struct rmt_peer *peer);

/* The context is gone: everything that waits for it ends with this reason. */
void rmt_peer_lost(struct rmt_peer *peer, const char *reason);

/* The same for all peers with these ids, and for the routes' sake for neighbours that talked to
 * them. `from` is the stream that told us, NULL for a loss of our own. */
void rmt_peers_lost(ramet_router *router, const uint32_t (*ranges)[2], size_t count,
		    const char *reason, struct rmt_stream *from);

/* A handle for the public: one more reference to the peer's first handle. */
ramet_context *rmt_context_take(struct rmt_peer *peer);

/* One handle less was dropped: ends or frees what nobody holds any more. */
void rmt_peer_dropped(struct rmt_peer *peer);

/* Drops a reference, with the lock held and kept. */
void rmt_context_drop(ramet_context *context);

/* One holder more or less of a child, on behalf of another context. */
int rmt_peer_hold(struct rmt_peer *child, uint32_t holder);
void rmt_peer_unhold(struct rmt_peer *child, uint32_t holder, uint32_t count);

/* Asks a child to end within ms, and has it killed when it does not. */
void rmt_child_end(struct rmt_peer *child, int ms);

/* The same for a child; a tree that was joined is left alone, and goes on. */
void rmt_child_leave(struct rmt_peer *child, int ms);

/* These ids are alive again, as those of a tree that is joined once more: what is known of them as
 * lost is found no more. */
void rmt_peers_renew(ramet_router *router, uint32_t first, uint32_t last);

/* A child's stream was lost, or closed: its routes go, its peers are lost, whoever talked to them
 * is told. */
void rmt_child_lost(struct rmt_peer *child, const char *reason);
