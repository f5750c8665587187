/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters are written in parentheses. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, str, path) /* ERROR HERE */
{
	return path != 0;
}
