/* The parameter call is there already. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, call)) /* ERROR HERE */
{
	return call != NULL;
}
