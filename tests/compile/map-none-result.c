/* SPDX-License-Identifier: BSD-3-Clause */
/* There is no result.
 * LINES gcc 11: one error for what is too much, and one for what is in its place. */
#include <ramet.h>

RAMET_FUNCTION(none, clean, (str, path))
{
	(void)path;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	struct clean_args tasks[1] = {{"a"}};
	int results[1];
	return clean_map(pool, tasks, 1, results, NULL, error); /* ERROR HERE */
}
