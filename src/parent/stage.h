/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first stage: what runs in a shell on a target where nothing is installed, and what it says.
 * Bytes in, events out, no descriptors. docs/protocol.md, "The first stage".
 *
 * It is POSIX sh in one line without newline, "!" or "'", so that it can stand between apostrophes in
 * a command line of any login shell. It finds a place where a file can be executed, announces that
 * (READY), reads one line (what comes), the announced bytes, checks them, and executes them (EXEC).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define RMT_NONCE_SIZE 16 /* hexadecimal digits */

/* What it says has at most this many bytes in one line; a longer one is noise. */
#define RMT_STAGE_LINE_MAX 1024

struct rmt_stage_text {
	const char *nonce;
	const char *directory; /* tried before all others; NULL */
	const char *title;     /* what ps(1) shows of the new process */
	size_t room;           /* bytes that a place must have where the transfer failed */
};

/* Appends the shell's program. Characters that would mean something to a shell become '_' in title
 * and directory. */
void rmt_stage_write(const struct rmt_stage_text *text, struct rmt_buffer *out);

/* "SHELL -c 'STAGE'", for another shell to parse. */
void rmt_stage_quote(const char *shell, const char *stage, struct rmt_buffer *out);

/* The line that announces what follows it. sum is what cksum(1) prints first; without a cksum, the
 * size of the file that is to come out; "-" with gzip, which has its own sums. */
void rmt_stage_announce(size_t size, bool gzip, const char *sum, struct rmt_buffer *out);

enum rmt_stage_event {
	RMT_STAGE_NOTHING, /* all was consumed */
	RMT_STAGE_LINE,    /* a line that is not ours: noise. In `line`, with `line_size` */
	RMT_STAGE_READY,   /* it waits for the announcement, once more if all was sent and did not
			    * fit there; machine, gzip, cksum, place are set */
	RMT_STAGE_FAILED,  /* `phase` and `text` say why */
	RMT_STAGE_EXEC,    /* from the next byte on it is the program that speaks */
};

struct rmt_stage {
	char nonce[RMT_NONCE_SIZE + 1];
	char line[RMT_STAGE_LINE_MAX + 1];
	size_t line_size;
	bool line_over;       /* the line was returned: the next byte begins a new one */
	size_t kept, kept_at; /* bytes in line that belong to the next one, and where */
	/* of events; they point into line and are good until the next feed */
	const char *machine; /* uname -sm */
	const char *place;
	bool gzip;
	bool anonymous; /* the file has no name any more */
	bool cksum;
	const char *phase, *text;
};

/* With a fresh nonce. */
int rmt_stage_init(struct rmt_stage *stage);

/* Takes bytes up to the end of the first event; *ret_taken is how many. */
enum rmt_stage_event rmt_stage_feed(struct rmt_stage *stage, const unsigned char *data, size_t size,
				    size_t *ret_taken);
