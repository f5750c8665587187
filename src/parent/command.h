/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of a tool, and how to talk with it. Filled by a method; the words behind it (the
 * first stage) are added by whoever runs it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/macro.h"
#include "parent/path.h"

struct rmt_prompts;

/* How the tool takes the command that it is to run. */
enum rmt_form {
	RMT_FORM_WORDS, /* as more words: SHELL -c STAGE */
	RMT_FORM_LINE,  /* as one more word, which some login shell parses: SHELL -c 'STAGE' */
	RMT_FORM_INPUT, /* the tool is a shell that reads commands: the line goes to its input */
	RMT_FORM_CODED, /* as WORDS, but somebody on the way expands "$": see rmt_command_code() */
};

/* What the tool gets for a terminal, which is its controlling one. */
enum rmt_terminal_use {
	RMT_TERMINAL_NONE,   /* none: three pipes, a session of its own */
	RMT_TERMINAL_HYBRID, /* for prompts only (/dev/tty); 0, 1 and 2 are pipes */
	RMT_TERMINAL_FULL,   /* 0, 1 and 2 */
};

struct rmt_command {
	char **argv; /* ended by NULL; argv[0] is looked for in PATH */
	size_t count;
	enum rmt_form form;
	enum rmt_terminal_use terminal;
	const struct rmt_prompts *prompts; /* NULL: it asks nothing that we know */
	const char *question, *refusals;   /* of struct rmt_prompter */
	bool answerable;                   /* set before: a password is to be had */
	bool accept_host_key;              /* the answer to ssh's question */
	const char *hint;                  /* what to add when it ended without a word; or NULL */
	int error;                         /* sticky: -ENOMEM */
};

void rmt_command_init(struct rmt_command *command);
void rmt_command_done(struct rmt_command *command);

/* Add a word. That of the buffer is its whole content; the buffer is then empty. */
void rmt_command_add(struct rmt_command *command, const char *word);
void rmt_command_add_size(struct rmt_command *command, const char *word, size_t size);
void rmt_command_add_buffer(struct rmt_command *command, struct rmt_buffer *word);

/*
 * Adds the words of a text: separated by blanks; '...' and "..." keep blanks, \ keeps the next
 * character. -EINVAL: a quote is open. A NULL command: only tells that.
 */
int rmt_command_add_words(struct rmt_command *command, const char *text);

/* The first `count` words as a shell would read them back, for messages; one of several lines, which
 * is a script of ours, is '...'. */
void rmt_command_describe(const struct rmt_command *command, size_t count, struct rmt_buffer *out);

/* The first stage for SHELL -c, without any "$": an eval of what printf(1) makes of octal codes. */
void rmt_command_code(const char *stage, struct rmt_buffer *out);
