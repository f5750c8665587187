/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parameter call is there already.
 * clang adds where the first one is.
 * LINES clang 13
 */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, call)) /* ERROR HERE */
{
	return call != NULL;
}
