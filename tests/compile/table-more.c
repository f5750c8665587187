/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing refers to this file: its functions are in the table all the same. */
#include <ramet.h>

RAMET_DECLARE(i64, length, (str, text));

RAMET_DEFINE(i64, length, (str, text))
{
	int64_t length = 0;
	while (text[length])
		length++;
	return length;
}

RAMET_FUNCTION(str, same, (str, text))
{
	return text;
}
