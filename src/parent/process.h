/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A child process: its output, and its end. Output is read here, not in the child, so that the last
 * words of one that crashes are not lost. Nothing polls for the end and SIGCHLD is left to the
 * program: a pidfd tells, or, on kernels without, a timer looks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "core/capture.h"
#include "core/loop.h"
#include "core/router.h"

struct rmt_process {
	ramet_router *router;
	struct rmt_list node; /* in the parent layer's list of the router */
	pid_t pid;
	bool ended;                   /* reaped; status is set */
	int status;                   /* of waitpid(2) */
	char *path;                   /* of its context, for log records */
	struct rmt_capture output[2]; /* of fd 1 and 2; closed: not ours to read */
	/* What it writes to fd 2, as it comes; NULL. */
	void (*errors)(struct rmt_process *process, const char *data, size_t size);
	void *errors_data;
	bool quiet;     /* its lines are kept, but no records of a context yet */
	char **history; /* the last lines, oldest first */
	size_t history_count;
	struct rmt_source pidfd;
	struct rmt_timer timer;
	unsigned asked; /* how often it was asked to end: the step of the ladder */
	int64_t ask_at; /* when it is asked next */
	bool leaving;   /* its end is waited for */
	/* It has ended, and all its output was read (as far as it closed it). The callee frees the
	 * process. */
	void (*on_end)(struct rmt_process *process);
	void *data;
};

/* Takes the reading ends of its two output pipes; stdout_fd may be -1. 0 or a negative errno, and then
 * pipes and process are the caller's. */
int rmt_process_new(ramet_router *router, pid_t pid, int stdout_fd, int stderr_fd, const char *path,
		    struct rmt_process **ret_process);

/* Kills and reaps a process for which there was no memory. */
void rmt_process_abandon(pid_t pid);
void rmt_process_free(struct rmt_process *process);

/* The stream to it has ended: waits for its end, helping with TERM and KILL when it takes long.
 * on_end must be set. */
void rmt_process_leave(struct rmt_process *process);

/* Its grace is over: TERM now, KILL soon. */
void rmt_process_kill(struct rmt_process *process);

/* KILL, now. */
void rmt_process_kill_now(struct rmt_process *process);

/* It goes on without us: nobody ends it, or reads what it prints; it is in that list until it has
 * ended, and is then freed. */
void rmt_process_release(struct rmt_process *process, struct rmt_list *released);

/* What it says from now on is about being ended, and is no reason for anything. */
void rmt_process_hush(struct rmt_process *process);

/* Reaps it if it has ended already. */
bool rmt_process_reap(struct rmt_process *process);

/* Adds a line to what it said last. */
void rmt_process_note(struct rmt_process *process, const char *line, size_t size);

/* What it has said up to now is of no interest any more. */
void rmt_process_forget(struct rmt_process *process);

/* One of those lines without what a terminal would act upon. */
void rmt_process_append_line(const char *line, struct rmt_buffer *out);

/* "exited with status 3", "was killed by SIGKILL". */
void rmt_process_describe(const struct rmt_process *process, char *text, size_t size);
