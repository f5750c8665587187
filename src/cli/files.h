/* SPDX-License-Identifier: BSD-3-Clause */
/* The files below a directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rmt_file {
	char *path;
	uint64_t device, inode;
	int64_t size;
	bool skipped;
};

struct rmt_files {
	struct rmt_file *items; /* in the order of their paths */
	size_t count, capacity;
	size_t skipped; /* what was complained about, and is not among the items */
};

/*
 * Regular files and symbolic links to such, each file once, under the first of its names. Links to
 * directories are not followed. What cannot be read, and what is no file, is complained about. Not
 * to be called by two threads at a time.
 */
int rmt_files_find(const char *directory, struct rmt_files *ret_files);
void rmt_files_done(struct rmt_files *files);
