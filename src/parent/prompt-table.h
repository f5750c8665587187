/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables behind prompt.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "parent/prompt.h"

/* What a line means for the end of the tool. */
enum rmt_complaint_kind {
	RMT_COMPLAINT_END = 0,
	RMT_COMPLAINT_CLEAR,  /* a failure beyond doubt: an event */
	RMT_COMPLAINT_LATER,  /* the reason, if the tool ends */
	RMT_COMPLAINT_WEAK,   /* the same, if nobody says anything better */
	RMT_COMPLAINT_DENIED, /* ssh's list of what was tried: wrong, missing, or refused */
	RMT_COMPLAINT_AGAIN,  /* the password was wrong, if there was one */
	RMT_COMPLAINT_ABSENT, /* a password is missing, or was wrong if there was one */
	RMT_COMPLAINT_NOTE,   /* a detail for a reason to come */
	RMT_COMPLAINT_NOISE,  /* looks like a complaint, and is none */
};

struct rmt_complaint {
	/* The whole line, cases of ASCII ignored; "*" is any text, "%" some without blanks. */
	const char *pattern;
	enum rmt_complaint_kind kind;
	int code;
	const char *text; /* before the line itself; NULL: it needs no introduction */
};

struct rmt_prompts {
	const char *tool;
	const char *marker; /* in the prompt, and nowhere else; NULL: it has its own words */
	const char *const *questions; /* patterns of prompts without the colon; NULL ends */
	bool pam;                     /* also asks in the words of PAM, in any language */
	bool errors;                  /* asks on its standard error, too */
	const struct rmt_complaint *complaints;
};

/* How PAM says "Password" where it says something else. */
extern const char *const rmt_prompt_words[];

/* Prompts for another password than the one that is known: it has to be changed. */
extern const char *const rmt_prompt_changes[];
