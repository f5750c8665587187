/* SPDX-License-Identifier: BSD-3-Clause */
/* A pair has two parts. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path, from)) /* ERROR HERE */
{
	return path != 0;
}
