/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A post has no result.
 * gcc also reports the argument that has moved.
 * LINES gcc 11
 */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

int test(ramet_context *context, ramet_error *error);

int test(ramet_context *context, ramet_error *error)
{
	int64_t lines;
	if (count_post(context, "/etc/passwd", 1, &lines, error) < 0) /* ERROR HERE */
		return -1;
	return 0;
}
