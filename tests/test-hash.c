/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "service/hash-wide.h"
#include "service/hash.h"

/* The library of XXH3's authors: what theirs says, ours has to say. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define XXH_INLINE_ALL
#include <xxhash.h>
#pragma GCC diagnostic pop

/* Several of the blocks of 1 KiB after which XXH3 scrambles, and a rest. */
#define SIZE_MAX_HASHED 200000u

static unsigned char data[SIZE_MAX_HASHED];

static void fill(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(data); i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (unsigned char)(x >> 24);
	}
}

static void assert_digest(const struct rmt_hash *hash, const void *bytes, size_t size)
{
	unsigned char digest[RMT_HASH_SIZE];
	XXH128_canonical_t expected;

	XXH128_canonicalFromHash(&expected, XXH3_128bits(bytes, size));
	rmt_hash_digest(hash, digest);
	assert_memory_equal(digest, expected.digest, sizeof(digest));
}

static void hash_any_size_at_once_is_that_of_xxh3(void **state)
{
	static const size_t sizes[] = {0,    1,    16,   240,   241,   256,   1024,           4095,
				       4096, 4097, 5000, 65535, 65536, 65537, SIZE_MAX_HASHED};
	struct rmt_hash hash;

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(sizes); i++) {
		rmt_hash_init(&hash);
		rmt_hash_update(&hash, data, sizes[i]);
		assert_digest(&hash, data, sizes[i]);
	}
}

/* Small pieces go one way and large ones another, where the processor has two. */
static void hash_in_pieces_of_all_sizes_is_that_of_the_whole(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct rmt_hash hash;
		size_t at = 0;

		rmt_hash_init(&hash);
		while (at < sizeof(data)) {
			unsigned most = rand_r(&seed) % 2 ? 300 : 70000;
			size_t size = (size_t)rand_r(&seed) % most;

			size = RMT_MIN(sizeof(data) - at, size);
			rmt_hash_update(&hash, data + at, size);
			at += size;
		}
		assert_digest(&hash, data, sizeof(data));
	}
}

static void hash_of_zeros_is_that_of_a_hole(void **state)
{
	static const unsigned char zeros[30000];
	struct rmt_hash hash;

	(void)state;
	rmt_hash_init(&hash);
	rmt_hash_zeros(&hash, sizeof(zeros));
	assert_digest(&hash, zeros, sizeof(zeros));
}

/* The state has to be where both kinds of code want it, also when the memory begins anywhere. */
static void hash_at_any_address_is_the_same(void **state)
{
	unsigned char *memory = malloc(sizeof(struct rmt_hash) + 64);

	(void)state;
	assert_non_null(memory);
	for (size_t offset = 0; offset < 64; offset++) {
		struct rmt_hash *hash = (struct rmt_hash *)(memory + offset);

		rmt_hash_init(hash);
		rmt_hash_update(hash, data + offset, 10000);
		rmt_hash_update(hash, data + offset + 10000, 100);
		assert_digest(hash, data + offset, 10100);
	}
	free(memory);
}

#if RMT_HASH_WIDE
static void hash_wide_is_that_of_xxh3_where_it_works(void **state)
{
	XXH3_state_t *wide;

	(void)state;
	if (!__builtin_cpu_supports("avx2"))
		skip();
	wide = XXH3_createState();
	assert_non_null(wide);
	for (size_t size = 1; size < 20000; size += 997) {
		XXH128_hash_t expected = XXH3_128bits(data, size), digest;

		XXH3_128bits_reset(wide);
		rmt_hash_wide_update(wide, data, size / 3);
		XXH3_128bits_update(wide, data + size / 3, size / 3);
		rmt_hash_wide_update(wide, data + 2 * (size / 3), size - 2 * (size / 3));
		digest = XXH3_128bits_digest(wide);
		assert_true(XXH128_isEqual(digest, expected));
	}
	XXH3_freeState(wide);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_any_size_at_once_is_that_of_xxh3),
		cmocka_unit_test(hash_in_pieces_of_all_sizes_is_that_of_the_whole),
		cmocka_unit_test(hash_of_zeros_is_that_of_a_hole),
		cmocka_unit_test(hash_at_any_address_is_the_same),
#if RMT_HASH_WIDE
		cmocka_unit_test(hash_wide_is_that_of_xxh3_where_it_works),
#endif
	};

	fill();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
