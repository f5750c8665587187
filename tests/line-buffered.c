/* SPDX-License-Identifier: BSD-3-Clause */
/* Linked into every test program: what a test has printed leaves its buffer at each line, else a process that it
 * forks would print it a second time. */
#include <stdio.h>

__attribute__((constructor)) static void line_buffered(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}
