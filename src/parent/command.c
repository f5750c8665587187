/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for words grows by so many. */
#define STEP 16

void rmt_command_init(struct rmt_command *command)
{
	*command = (struct rmt_command){0};
}

void rmt_command_done(struct rmt_command *command)
{
	for (size_t i = 0; i < command->count; i++)
		free(command->argv[i]);
	free(command->argv);
	*command = (struct rmt_command){0};
}

/* Takes the word; NULL: there was no memory for it. */
static void add_taken(struct rmt_command *command, char *word)
{
	if (word && command->error == 0 && command->count % STEP == 0) {
		size_t capacity = command->count + STEP + 1;
		char **grown = realloc(command->argv, capacity * sizeof(*grown));

		if (grown)
			command->argv = grown;
		else
			command->error = -ENOMEM;
	}
	if (!word)
		command->error = -ENOMEM;
	if (command->error < 0) {
		free(word);
		return;
	}
	command->argv[command->count++] = word;
	command->argv[command->count] = NULL;
}

void rmt_command_add(struct rmt_command *command, const char *word)
{
	add_taken(command, strdup(word));
}

void rmt_command_add_size(struct rmt_command *command, const char *word, size_t size)
{
	add_taken(command, strndup(word, size));
}

void rmt_command_add_buffer(struct rmt_command *command, struct rmt_buffer *word)
{
	add_taken(command, rmt_buffer_steal_string(word));
}

/* Reads a word at *text, which is not blank: its end is written back. False: a quote is open. */
static bool take_word(const char **text, struct rmt_buffer *out)
{
	const char *at = *text;
	char quote = 0;

	for (; *at && (quote || !strchr(" \t\n", *at)); at++) {
		if (*at == quote)
			quote = 0;
		else if (!quote && (*at == '\'' || *at == '"'))
			quote = *at;
		else if (*at == '\\' && quote != '\'' && at[1])
			rmt_buffer_append_byte(out, (unsigned char)*++at);
		else
			rmt_buffer_append_byte(out, (unsigned char)*at);
	}
	*text = at;
	return !quote;
}

int rmt_command_add_words(struct rmt_command *command, const char *text)
{
	for (;;) {
		struct rmt_buffer out = RMT_BUFFER_INIT;

		text += strspn(text, " \t\n");
		if (!*text)
			return 0;
		if (!take_word(&text, &out)) {
			rmt_buffer_done(&out);
			return -EINVAL;
		}
		if (command)
			rmt_command_add_buffer(command, &out);
		else
			rmt_buffer_done(&out);
	}
}

static bool is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "@%+=:,./_-";

	return *word && !word[strspn(word, plain)];
}

void rmt_command_describe(const struct rmt_command *command, size_t count, struct rmt_buffer *out)
{
	for (size_t i = 0; i < count && i < command->count; i++) {
		const char *word = command->argv[i];

		if (i > 0)
			rmt_buffer_append_byte(out, ' ');
		if (is_plain(word)) {
			rmt_buffer_append(out, word, strlen(word));
			continue;
		}
		if (strchr(word, '\n')) {
			rmt_buffer_append(out, "'...'", 5);
			continue;
		}
		rmt_buffer_append_byte(out, '\'');
		for (; *word; word++) {
			if (*word == '\'')
				rmt_buffer_append(out, "'\\''", 4);
			else
				rmt_buffer_append_byte(out, (unsigned char)*word);
		}
		rmt_buffer_append_byte(out, '\'');
	}
}

void rmt_command_code(const char *stage, struct rmt_buffer *out)
{
	static const char begin[] = "eval \"`printf '", end[] = "'`\"";

	rmt_buffer_append(out, begin, sizeof(begin) - 1);
	for (; *stage; stage++) {
		if (*stage == '%')
			rmt_buffer_append(out, "%%", 2);
		else if (strchr("$\\\"`'", *stage))
			rmt_buffer_printf(out, "\\%03o", (unsigned)*stage);
		else
			rmt_buffer_append_byte(out, (unsigned char)*stage);
	}
	rmt_buffer_append(out, end, sizeof(end) - 1);
}
