/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/hash-wide.h"

#if RMT_HASH_WIDE

/* For this file alone, whatever processor the rest is compiled for: nothing here may run before it was asked. */
#pragma GCC target("avx2")

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define XXH_INLINE_ALL
#define XXH_NO_STDLIB
#define XXH_VECTOR XXH_AVX2
#include "xxhash.h"
#pragma GCC diagnostic pop

void rmt_hash_wide_update(void *state, const void *data, size_t size)
{
	XXH3_128bits_update(state, data, size);
}

#endif
