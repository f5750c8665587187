/* SPDX-License-Identifier: BSD-3-Clause */
/* Three functions here and two in table-more.c. */
#include <stdio.h>

#include <ramet.h>

RAMET_FUNCTION(i64, add, (i64, a), (i64, b))
{
	return a + b;
}

RAMET_FUNCTION(none, nothing)
{
}

RAMET_CONCURRENT_FUNCTION(i64, first, (str, text), (i64, n))
{
	return text[0] + n;
}

int main(int argc, char **argv)
{
	int64_t sum = 0, character = 0;

	if (ramet_init(argc, argv) < 0 || add_call(NULL, 30, 4, &sum, NULL) < 0 ||
	    first_call(NULL, "a", 1, &character, NULL) < 0 || nothing_call(NULL, NULL) < 0)
		return 1;
	printf("%d %c\n", (int)sum, (int)character);
	return 0;
}
