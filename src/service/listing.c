/* SPDX-License-Identifier: BSD-3-Clause */
/* The asking side of what is more than a call. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "core/call.h"
#include "core/peer.h"
#include "core/router.h"
#include "core/value.h"
#include "service/file.h"

/* 0, what the visitor has said, or -EPROTO. */
static int visit_all(const ramet_value *value, ramet_file_visit *visit, void *data)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_type_memory memory;
	struct rmt_cbor_reader reader;
	struct rmt_file_entries entries;
	char where[64];
	int r;

	rmt_value_encode(value, &out);
	rmt_cbor_reader_init(&reader, out.data, out.size);
	rmt_type_memory_init(&memory, NULL, 0);
	r = out.error < 0 ? out.error
			  : rmt_type_decode(ramet_type_rmt_file_entries, &reader, &entries, &memory,
					    &rmt_call_hooks, NULL, where, sizeof(where));
	rmt_buffer_done(&out);
	if (r < 0)
		return r == -ENOMEM ? r : -EPROTO;
	for (size_t i = 0; i < entries.count && r == 0; i++)
		r = visit(entries.items[i].name ? entries.items[i].name : "",
			  &entries.items[i].status, data);
	rmt_file_entries_clear(&entries);
	return r;
}

int rmt_file_list_in(ramet_context *context, const char *path, ramet_file_visit *visit, void *data,
		     ramet_error *error)
{
	ramet_receiver *entries = NULL, *call = NULL;
	ramet_value *value;
	int r = ramet_receiver_new(context->router, &entries), stopped = 0, finished;

	if (r < 0)
		return rmt_error_set(error, r, "%s", rmt_strerror(r));
	r = rmt_file_list_start(context, path, ramet_receiver_sender(entries), &call, error);
	if (r < 0) {
		ramet_receiver_unref(entries);
		return r;
	}
	while (stopped == 0 && (r = ramet_receive(entries, -1, &value, NULL)) > 0) {
		stopped = visit_all(value, visit, data);
		ramet_value_unref(value);
	}
	ramet_receiver_close(entries);
	if (stopped != 0)
		ramet_receiver_cancel(call);
	finished = rmt_file_list_finish(call, -1, stopped ? NULL : error);
	ramet_receiver_unref(call);
	ramet_receiver_unref(entries);
	if (stopped == -EPROTO || stopped == -ENOMEM)
		rmt_error_set(error, stopped, "%s: the list: %s", path, rmt_strerror(stopped));
	return stopped ? stopped : finished;
}

int rmt_file_hash_in(ramet_context *context, const char *path, char ret_hash[33],
		     ramet_error *error)
{
	const char *text;
	int r = rmt_file_hash_call(context, path, &text, error);

	if (r < 0)
		return r;
	if (text && strlen(text) == 32)
		memcpy(ret_hash, text, 33);
	else
		r = rmt_error_set(error, EPROTO, "%s: the hash makes no sense", path);
	ramet_free(text);
	return r;
}
