/* RAMET_DEFINE needs a RAMET_DECLARE. */
#include <ramet.h>

RAMET_DEFINE(i64, count, (str, path)) /* ERROR HERE */
{
	return path != NULL;
}
