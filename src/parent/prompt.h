/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tools ask and complain about: bytes in, events out, no descriptors. A prompt is a line without
 * its newline (yet); a complaint is a whole line. Which of both a tool has, and in which words and
 * languages, is in tables (prompt-table.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct rmt_prompts; /* what is known of one tool; opaque */

extern const struct rmt_prompts rmt_prompts_ssh, rmt_prompts_sudo, rmt_prompts_su, rmt_prompts_doas;

/* The private marker that sudo is told to ask with (-p). */
#define RMT_SUDO_PROMPT "ramet-sudo-prompt:"

/* Where bytes come from: each has partial lines of its own. */
enum rmt_prompt_source { RMT_FROM_TERMINAL, RMT_FROM_ERRORS, RMT_PROMPT_SOURCES };

enum rmt_prompt_event {
	RMT_PROMPT_NOTHING,
	RMT_PROMPT_PASSWORD, /* asks for a password: `text` is the prompt */
	RMT_PROMPT_HOST_KEY, /* ssh asks whether to trust a new host */
	/* It will not work: `code` is a negative errno, `text` says why (-EACCES: the password is
	 * wrong, or the user may not; -ENOKEY: a password is asked for again or was refused;
	 * -EKEYREJECTED: the host key). */
	RMT_PROMPT_FAILED,
};

#define RMT_PROMPT_LINE_MAX 1024

struct rmt_prompter {
	const struct rmt_prompts *prompts;
	bool sent;                      /* a password was given to it */
	char text[RMT_PROMPT_LINE_MAX]; /* of the last event */
	int code;
	struct {
		char line[RMT_PROMPT_LINE_MAX];
		size_t used;
		bool answered; /* the partial line was a prompt, and was answered */
	} from[RMT_PROMPT_SOURCES];
};

void rmt_prompter_init(struct rmt_prompter *prompter, const struct rmt_prompts *prompts);

/*
 * Takes bytes and returns the first event in them; *ret_taken is how many were consumed (call again
 * with the rest). A prompt is an event once, as soon as it is complete, though its line grows (echoed
 * stars, a newline).
 */
enum rmt_prompt_event rmt_prompter_feed(struct rmt_prompter *prompter,
					enum rmt_prompt_source source, const char *data,
					size_t size, size_t *ret_taken);

/* A password was written. Another prompt for one means that it was wrong. */
void rmt_prompter_sent(struct rmt_prompter *prompter);

/* The tool has ended: what its last lines mean, if that is known: true, and text and code are set.
 * The lines that were fed are remembered as far as they matter. */
bool rmt_prompter_explain(struct rmt_prompter *prompter);
