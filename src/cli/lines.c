/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/lines.h"

#include <string.h>

#include "cli/output.h"

/* Memory that one long line has taken is given back. */
#define KEEP_SIZE 65536

static void put_line(struct rmt_lines *lines, const void *end, size_t size, struct rmt_buffer *out)
{
	struct rmt_buffer *begun = &lines->begun;

	rmt_put_text(out, lines->prefix, strlen(lines->prefix), lines->harmless);
	rmt_buffer_append(out, ": ", 2);
	if (begun->size > 0) {
		/* A character may be cut in two, so the line is looked at as a whole. */
		rmt_buffer_append(begun, end, size);
		if (begun->error < 0)
			out->error = begun->error;
		rmt_put_text(out, begun->data, begun->size, lines->harmless);
		rmt_buffer_reset(begun);
		if (begun->capacity > KEEP_SIZE)
			rmt_buffer_done(begun);
	} else {
		rmt_put_text(out, end, size, lines->harmless);
	}
	rmt_buffer_append_byte(out, '\n');
}

void rmt_lines_feed(struct rmt_lines *lines, const void *data, size_t size, struct rmt_buffer *out)
{
	const char *at = data, *end = at + size, *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		put_line(lines, at, (size_t)(newline - at), out);
		at = newline + 1;
	}
	rmt_buffer_append(&lines->begun, at, (size_t)(end - at));
	if (lines->begun.error < 0)
		out->error = lines->begun.error;
}

void rmt_lines_end(struct rmt_lines *lines, struct rmt_buffer *out)
{
	if (lines->begun.size > 0)
		put_line(lines, "", 0, out);
	rmt_buffer_done(&lines->begun);
}
