/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/hash.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "service/hash-wide.h"
#if RMT_HASH_WIDE
#include <cpuid.h>
#endif

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define XXH_INLINE_ALL
#define XXH_NO_STDLIB
#include "xxhash.h"
#pragma GCC diagnostic pop

_Static_assert(sizeof(struct rmt_hash) >= sizeof(XXH3_state_t) + _Alignof(XXH3_state_t),
	       "the room for a state of XXH3");

/* Memory from malloc(3) is not aligned for it. */
static XXH3_state_t *state_of(const struct rmt_hash *hash)
{
	uintptr_t at = (uintptr_t)hash->room, alignment = _Alignof(XXH3_state_t);

	return (XXH3_state_t *)((at + alignment - 1) & ~(alignment - 1));
}

void rmt_hash_init(struct rmt_hash *hash)
{
	XXH3_128bits_reset(state_of(hash));
}

#if RMT_HASH_WIDE
/* For less, the question is not worth its price: in a virtual machine it traps. */
#define WIDE_FROM 4096u

/* True when the processor has AVX2 and the system keeps its registers (Intel 64 and IA-32 Architectures Software
 * Developer's Manual, volume 1, 14.3 and 14.7.1). */
static bool has_avx2(void)
{
	unsigned a, b, c, d, kept;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
		return false;
	__asm__("xgetbv" : "=a"(kept), "=d"(d) : "c"(0));
	return (kept & 6) == 6 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

/* Any thread may be the first to ask; the answer is the same for all. */
static bool is_wide(void)
{
	static atomic_int answer;
	int known = atomic_load_explicit(&answer, memory_order_relaxed);

	if (known == 0) {
		known = has_avx2() ? 1 : -1;
		atomic_store_explicit(&answer, known, memory_order_relaxed);
	}
	return known > 0;
}
#endif

void rmt_hash_update(struct rmt_hash *hash, const void *data, size_t size)
{
#if RMT_HASH_WIDE
	if (size >= WIDE_FROM && is_wide()) {
		rmt_hash_wide_update(state_of(hash), data, size);
		return;
	}
#endif
	XXH3_128bits_update(state_of(hash), data, size);
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

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_of(hash)));
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
