/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cuts a stream of bytes into lines and gives each a prefix. Only whole lines come out, so that
 * those of several streams can be written to one descriptor.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

struct rmt_lines {
	const char *prefix;      /* borrowed */
	bool harmless;           /* see rmt_put_text() */
	struct rmt_buffer begun; /* a line whose end has not come yet, however long */
};

/* Appends to `out` the lines that end in these bytes. */
void rmt_lines_feed(struct rmt_lines *lines, const void *data, size_t size, struct rmt_buffer *out);

/* Nothing more comes: appends the last line, if it had no newline, and frees the memory. */
void rmt_lines_end(struct rmt_lines *lines, struct rmt_buffer *out);
