/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public functions of files. They travel with programs that use them; what is behind them does
 * not, until it is needed: each opens the gate first, or has an object that was made behind it.
 */
#include "parent/gate.h"
#include "service/file.h"
#include "service/place.h"

#define FIELD(kind, name)                                                   \
	{                                                                   \
#name, ramet_type_##kind, offsetof(ramet_file_status, name) \
	}

static const struct ramet_field status_fields[] = {
	FIELD(i32, type),  FIELD(i32, mode), FIELD(u64, size),   FIELD(u64, allocated),
	FIELD(i64, mtime), FIELD(i64, uid),  FIELD(i64, gid),    FIELD(str, user),
	FIELD(str, group), FIELD(str, link), FIELD(u64, device), FIELD(u64, inode),
	{NULL, NULL, 0},
};

/* Written out because RAMET_STRUCT() leaves one in each program that includes the header, and with it
 * references to the library. */
RMT_PUBLIC const struct ramet_type ramet_type_ramet_file_status[1] = {
	{"ramet_file_status", RAMET_KIND_STRUCT, RMT_COUNT(status_fields) - 1,
	 sizeof(ramet_file_status), status_fields, NULL}};

RMT_PUBLIC void ramet_file_status_clear(ramet_file_status *status)
{
	ramet_type_clear(ramet_type_ramet_file_status, status);
}

RMT_PUBLIC int ramet_file_read(ramet_context *context, const char *path, uint64_t offset,
			       uint64_t size, ramet_bytes *ret_bytes, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_read_call(context, path, offset, size, ret_bytes, error);
}

RMT_PUBLIC int ramet_file_write(ramet_context *context, const char *path, ramet_bytes content,
				int mode, unsigned flags, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_write_call(context, path, content, mode, flags, error);
}

RMT_PUBLIC int ramet_file_stat(ramet_context *context, const char *path, unsigned flags,
			       ramet_file_status *ret_status, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_stat_call(context, path, flags, ret_status, error);
}

RMT_PUBLIC int ramet_file_list(ramet_context *context, const char *path, ramet_file_visit *visit,
			       void *data, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_list_in(context, path, visit, data, error);
}

RMT_PUBLIC int ramet_file_remove(ramet_context *context, const char *path, unsigned flags,
				 ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_remove_call(context, path, flags, error);
}

RMT_PUBLIC int ramet_file_make_directory(ramet_context *context, const char *path, int mode,
					 unsigned flags, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_make_directory_call(context, path, mode, flags, error);
}

RMT_PUBLIC int ramet_file_hash(ramet_context *context, const char *path, char ret_hash[33],
			       ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_hash_in(context, path, ret_hash, error);
}

RMT_PUBLIC int ramet_file_copy(const ramet_file_copy_options *options,
			       ramet_file_copy_result *ret_result, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_copy(options, ret_result, error);
}

RMT_PUBLIC int ramet_file_distribute(const ramet_file_distribute_options *options,
				     ramet_file_outcome *ret_outcomes, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_file_distribute(options, ret_outcomes, error);
}

RMT_PUBLIC int ramet_file_limit(ramet_router *router, const char *directory, unsigned flags,
				ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_place_limit(router, directory, flags, error);
}
