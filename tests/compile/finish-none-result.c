/* A function without result has none to finish. */
#include <ramet.h>

RAMET_FUNCTION(none, quit)
{
}

int test(ramet_context *context, ramet_error *error);

int test(ramet_context *context, ramet_error *error)
{
	int lines;
	ramet_receiver *receiver = (ramet_receiver *)context;
	return quit_finish(receiver, -1, &lines, error); /* ERROR HERE */
}
