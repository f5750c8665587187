/* SPDX-License-Identifier: BSD-3-Clause */
/* Pseudo-terminals for tools that ask. */
#pragma once

#include "ramet.h"

/*
 * A pair, both close-on-exec and noted as ours, both raw and without echo (8-bit clean: see cfmakeraw
 * in termios(3)). On failure -errno and RAMET_OPENPTY_MSG. Where devpts is mounted without gid=, which
 * makes openpty(3)'s grant fail with EPERM, /dev/ptmx is used directly.
 */
int rmt_terminal_open(int *ret_master, int *ret_slave, ramet_error *error);

/* In a new process, between fork and exec (async-signal-safe; it lives in spawn-child.c): a session of
 * its own, with the slave as controlling terminal. 0 or -errno. */
int rmt_terminal_control(int slave);
