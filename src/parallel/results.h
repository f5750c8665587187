/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tasks of a batch have sent: gathered in the worker, so that a thousand small results are one
 * write, and read again by the map, one result at a time, when somebody wants it.
 *
 * The bytes go between a process and its copy, so numbers are as this machine has them, and values are CBOR:
 *
 *	VALUE item | LAST item | FAILURE code, text | DONE | COMBINED count, item
 *
 * LAST is a value and the end of its task: most tasks send one. DONE ends the others. COMBINED is what
 * `count` tasks have been reduced to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ramet.h"

/* Before what was gathered. */
struct rmt_results_head {
	uint32_t tasks; /* so many results are complete with this */
	bool over;      /* the worker does no more of this batch */
	bool broken;    /* nor of any other */
	int64_t spent;  /* ns, since the last one */
};

/* --- in the worker ------------------------------------------------------------------------ */

struct rmt_results_writer {
	struct rmt_buffer out; /* behind room for a struct rmt_results_head */
	size_t task;           /* where what the current one has sent begins */
	size_t value;  /* where its last value begins, if nothing came after that; or NO_VALUE */
	uint32_t done; /* tasks that ended in `out` */
	/* Not NULL: called when there is much in `out`, or for a byte string that is large (else NULL); it
	 * sends what is in `out`, and the bytes as a value of their own. 0 or what sending failed with. */
	int (*flush)(struct rmt_results_writer *writer, const ramet_bytes *large);
};

/* 0 or -ENOMEM. */
int rmt_results_writer_init(struct rmt_results_writer *writer);
void rmt_results_writer_done(struct rmt_results_writer *writer);

/* Forgets what is in `out`, which was sent; the current task goes on. */
void rmt_results_sent(struct rmt_results_writer *writer);

/* A value of the current task: the caller appends one item to `out` between the two. 0 or a negative
 * errno. */
void rmt_results_open(struct rmt_results_writer *writer);
int rmt_results_close(struct rmt_results_writer *writer);

int rmt_results_bytes(struct rmt_results_writer *writer, ramet_bytes bytes);
int rmt_results_failure(struct rmt_results_writer *writer, int code, const char *text);

/* The current task is over, and the next one begins. */
void rmt_results_end_task(struct rmt_results_writer *writer);

/* Nothing that the current task has sent is sent. */
void rmt_results_drop_task(struct rmt_results_writer *writer);

/* Ends the current task and takes what it has sent, which is not sent then: 1, or its failure; see
 * rmt_results_next(). */
int rmt_results_take_task(struct rmt_results_writer *writer, ramet_value **ret_value,
			  ramet_error *error);

/* What `count` tasks were reduced to. */
void rmt_results_combined(struct rmt_results_writer *writer, uint32_t count,
			  const ramet_value *value);

/* --- in the map --------------------------------------------------------------------------- */

struct rmt_results_piece;

struct rmt_results_reader {
	struct rmt_results_piece *first, **last;
	size_t held; /* bytes */
	/* of a result that is not complete */
	ramet_value **values;
	size_t count, capacity;
	ramet_error failure;
};

void rmt_results_reader_init(struct rmt_results_reader *reader);
void rmt_results_reader_done(struct rmt_results_reader *reader);

/* More of what the worker has gathered. It lies in `home`, which gets a reference; or, when that is NULL,
 * outlives the reader. 0 or -ENOMEM. */
int rmt_results_add(struct rmt_results_reader *reader, ramet_value *home, const void *data,
		    size_t size);

/* A value that was sent on its own; the reader takes it over, also on failure. 0 or -ENOMEM. */
int rmt_results_add_value(struct rmt_results_reader *reader, ramet_value *value);

/* The next result: 1, and of how many tasks it is; or 0: it is not complete. What a task has failed with
 * is a result, too: its code. -EBADMSG: no results; -ENOMEM: the result is lost. */
int rmt_results_next(struct rmt_results_reader *reader, uint32_t *ret_tasks,
		     ramet_value **ret_value, ramet_error *error);
