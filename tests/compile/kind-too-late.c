/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kind is defined before it is used.
 * There the definition of the kind is reported, too.
 * LINES gcc 11 clang 16
 */
#include <ramet.h>

RAMET_FUNCTION(f64, sum, (point, p)) /* ERROR HERE */
{
	(void)p;
	return 0;
}

RAMET_STRUCT(point, (f64, x), (f64, y));
