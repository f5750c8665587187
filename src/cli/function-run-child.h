/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <sys/types.h>

/* Starts argv, found as execvp(3) does, in a process group of its own with the two descriptors as
 * standard output and error. The caller has all signals blocked; the command has none. */
int rmt_run_child(char **argv, const int fds[2], pid_t *ret_pid);
