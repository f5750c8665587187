/* SPDX-License-Identifier: BSD-3-Clause */
/* The results are i64, not doubles. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	struct count_args tasks[2] = {{"a", 1}, {"b", 2}};
	double results[2];
	return count_map(pool, tasks, 2, results, NULL, error); /* ERROR HERE */
}
