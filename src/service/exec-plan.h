/* SPDX-License-Identifier: BSD-3-Clause */
/* What a command needs to begin, in memory that is ready before the fork: user, environment, files. */
#pragma once

#include "service/exec.h"
#include "service/guard.h"

struct rmt_exec_plan {
	char **argv;
	char **env;
	char **files;
	struct rmt_guard_user user;
	gid_t *groups;
	bool switches; /* user is to be set */
	char **texts;  /* that were made here */
	size_t text_count;
};

/* 0, or a failure that the error tells: -ESRCH (no such user), -EINVAL (a name of a variable), -ENOMEM.
 * Reads the system's tables of users (getpwnam(3)); may block. The spec must stay. */
int rmt_exec_plan_make(struct rmt_exec_plan *plan, const rmt_exec_spec *spec, ramet_error *error);

/* Frees what it holds; fine for a zeroed one. */
void rmt_exec_plan_done(struct rmt_exec_plan *plan);
