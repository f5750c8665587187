/* SPDX-License-Identifier: BSD-3-Clause */
/* The main function of a child context. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/router.h"

/* The argument by which a program learns that it is a child: PROGRAM RMT_CHILD_ARGUMENT [NUMBER],
 * which is the descriptor of the program's file where it was executed by that. */
#define RMT_CHILD_ARGUMENT "--ramet-context"

/* How a process became a child. */
struct rmt_child_start {
	int in_fd, out_fd; /* the stream to the parent; the same for a socket */
	/* This process shares its memory with the parent's, and must not run the parent's exit
	 * handlers. */
	bool forked;
	void *welcome; /* came with the program, malloc'd; NULL: it comes over the stream */
	size_t welcome_size;
	int capture[2]; /* pipes with what it prints, for us to read; -1: the parent does */
};

/* Is a child until its parent is gone or says that it shall end; the process then ends. Takes what
 * start holds. */
_Noreturn void rmt_child_main(const struct rmt_child_start *start,
			      const struct rmt_parent_hooks *hooks);

/* The beginning for a child whose standard input is a socket to its parent. */
_Noreturn void rmt_child_main_socket(bool forked, const struct rmt_parent_hooks *hooks);

/* The router of rmt_child_main(), if this process is a child. */
ramet_router *rmt_child_router(void);

/* The child's router has begun to end: the process ends with it, whether the program's functions
 * return or not. */
void rmt_child_ending(ramet_router *router);
