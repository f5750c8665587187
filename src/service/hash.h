/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash of files: XXH3 with 128 bits, faster than memory. Not cryptographic. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RMT_HASH_SIZE 16
#define RMT_HASH_TEXT_SIZE (2 * RMT_HASH_SIZE + 1)

/* The state of XXH3, whose own header is a quarter of a megabyte. */
struct rmt_hash {
	unsigned char state[576] __attribute__((aligned(64)));
};

void rmt_hash_init(struct rmt_hash *hash);
void rmt_hash_update(struct rmt_hash *hash, const void *data, size_t size);

/* As many zeros. */
void rmt_hash_zeros(struct rmt_hash *hash, uint64_t size);

/* Of all so far; more may follow. The bytes are in the canonical order. */
void rmt_hash_digest(const struct rmt_hash *hash, unsigned char digest[RMT_HASH_SIZE]);

void rmt_hash_text(const unsigned char digest[RMT_HASH_SIZE], char text[RMT_HASH_TEXT_SIZE]);
