/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/digest.h"

#include <string.h>

#include "base/macro.h"

/* --- SHA-256, FIPS 180-4 ------------------------------------------------------------------ */

/* 4.2.2: of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint32_t read_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* 6.2.2; the names are those of the standard. */
static void sha256_block(uint32_t state[8], const unsigned char *block)
{
	uint32_t w[64], v[8];

	for (unsigned t = 0; t < 64; t++) {
		if (t < 16) {
			w[t] = read_be32(block + 4 * (size_t)t);
			continue;
		}
		w[t] = (rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7] +
		       (rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
	}
	memcpy(v, state, sizeof(v));
	/* The standard moves a to h on by one in each round. To move their names instead saves more time
	 * than the rest of the round takes. */
	for (unsigned t = 0; t < 64; t++) {
		uint32_t a = v[-t & 7], b = v[(1 - t) & 7], c = v[(2 - t) & 7];
		uint32_t e = v[(4 - t) & 7], f = v[(5 - t) & 7], g = v[(6 - t) & 7];
		uint32_t t1 = v[(7 - t) & 7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
			      ((e & f) ^ (~e & g)) + constants[t] + w[t];
		uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
			      ((a & b) ^ (a & c) ^ (b & c));

		v[(3 - t) & 7] += t1;
		v[(7 - t) & 7] = t1 + t2;
	}
	for (unsigned i = 0; i < 8; i++)
		state[i] += v[i];
}

void rmt_sha256_init(struct rmt_sha256 *sha)
{
	/* 5.3.3: of the square roots of the first 8 primes. */
	*sha = (struct rmt_sha256){
		.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
			  0x1f83d9ab, 0x5be0cd19},
	};
}

void rmt_sha256_update(struct rmt_sha256 *sha, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	size_t used = sha->size % sizeof(sha->block);

	sha->size += size;
	if (used > 0) {
		size_t n = RMT_MIN(size, sizeof(sha->block) - used);

		memcpy(sha->block + used, bytes, n);
		if (used + n < sizeof(sha->block))
			return;
		sha256_block(sha->state, sha->block);
		bytes += n;
		size -= n;
	}
	for (; size >= sizeof(sha->block); size -= sizeof(sha->block)) {
		sha256_block(sha->state, bytes);
		bytes += sizeof(sha->block);
	}
	if (size > 0)
		memcpy(sha->block, bytes, size);
}

void rmt_sha256_text(const struct rmt_sha256 *sha, char text[65])
{
	struct rmt_sha256 end = *sha;
	unsigned char padding[72] = {0x80}; /* 5.1.1: up to 8 bytes before the end of a block */
	size_t size = (55 - sha->size % 64 + 64) % 64 + 1;

	for (unsigned i = 0; i < 8; i++)
		padding[size + i] = (unsigned char)(sha->size * 8 >> (56 - 8 * i));
	rmt_sha256_update(&end, padding, size + 8);
	for (unsigned i = 0; i < 64; i++)
		text[i] = "0123456789abcdef"[end.state[i / 8] >> (28 - i % 8 * 4) & 15];
	text[64] = '\0';
}

/* --- cksum: POSIX.1-2017, the polynomial of ISO/IEC 8802-3 with its high bit first ------------ */

static uint32_t cksum_byte(uint32_t crc, unsigned char byte)
{
	crc ^= (uint32_t)byte << 24;
	for (unsigned i = 0; i < 8; i++)
		crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
	return crc;
}

void rmt_cksum_init(struct rmt_cksum *sum)
{
	*sum = (struct rmt_cksum){0};
}

void rmt_cksum_update(struct rmt_cksum *sum, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint32_t table[256], crc = sum->crc;

	for (unsigned i = 0; i < 256; i++)
		table[i] = cksum_byte(0, (unsigned char)i);
	for (size_t i = 0; i < size; i++)
		crc = crc << 8 ^ table[(crc >> 24) ^ bytes[i]];
	sum->crc = crc;
	sum->size += size;
}

uint32_t rmt_cksum_value(const struct rmt_cksum *sum)
{
	uint32_t crc = sum->crc;

	/* The size follows the data, its lowest byte first, without leading zeros. */
	for (uint64_t left = sum->size; left > 0; left >>= 8)
		crc = cksum_byte(crc, (unsigned char)left);
	return ~crc;
}

/* --- gzip: RFC 1952, section 8; the same polynomial with its low bit first --------------------- */

uint32_t rmt_crc32(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint32_t table[256], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (unsigned bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
		table[i] = c;
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
	return ~crc;
}
