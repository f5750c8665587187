/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "parent/path.h"

/* What an administrator sees of a child in ps(1): the program, which context it is, and who started
 * it. malloc'd. */
char *rmt_title(const struct rmt_hop *hop, const char *path);

/* This process becomes "ramet(detached NAME)" there, as far as there is room. */
void rmt_title_detached(const char *name);

/* This process becomes "ramet-background ADDRESS": in full where it may move its arguments (prctl(2),
 * PR_SET_MM: CAP_SYS_RESOURCE), else as far as there is room. */
void rmt_title_background(const char *address);
