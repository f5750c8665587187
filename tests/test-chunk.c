/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/chunk.h"

static void chunk_without_pool_has_exact_capacity(void **state)
{
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, 100);

	(void)state;
	assert_non_null(chunk);
	assert_int_equal(chunk->capacity, 100);
	assert_int_equal((uintptr_t)chunk->data % 16, 0);
	memset(chunk->data, 1, 100);
	assert_null(rmt_chunk_unref(chunk));
}

static void chunk_too_large_is_null(void **state)
{
	(void)state;
	assert_null(rmt_chunk_new(NULL, SIZE_MAX));
	assert_null(rmt_chunk_new(NULL, SIZE_MAX - sizeof(struct rmt_chunk) + 1));
}

static void chunk_null_unref_is_fine(void **state)
{
	(void)state;
	assert_null(rmt_chunk_unref(NULL));
	assert_null(rmt_chunk_pool_unref(NULL));
}

static void chunk_references_say_when_unshared(void **state)
{
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, 1);

	(void)state;
	assert_true(rmt_chunk_unshared(chunk));
	assert_ptr_equal(rmt_chunk_ref(chunk), chunk);
	assert_false(rmt_chunk_unshared(chunk));
	rmt_chunk_unref(chunk);
	assert_true(rmt_chunk_unshared(chunk));
	rmt_chunk_unref(chunk);
}

static void chunk_grow_keeps_content(void **state)
{
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, 5), *grown;

	(void)state;
	memcpy(chunk->data, "hello", 5);
	grown = rmt_chunk_grow(chunk, 100000);
	assert_non_null(grown);
	assert_int_equal(grown->capacity, 100000);
	assert_memory_equal(grown->data, "hello", 5);
	assert_true(rmt_chunk_unshared(grown));
	assert_null(rmt_chunk_grow(grown, SIZE_MAX));
	assert_memory_equal(grown->data, "hello", 5);
	assert_int_equal(grown->capacity, 100000);
	rmt_chunk_unref(grown);
}

static void pool_standard_chunk_is_recycled(void **state)
{
	struct rmt_chunk_pool *pool = rmt_chunk_pool_new(1000, 2);
	struct rmt_chunk *first, *second;

	(void)state;
	first = rmt_chunk_new(pool, 10);
	assert_int_equal(first->capacity, 1000);
	rmt_chunk_ref(first);
	rmt_chunk_unref(first);
	second = rmt_chunk_new(pool, 1000);
	assert_ptr_not_equal(first, second);
	rmt_chunk_unref(first);
	assert_ptr_equal(rmt_chunk_new(pool, 1), first);
	assert_true(rmt_chunk_unshared(first));
	rmt_chunk_unref(first);
	rmt_chunk_unref(second);
	rmt_chunk_pool_unref(pool);
}

static void pool_large_chunk_is_not_of_pool(void **state)
{
	struct rmt_chunk_pool *pool = rmt_chunk_pool_new(1000, 2);
	struct rmt_chunk *chunk = rmt_chunk_new(pool, 1001);

	(void)state;
	assert_int_equal(chunk->capacity, 1001);
	assert_null(chunk->pool);
	rmt_chunk_unref(chunk);
	rmt_chunk_pool_unref(pool);
}

static void pool_keeps_last_returned_up_to_limit(void **state)
{
	struct rmt_chunk_pool *pool = rmt_chunk_pool_new(64, 2);
	struct rmt_chunk *chunks[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		chunks[i] = rmt_chunk_new(pool, 64);
	for (int i = 0; i < 4; i++)
		rmt_chunk_unref(chunks[i]);
	/* The first two were kept, the others freed. */
	assert_ptr_equal(rmt_chunk_new(pool, 64), chunks[1]);
	assert_ptr_equal(rmt_chunk_new(pool, 64), chunks[0]);
	rmt_chunk_unref(chunks[0]);
	rmt_chunk_unref(chunks[1]);
	rmt_chunk_pool_unref(pool);
}

static void pool_outlives_owner_while_chunks_are_out(void **state)
{
	struct rmt_chunk_pool *pool = rmt_chunk_pool_new(64, 4);
	struct rmt_chunk *a = rmt_chunk_new(pool, 64), *b = rmt_chunk_new(pool, 64),
			 *idle = rmt_chunk_new(pool, 64);

	(void)state;
	rmt_chunk_unref(idle);
	assert_null(rmt_chunk_pool_unref(pool));
	memset(a->data, 1, a->capacity);
	rmt_chunk_unref(a);
	memset(b->data, 1, b->capacity);
	rmt_chunk_unref(b);
}

enum { THREADS = 3, ROUNDS = 20000 };

struct shared {
	struct rmt_chunk_pool *pool;
	struct rmt_chunk *chunk;
	unsigned char mark;
	int failures;
};

static void *churn(void *argument)
{
	struct shared *shared = argument;

	for (int i = 0; i < ROUNDS; i++) {
		struct rmt_chunk *own = rmt_chunk_new(shared->pool, 64);
		struct rmt_chunk *held = rmt_chunk_ref(shared->chunk);

		memset(own->data, shared->mark, 64);
		if (held->data[63] != 'c' || rmt_chunk_unshared(held))
			shared->failures++;
		rmt_chunk_unref(held);
		/* Nobody else may have been given the same chunk. */
		for (int j = 0; j < 64; j++)
			if (own->data[j] != shared->mark)
				shared->failures++;
		rmt_chunk_unref(own);
	}
	rmt_chunk_unref(shared->chunk);
	return NULL;
}

static void pool_used_by_threads_gives_each_its_own(void **state)
{
	struct rmt_chunk_pool *pool = rmt_chunk_pool_new(64, 2);
	struct rmt_chunk *chunk = rmt_chunk_new(pool, 64);
	struct shared shared[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	memset(chunk->data, 'c', 64);
	for (int i = 0; i < THREADS; i++) {
		shared[i] = (struct shared){
			.pool = pool, .chunk = rmt_chunk_ref(chunk), .mark = (unsigned char)i};
		assert_int_equal(pthread_create(&threads[i], NULL, churn, &shared[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(shared[i].failures, 0);
	}
	assert_true(rmt_chunk_unshared(chunk));
	rmt_chunk_pool_unref(pool);
	rmt_chunk_unref(chunk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunk_without_pool_has_exact_capacity),
		cmocka_unit_test(chunk_too_large_is_null),
		cmocka_unit_test(chunk_null_unref_is_fine),
		cmocka_unit_test(chunk_references_say_when_unshared),
		cmocka_unit_test(chunk_grow_keeps_content),
		cmocka_unit_test(pool_standard_chunk_is_recycled),
		cmocka_unit_test(pool_large_chunk_is_not_of_pool),
		cmocka_unit_test(pool_keeps_last_returned_up_to_limit),
		cmocka_unit_test(pool_outlives_owner_while_chunks_are_out),
		cmocka_unit_test(pool_used_by_threads_gives_each_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
