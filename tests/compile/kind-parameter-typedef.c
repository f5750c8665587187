/* SPDX-License-Identifier: BSD-3-Clause */
/* size_t is not a kind. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (size_t, from)) /* ERROR HERE */
{
	return path ? (int64_t)from : 0;
}
