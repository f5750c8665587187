/* The definition differs from the declaration. */
#include <ramet.h>

RAMET_DECLARE(i64, count, (str, path));

RAMET_DEFINE(i64, count, (str, file)) /* ERROR HERE */
{
	return file != NULL;
}
