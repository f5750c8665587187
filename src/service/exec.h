/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service that runs commands: what contexts say to each other for it. ramet-exec.h is its public
 * face, job.c the side that asks, exec.c the side that runs; docs/protocol.md describes it.
 */
#pragma once

#include "service/services.h"

/* rmt_exec_spec.flags */
#define RMT_EXEC_CLEAR_ENV 1
#define RMT_EXEC_TERMINAL 2
#define RMT_EXEC_ALONE 4 /* what is left in the background ends, too */
#define RMT_EXEC_INPUT 8 /* standard input is streamed; else /dev/null */
#define RMT_EXEC_JOIN 16 /* standard error goes where standard output goes */

/* clang-format off */
RAMET_ARRAY(rmt_exec_texts, str);
RAMET_STRUCT(rmt_exec_limit,
	(i32, resource),          /* a number of setrlimit(2), as the context's machine has it */
	(u64, soft), (u64, hard)); /* all bits: none */
RAMET_ARRAY(rmt_exec_limits, rmt_exec_limit);
RAMET_STRUCT(rmt_exec_terminal,
	(str, term),              /* TERM */
	(i32, rows), (i32, columns));
RAMET_STRUCT(rmt_exec_spec,
	(rmt_exec_texts, argv),
	(str, cwd),               /* NULL: that of the context */
	(rmt_exec_texts, env),    /* NAME=VALUE, or NAME to unset it */
	(str, user),              /* name or number; NULL: that of the context */
	(rmt_exec_terminal, terminal),
	(i32, flags),
	(i32, umask),             /* -1: that of the context */
	(i32, nice),
	(i32, grace),             /* ms between TERM and KILL */
	(i32, timeout),           /* ms; 0: none */
	(rmt_exec_limits, limits));
RAMET_STRUCT(rmt_exec_end,
	(i32, status),            /* as waitpid(2) has it */
	(i32, cause),             /* enum ramet_cause */
	(i64, user_us), (i64, system_us), (i64, wall_us),
	(i64, max_rss));          /* bytes */

/* The answer comes when the command has ended and all that it wrote until then was sent. A sender that
 * is NULL is /dev/null. `news` gets [pid, sender for standard input or null, sender of orders] when the
 * command has begun. */
RAMET_DECLARE(rmt_exec_end, rmt_exec, (rmt_exec_spec, spec), (sender, output), (sender, errors),
	      (sender, news));
/* clang-format on */

/* An order is bytes: the operation and two numbers, each of 4 bytes, little-endian. */
enum rmt_exec_order {
	RMT_EXEC_SIGNAL = 1, /* number */
	RMT_EXEC_RESIZE = 2, /* rows, columns */
	RMT_EXEC_KILL = 3,   /* the ladder */
};
#define RMT_EXEC_ORDER_SIZE 12
