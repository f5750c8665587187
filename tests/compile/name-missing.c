/* SPDX-License-Identifier: BSD-3-Clause */
/* A function has a name. */
#include <ramet.h>

RAMET_FUNCTION(i64) /* ERROR HERE */
{
	return 0;
}
