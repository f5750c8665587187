/* SPDX-License-Identifier: BSD-3-Clause */
/* The body takes a number for a string. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (i64, path))
{
	const char *s = path; /* ERROR HERE */
	return s != NULL;
}
