/* SPDX-License-Identifier: BSD-3-Clause */
/* Log records: from every context to the master, whose sink gets them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/router.h"

/* The library speaks for itself. */
#define RMT_LOG_SELF "ramet"

/* For a new router. */
void rmt_log_init(ramet_router *router);

/* Gives the sink what waits for it: the lock is given up meanwhile. */
void rmt_log_flush(ramet_router *router);

/* A record of this context. The lock is held. */
void rmt_log(ramet_router *router, const char *source, enum ramet_log_level level,
	     const char *format, ...) RMT_PRINTF(4, 5);

/* A record of another context (a line that a child printed), or of this one with context NULL. text
 * need not end with a NUL. */
void rmt_log_text(ramet_router *router, const char *context, const char *source,
		  enum ramet_log_level level, const char *text, size_t size);

/* A LOG message has arrived in the master, through the stream to a child: it is to be from there. */
void rmt_log_arrived(ramet_router *router, const struct rmt_stream *stream,
		     const unsigned char *data, size_t size);

/* "error", "warning", "info", "debug", "io", or a number; 0 for anything else. */
enum ramet_log_level rmt_log_level_parse(const char *text);
