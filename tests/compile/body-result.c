/* SPDX-License-Identifier: BSD-3-Clause */
/* The body returns a string, not an i64. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path))
{
	return path; /* ERROR HERE */
}
