/* SPDX-License-Identifier: BSD-3-Clause */
/* The digests that a target's own tools can check: SHA-256 (FIPS 180-4) and POSIX cksum. Streaming; a
 * state can be copied to go on from there twice. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rmt_sha256 {
	uint32_t state[8];
	uint64_t size;
	unsigned char block[64];
};

void rmt_sha256_init(struct rmt_sha256 *sha);
void rmt_sha256_update(struct rmt_sha256 *sha, const void *data, size_t size);
/* 64 hexadecimal digits and a NUL. */
void rmt_sha256_text(const struct rmt_sha256 *sha, char text[65]);

struct rmt_cksum {
	uint32_t crc;
	uint64_t size;
};

void rmt_cksum_init(struct rmt_cksum *sum);
void rmt_cksum_update(struct rmt_cksum *sum, const void *data, size_t size);
uint32_t rmt_cksum_value(const struct rmt_cksum *sum);

/* CRC-32 as in gzip (RFC 1952), of data alone. */
uint32_t rmt_crc32(const void *data, size_t size);
