/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

/* qsort(3) in a tenth of its size: a heap sort, never worse than n log n, and not stable. */
void rmt_sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *));
