/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tasks of a map: where their arguments come from, which of them wait to be given out, and what
 * becomes of their results. Belongs to the thread that called; knows nothing of members but paths.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/type.h"
#include "ramet.h"

/* Tasks with consecutive numbers. */
struct rmt_pool_piece {
	uint64_t first, count;
	unsigned losses; /* members that were lost while they executed it */
	bool alone;      /* each of them goes by itself */
};

struct rmt_pool_pieces {
	struct rmt_pool_piece *items;
	size_t first, count, capacity; /* [first, count) are there */
};

/* Tasks that are best executed in the same place. */
struct rmt_pool_place {
	char *path; /* NULL: anywhere */
	struct rmt_pool_pieces waiting;
	uint64_t tasks; /* in these */
};

enum rmt_task_state {
	RMT_TASK_NONE,   /* there is none */
	RMT_TASK_OPEN,   /* no result yet */
	RMT_TASK_RESULT, /* it is there */
	RMT_TASK_OVER,   /* failed, handed on, or a part of a later result */
};

struct rmt_pool_tasks {
	ramet_router *router;
	const struct ramet_function *function, *combine;
	const ramet_pool_map_options *options;
	/* A source, or an array: `count` says how many there are, UINT64_MAX when it is not
	 * known yet. */
	ramet_function_next *next;
	ramet_function_done *done;
	void *data;
	const char *array;
	uint64_t count;
	uint64_t pulled; /* numbers below are tasks */
	uint64_t due;    /* numbers below are over */
	uint64_t finished, failed, retried;
	/* Rings of `room` for the states, results, and arguments of a source. */
	uint64_t room;
	unsigned char *states;
	char *results;
	char *arguments;
	bool own_results;
	bool flat, result_flat; /* arguments and results own nothing */
	bool reduced;           /* there is a result in `sum` */
	void *sum;
	struct rmt_pool_place *places;
	size_t place_count, recent;
	uint64_t waiting;             /* in all places */
	struct rmt_pool_pieces again; /* these go before all others */
};

/* results: an array of the caller's, or NULL when they go to `done` or `combine`. 0 or -ENOMEM,
 * and what locality and next say. _done is called in each case. */
int rmt_tasks_init(struct rmt_pool_tasks *tasks, const void *array, uint64_t count, void *results,
		   ramet_error *error);
void rmt_tasks_done(struct rmt_pool_tasks *tasks);

/* Everything that was there of the results is cleared. */
void rmt_tasks_clear(struct rmt_pool_tasks *tasks);

/* 1: up to `want` tasks that wait, best ones for a member of that path. Those that have been
 * given out before are taken only one kind at a time, see rmt_tasks_urgent(). 0: none waits now.
 * Or what the source said. */
int rmt_tasks_take(struct rmt_pool_tasks *tasks, uint64_t want, const char *path,
		   struct rmt_pool_piece *ret_piece, ramet_error *error);

/* The piece that is taken next, if it has been given out before. NULL: it has not. */
const struct rmt_pool_piece *rmt_tasks_urgent(const struct rmt_pool_tasks *tasks);

/* They wait again. -ENOMEM. */
int rmt_tasks_return(struct rmt_pool_tasks *tasks, const struct rmt_pool_piece *piece);

/* Whether any waits, and how many do, as far as is known. */
bool rmt_tasks_wait(const struct rmt_pool_tasks *tasks);
uint64_t rmt_tasks_left(const struct rmt_pool_tasks *tasks);
bool rmt_tasks_finished(const struct rmt_pool_tasks *tasks);

const void *rmt_tasks_arguments(const struct rmt_pool_tasks *tasks, uint64_t index);

/* Where the result of a task goes, as something that the caller owns; and that it is there, or
 * never will be. */
void *rmt_tasks_slot(struct rmt_pool_tasks *tasks, uint64_t index);
void rmt_tasks_over(struct rmt_pool_tasks *tasks, uint64_t index, enum rmt_task_state state);

/* A task has failed for good. 0: the others go on. */
int rmt_tasks_failed(struct rmt_pool_tasks *tasks, uint64_t index, const ramet_error *failure,
		     ramet_error *error);

/* Hands on the results that are due, of which those of the piece are new. */
int rmt_tasks_deliver(struct rmt_pool_tasks *tasks, const struct rmt_pool_piece *piece,
		      ramet_error *error);
