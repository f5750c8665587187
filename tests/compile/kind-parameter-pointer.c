/* SPDX-License-Identifier: BSD-3-Clause */
/* const char * is not a kind. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (const char *, path)) /* ERROR HERE */
{
	return path != NULL;
}
