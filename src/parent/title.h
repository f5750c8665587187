/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "parent/path.h"

/* What an administrator sees of a child in ps(1): the program, which context it is, and who started
 * it. malloc'd. */
char *rmt_title(const struct rmt_hop *hop, const char *path);
