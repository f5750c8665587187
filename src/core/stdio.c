/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stdio.h"

#include <stdio.h>
#include <stdio_ext.h>

void rmt_stdout_by_lines(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void rmt_stdout_flush(void)
{
	fflush(stdout);
}

void rmt_stdout_forget(void)
{
	__fpurge(stdout);
}
