/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What an administrator sees of a child in ps(1): the program, which context it is, and who started
 * it: `starter`, or USER@HOST:PID of this process with NULL. malloc'd. */
char *rmt_title(const char *path, const char *starter);
