/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading directories by descriptor, and what their entries are like. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "ramet.h"

/* Directories in directories that a tree may have: a descriptor is open for each. */
#define RMT_DIRECTORY_DEPTH_MAX 200

/* A directory that is being read. */
struct rmt_directory {
	int fd;
	size_t at, size;
	char buffer[16384] __attribute__((aligned(8)));
};

/* Takes over fd, which is open for reading, or a negative errno that rmt_directory_next() will
 * return. NULL: no memory, and fd is closed. */
struct rmt_directory *rmt_directory_new(int fd);
void rmt_directory_free(struct rmt_directory *directory);

/* The next name but "." and ".."; NULL in *ret_name at the end. Good until the next one. */
int rmt_directory_next(struct rmt_directory *directory, const char **ret_name);

/* Names of users and groups, of which most files have the same. Begins zeroed. */
struct rmt_owners {
	bool user_known, group_known;
	uid_t uid;
	gid_t gid;
	char user[256], group[256]; /* "": there is no name */
};

/* NULL when there is none. Good until the next one. */
const char *rmt_owner_user(struct rmt_owners *owners, uid_t uid);
const char *rmt_owner_group(struct rmt_owners *owners, gid_t gid);

/* The numbers of names; `otherwise` when there are none. */
uid_t rmt_owner_uid(const char *user, uid_t otherwise);
gid_t rmt_owner_gid(const char *group, gid_t otherwise);

/* What is known of a file. user, group and link (NULL for what is none) are borrowed. */
void rmt_status_fill(ramet_file_status *status, const struct stat *stat, struct rmt_owners *owners,
		     const char *link);

/* Where the link points, malloc'd. */
int rmt_read_link(int directory, const char *name, char **ret_link);

/* Removes what is in a directory, with a descriptor for reading, which stays the caller's. */
int rmt_directory_clear(int fd, unsigned depth, bool (*stop)(void *data), void *data);
