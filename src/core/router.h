/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The router: one process's place in a tree of contexts. Everything in this layer hangs off it and
 * is guarded by its one lock, unless a comment says otherwise; functions in here are called with
 * the lock held, and public functions take it.
 *
 * The parts of a router are structures of their own, each with a file that works on it: waiting
 * (wait.c), streams (stream.c), routes (route.c), peers (peer.c), flows (flow.c), receivers
 * (receiver.c), calls that run here (execute.c).
 */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/chunk.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/table.h"
#include "core/loop.h"
#include "ramet.h"
#include "wire/frame.h"
#include "wire/handle.h"

struct rmt_stream;
struct rmt_peer;
struct rmt_waiter;
struct rmt_route;
struct rmt_cbor_reader;
struct rmt_message;

enum rmt_router_state {
	RMT_ROUTER_RUNNING,
	RMT_ROUTER_ENDING, /* no new connections; children are asked to end */
	RMT_ROUTER_ENDED,  /* nothing is left: no stream, no loop; handles are shells */
};

/* What the layer above does for a router: starting and ending children. Set by rmt_router_new()'s
 * caller. */
struct rmt_parent_hooks {
	/* A control message has arrived that not everybody has to do with, and may be obeyed:
	 * rmt_control_parent() is to get it. */
	void (*control)(ramet_router *router, struct rmt_stream *stream,
			const struct rmt_frame *frame, const unsigned char *data);
	/* A message to RMT_HANDLE_LOG has arrived: rmt_log_arrived() is to get it. */
	void (*log_arrived)(ramet_router *router, struct rmt_stream *stream,
			    struct rmt_message *message);
	/* A CONNECT message has arrived: answers `reply` at `requester` in time. */
	void (*connect)(ramet_router *router, uint32_t requester, uint32_t reply, const char *hop,
			size_t hop_size, uint32_t index);
	/* An IMAGE message has arrived from a child: answers `reply` at `requester` in time. */
	void (*image)(ramet_router *router, uint32_t requester, uint32_t reply, enum rmt_part part,
		      const char *name, size_t name_size, uint64_t offset);
	/* An ASK message has arrived: a context that starts a child for us asks for a password. */
	void (*asked)(ramet_router *router, uint32_t source, uint32_t reply, const char *prompt,
		      size_t prompt_size);
	/* An ANSWER to one of ours has arrived; password NULL: there is none, text says why. */
	void (*answered)(ramet_router *router, uint32_t requester, uint32_t reply,
			 const char *password, size_t size, const char *text, size_t text_size);
	/* A call of one of the library's own functions has arrived, of a name that begins with
	 * RMT_SERVICE_PREFIX. 0: *ret_function is it. -EAGAIN: it is being fetched, and
	 * rmt_execute_resume() will be called. Another negative errno: it cannot be had, *ret_text
	 * says why. */
	int (*service)(ramet_router *router, const char *name, size_t size,
		       const struct ramet_function **ret_function, const char **ret_text);
	/* The child must end now (its grace is over): TERM, then KILL. */
	void (*kill)(struct rmt_peer *child);
	/* Connections that are under way end with an error (the router is ending). */
	void (*cancel)(ramet_router *router);
	/* True while the hooks still have something to do in the loop: children to reap, output to
	 * read. */
	bool (*busy)(ramet_router *router);
	/* Ids have arrived that were asked for with rmt_ids_take(). */
	void (*ids_ready)(ramet_router *router);
	/* This context, or somebody below it, has been given these. */
	void (*ids_grew)(ramet_router *router, uint32_t first, uint32_t last);
	/* ADOPT, ADOPTED or DETACHED has come from a neighbour. */
	void (*tree)(ramet_router *router, struct rmt_stream *stream, enum rmt_operation operation,
		     struct rmt_cbor_reader *reader);
	/* While it is detaching: no call runs, or the parent is gone (text: why). */
	void (*detaching)(ramet_router *router, const char *text);
	/* The router has ended: nothing of it may stay in the loop. */
	void (*done)(ramet_router *router);
};

