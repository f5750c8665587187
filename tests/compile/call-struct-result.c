/* SPDX-License-Identifier: BSD-3-Clause */
/* A size where the resulting point belongs. */
#include <ramet.h>

RAMET_STRUCT(point, (f64, x), (f64, y));
RAMET_STRUCT(size, (f64, width), (f64, height));

RAMET_FUNCTION(point, moved, (point, from), (f64, by))
{
	from.x += by;
	return from;
}

int test(ramet_context *context, ramet_error *error);

int test(ramet_context *context, ramet_error *error)
{
	point from = {1, 2};
	size to;
	if (moved_call(context, from, 1, &to, error) < 0) /* ERROR HERE */
		return -1;
	return 0;
}
