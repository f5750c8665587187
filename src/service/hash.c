/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/hash.h"

#include <string.h>

#include "base/macro.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define XXH_INLINE_ALL
#define XXH_NO_STDLIB
#include "xxhash.h"
#pragma GCC diagnostic pop

_Static_assert(sizeof(struct rmt_hash) == sizeof(XXH3_state_t), "the state of XXH3");
_Static_assert(_Alignof(struct rmt_hash) >= _Alignof(XXH3_state_t), "its alignment");

void rmt_hash_init(struct rmt_hash *hash)
{
	XXH3_128bits_reset((XXH3_state_t *)hash->state);
}

void rmt_hash_update(struct rmt_hash *hash, const void *data, size_t size)
{
	XXH3_128bits_update((XXH3_state_t *)hash->state, data, size);
}

void rmt_hash_zeros(struct rmt_hash *hash, uint64_t size)
{
	static const unsigned char zeros[4096];

	for (; size > 0; size -= RMT_MIN(size, sizeof(zeros)))
		rmt_hash_update(hash, zeros, RMT_MIN(size, sizeof(zeros)));
}

void rmt_hash_digest(const struct rmt_hash *hash, unsigned char digest[RMT_HASH_SIZE])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical,
				 XXH3_128bits_digest((const XXH3_state_t *)hash->state));
	memcpy(digest, canonical.digest, RMT_HASH_SIZE);
}

void rmt_hash_text(const unsigned char digest[RMT_HASH_SIZE], char text[RMT_HASH_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < RMT_HASH_SIZE; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	text[2 * (size_t)RMT_HASH_SIZE] = '\0';
}
