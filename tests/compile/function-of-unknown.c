/* SPDX-License-Identifier: BSD-3-Clause */
/* There is no such function.
 * LINES clang 16: it shows each macro that the name has come through, and what it takes for a misspelling. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	struct count_args tasks[1] = {{"a", 1}};
	int64_t sum;
	if (count_reduce(pool, tasks, 1, RAMET_FUNCTION_OF(sum_up), &sum, NULL,
			 error)) /* ERROR HERE */
		return -1;
	return 0;
}
