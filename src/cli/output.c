/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/format.h"
#include "base/printable.h"
#include "base/write.h"

bool rmt_locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < RMT_COUNT(names); i++) {
		const char *value = getenv(names[i]);

		if (!value || !*value)
			continue;
		for (; *value; value++)
			if (strncasecmp(value, "utf-8", 5) == 0 ||
			    strncasecmp(value, "utf8", 4) == 0)
				return true;
		return false;
	}
	return false;
}

bool rmt_is_terminal(int fd)
{
	return isatty(fd);
}

void rmt_put_text(struct rmt_buffer *out, const void *text, size_t size, bool harmless)
{
	const unsigned char *at = text, *end = at + size, *plain = at;

	while (harmless && at < end) {
		size_t whole = *at == '\t' ? 1 : rmt_printable(at, (size_t)(end - at));

		if (whole == 0) {
			rmt_buffer_append(out, plain, (size_t)(at - plain));
			rmt_buffer_printf(out, "\\x%02x", *at++);
			plain = at;
		}
		at += whole;
	}
	rmt_buffer_append(out, plain, (size_t)(end - plain));
}

int rmt_print(struct rmt_buffer *out, int status)
{
	int r = out->error < 0 ? out->error : rmt_write_all(STDOUT_FILENO, out->data, out->size);

	rmt_buffer_done(out);
	if (r == 0)
		return status;
	rmt_complain("cannot write to standard output: %s", strerror(-r));
	return status ? status : 1;
}

void rmt_complain(const char *format, ...)
{
	struct rmt_buffer line = RMT_BUFFER_INIT;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = rmt_format_newv(format, arguments);
	va_end(arguments);
	if (!text)
		return;
	rmt_buffer_printf(&line, "ramet: ");
	rmt_put_text(&line, text, strlen(text), rmt_is_terminal(STDERR_FILENO));
	rmt_buffer_append_byte(&line, '\n');
	free(text);
	/* In one piece: others may write there, too. */
	if (line.error == 0)
		rmt_write_all(STDERR_FILENO, line.data, line.size);
	rmt_buffer_done(&line);
}

void rmt_complain_error(const char *context, ramet_error *error)
{
	const char *where = context && *context ? context : error->where ? error->where : "";

	rmt_complain("%s%s%s", where, *where ? ": " : "",
		     error->message ? error->message : "out of memory");
	ramet_error_clear(error);
}
