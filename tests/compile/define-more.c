/* SPDX-License-Identifier: BSD-3-Clause */
/* The definition differs from the declaration. */
#include <ramet.h>

RAMET_DECLARE(i64, count, (str, path));

RAMET_DEFINE(i64, count, (str, path), (i64, from)) /* ERROR HERE */
{
	return path ? from : 0;
}
