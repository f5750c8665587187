/* SPDX-License-Identifier: BSD-3-Clause */
/* A context where the receiver is returned. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, from))
{
	return path ? from : 0;
}

int test(ramet_context *context, ramet_error *error);

int test(ramet_context *context, ramet_error *error)
{
	ramet_context *receiver;
	if (count_start(context, "/etc/passwd", 1, &receiver, error) < 0) /* ERROR HERE */
		return -1;
	return 0;
}
