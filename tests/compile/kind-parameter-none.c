/* SPDX-License-Identifier: BSD-3-Clause */
/* none is a kind of results only. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (none, path)) /* ERROR HERE */
{
	return 0;
}
