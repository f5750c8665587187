/* SPDX-License-Identifier: BSD-3-Clause */
#include "fail-alloc.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ld's --wrap: what the program calls malloc is __wrap_malloc, and __real_malloc is malloc. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static atomic_uint next_failure, last_failure, allocations;
static atomic_bool failed;

void fail_alloc_at(unsigned n, unsigned count)
{
	atomic_store(&allocations, 0);
	atomic_store(&failed, false);
	atomic_store(&last_failure, n + count - 1);
	atomic_store(&next_failure, n);
}

bool fail_alloc_end(void)
{
	atomic_store(&next_failure, 0);
	return atomic_load(&failed);
}

void fail_alloc_child(void)
{
	const char *text = getenv("FAIL_ALLOC");

	if (text)
		fail_alloc_at((unsigned)atoi(text), 1);
}

static bool fails(void)
{
	unsigned first = atomic_load(&next_failure), number;

	if (first == 0)
		return false;
	number = atomic_fetch_add(&allocations, 1) + 1;
	if (number < first || number > atomic_load(&last_failure))
		return false;
	atomic_store(&failed, true);
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
	return fails() ? NULL : __real_strndup(text, size);
}
