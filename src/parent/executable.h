/* SPDX-License-Identifier: BSD-3-Clause */
/* The file that children run. */
#pragma once

#include "core/router.h"

/* What ramet_init() was given: what to fall back to. */
void rmt_executable_set(const char *argv0);

/* What to give to execve(2), and whether the fallback is in use (a warning is due, once a process).
 * The file itself may have been replaced since this process began: then it is /proc/self/exe, which
 * is still the old one. */
const char *rmt_executable_file(bool *ret_warn);
