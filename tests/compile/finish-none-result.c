/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A function without result has none to finish.
 * gcc also reports the argument that has moved.
 * LINES gcc 11
 */
#include <ramet.h>

RAMET_FUNCTION(none, quit)
{
}

int test(ramet_context *context, ramet_error *error);

int test(ramet_context *context, ramet_error *error)
{
	int lines;
	ramet_receiver *receiver = (ramet_receiver *)context;
	if (quit_finish(receiver, -1, &lines, error) < 0) /* ERROR HERE */
		return -1;
	return 0;
}
