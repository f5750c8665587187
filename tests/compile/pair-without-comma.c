/* SPDX-License-Identifier: BSD-3-Clause */
/* Kind and parameter are separated by a comma. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str path)) /* ERROR HERE */
{
	return path != 0;
}
