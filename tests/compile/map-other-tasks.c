/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of another function. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

RAMET_FUNCTION(i64, length, (str, path))
{
	return path ? 1 : 0;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	struct length_args tasks[2] = {{"a"}, {"b"}};
	int64_t results[2];
	return count_map(pool, tasks, 2, results, NULL, error); /* ERROR HERE */
}
