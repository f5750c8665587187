/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/prompt.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/format.h"
#include "base/macro.h"
#include "base/printable.h"
#include "parent/prompt-table.h"
#include "wire/cbor.h"

/* How good a reason is; a better one replaces it. */
enum { LEVEL_NONE, LEVEL_PREFIX, LEVEL_WEAK, LEVEL_STRONG };

#define HOST_KEY_QUESTION "Are you sure you want to continue connecting (*)?"
#define SOURCES "the key password=env:NAME, fd:N, ask or program"

/* --- text --------------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* See struct rmt_complaint. Of several "*" only the last needs to be tried at another place. */
static bool matches(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	for (;;) {
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
			continue;
		}
		if (*pattern == '%') {
			for (const char *at = text; *at && *at != ' ';)
				if (matches(pattern + 1, ++at))
					return true;
		} else if (lower(*pattern) == lower(*text)) {
			if (!*pattern)
				return true;
			pattern++;
			text++;
			continue;
		}
		if (!star || !*from)
			return false;
		pattern = star;
		text = ++from;
	}
}

static bool matches_any(const char *const *patterns, const char *text)
{
	for (; patterns && *patterns; patterns++)
		if (matches(*patterns, text))
			return true;
	return false;
}

/* One of several words, separated by "|", is in the text. */
static bool has_word(const char *text, const char *words)
{
	while (*words) {
		size_t size = strcspn(words, "|");

		for (const char *at = text; size > 0 && *at; at++)
			if (strncasecmp(at, words, size) == 0)
				return true;
		words += size + (words[size] == '|');
	}
	return false;
}

/* Cuts `end` off the text, if it is there. */
static bool cut_end(char *text, const char *end)
{
	size_t size = strlen(text), cut = strlen(end);

	if (size < cut || memcmp(text + size - cut, end, cut) != 0)
		return false;
	text[size - cut] = '\0';
	return true;
}

/* Also the blanks that French puts before a colon: U+00A0, U+202F. */
static void cut_blanks(char *text)
{
	while (cut_end(text, " ") || cut_end(text, "\t") || cut_end(text, "\u00a0") ||
	       cut_end(text, "\u202f"))
		;
}

/* The colons of Latin and other scripts, of Chinese, and of Khmer. */
static bool cut_colon(char *text)
{
	cut_blanks(text);
	if (!cut_end(text, ":") && !cut_end(text, "\uff1a") && !cut_end(text, "\u17d6"))
		return false;
	cut_blanks(text);
	return true;
}

/* --- reasons ------------------------------------------------------------------------------ */

/* True if it is the best so far. */
static bool give_reason(struct rmt_prompter *prompter, int level, int code, const char *format, ...)
	RMT_PRINTF(4, 5);

static bool give_reason(struct rmt_prompter *prompter, int level, int code, const char *format, ...)
{
	va_list arguments;

	if (level < prompter->level || (level == prompter->level && level != LEVEL_PREFIX))
		return false;
	prompter->level = level;
	prompter->reason_code = -code;
	va_start(arguments, format);
	rmt_formatv(prompter->reason, sizeof(prompter->reason), format, arguments);
	va_end(arguments);
	rmt_make_printable(prompter->reason);
	return true;
}

static const char *what(const struct rmt_prompter *prompter)
{
	return prompter->passphrase ? "passphrase" : "password";
}

static enum rmt_prompt_event fail(struct rmt_prompter *prompter)
{
	memcpy(prompter->text, prompter->reason, sizeof(prompter->text));
	prompter->code = prompter->reason_code;
	return RMT_PROMPT_FAILED;
}

static void add_note(struct rmt_prompter *prompter, const char *text)
{
	size_t used = strlen(prompter->note);

	rmt_format(prompter->note + used, sizeof(prompter->note) - used, "%s%s",
		   used > 0 ? "; " : "", text);
}

/* A line, with what was noted before it. */
static bool give_line(struct rmt_prompter *prompter, int level, int code, const char *text,
		      const char *line)
{
	const char *note = prompter->note;

	return give_reason(prompter, level, code, "%s%s%s%s%s%s", text ? text : "",
			   text ? ": " : "", line, *note ? " (" : "", note, *note ? ")" : "");
}

static bool deny(struct rmt_prompter *prompter, const char *line)
{
	if (prompter->sent && prompter->passphrase)
		return give_line(prompter, LEVEL_STRONG, EACCES, "the passphrase is wrong", line);
	if (prompter->sent)
		return give_line(prompter, LEVEL_STRONG, EACCES, "the password is wrong", line);
	if (strstr(line, "password") || strstr(line, "keyboard-interactive"))
		return give_line(prompter, LEVEL_STRONG, ENOKEY,
				 "no key was accepted, and no password was given (use " SOURCES ")",
				 line);
	return give_line(prompter, LEVEL_STRONG, EACCES, "no key was accepted", line);
}

static bool wrong(struct rmt_prompter *prompter)
{
	return give_reason(prompter, LEVEL_STRONG, EACCES, "%s: the %s is wrong",
			   prompter->prompts->tool, what(prompter));
}

