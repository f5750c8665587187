/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two parameters have one name.
 * The structure of arguments has them, too.
 * LINES gcc 26 clang 64
 */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, path)) /* ERROR HERE */
{
	return path != 0;
}