/* Waiting: who polls, who sleeps. See wait.h and broker.h. */
struct rmt_waiting {
	struct rmt_list sleepers;  /* struct rmt_waiter, threads asleep on their own condition */
	struct rmt_waiter *poller; /* the user thread that runs the loop now */
	/* somebody runs the loop: poller, or the broker if that is NULL */
	bool polling;
	uint64_t turns;             /* how often a thread has taken the loop */
	struct rmt_condition *left; /* for whoever waits until nobody runs it; NULL: nobody does */
	pthread_t broker;
	sigset_t signals; /* blocked in the thread that started the broker, which blocks all */
	int broker_timer; /* a timerfd: when the broker looks next */
	bool broker_started, broker_began, broker_stop;
	bool broker_armed;   /* the timer runs */
	bool broker_watches; /* the broker armed it itself, because calls keep coming */
	int64_t relieved_at; /* when the timer was last disarmed */
};

/* Ids that this context may give to children. */
struct rmt_ids {
	uint32_t next, end;    /* [next, end) are free */
	uint32_t (*blocks)[2]; /* first and last of what this context was given, or has drawn */
	size_t block_count;
	bool asked;            /* an ALLOCATE of our own is on its way */
	uint32_t wanted;       /* as many as this, when it arrives */
	struct rmt_list below; /* requests of children, waiting for the answer from above */
	int refused;           /* while ids_ready is called: there are none, and why */
	char *reason;
};

/* What a child may make us hold, see account.h. */
struct rmt_quota {
	uint64_t bytes, unread;
	uint32_t flows, contexts;
};

/* Calls that have arrived. See execute.h. */
struct rmt_execution {
	struct rmt_list serial;     /* ramet_call: wait for the main thread */
	struct rmt_list concurrent; /* wait for a worker */
	struct rmt_list services;   /* the library's own, wait for a thread of theirs */
	struct rmt_list early;      /* wait for their function, see rmt_parent_hooks.service */
	struct rmt_list running;
	struct rmt_list deferred;   /* run no more, and are answered later */
	struct rmt_list idle_calls; /* objects for reuse */
	unsigned idle_call_count;
	unsigned workers, workers_idle;
	unsigned servants, servants_idle; /* threads for services */
	/* the thread that stands in for a main thread that is not ours */
	bool serial_thread;
	unsigned serial_idle;
	struct rmt_condition work;  /* for workers */
	struct rmt_condition quiet; /* a worker has ended */
	unsigned threads;           /* workers and the serial thread */
	struct rmt_table chains;    /* struct failed_chain by (caller, chain) */
};

/* How much may still be recorded, and what was not. See log.c. */
#define RMT_LOG_LEVELS 5

struct rmt_log_limit {
	int64_t empty_at; /* ns: when all that was taken has flowed back */
	uint64_t dropped[RMT_LOG_LEVELS];
};

/* Log records. See log.h. */
struct rmt_logging {
	struct rmt_list waiting; /* struct rmt_log_entry: for the sink, or for credit */
	size_t held;             /* bytes of those that were made here */
	struct rmt_deferred deliver;
	bool delivering;  /* a thread calls the sink */
	bool early;       /* the place in the tree is not known yet */
	size_t in_flight; /* bytes on their way to the master */
	uint32_t rate;    /* a second */
	struct rmt_log_limit own;
	struct rmt_timer notice; /* it is to be said what was dropped */
	struct rmt_list paused;  /* struct rmt_capture */
	char *directory;         /* NULL: no file */
	int file;                /* -1: none */
	uint64_t sent, dropped;
};

/* What it has done so far; streams count for themselves while they last. See statistics.h. */
struct rmt_counters {
	int64_t started_at;
	uint64_t bytes_in, bytes_out, frames_in, frames_out; /* of streams that are gone */
	uint64_t bytes_forwarded, frames_forwarded;
	uint64_t messages_in, messages_out;
	uint64_t calls_executed, calls_failed, calls_cancelled;
};

/* What ramet_file_limit() has set; of the layer of services. */
struct rmt_file_limit {
	int root; /* -1: there is none */
	bool read_only;
	bool walks;
};

