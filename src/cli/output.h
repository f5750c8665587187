/* SPDX-License-Identifier: BSD-3-Clause */
/* What the command prints: whole, and harmless where a person reads it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/macro.h"
#include "ramet.h"

/* LC_ALL, LC_CTYPE or LANG, whichever speaks first, names UTF-8. */
bool rmt_locale_is_utf8(void);

/* A reader that control characters can deceive. */
bool rmt_is_terminal(int fd);

/*
 * Appends text that came from elsewhere. With `harmless`, what a terminal would obey becomes "\x1b"
 * and the like: C0 without tab, DEL, C1, and bytes that are no UTF-8; the rest stays as it is.
 */
void rmt_put_text(struct rmt_buffer *out, const void *text, size_t size, bool harmless);

/* Writes to standard output what the buffer holds, and frees it: the last thing that a command
 * does. Returns `status`, or, after a complaint, 1 when it could not be written. */
int rmt_print(struct rmt_buffer *out, int status);

/* "ramet: ..." and a newline to standard error. */
void rmt_complain(const char *format, ...) RMT_PRINTF(1, 2);

/* The same for a failure of the library; the error is cleared. `context` may be NULL. */
void rmt_complain_error(const char *context, ramet_error *error);
