/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools, behind the gate. A pool and all that belongs to it is guarded by its router's lock; what a
 * map owns alone (its tasks) belongs to the thread that called, which works on it without the lock.
 *
 *	pool.c         pools and who is in them
 *	pool-member.c  a member: lost, started again, ended
 *	pool-map.c     the driver of a map: who gets what, until all is done
 *	pool-batch.c   tasks in one message: put together, sent, read when it is answered
 *	pool-tasks.c   which tasks there are, and their results
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "core/receiver.h"
#include "core/router.h"
#include "parallel/pool-tasks.h"
#include "ramet.h"

struct rmt_flow;
struct rmt_pool_map;

enum rmt_pool_member_state {
	RMT_MEMBER_READY,
	RMT_MEMBER_LEAVING, /* gets no more */
	RMT_MEMBER_LOST,    /* is being started again */
	RMT_MEMBER_GONE,    /* in no list; somebody still looks at it */
};

struct rmt_pool_member {
	struct rmt_list node; /* in pool->members */
	ramet_pool *pool;
	unsigned references;
	enum rmt_pool_member_state state;
	struct rmt_peer
		*peer; /* with a reference to its handle; when it is lost, until there is another */
	char *path;    /* how to start it again; NULL: it is the caller's */
	ramet_receiver watch; /* nothing ever arrives there, but the loss of the peer */
	bool watched;
	struct rmt_list
		batches; /* struct rmt_pool_batch.of_member: sent, and not answered; in order */
	unsigned in_flight;
	bool stuck;             /* it goes on with what was cancelled */
	struct rmt_timer grace; /* runs while it does */
	unsigned losses;        /* in a row */
	int64_t round_trip;     /* us, the least; 0: not known */
};

struct ramet_pool {
	ramet_router *router;
	unsigned users;      /* references of the program's, and maps */
	unsigned references; /* of the memory: those, members, threads */
	ramet_pool_options options;
	struct rmt_list members, maps;
	size_t member_count;
	unsigned setups;         /* that run on threads of ours */
	ramet_error last;        /* why the last one was lost */
	struct rmt_list orphans; /* struct rmt_pool_batch.of_map: whose map is over */
	struct rmt_deferred reaper;
};

/* --- pool.c: the lock is held --------------------------------------------------------------- */

void rmt_pool_release(ramet_pool *pool);

/* One more member, ready for its first task. Takes the path and a reference of its own to the
 * peer. */
int rmt_pool_join(ramet_pool *pool, struct rmt_peer *peer, char *path);

/* Members have changed: maps look at them. */
void rmt_pool_changed(ramet_pool *pool);

/* --- pool-member.c: the lock is held -------------------------------------------------------- */

void rmt_pool_member_unref(struct rmt_pool_member *member);

/* Begins to look after the peer, which is there now. */
void rmt_pool_member_ready(struct rmt_pool_member *member, struct rmt_peer *peer);

/* Takes it out of the pool at once. */
void rmt_pool_member_leave(struct rmt_pool_member *member);

/* It was told to leave, and has perhaps finished. */
void rmt_pool_member_look(struct rmt_pool_member *member);

/* It has not stopped in time: it gets nothing more until it does. */
void rmt_pool_member_stuck(struct rmt_pool_member *member);

/* It has answered a batch. */
void rmt_pool_member_answered(struct rmt_pool_member *member);

/* Calls the program's hook, without the lock. */
int rmt_pool_member_set_up(ramet_pool *pool, ramet_context *context, ramet_error *error);

/* --- pool-batch.c --------------------------------------------------------------------------- */

