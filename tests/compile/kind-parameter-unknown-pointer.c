/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * strr is not a kind, and the body takes the parameter for a string.
 * gcc goes on with an int in place of the unknown type, so that it reports each such use, too.
 * LINES gcc 22
 */
#include <stdio.h>

#include <ramet.h>

RAMET_FUNCTION(i64, count, (strr, path)) /* ERROR HERE */
{
	FILE *file = fopen(path, "re");
	return file && path[0] == '/';
}
