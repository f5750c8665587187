/* A function has a name. */
#include <ramet.h>

RAMET_FUNCTION(i64) /* ERROR HERE */
{
	return 0;
}