struct rmt_pool_batch {
	ramet_receiver receiver;
	struct rmt_list of_member; /* in member->batches */
	struct rmt_list of_map;    /* in map->flying or answered, or pool->orphans */
	struct rmt_pool_map *map;  /* NULL: it is an orphan */
	struct rmt_pool_member *member;
	struct rmt_peer *peer; /* the member's, when this was put together; with a reference */
	struct rmt_pool_piece piece;
	struct rmt_buffer payload;
	size_t bytes;          /* of the message */
	size_t begin;          /* of the message in the payload */
	size_t sent;           /* bytes of the payload */
	struct rmt_flow *flow; /* while it is being sent */
	bool busy;             /* the flow is */
	unsigned at_once;      /* of its member's batches are executed */
	bool only;             /* nothing else is given to its member meanwhile */
	bool first;            /* nothing was before it when it was sent */
	bool cancelled;
	bool answered;
	int64_t sent_at;
	int64_t began_at; /* as far as is known here; RMT_NEVER: others are before it */
};

/* A message of the piece's tasks, or of the first of them: the piece is then shorter. Without
 * the lock. -EMSGSIZE: the first is too large. */
int rmt_pool_batch_new(struct rmt_pool_map *map, struct rmt_pool_member *member,
		       struct rmt_pool_piece *piece, struct rmt_pool_batch **ret_batch,
		       ramet_error *error);

/* The lock is held. */
void rmt_pool_batch_send(struct rmt_pool_batch *batch);
bool rmt_pool_batch_can_go_on(const struct rmt_pool_batch *batch);
void rmt_pool_batch_cancel(struct rmt_pool_batch *batch);
void rmt_pool_batch_free(struct rmt_pool_batch *batch);

/* Its map is over: it is freed when it is answered, or with the pool. */
void rmt_pool_batch_abandon(struct rmt_pool_batch *batch);

/* Reads the answer, without the lock: results go to the tasks. *ret_read: so many of the piece are
 * finished; *ret_took: ns. A negative errno ends the map. */
int rmt_pool_batch_read(struct rmt_pool_batch *batch, uint64_t *ret_read, uint64_t *ret_took,
			ramet_error *error);

/* --- pool-map.c ----------------------------------------------------------------------------- */

struct rmt_pool_map {
	struct rmt_list node; /* in pool->maps */
	ramet_pool *pool;
	ramet_router *router;
	ramet_pool_map_options options;
	struct rmt_pool_tasks tasks;
	const struct ramet_function *combine;
	struct rmt_list flying, answered; /* struct rmt_pool_batch.of_map */
	unsigned sending;                 /* of those that fly: not sent completely */
	bool cancelled;
	bool changed;     /* members have */
	unsigned limit;   /* batches in flight at one member */
	unsigned at_once; /* of these, executed at the same time */
	/* What is known of the costs. */
	double cost;      /* ns for a task; 0: nothing */
	double size;      /* bytes for a task and its result */
	uint64_t largest; /* tasks in a batch that was answered */
};

/* --- behind the public face ----------------------------------------------------------------- */

int rmt_pool_new(ramet_router *router, const char *paths, const ramet_pool_options *options,
		 ramet_pool **ret_pool, ramet_error *error);
int rmt_pool_add(ramet_pool *pool, const char *paths, ramet_error *error);
int rmt_pool_add_context(ramet_pool *pool, ramet_context *context);
int rmt_pool_remove(ramet_pool *pool, ramet_context *context);
size_t rmt_pool_size(ramet_pool *pool);
ramet_context *rmt_pool_get(ramet_pool *pool, size_t index);
void rmt_pool_ref(ramet_pool *pool);
void rmt_pool_unref(ramet_pool *pool);
void rmt_pool_cancel(ramet_pool *pool);
int rmt_pool_map(const struct ramet_function *function, ramet_pool *pool, const void *tasks,
		 size_t count, void *results, const ramet_pool_map_options *options,
		 ramet_error *error);
int rmt_pool_each(const struct ramet_function *function, ramet_pool *pool,
		  ramet_function_next *next, ramet_function_done *done, void *data,
		  const ramet_pool_map_options *options, ramet_error *error);
int rmt_pool_reduce(const struct ramet_function *function, ramet_pool *pool, const void *tasks,
		    size_t count, const struct ramet_function *combine, void *ret,
		    const ramet_pool_map_options *options, ramet_error *error);
