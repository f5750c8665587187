/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind is point, not struct point. */
#include <ramet.h>

RAMET_STRUCT(point, (f64, x), (f64, y));

RAMET_FUNCTION(f64, length, (struct point, to)) /* ERROR HERE */
{
	return to.x + to.y;
}
