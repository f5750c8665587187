/* SPDX-License-Identifier: BSD-3-Clause */
/* i46 is not a kind. */
#include <ramet.h>

RAMET_FUNCTION(i46, count, (str, path)) /* ERROR HERE */
{
	return path != NULL;
}
