/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a context does to the standard output of its program's functions. Only this file knows
 * stdio, so that a program whose functions do not print with it can leave it out: it defines the
 * three itself, and the linker then does not look for them in the library.
 */
#pragma once

/* A line is a log record as soon as it is whole. */
void rmt_stdout_by_lines(void);

void rmt_stdout_flush(void);

/* In a copy of a process: what the original has not written yet is the original's to write. */
void rmt_stdout_forget(void);
