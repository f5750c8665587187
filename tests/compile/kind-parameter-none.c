/* none is a kind of results only. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (none, path)) /* ERROR HERE */
{
	return 0;
}
