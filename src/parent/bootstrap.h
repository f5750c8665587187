/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reaching a place with a tool: runs it, answers its prompts, talks with the first stage, and sends
 * the image, until the program itself speaks at the other end. Driven by the loop; straight through
 * its phases.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/capture.h"
#include "core/loop.h"
#include "parent/command.h"
#include "parent/image.h"
#include "parent/method.h"
#include "parent/password.h"
#include "parent/process.h"
#include "parent/prompt.h"
#include "parent/stage.h"

enum rmt_phase {
	RMT_PHASE_LAUNCH,   /* the tool is started */
	RMT_PHASE_SHELL,    /* until the first stage speaks: the tool's own work */
	RMT_PHASE_PLACE,    /* it has found a place; an image for the machine is looked for */
	RMT_PHASE_TRANSFER, /* the image is sent */
	RMT_PHASE_EXEC,     /* the program is executed */
	RMT_PHASE_HANDSHAKE,
};

const char *rmt_phase_name(enum rmt_phase phase);

struct rmt_bootstrap {
	/* Set by the owner. */
	ramet_router *router;
	const struct rmt_hop *hop;
	const char *path;                 /* of the context to be */
	const struct rmt_buffer *welcome; /* the message for it, encoded */
	/* Once, outside of rmt_bootstrap_start(): the program speaks. fds and what was read from in_fd
	 * already are the callee's. in_fd and out_fd are the same for a terminal. */
	void (*speaks)(struct rmt_bootstrap *bootstrap, int in_fd, int out_fd, const void *data,
		       size_t size);
	/* Once, instead: error is set. The process, if there is one, may still run. */
	void (*failed)(struct rmt_bootstrap *bootstrap);
	/* A password is asked for: rmt_bootstrap_answer() is awaited. */
	void (*asks)(struct rmt_bootstrap *bootstrap, const char *prompt);

	enum rmt_phase phase;
	ramet_error error;
	struct rmt_process *process; /* the owner's from the start on; NULL before */
	int64_t started;

	/* Its own. */
	struct rmt_command command;
	size_t command_words; /* of the command, without the first stage */
	struct rmt_stage stage;
	struct rmt_prompter prompter;
	bool over, asking;
	bool gave_up; /* the first stage said why, and ends by itself */
	enum rmt_prompt_source asked_on;
	struct rmt_source in, out;
	bool out_watched;
	struct rmt_buffer pending; /* for the tool's input */
	size_t written;
	struct rmt_capture terminal; /* for prompts */
	int slave; /* of a terminal for prompts: kept open, so that it does not hang up */
	const struct rmt_image *image;
	struct rmt_image_wanted wanted;
};

/* Takes over nothing on failure. 0; or a negative errno, and error is set. */
int rmt_bootstrap_start(struct rmt_bootstrap *bootstrap, const struct rmt_method *method);

/* The password that was asked for; NULL: there is none, because of error. */
void rmt_bootstrap_answer(struct rmt_bootstrap *bootstrap, const struct rmt_password *password,
			  ramet_error *error);

/* The tool has ended, and `error` says less than its last words do: replaces it if they are known. */
void rmt_bootstrap_explain(struct rmt_bootstrap *bootstrap, ramet_error *error);

/* Gives up: closes what it still has of the tool's descriptors. Nothing is called any more. Fine for
 * one that is all zero: its turn has not come. */
void rmt_bootstrap_stop(struct rmt_bootstrap *bootstrap);

/* Reads what a terminal for prompts still has to say, and hangs it up: whoever waits for an answer there
 * ends. Only behind rmt_bootstrap_stop(). */
void rmt_bootstrap_hang_up(struct rmt_bootstrap *bootstrap);

/* The terminal goes as well. Fine for one that is all zero. */
void rmt_bootstrap_done(struct rmt_bootstrap *bootstrap);

/* A record of progress, for those who want to see it (ramet doctor). */
void rmt_bootstrap_report(struct rmt_bootstrap *bootstrap, const char *format, ...)
	RMT_PRINTF(2, 3);

/* The command line, for messages: without the first stage. */
void rmt_bootstrap_describe(const struct rmt_bootstrap *bootstrap, struct rmt_buffer *out);
