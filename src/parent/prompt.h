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

/* Where bytes come from, and where an answer goes: to the terminal, or to standard input. Each has
 * partial lines of its own. Prompts are believed on the terminal only, as what arrives on the other
 * may be a server's banner; but sudo's marker and those of su on both. */
enum rmt_prompt_source { RMT_FROM_TERMINAL, RMT_FROM_ERRORS, RMT_PROMPT_SOURCES };

enum rmt_prompt_event {
	RMT_PROMPT_NOTHING,
	RMT_PROMPT_PASSWORD, /* asks for a password or a key's passphrase: `text` is the prompt */
	RMT_PROMPT_HOST_KEY, /* ssh asks whether to trust a new host: `text` has its key */
	/*
	 * It will not work: `text` says why, and `code` is one of
	 *	-EACCES        the password, or every key, was refused
	 *	-ENOKEY        a password is needed, and none was given
	 *	-EPERM         the user may not (is not in sudoers, has no login shell ...)
	 *	-EKEYEXPIRED   the account or its password has expired
	 *	-EKEYREJECTED  the host key
	 *	-ENOTTY        the tool insists on a terminal
	 *	-ENOENT        there is no such host, user or command
	 * or, from rmt_prompter_explain() only, also
	 *	-EAGAIN        the server has dropped the connection before anything was asked, as sshd
	 *	               does when too many come at once: worth another try
	 *	-ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ETIMEDOUT, -ECONNRESET
	 *	-EPROTO        the other end speaks another protocol, or none in common
	 *	-EINVAL        the tool's options or configuration
	 */
	RMT_PROMPT_FAILED,
};

#define RMT_PROMPT_LINE_MAX 1024
#define RMT_PROMPT_NOTE_MAX 512

struct rmt_prompter {
	const struct rmt_prompts *prompts; /* NULL: nothing is known, and there are no events */
	/* Words that this tool also has, which live as long as the prompter; NULL: none. How a prompt
	 * ends, without its colon; and what a line has that refuses the password, several of which are
	 * separated by "|". Cases of ASCII are ignored. */
	const char *question, *refusals;
	bool sent;                      /* a password was given to it */
	bool passphrase;                /* what it last asked for is a key's */
	enum rmt_prompt_source source;  /* where a prompt was, in its event */
	char text[RMT_PROMPT_LINE_MAX]; /* of the last event, control characters made harmless */
	int code;
	struct {
		char line[RMT_PROMPT_LINE_MAX];
		size_t used;
		bool answered; /* the partial line was a prompt, and was an event */
		bool cut;      /* its beginning is lost */
		bool behind;   /* a prompt that was answered, whose last blank may come yet */
	} from[RMT_PROMPT_SOURCES];
	/* why it will fail, if it does: the best reason so far */
	int level, reason_code;
	char reason[RMT_PROMPT_LINE_MAX];
	char note[RMT_PROMPT_NOTE_MAX]; /* details that belong to a reason to come */
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

/* The standard words for what the caller has decided, as text and code: a prompt cannot be answered
 * (-ENOKEY), a new host key is not to be accepted (-EKEYREJECTED). */
void rmt_prompter_required(struct rmt_prompter *prompter);
void rmt_prompter_distrust(struct rmt_prompter *prompter);
