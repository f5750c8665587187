/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of methods that run a tool, from the data that describe them. */
#include <string.h>

#include "parent/keys.h"
#include "parent/method.h"

#define NAME_MAX_SIZE 32

/* What stands between braces, up to `end`; NULL: the hop does not have it. */
static const char *value_of(const struct rmt_hop *hop, const char *name, const char *end)
{
	char text[NAME_MAX_SIZE] = "";

	if (end == name)
		return hop->target;
	if (*name == '@')
		return rmt_hop_user(hop);
	memcpy(text, name, RMT_MIN((size_t)(end - name), sizeof(text) - 1));
	return rmt_hop_key(hop, text);
}

/* One word, without its condition. */
static void expand_word(const struct rmt_hop *hop, const char *word, size_t size,
			struct rmt_command *command)
{
	const char *open = memchr(word, '{', size), *close, *bar, *name, *value;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	size_t value_size;

	if (!open) {
		rmt_command_add_size(command, word, size);
		return;
	}
	close = memchr(open, '}', size - (size_t)(open - word));
	bar = memchr(open, '|', (size_t)(close - open));
	name = open + 1 + (open[1] == '*');
	value = value_of(hop, name, bar ? bar : close);
	value_size = value ? strlen(value) : 0;
	if (!value && bar) {
		value = bar + 1;
		value_size = (size_t)(close - value);
	}
	if (!value)
		return;
	if (open[1] == '*') {
		rmt_command_add_words(command, value);
		return;
	}
	rmt_buffer_append(&out, word, (size_t)(open - word));
	rmt_buffer_append(&out, value, value_size);
	rmt_buffer_append(&out, close + 1, (size_t)(word + size - close - 1));
	rmt_command_add_buffer(command, &out);
}

void rmt_tool_expand(const struct rmt_hop *hop, const char *words, struct rmt_command *command)
{
	while (*words) {
		size_t size = strcspn(words, " ");
		const char *word = words;
		bool wanted = true;

		if (*word == '?' || *word == '!') {
			const char *colon = strchr(word, ':');
			const char *value = value_of(hop, word + 1, colon);

			wanted = (value && strcmp(value, "no") != 0) == (*word == '?');
			word = colon + 1;
		}
		if (wanted)
			expand_word(hop, word, size - (size_t)(word - words), command);
		words += size;
		words += strspn(words, " ");
	}
}

static enum rmt_terminal_use terminal_of(const struct rmt_hop *hop, enum rmt_terminal_use otherwise)
{
	const char *tty = rmt_hop_key(hop, "tty");

	if (!tty)
		return otherwise;
	return *tty == 'n'   ? RMT_TERMINAL_NONE
	       : *tty == 'h' ? RMT_TERMINAL_HYBRID
			     : RMT_TERMINAL_FULL;
}

void rmt_tool_command(const struct rmt_hop *hop, struct rmt_command *command)
{
	const struct rmt_method *method = rmt_method_named(hop->method);

	command->form = method->form;
	command->terminal = terminal_of(hop, method->terminal);
	command->prompts = method->prompts;
	command->question = rmt_hop_key(hop, "password_prompt");
	command->refusals = rmt_hop_key(hop, "incorrect_prompts");
	command->hint = method->hint;
	if (method->fill)
		method->fill(hop, command);
	else
		rmt_tool_expand(hop, method->words, command);
}
