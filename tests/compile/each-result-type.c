/* SPDX-License-Identifier: BSD-3-Clause */
/* The results are i64, not doubles. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

static int next(struct count_args *task, void *data)
{
	(void)task, (void)data;
	return 0;
}

static int done(uint64_t index, double *result, void *data)
{
	(void)index, (void)result, (void)data;
	return 0;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	return count_each(pool, next, done, NULL, NULL, error); /* ERROR HERE */
}
