/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was fetched from above, for children or for ourselves: parts of the program by their name. The
 * same thing is fetched once, whoever wants it; what has a digest in its name is checked against it.
 * Kept are
 *	cold parts		while the process lives
 *	contents of modules	the last RMT_MODULES_KEPT bytes of them
 *	names of modules	what they stand for, or that nobody has them, until somebody above says
 *				that this may have changed
 * A process has one router with a parent: the functions take that, with its lock held.
 */
#pragma once

#include <stddef.h>

#include "base/list.h"
#include "core/router.h"

/* Who waits: called once, perhaps before rmt_shelf_want() returns. data NULL: there is an error. Both
 * are borrowed until it returns. */
struct rmt_shelf_wanted {
	struct rmt_list node;
	void (*done)(struct rmt_shelf_wanted *wanted, const void *data, size_t size,
		     const ramet_error *error);
};

void rmt_shelf_want(ramet_router *router, enum rmt_part part, const char *name,
		    struct rmt_shelf_wanted *wanted);

/* Nobody waits any more. Also for one that is done. */
void rmt_shelf_forget(struct rmt_shelf_wanted *wanted);

/* The names of modules may stand for something else now, above. */
void rmt_shelf_names_changed(void);

/* In a forked child, whose parent is another one: only what is there, and true for ever, stays. */
void rmt_shelf_forked(void);

/* The router has ended. */
void rmt_shelf_done(void);
