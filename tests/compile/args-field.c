/* SPDX-License-Identifier: BSD-3-Clause */
/* The arguments have no such field. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

int test(ramet_context *context, ramet_error *error);

int test(ramet_context *context, ramet_error *error)
{
	int64_t lines;
	struct count_args args = {"/etc/passwd", 1};
	if (count_call(context, args.path, args.to, &lines, error) < 0) /* ERROR HERE */
		return -1;
	return 0;
}
