/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inputs of a map, in batches: neighbours that go to a worker together, and what has come of them. No
 * process, no descriptor is touched here.
 *
 * A batch waits, is out (with a worker), or has arrived. Each of these may end it in two: what a worker has
 * done and what it gives back, or has lost. The order of the inputs is that of the list of all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/chunk.h"
#include "base/list.h"
#include "parallel/results.h"
#include "wire/cbor.h"

struct rmt_batches {
	struct rmt_list all;     /* in the order of the inputs */
	struct rmt_list waiting; /* to be given out, in the order of the inputs */
	struct rmt_list ready;   /* that have results which were not taken */
	size_t held;             /* bytes of such results */
};

struct rmt_batch {
	struct rmt_batches *batches;
	struct rmt_list node;  /* in all */
	struct rmt_list turn;  /* in waiting, or in what a worker has */
	struct rmt_list ready; /* in ready, or in none */
	uint64_t first;
	uint32_t count;
	uint32_t arrived; /* of these there are results */
	uint32_t taken;   /* of which so many were taken */
	/* the inputs, where they have to be sent: as rmt_value_encode() made them, one behind the other */
	struct rmt_chunk *chunk;
	const unsigned char *inputs;
	size_t inputs_size;
	ramet_value *input; /* instead, for a process that is forked for it: it is there already */
	struct rmt_results_reader results;
	ramet_error failure; /* the one input has failed with this, without any result */
};

void rmt_batches_init(struct rmt_batches *batches);
void rmt_batches_done(struct rmt_batches *batches);

/* The next inputs; it waits. NULL: out of memory. */
struct rmt_batch *rmt_batch_new(struct rmt_batches *batches, uint64_t first, uint32_t count);

/* Takes it out of every list. */
void rmt_batch_free(struct rmt_batch *batch);

/* Leaves the first `count` inputs in the batch and moves the others to a new one behind it, which is in
 * no `turn`. There are results of none of these. NULL: out of memory, and nothing has changed. */
struct rmt_batch *rmt_batch_split(struct rmt_batch *batch, uint32_t count);

/* It is to be given out, again. */
void rmt_batch_wait(struct rmt_batch *batch);

/* What a worker has sent of it, see results.h. */
int rmt_batch_add(struct rmt_batch *batch, ramet_value *home, const void *data, size_t size);
int rmt_batch_add_value(struct rmt_batch *batch, ramet_value *value);

/* With that, results of `tasks` more inputs have arrived; -EBADMSG: that cannot be. */
int rmt_batch_arrived(struct rmt_batch *batch, uint32_t tasks);

/* All that it has is `failure`, whose content it takes over; the batch is of one input. */
void rmt_batch_fail(struct rmt_batch *batch, ramet_error *failure);

/* The next result of a batch: 1, or what it has failed with, and how many inputs it is of; 0: there is
 * none yet. After the last one the batch is gone, *ret_gone, unless a worker has it still. */
int rmt_batch_take(struct rmt_batch *batch, uint32_t *ret_tasks, ramet_value **ret_value,
		   bool *ret_gone, ramet_error *error);
