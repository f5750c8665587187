/* SPDX-License-Identifier: BSD-3-Clause */
/* The body in the place of the function. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

RAMET_FUNCTION(i64, add, (i64, left), (i64, right))
{
	return left + right;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	struct count_args tasks[2] = {{"a", 1}, {"b", 2}};
	int64_t sum;
	return count_reduce(pool, tasks, 2, add, &sum, NULL, error); /* ERROR HERE */
}
