/* SPDX-License-Identifier: BSD-3-Clause */
/* Pseudo-terminals for tools that ask. */
#pragma once

#include "ramet.h"

/*
 * A pair, both close-on-exec and noted as ours, both raw and without echo (8-bit clean: see cfmakeraw
 * in termios(3)). On failure -errno and RAMET_OPENPTY_MSG. The pair is used as the kernel made it: who
 * else may write to it (grantpt(3)) is a matter of terminals that people sit at.
 *
 * Whoever reads the master keeps the slave open as well: when the last slave is closed, as a tool
 * does that opens /dev/tty for one question only, read(2) fails with EIO until it is opened again.
 * Closing the master hangs up the session.
 */
int rmt_terminal_open(int *ret_master, int *ret_slave, ramet_error *error);

/* The same, as a person's terminal begins: with echo, lines and signals (termios(3)). */
int rmt_terminal_open_cooked(int *ret_master, int *ret_slave, ramet_error *error);

/* In a new process, between fork and exec (async-signal-safe; it lives in spawn-child.c): a session of
 * its own, with the slave as controlling terminal. 0 or -errno. */
int rmt_terminal_control(int slave);
