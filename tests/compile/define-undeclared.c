/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RAMET_DEFINE needs a RAMET_DECLARE.
 * Three things are missing.
 * LINES gcc 11 clang 33
 */
#include <ramet.h>

RAMET_DEFINE(i64, count, (str, path)) /* ERROR HERE */
{
	return path != NULL;
}
