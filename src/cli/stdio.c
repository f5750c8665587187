/* SPDX-License-Identifier: BSD-3-Clause */
/* The command prints with write(2) alone, so that stdio need not travel with it. */
#include "core/stdio.h"

void rmt_stdout_by_lines(void)
{
}

void rmt_stdout_flush(void)
{
}

void rmt_stdout_forget(void)
{
}
