/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of a hash that takes the time, for x86 processors with AVX2: more than twice as fast. */
#pragma once

#include <stddef.h>

/* A pragma has gcc compile one file for another processor; clang has none. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define RMT_HASH_WIDE 1
#else
#define RMT_HASH_WIDE 0
#endif

#if RMT_HASH_WIDE
/* XXH3_128bits_update() of a state, which is the same for all kinds of processors: what was begun with one
 * can go on with another. The processor must have AVX2. */
void rmt_hash_wide_update(void *state, const void *data, size_t size);
#endif
