/* SPDX-License-Identifier: BSD-3-Clause */
/* The definition differs from the declaration. */
#include <ramet.h>

RAMET_DECLARE(i64, count, (str, path));

RAMET_DEFINE(f64, count, (str, path)) /* ERROR HERE */
{
	return path != NULL;
}
