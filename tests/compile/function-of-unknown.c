/* SPDX-License-Identifier: BSD-3-Clause */
/* There is no such function.
 * LINES clang 16: it shows each macro that the name has come through, and what it takes for a misspelling. */
#include <ramet.h>

RAMET_FUNCTION(i64, add, (i64, left), (i64, right))
{
	return left + right;
}

int test(ramet_pool *pool, int64_t *sum);

int test(ramet_pool *pool, int64_t *sum)
{
	struct add_args tasks[1] = {{1, 2}};
	int r;

	r = add_reduce(pool, tasks, 1, RAMET_FUNCTION_OF(nosuch), sum, NULL, NULL); /* ERROR HERE */
	return r;
}
