/* SPDX-License-Identifier: BSD-3-Clause */
/* f46 is not a kind. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (f46, share)) /* ERROR HERE */
{
	return path && share > 0;
}
