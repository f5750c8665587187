/* SPDX-License-Identifier: BSD-3-Clause */
/* strr is not a kind. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (strr, path)) /* ERROR HERE */
{
	return path != 0;
}
