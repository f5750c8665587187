/* SPDX-License-Identifier: BSD-3-Clause */
/* The main function of a child context. */
#pragma once

#include <stdbool.h>

#include "core/router.h"

/* The argument by which a program learns that it is a child: PROGRAM RMT_CHILD_ARGUMENT. */
#define RMT_CHILD_ARGUMENT "--ramet-context"

/*
 * Is a child until its parent is gone or says that it shall end; the process then ends. `fd`, the
 * socket to the parent, is the child's. `forked`: this process shares its memory with the parent's,
 * and must not run the parent's exit handlers.
 */
_Noreturn void rmt_child_main(int fd, bool forked, const struct rmt_parent_hooks *hooks);

/* The router of rmt_child_main(), if this process is a child. */
ramet_router *rmt_child_router(void);

/* The child's router has begun to end: the process ends with it, whether the program's functions
 * return or not. */
void rmt_child_ending(ramet_router *router);
