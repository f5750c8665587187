/* SPDX-License-Identifier: BSD-3-Clause */
/* strr is not a kind; the function is called too. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (strr, path)) /* ERROR HERE */
{
	return path != 0;
}

int test(ramet_context *context, int64_t *lines);

int test(ramet_context *context, int64_t *lines)
{
	return count_call(context, 0, lines, NULL);
}
