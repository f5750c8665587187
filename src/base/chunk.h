/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reference-counted blocks of bytes, recycled. What is read from a stream stays in the block that
 * the kernel put it into: messages, forwarded frames and values point into it and hold a reference
 * each.
 *
 * Threads: references may be taken and dropped from any thread; the bytes are written by the one
 * owner that made the chunk, before it shares it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct rmt_chunk_pool;

struct rmt_chunk {
	atomic_uint references;
	size_t capacity;
	struct rmt_chunk_pool *pool; /* where the last reference takes it; NULL: free() */
	struct rmt_chunk *next;      /* in the pool's list */
	unsigned char data[] __attribute__((aligned(16)));
};

/* A new chunk with one reference, or NULL (out of memory). pool may be NULL: then capacity is
 * exactly what was asked for; with a pool, chunks of the pool's standard capacity are recycled
 * and larger ones come from malloc. */
struct rmt_chunk *rmt_chunk_new(struct rmt_chunk_pool *pool, size_t capacity);
struct rmt_chunk *rmt_chunk_ref(struct rmt_chunk *chunk);
struct rmt_chunk *rmt_chunk_unref(struct rmt_chunk *chunk); /* NULL is fine; returns NULL */

/* True when the caller's reference is the only one: the bytes may then be written again, because
 * whoever else held the chunk is done reading. */
static inline bool rmt_chunk_unshared(const struct rmt_chunk *chunk)
{
	/* Acquire: pairs with the release of the last other reference. */
	return atomic_load_explicit(&chunk->references, memory_order_acquire) == 1;
}

/* Makes room in an unshared chunk without a pool, keeping its content. The chunk may move:
 * returns where it is, or NULL (out of memory) and the chunk is as it was. */
struct rmt_chunk *rmt_chunk_grow(struct rmt_chunk *chunk, size_t capacity);

/* A pool is itself reference-counted: it lives until its owner and every chunk that came from it
 * are gone. It keeps at most `keep` free chunks of `capacity` bytes, and none once the owner has
 * let go of it. */
struct rmt_chunk_pool *rmt_chunk_pool_new(size_t capacity, unsigned keep);

/* How many of its chunks are in use now, and their bytes. */
void rmt_chunk_pool_used(struct rmt_chunk_pool *pool, size_t *ret_chunks, size_t *ret_bytes);
struct rmt_chunk_pool *rmt_chunk_pool_unref(struct rmt_chunk_pool *pool);
