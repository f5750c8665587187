/* SPDX-License-Identifier: BSD-3-Clause */
/* Records as lines for people: "LEVEL context source: text name=value". */
#include <string.h>
#include <unistd.h>

#include "base/format.h"
#include "base/printable.h"
#include "base/write.h"
#include "core/log.h"

struct line {
	char *text;
	size_t used, size; /* without room for the newline */
};

/* Nothing that others have said, be it their name, must move the cursor of whoever reads it. In
 * quotes, a quote and a backslash get a backslash. */
static void put(struct line *line, const char *text, bool quoted)
{
	for (size_t left = strlen(text), taken; left > 0 && line->used + 5 < line->size;
	     left -= taken) {
		size_t whole = *text == '\t' ? 1 : rmt_printable(text, left);

		if (quoted && (*text == '"' || *text == '\\'))
			line->text[line->used++] = '\\';
		if (whole == 0)
			line->used += rmt_format(line->text + line->used, 5, "\\x%02x",
						 (unsigned char)*text);
		else
			memcpy(line->text + line->used, text, whole);
		line->used += whole;
		taken = RMT_MAX(whole, 1u);
		text += taken;
	}
}

/* As logfmt has it: bare when it is one word. */
static bool is_word(const char *text)
{
	const char *at = text;

	while (*at > ' ' && *at != '"' && *at != '=' && *at != '\\' && *at != 0x7f)
		at++;
	return at > text && *at == '\0';
}

static void put_field(struct line *line, const ramet_log_field *field)
{
	char number[24];

	put(line, " ", false);
	put(line, is_word(field->name) ? field->name : "?", false);
	put(line, "=", false);
	if (!field->text) {
		rmt_format(number, sizeof(number), "%lld", (long long)field->number);
		put(line, number, false);
	} else if (is_word(field->text)) {
		put(line, field->text, false);
	} else {
		put(line, "\"", false);
		put(line, field->text, true);
		put(line, "\"", false);
	}
}

size_t rmt_log_record_print(const ramet_log_record *record, bool when, char *memory, size_t size)
{
	struct line line = {.text = memory, .size = size - 1};
	const char *const texts[] = {rmt_log_level_name(record->level),
				     " ",
				     record->context,
				     *record->context ? " " : "",
				     record->source,
				     ": ",
				     record->text};

	if (when)
		line.used = rmt_format(memory, size, "%lld.%06d ",
				       (long long)(record->time / 1000000),
				       (int)(record->time % 1000000));
	for (size_t i = 0; i < RMT_COUNT(texts); i++)
		put(&line, texts[i], false);
	for (size_t i = 0; i < record->field_count; i++)
		put_field(&line, &record->fields[i]);
	line.text[line.used++] = '\n';
	return line.used;
}

static void print(const ramet_log_record *record, bool when)
{
	char line[RMT_LOG_LINE_MAX];

	rmt_write_all(STDERR_FILENO, line, rmt_log_record_print(record, when, line, sizeof(line)));
}

RMT_PUBLIC void ramet_log_to_stderr(const ramet_log_record *record, void *data)
{
	(void)data;
	print(record, false);
}

RMT_PUBLIC void ramet_log_to_stderr_timed(const ramet_log_record *record, void *data)
{
	(void)data;
	print(record, true);
}
