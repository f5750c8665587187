/* SPDX-License-Identifier: BSD-3-Clause */
/* f46 is not a kind; the structure is used too. */
#include <ramet.h>

RAMET_STRUCT(point, (f46, x), (f64, y)); /* ERROR HERE */

RAMET_FUNCTION(f64, sum, (point, p))
{
	return p.x + p.y;
}
