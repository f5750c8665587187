/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories of files that tests make, look at and remove. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes a new directory, in memory where there is /dev/shm, and forgets the one before. */
const char *files_begin(void);

/* Removes it with all that is in it. */
void files_end(void);

/* A path in that directory, from printf's arguments; good until the sixteenth call after. */
const char *files_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a file of `size` bytes that are never the same in two places, by `seed`. */
void files_make(const char *path, uint64_t size, unsigned seed);

/* The same with data at the beginning and at the end only. */
void files_make_sparse(const char *path, uint64_t size);

/* Fails the test unless both have the same bytes. */
void files_check_same(const char *one, const char *other);

/* Fails the test unless the directory contains exactly these names, separated by blanks, in order of
 * strcmp(3). */
void files_check_names(const char *directory, const char *names);

/* Fails the test unless mode, size, modification time, kind and owner are the same. */
void files_check_status(const char *one, const char *other);
