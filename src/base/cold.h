/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cold segment: what only those need who start children, or who are the program that a user
 * started. It lies behind everything else in the address space of a program that travels, and is left
 * out when the program is sent; the space stays reserved. See parent/gate.h, and docs/decisions.md.
 *
 * The segment begins with this head, also in an image without the rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMT_COLD_MAGIC "\177ramet cold part"

struct rmt_cold_head {
	char magic[16];
	char present;    /* 1 as the linker writes it, 0 in an image that the rest is cut from */
	char digest[65]; /* SHA-256 of the rest, as text; set when the rest is cut off */
	unsigned char check[4]; /* rmt_cold_check() of the rest, little-endian; set then, too */
	char padding[42];
};

/* Of this program; the rest is what lies between head + 1 and rmt_cold_end. The end is NULL in a
 * program without such a segment: one that was not linked to travel. */
extern const struct rmt_cold_head rmt_cold_head;
extern const unsigned char rmt_cold_end[] __attribute__((weak));

/* FNV-1a. Against accidents: who sends the rest has sent the program, too. */
static inline uint32_t rmt_cold_check(const unsigned char *bytes, size_t size)
{
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT32_C(16777619);
	return hash;
}

/* The rest is there: it was never cut off, or it was fetched since, which is told once. What was done
 * before that is seen by whoever asks. */
bool rmt_cold_is_here(void);
void rmt_cold_opened(void);

/* What is at that address can be used. For the little that some programs take along and others do
 * not; who asks is allowed for in tools/check-cold. */
bool rmt_cold_can_use(uintptr_t address);
