/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling a ramet_error. Every function takes a NULL error, and returns the negative code so that a
 * failure is one statement: return rmt_error_set(error, EINVAL, "..."); */
#pragma once

#include <stdarg.h>

#include "base/macro.h"
#include "ramet.h"

/* code may have either sign. What the error held before is freed, after the message is made: it may
 * be an argument. */
int rmt_error_set(ramet_error *error, int code, const char *format, ...) RMT_PRINTF(3, 4);
int rmt_error_set_at(ramet_error *error, int code, const char *where, const char *format, ...)
	RMT_PRINTF(4, 5);
int rmt_error_set_text(ramet_error *error, int code, const char *where, const char *text,
		       size_t text_size);
int rmt_error_setv(ramet_error *error, int code, const char *where, const char *format,
		   va_list arguments);

/* Moves what from holds to error (or frees it when error is NULL); from is as new afterwards.
 * Returns the code. */
int rmt_error_move(ramet_error *error, ramet_error *from);

/* strerror, from a buffer of the thread's own. */
const char *rmt_strerror(int code);
