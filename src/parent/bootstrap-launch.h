/* SPDX-License-Identifier: BSD-3-Clause */
/* The beginning of a bootstrap: the tool's command gets the first stage, its process is started, and what
 * leads to it is watched by the loop. */
#pragma once

#include "parent/bootstrap.h"

/*
 * `command` is the tool's, without an error; what the loop calls is set in `in`, `out` and `terminal`.
 * `errors` gets the bytes of its diagnostics. 0; or a negative errno, and perhaps an error: then
 * nothing is left but the process, if it had begun.
 */
int rmt_bootstrap_launch(struct rmt_bootstrap *bootstrap,
			 void (*errors)(struct rmt_process *process, const char *data,
					size_t size));