static bool absent(struct rmt_prompter *prompter)
{
	return give_reason(prompter, LEVEL_STRONG, ENOKEY,
			   "%s asks for a %s, and none was given: use " SOURCES,
			   prompter->prompts ? prompter->prompts->tool : "the tool",
			   what(prompter));
}

static bool complain(struct rmt_prompter *prompter, const struct rmt_complaint *complaint,
		     const char *line)
{
	switch (complaint->kind) {
	case RMT_COMPLAINT_CLEAR:
		/* Without a terminal, doas says so before it has asked. */
		return give_line(prompter, LEVEL_STRONG, complaint->code,
				 complaint->code == EACCES && !prompter->sent ? NULL
									      : complaint->text,
				 line);
	case RMT_COMPLAINT_LATER:
		give_line(prompter, LEVEL_STRONG, complaint->code, complaint->text, line);
		return false;
	case RMT_COMPLAINT_WEAK:
		/* Nobody who has talked with us so far has too many of us. */
		give_line(prompter, LEVEL_WEAK,
			  complaint->code == EAGAIN && prompter->sent ? ECONNRESET
								      : complaint->code,
			  prompter->sent ? NULL : complaint->text, line);
		return false;
	case RMT_COMPLAINT_DENIED:
		return deny(prompter, line);
	case RMT_COMPLAINT_AGAIN:
		return prompter->sent && wrong(prompter);
	case RMT_COMPLAINT_ABSENT:
		return prompter->sent ? wrong(prompter) : absent(prompter);
	case RMT_COMPLAINT_NOTE:
		add_note(prompter, complaint->text ? complaint->text : line);
		return false;
	default:
		return false;
	}
}

/* --- lines -------------------------------------------------------------------------------- */

/* A whole line. True: a failure. */
static bool judge_line(struct rmt_prompter *prompter, char *line)
{
	const struct rmt_complaint *complaint = prompter->prompts->complaints;
	size_t tool = strlen(prompter->prompts->tool);

	cut_blanks(line);
	if (prompter->refusals && has_word(line, prompter->refusals))
		return wrong(prompter);
	for (; complaint->kind != RMT_COMPLAINT_END; complaint++)
		if (matches(complaint->pattern, line))
			return complain(prompter, complaint, line);
	/* In whatever language, what a tool says under its name before it ends is why. Mostly that
	 * the password was wrong; but it may be that the account has expired. */
	if (strncmp(line, prompter->prompts->tool, tool) == 0 && line[tool] == ':')
		give_line(prompter, LEVEL_PREFIX, prompter->sent ? EACCES : EPERM,
			  !prompter->sent        ? NULL
			  : prompter->passphrase ? "it refused once the passphrase was given"
						 : "it refused once the password was given",
			  line);
	return false;
}

static bool has_prompt_word(const char *text)
{
	for (const char *const *word = rmt_prompt_words; *word; word++)
		if (strcasestr(text, *word))
			return true;
	return false;
}

/* A line that may go on: PASSWORD if it asks for one, FAILED if it asks for a new one. */
static enum rmt_prompt_event judge_question(struct rmt_prompter *prompter,
					    enum rmt_prompt_source source, const char *line)
{
	const struct rmt_prompts *prompts = prompter->prompts;
	char body[RMT_PROMPT_LINE_MAX], *words = body;

	if (prompts->marker && strstr(line, prompts->marker))
		return RMT_PROMPT_PASSWORD;
	if (source != RMT_FROM_TERMINAL && !prompts->errors)
		return RMT_PROMPT_NOTHING;
	strcpy(body, line);
	if (prompts == &rmt_prompts_ssh) {
		cut_blanks(body);
		if (matches(HOST_KEY_QUESTION, body))
			return RMT_PROMPT_HOST_KEY;
	}
	if (!cut_colon(body))
		return RMT_PROMPT_NOTHING;
	if (matches_any(rmt_prompt_changes, body))
		return RMT_PROMPT_FAILED;
	if (prompter->question && strlen(body) >= strlen(prompter->question) &&
	    strcasecmp(body + strlen(body) - strlen(prompter->question), prompter->question) == 0)
		return RMT_PROMPT_PASSWORD;
	if (*body == '(' && strstr(body, ") "))
		words = strstr(body, ") ") + 2;
	if (matches_any(prompts->questions, body) ||
	    (prompts->pam && matches_any(rmt_prompt_words, words)))
		return RMT_PROMPT_PASSWORD;
	/* It does not ask the same again, but as if it was to be changed, in some language. */
	return prompter->sent && has_prompt_word(body) ? RMT_PROMPT_FAILED : RMT_PROMPT_NOTHING;
}

static enum rmt_prompt_event ask_password(struct rmt_prompter *prompter, const char *line)
{
	const char *tool = prompter->prompts->tool;

