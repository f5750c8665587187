/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first steps of a child that came through a first stage (parent/stage.h): a process that a shell
 * has executed, whose standard input and output are the stream to its parent, and whose file carries
 * its welcome:
 *
 *	PROGRAM RMT_STDIO_ARGUMENT FILE TITLE
 *
 * FILE is what has to be unlinked; "" when the program runs from a file without a name, its
 * descriptor 4.
 */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "core/child.h"

#define RMT_STDIO_ARGUMENT "--ramet-stdio"

/* The descriptor of the file in the first stage. */
#define RMT_LANDING_FD 4

/* The welcome as it is behind an image. */
void rmt_landing_append(const void *welcome, size_t size, struct rmt_buffer *out);

/* The descriptor of the file that this process runs, close-on-exec, which no fork closes: the way to it
 * where there is no /proc. -1: there is none. */
int rmt_landing_file(void);

/* It was inherited from a parent that executed it by that. */
void rmt_landing_keep(int fd);

/* Reads the welcome, removes the file, shows the title, and takes the standard streams. 0, and
 * *ret_start is what rmt_child_main() needs; or a negative errno, and standard error says what is
 * wrong. Called before there is a second thread. */
int rmt_landing(char **argv, struct rmt_child_start *ret_start);