struct ramet_router {
	struct rmt_mutex lock;
	unsigned references; /* of the memory: users and all handles */
	unsigned users;      /* ramet_router_ref */
	enum rmt_router_state state;
	int64_t end_by; /* when an end turns into force */
	bool is_child;  /* the process is the library's own */
	bool detaching; /* its parent will lose it, and it will be a root */

	uint32_t id;
	uint32_t parents[RMT_TREE_DEPTH_MAX]; /* from the root down; none: this is the root */
	size_t parent_count;
	char *path;

	uint32_t message_size_max;
	int connect_timeout, shutdown_timeout;
	bool allow_siblings;
	struct rmt_quota quota;
	struct rmt_timer stalled; /* runs while a child is paused, see account.c */
	struct rmt_list allowed;  /* who may call what, see policy.c */
	enum ramet_log_level log_level;
	ramet_log_sink *log;
	void *log_data;
	struct rmt_logging logging;
	ramet_password_source *password;
	void *password_data;

	struct rmt_loop loop;
	struct rmt_waiting waiting;

	struct rmt_chunk_pool *chunks;   /* for reading */
	struct rmt_chunk_pool *messages; /* for putting together */
	struct rmt_chunk_pool *blocks;   /* for small messages that wait */
	struct rmt_list streams;         /* struct rmt_stream */
	struct rmt_list dirty;           /* those with frames gathered but not written */
	struct rmt_stream *uplink;       /* to the parent */
	struct rmt_route *routes;        /* sorted by first id */
	size_t route_count, route_capacity;
	struct rmt_ids ids;

	struct rmt_table peers; /* struct rmt_peer by id */
	struct rmt_peer *self;
	struct rmt_list children; /* struct rmt_peer.child, in the order of their start */

	struct rmt_table receivers; /* ramet_receiver by handle */
	uint32_t handle_next;
	uint64_t handle_key;              /* makes handles of it that cannot be guessed */
	struct rmt_list notices, watched; /* struct rmt_notice */
	struct rmt_table flows;           /* struct rmt_flow by (destination, handle) */
	struct rmt_list turns;            /* struct rmt_flow_turn: wait for credit or room */
	struct rmt_table inflows;         /* struct rmt_inflow by (source, handle) */
	uint32_t chain_next;

	struct rmt_execution execution;

	const struct rmt_parent_hooks *hooks;
	void *hooks_data;

	uint32_t heartbeat_interval; /* ms; 0: none */
	uint32_t heartbeat_misses;
	struct rmt_timer heartbeat;

	struct rmt_counters counters;
	struct rmt_file_limit file_limit;

	uint64_t dropped; /* what was refused that no honest context sends, see route.c */
};

/* What the program wants, and the defaults of a master for the rest; NULL: for all. -EINVAL. */
int rmt_router_options(const ramet_router_options *options, ramet_router_options *ret_all);
void rmt_router_set_options(ramet_router *router, const ramet_router_options *options);

/* A router without a place in a tree yet, a broker thread, or streams. Children are told their options. */
int rmt_router_new(const struct rmt_poller_type *poller, const struct rmt_parent_hooks *hooks,
		   ramet_router **ret_router);

/* Gives it its place: id 0 makes it the root of a new tree, with an id of its own. */
int rmt_router_identify(ramet_router *router, uint32_t id, const char *path, size_t path_size);

static inline void rmt_lock(ramet_router *router)
{
	rmt_mutex_lock(&router->lock);
}

static inline void rmt_unlock(ramet_router *router)
{
	rmt_mutex_unlock(&router->lock);
}

/* One more or less thing that keeps the memory. The lock is held; _release gives it up and may free
 * the router. */
static inline void rmt_router_hold(ramet_router *router)
{
	router->references++;
}

void rmt_router_release(ramet_router *router);

/* Begins the end: no new connections, SHUTDOWN to all children, force after ms. Returns at once. */
void rmt_router_end(ramet_router *router, int ms);

/* Waits until what rmt_router_end began is done, then closes everything. The lock is held, and
 * released meanwhile. */
void rmt_router_finish(ramet_router *router);

static inline bool rmt_router_is_root(const ramet_router *router)
{
	return router->parent_count == 0;
}

/* True when `id` is this context or one of its parents: may command here. */
bool rmt_router_obeys(const ramet_router *router, uint32_t id);
