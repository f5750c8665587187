/* SPDX-License-Identifier: BSD-3-Clause */
/* At most 12 parameters. */
#include <ramet.h>

/* clang-format off */
RAMET_FUNCTION(i64, sum, (i64, a), (i64, b), (i64, c), (i64, d), (i64, e), (i64, f), /* ERROR HERE */
	(i64, g), (i64, h), (i64, i), (i64, j), (i64, k), (i64, l), (i64, m)) /* ERROR HERE */
{
	return a + m;
}
