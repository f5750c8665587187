/* SPDX-License-Identifier: BSD-3-Clause */
/* A function without result has the kind none. */
#include <ramet.h>

RAMET_FUNCTION(void, count, (str, path)) /* ERROR HERE */
{
	(void)path;
}
