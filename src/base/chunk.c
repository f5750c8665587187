/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/chunk.h"

#include <stdlib.h>

#include "base/lock.h"

struct rmt_chunk_pool {
	/* The owner's, and one of each chunk that is out; free chunks hold none. */
	atomic_uint references;
	size_t capacity;
	atomic_uint keep;  /* 0 once the owner is gone: nobody will ask again */
	atomic_uint count; /* of free chunks, in both lists */
	/* Where chunks are put back, without a lock: whoever takes takes all of it, so that no
	 * chunk can be taken and put back behind the back of another that is being put. */
	_Atomic(struct rmt_chunk *) returned;
	struct rmt_mutex lock; /* guards what follows */
	struct rmt_chunk *free;
};

static struct rmt_chunk *chunk_alloc(struct rmt_chunk *old, size_t capacity)
{
	struct rmt_chunk *chunk;
	size_t size;

	if (__builtin_add_overflow(sizeof(*chunk), capacity, &size))
		return NULL;
	chunk = realloc(old, size);
	if (chunk)
		chunk->capacity = capacity;
	return chunk;
}

static void free_list(struct rmt_chunk *chunk)
{
	while (chunk) {
		struct rmt_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

static void pool_release(struct rmt_chunk_pool *pool)
{
	/* Release: what this thread did to the pool comes before the free; acquire: so does what
	 * the others did. */
	if (atomic_fetch_sub_explicit(&pool->references, 1, memory_order_acq_rel) != 1)
		return;
	free_list(pool->free);
	free_list(atomic_load_explicit(&pool->returned, memory_order_acquire));
	rmt_mutex_done(&pool->lock);
	free(pool);
}

static struct rmt_chunk *pool_take(struct rmt_chunk_pool *pool)
{
	struct rmt_chunk *chunk;

	rmt_mutex_lock(&pool->lock);
	if (!pool->free)
		pool->free = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
	chunk = pool->free;
	if (chunk) {
		pool->free = chunk->next;
		atomic_fetch_sub_explicit(&pool->count, 1, memory_order_relaxed);
	}
	rmt_mutex_unlock(&pool->lock);
	return chunk;
}

static void pool_put(struct rmt_chunk_pool *pool, struct rmt_chunk *chunk)
{
	if (atomic_load_explicit(&pool->count, memory_order_relaxed) >=
	    atomic_load_explicit(&pool->keep, memory_order_relaxed)) {
		free(chunk);
		return;
	}
	atomic_fetch_add_explicit(&pool->count, 1, memory_order_relaxed);
	chunk->next = atomic_load_explicit(&pool->returned, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&pool->returned, &chunk->next, chunk,
						      memory_order_release, memory_order_relaxed))
		;
}

struct rmt_chunk *rmt_chunk_new(struct rmt_chunk_pool *pool, size_t capacity)
{
	struct rmt_chunk *chunk = NULL;

	if (pool && capacity > pool->capacity)
		pool = NULL;
	if (pool) {
		chunk = pool_take(pool);
		capacity = pool->capacity;
	}
	if (!chunk)
		chunk = chunk_alloc(NULL, capacity);
	if (!chunk)
		return NULL;

	atomic_init(&chunk->references, 1);
	chunk->pool = pool;
	chunk->next = NULL;
	if (pool)
		atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
	return chunk;
}

struct rmt_chunk *rmt_chunk_ref(struct rmt_chunk *chunk)
{
	/* Relaxed: whoever takes a reference already has one, so nothing can be freed meanwhile. */
	atomic_fetch_add_explicit(&chunk->references, 1, memory_order_relaxed);
	return chunk;
}

struct rmt_chunk *rmt_chunk_unref(struct rmt_chunk *chunk)
{
	if (!chunk)
		return NULL;
	/* The only holder needs no locked instruction: nobody is left who could change the
	 * count. */
	if (!rmt_chunk_unshared(chunk) &&
	    atomic_fetch_sub_explicit(&chunk->references, 1, memory_order_acq_rel) != 1)
		return NULL;

	if (chunk->pool) {
		struct rmt_chunk_pool *pool = chunk->pool;

		pool_put(pool, chunk);
		pool_release(pool);
	} else {
		free(chunk);
	}
	return NULL;
}

struct rmt_chunk *rmt_chunk_grow(struct rmt_chunk *chunk, size_t capacity)
{
	return chunk_alloc(chunk, capacity);
}

struct rmt_chunk_pool *rmt_chunk_pool_new(size_t capacity, unsigned keep)
{
	struct rmt_chunk_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	rmt_mutex_init(&pool->lock);
	atomic_init(&pool->references, 1);
	pool->capacity = capacity;
	atomic_init(&pool->keep, keep);
	return pool;
}

void rmt_chunk_pool_used(struct rmt_chunk_pool *pool, size_t *ret_chunks, size_t *ret_bytes)
{
	*ret_chunks = atomic_load_explicit(&pool->references, memory_order_relaxed) - 1;
	*ret_bytes = *ret_chunks * pool->capacity;
}

struct rmt_chunk_pool *rmt_chunk_pool_unref(struct rmt_chunk_pool *pool)
{
	struct rmt_chunk *idle;

	if (!pool)
		return NULL;

	atomic_store_explicit(&pool->keep, 0, memory_order_relaxed);
	rmt_mutex_lock(&pool->lock);
	idle = pool->free;
	pool->free = NULL;
	rmt_mutex_unlock(&pool->lock);

	free_list(idle);
	free_list(atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire));
	pool_release(pool);
	return NULL;
}
