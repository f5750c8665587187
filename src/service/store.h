/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file that is being written, and has its name only when it is complete: until then it has none
 * (O_TMPFILE of open(2)), or where that cannot be, an unpredictable one; or, to go on with it another
 * time, one that can be recognised.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct rmt_store {
	int fd;
	int directory;                /* the caller's */
	const char *name;             /* the caller's */
	char temporary[NAME_MAX + 1]; /* "": it has none, or is published */
};

/* -EBUSY: a partial file is being written by somebody else. `mode` is for what others may do
 * meanwhile, as open(2) has it. */
int rmt_store_begin(struct rmt_store *store, int directory, const char *name, mode_t mode,
		    bool partial);

/* Gives it its name, in place of what had it; or -EEXIST when it shall be new. */
int rmt_store_publish(struct rmt_store *store, bool only_new, bool sync);

/* Closes it. What was not published is removed, unless it is to be kept. */
void rmt_store_done(struct rmt_store *store, bool keep);

/* The same for a symbolic link, which has no descriptor. */
int rmt_store_link(int directory, const char *name, const char *target);

/* The name of a partial file for `name`. */
void rmt_store_partial_name(const char *name, char partial[NAME_MAX + 1]);
