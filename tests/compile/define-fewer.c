/* SPDX-License-Identifier: BSD-3-Clause */
/* The definition differs from the declaration. */
#include <ramet.h>

RAMET_DECLARE(i64, count, (str, path), (i64, from));

RAMET_DEFINE(i64, count, (str, path)) /* ERROR HERE */
{
	return path != NULL;
}
