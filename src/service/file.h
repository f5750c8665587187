/* SPDX-License-Identifier: BSD-3-Clause */
/* The services behind <ramet-file.h> that work on one file, and what is common to all of them. */
#pragma once

#include "ramet.h"

RAMET_STRUCT(rmt_file_entry, (str, name), (ramet_file_status, status));
RAMET_ARRAY(rmt_file_entries, rmt_file_entry);

RAMET_DECLARE(bytes, rmt_file_read, (str, path), (u64, offset), (u64, size));
RAMET_DECLARE(none, rmt_file_write, (str, path), (bytes, content), (i32, mode), (u64, flags));
RAMET_DECLARE(ramet_file_status, rmt_file_stat, (str, path), (u64, flags));
/* Sends messages that are rmt_file_entries, and returns when all are on their way. */
RAMET_DECLARE(none, rmt_file_list, (str, path), (sender, out));
RAMET_DECLARE(none, rmt_file_remove, (str, path), (u64, flags));
RAMET_DECLARE(none, rmt_file_make_directory, (str, path), (i32, mode), (u64, flags));
RAMET_DECLARE(str, rmt_file_hash, (str, path));

/* The call fails with what happened to the path; 0 is no failure. Returns r. */
int rmt_file_fail(ramet_call *call, int r, const char *path);

/* Bytes that are read and written at once: a frame, which is hashed and sent while it is in the nearest
 * cache. Four of them cost a tenth more. */
#define RMT_FILE_PIECE (64u << 10)

/* read(2) and write(2) until all is done; at the end of the file less was read. Bytes, or a negative
 * errno. */
int64_t rmt_read_all(int fd, void *data, size_t size);
int rmt_write_all_to(int fd, const void *data, size_t size);

/* Behind the public functions: those of service/face.c open the gate and call these. */
int rmt_file_list_in(ramet_context *context, const char *path, ramet_file_visit *visit, void *data,
		     ramet_error *error);
int rmt_file_hash_in(ramet_context *context, const char *path, char ret_hash[33],
		     ramet_error *error);
int rmt_file_copy(const ramet_file_copy_options *options, ramet_file_copy_result *ret_result,
		  ramet_error *error);
int rmt_file_distribute(const ramet_file_distribute_options *options,
			ramet_file_outcome *ret_outcomes, ramet_error *error);
