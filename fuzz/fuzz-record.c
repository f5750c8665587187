/* SPDX-License-Identifier: BSD-3-Clause */
/* Log records from anybody in the tree: whatever decodes must encode to the same bytes, have few
 * fields, and fit a line. */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rmt_log_entry *entry = rmt_log_record_decode(data, size);
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char line[RMT_LOG_LINE_MAX];
	size_t used;

	if (!entry)
		return 0;
	check(entry->record.field_count <= RMT_LOG_FIELDS_MAX);
	check(entry->record.context && entry->record.source && entry->record.text);
	rmt_log_record_encode(&entry->record, &out);
	check(out.error < 0 || (out.size == size && memcmp(out.data, data, size) == 0));
	used = rmt_log_record_print(&entry->record, true, line, sizeof(line));
	check(used <= sizeof(line) && line[used - 1] == '\n' && !memchr(line, '\n', used - 1));
	rmt_buffer_done(&out);
	free(entry);
	return 0;
}
