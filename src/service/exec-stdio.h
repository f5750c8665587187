/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptors 0, 1 and 2 of a command, `theirs`, and the other ends of them, `ours`; in both, those
 * that there are not are -1. All are the library's (base/descriptor.h) and the caller's to close, after
 * a failure too. 0, or a failure that the error tells.
 */
#pragma once

#include "service/exec-plan.h"

/* One terminal, of the size that the specification has; `ours` are input and output. */
int rmt_exec_stdio_terminal(const struct rmt_exec_plan *plan, const rmt_exec_spec *spec,
			    int ours[3], int theirs[3], ramet_error *error);

/* Pipes for what is streamed, /dev/null for what is not. */
int rmt_exec_stdio_pipes(const rmt_exec_spec *spec, const bool streamed[3], int ours[3],
			 int theirs[3], ramet_error *error);
