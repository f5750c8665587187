/* SPDX-License-Identifier: BSD-3-Clause */
/* A function has a name before its parameters. */
#include <ramet.h>

RAMET_FUNCTION(i64, (str, path)) /* ERROR HERE */
{
	return 0;
}
