/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

#include "ramet.h"

/* A group with room for so many contexts; NULL: out of memory. */
ramet_group *rmt_group_new(size_t size);

/* Takes the reference. */
void rmt_group_put(ramet_group *group, size_t index, ramet_context *context);