	if (prompter->sent) {
		wrong(prompter);
		return fail(prompter);
	}
	prompter->passphrase = strcasestr(line, "passphrase") != NULL;
	if (prompter->prompts->marker)
		rmt_format(prompter->text, sizeof(prompter->text), "[%s] password: ", tool);
	else
		rmt_format(prompter->text, sizeof(prompter->text), "%s", line);
	rmt_make_printable(prompter->text);
	prompter->code = 0;
	return RMT_PROMPT_PASSWORD;
}

static enum rmt_prompt_event judge_partial(struct rmt_prompter *prompter,
					   enum rmt_prompt_source source, const char *line)
{
	switch (judge_question(prompter, source, line)) {
	case RMT_PROMPT_PASSWORD:
		prompter->source = source;
		return ask_password(prompter, line);
	case RMT_PROMPT_HOST_KEY:
		prompter->source = source;
		rmt_format(prompter->text, sizeof(prompter->text), "%s",
			   *prompter->note ? prompter->note : line);
		rmt_make_printable(prompter->text);
		prompter->note[0] = '\0';
		prompter->code = 0;
		return RMT_PROMPT_HOST_KEY;
	case RMT_PROMPT_FAILED:
		give_line(prompter, LEVEL_STRONG, EKEYEXPIRED,
			  "another password is asked for, as when one has expired", line);
		return fail(prompter);
	default:
		return RMT_PROMPT_NOTHING;
	}
}

/* --- the face ----------------------------------------------------------------------------- */

void rmt_prompter_init(struct rmt_prompter *prompter, const struct rmt_prompts *prompts)
{
	memset(prompter, 0, sizeof(*prompter));
	prompter->prompts = prompts;
}

static void append(struct rmt_prompter *prompter, enum rmt_prompt_source source, char byte)
{
	char *line = prompter->from[source].line;
	size_t used = prompter->from[source].used, half = RMT_PROMPT_LINE_MAX / 2;

	if (used == RMT_PROMPT_LINE_MAX - 1) {
		memmove(line, line + half, used - half);
		used -= half;
		prompter->from[source].cut = true;
	}
	if (prompter->from[source].behind && byte == ' ')
		return;
	prompter->from[source].behind = false;
	line[used] = byte ? byte : '?';
	prompter->from[source].used = used + 1;
}

/* True: a failure. */
static bool end_line(struct rmt_prompter *prompter, enum rmt_prompt_source source)
{
	char *line = prompter->from[source].line;
	size_t used = prompter->from[source].used;
	bool judge = used > 0 && !prompter->from[source].answered && !prompter->from[source].cut;

	line[used] = '\0';
	prompter->from[source].used = 0;
	prompter->from[source].answered = prompter->from[source].cut = false;
	prompter->from[source].behind = false;
	return judge && judge_line(prompter, line);
}

enum rmt_prompt_event rmt_prompter_feed(struct rmt_prompter *prompter,
					enum rmt_prompt_source source, const char *data,
					size_t size, size_t *ret_taken)
{
	enum rmt_prompt_event event;

	*ret_taken = size;
	if (!prompter->prompts)
		return RMT_PROMPT_NOTHING;
	for (size_t i = 0; i < size; i++) {
		if (data[i] != '\n' && data[i] != '\r') {
			append(prompter, source, data[i]);
		} else if (end_line(prompter, source)) {
			*ret_taken = i + 1;
			return fail(prompter);
		}
	}
	if (size == 0 || prompter->from[source].used == 0 || prompter->from[source].answered)
		return RMT_PROMPT_NOTHING;
	prompter->from[source].line[prompter->from[source].used] = '\0';
	event = judge_partial(prompter, source, prompter->from[source].line);
	prompter->from[source].answered = event != RMT_PROMPT_NOTHING;
	return event;
}

void rmt_prompter_sent(struct rmt_prompter *prompter)
{
	prompter->sent = true;
	/* Where nothing is typed, nobody ends the line, and what comes next is behind the prompt. */
	if (prompter->source == RMT_FROM_ERRORS) {
		prompter->from[RMT_FROM_ERRORS].used = 0;
		prompter->from[RMT_FROM_ERRORS].answered = false;
		prompter->from[RMT_FROM_ERRORS].behind = true;
	}
}

bool rmt_prompter_explain(struct rmt_prompter *prompter)
{
	if (!prompter->prompts)
		return false;
	/* The last words may have no newline. */
	for (int i = 0; i < RMT_PROMPT_SOURCES; i++)
		end_line(prompter, (enum rmt_prompt_source)i);
	if (prompter->level == LEVEL_NONE)
		return false;
	fail(prompter);
	return true;
}

void rmt_prompter_required(struct rmt_prompter *prompter)
{
	prompter->level = LEVEL_NONE;
	absent(prompter);
	fail(prompter);
}

void rmt_prompter_distrust(struct rmt_prompter *prompter)
{
	prompter->level = LEVEL_NONE;
	give_reason(prompter, LEVEL_STRONG, EKEYREJECTED, "the host key is not known: %s",
		    prompter->text);
	fail(prompter);
}
