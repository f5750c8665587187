/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's side of maps and managed functions: a copy of the process that runs a task for each input
 * that it is given, until its channel ends.
 *
 * For a map it is given batches (RUN) and answers with what they have sent (RESULTS), gathered. It says
 * which input it has in hand in memory that it shares with the map, so that its death is that input's and
 * nobody else's. A batch that takes long is given back: what was planned by the cost of other inputs must
 * not keep the rest from workers that have nothing to do.
 *
 * For a managed function it is given calls (RUN) and sends values like any process, and RESULTS without
 * content when a call is over.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "parallel/channel.h"
#include "parallel/results.h"

/* The tags of what they say to each other: byte strings that begin with the structure. All else has 0. */
enum { RMT_WORK_RUN = 1, RMT_WORK_RESULTS };

/* Behind it, where they have to be sent: the inputs, as CBOR. */
struct rmt_run {
	uint64_t first;
	uint32_t count;
	bool sent;      /* the inputs are here; else the worker has them in its memory */
	bool give_back; /* what is not done in time */
	/* of ramet_map_reduce(); an address is good in a copy */
	ramet_map_combine *combine;
};

/* In memory that a worker and its map share. */
struct rmt_worker_slot {
	_Atomic uint64_t in_hand; /* the index of an input, or UINT64_MAX */
} __attribute__((aligned(64)));

struct rmt_worker {
	ramet_task *task;
	ramet_worker_options options;
	/* of a map */
	struct rmt_worker_slot *slot;
	ramet_value *const *inputs; /* all, by index; or NULL */
};

/* Fills in what the program has asked for; options may be NULL. -EINVAL: no task, or a size that is none. */
int rmt_worker_init(struct rmt_worker *worker, ramet_task *task,
		    const ramet_worker_options *options);

/* The whole life of a worker, in the copy. */
void rmt_worker_map(const struct rmt_worker *worker, ramet_channel *channel);
void rmt_worker_managed(const struct rmt_worker *worker, ramet_channel *channel);

/* ... for one input, which is in memory (NULL: none). */
void rmt_worker_map_one(const struct rmt_worker *worker, ramet_channel *channel,
			const struct rmt_run *run, const ramet_value *input);
void rmt_worker_managed_one(const struct rmt_worker *worker, ramet_channel *channel,
			    const ramet_value *input);
