/* SPDX-License-Identifier: BSD-3-Clause */
/* int is not a kind. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (int, from)) /* ERROR HERE */
{
	return path ? from : 0;
}
