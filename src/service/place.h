/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the paths of a file service begin, and what they cannot leave: the directory to which
 * ramet_file_limit() has limited the context, or nothing. Everything else works on a directory's
 * descriptor and a name in it, so that no path is resolved twice.
 *
 * Descriptors that come from here are ours (base/descriptor.h): rmt_descriptor_close().
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ramet.h"

/* For rmt_place_limit(), besides the public flags: as if the system had no openat2(2). */
#define RMT_PLACE_WALKS (1u << 31)

struct rmt_place {
	int root; /* -1: paths are those of the system */
	bool read_only;
	bool walks; /* openat2(2) does not work here */
};

/* A name in a directory. */
struct rmt_spot {
	int directory; /* O_PATH */
	char name[NAME_MAX + 1];
};

/* The place for a call, by who makes it. */
int rmt_place_init(struct rmt_place *place, ramet_call *call);
void rmt_place_done(struct rmt_place *place);

/* Behind ramet_file_limit(). */
int rmt_place_limit(ramet_router *router, const char *directory, unsigned flags,
		    ramet_error *error);

/* open(2). Links at the end of the path are followed unless flags have O_NOFOLLOW. A descriptor, or
 * a negative errno. */
int rmt_place_open(const struct rmt_place *place, const char *path, int flags, mode_t mode);

/* What the path names, which need not exist: -EINVAL if it ends in "." or "..". Trailing slashes
 * are ignored. */
int rmt_place_spot(const struct rmt_place *place, const char *path, struct rmt_spot *ret_spot);
void rmt_spot_done(struct rmt_spot *spot);

/* The same for one name and a directory that is open: never follows a link. */
int rmt_open_at(int directory, const char *name, int flags, mode_t mode);

/* fsync(2) of a directory, as far as that can be done. */
void rmt_sync_directory(int directory);
