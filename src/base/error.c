/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"

static int negative(int code)
{
	return code > 0 ? -code : code;
}

int rmt_error_set_text(ramet_error *error, int code, const char *where, const char *text,
		       size_t text_size)
{
	code = negative(code);
	if (!error)
		return code;

	char *message = rmt_text_new(text, text_size), *place = strdup(where);

	ramet_error_clear(error);
	error->code = code;
	error->where = place;
	error->message = message;
	return code;
}

int rmt_error_setv(ramet_error *error, int code, const char *where, const char *format,
		   va_list arguments)
{
	char *text;

	if (!error)
		return negative(code);
	text = rmt_format_newv(format, arguments);
	if (!text)
		return rmt_error_set_text(error, code, where, "out of memory",
					  strlen("out of memory"));
	code = rmt_error_set_text(error, code, where, text, strlen(text));
	free(text);
	return code;
}

int rmt_error_set_at(ramet_error *error, int code, const char *where, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	code = rmt_error_setv(error, code, where, format, arguments);
	va_end(arguments);
	return code;
}

int rmt_error_set(ramet_error *error, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	code = rmt_error_setv(error, code, "", format, arguments);
	va_end(arguments);
	return code;
}

int rmt_error_move(ramet_error *error, ramet_error *from)
{
	int code = from->code;

	if (error != from) {
		ramet_error_clear(error);
		if (error) {
			*error = *from;
			*from = (ramet_error)RAMET_ERROR_INIT;
		} else {
			ramet_error_clear(from);
		}
	}
	return code;
}

const char *rmt_strerror(int code)
{
	static _Thread_local char text[96];

	code = code < 0 ? -code : code;
#ifdef __GLIBC__
	/* With _GNU_SOURCE this is GNU's form, which returns a text that need not be in the buffer. */
	return strerror_r(code, text, sizeof(text));
#else
	if (strerror_r(code, text, sizeof(text)) != 0)
		rmt_format(text, sizeof(text), "error %d", code);
	return text;
#endif
}

RMT_PUBLIC void ramet_error_clear(ramet_error *error)
{
	if (!error)
		return;
	free((char *)error->where);
	free((char *)error->message);
	*error = (ramet_error)RAMET_ERROR_INIT;
}

RMT_PUBLIC void ramet_free(const void *memory)
{
	free((void *)memory);
}
