/* SPDX-License-Identifier: BSD-3-Clause */
/* What has no result cannot be reduced.
 * LINES gcc 9: it shows the definition, too. */
#include <ramet.h>

RAMET_FUNCTION(none, clean, (str, path))
{
	(void)path;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	struct clean_args tasks[1] = {{"a"}};
	if (clean_reduce(pool, tasks, 1, NULL, NULL, NULL, error) < 0) /* ERROR HERE */
		return -1;
	return 0;
}
