/* SPDX-License-Identifier: BSD-3-Clause */
/* int is not a kind. */
#include <ramet.h>

RAMET_FUNCTION(int, count, (str, path)) /* ERROR HERE */
{
	return path != NULL;
}
