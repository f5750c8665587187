/* SPDX-License-Identifier: BSD-3-Clause */
/* What a command needs to begin, in memory that is ready before the fork: user, environment, files. */
#pragma once

#include "service/exec.h"
#include "service/guard.h"
#include "service/user.h"

struct rmt_exec_plan {
	char **argv;
	char **env;
	char **files;
	struct rmt_user user;
	struct rmt_guard_user become;
	bool switches; /* to it */
	struct rmt_guard_limit *limits;
	char **texts; /* that were made here */
	size_t text_count;
};

/* 0, or a failure that the error tells: -ESRCH (no such user), -EINVAL (a name of a variable), -ENOMEM.
 * Reads files; may block. The spec must stay. */
int rmt_exec_plan_make(struct rmt_exec_plan *plan, const rmt_exec_spec *spec, ramet_error *error);

/* Why the guard could not start the command: sets the error, returns its code. */
int rmt_exec_plan_failed(const struct rmt_guard_report *report, const rmt_exec_spec *spec,
			 ramet_error *error);

/* Frees what it holds; fine for a zeroed one. */
void rmt_exec_plan_done(struct rmt_exec_plan *plan);
