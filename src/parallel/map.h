/* SPDX-License-Identifier: BSD-3-Clause */
/* What a map is made of: map.c is what programs call, map-run.c keeps the workers busy. */
#pragma once

#include "parallel/batch.h"
#include "parallel/crew.h"
#include "parallel/worker.h"

/* One that runs, or the place for one. */
struct rmt_map_worker {
	struct rmt_member member; /* channel NULL: nobody is here */
	struct rmt_list out;      /* the batches that it has, in order */
	unsigned batches;
	size_t large;   /* bytes of values that came apart, of the results that follow them */
	bool finishing; /* it gets no more */
};

struct rmt_kept {
	bool there;
	ramet_value *value;
	ramet_error failure;
};

struct ramet_map {
	unsigned references;
	ramet_map_options options;     /* with limit and window filled in; worker is not used */
	struct rmt_worker worker;      /* what each worker begins with */
	struct rmt_worker_slot *slots; /* of each worker, shared with it */
	struct rmt_map_worker *workers;
	struct rmt_crew crew;

	/* the inputs */
	bool begun;
	ramet_value **inputs; /* an array of `count` */
	size_t count;
	ramet_map_source *source; /* or this, which ended with 0 or a negative errno */
	void *source_data;
	bool source_over;
	int source_result;
	uint64_t next; /* the index of the first input that is in no batch yet */
	struct rmt_batches batches;

	/* what they cost */
	double nanoseconds, bytes; /* of one, about; 0: not known */
	uint32_t grown;            /* batches grow to this, by and by */

	/* the results */
	uint64_t taken;
	uint64_t index; /* of the last one */
	int64_t looked; /* when workers were looked after, by the coarse clock */
	unsigned lost;  /* workers in a row that had nothing in hand */
	int broken;     /* without memory there is no way on */
	ramet_map_combine *combine;
	ramet_value *combined;
	struct rmt_kept *kept; /* by index, once ramet_map_get() was used */
	uint64_t kept_next;    /* what ramet_map_next() returns of them */
};

/* Gives batches to workers, starting these as they are needed. 0; or what starting one has failed with, when
 * none runs. */
int rmt_map_give(struct ramet_map *map, ramet_error *error);

/* Takes what has come, waiting for that until then, and gives out more. 0, -ETIMEDOUT, -ENOMEM, or as
 * above. */
int rmt_map_run(struct ramet_map *map, int64_t until, ramet_error *error);

/* All results have arrived, and all workers have ended. */
bool rmt_map_over(const struct ramet_map *map);

/* Kills what runs, and forgets inputs and results: the map is as new. */
void rmt_map_abandon(struct ramet_map *map);
