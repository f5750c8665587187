/* SPDX-License-Identifier: BSD-3-Clause */
/* The definition differs from the declaration. */
#include <ramet.h>

RAMET_DECLARE(i64, count, (str, path));

RAMET_DEFINE(i64, count, (i64, path)) /* ERROR HERE */
{
	return path;
}
