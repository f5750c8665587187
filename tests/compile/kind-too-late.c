/* A kind is defined before it is used. */
#include <ramet.h>

RAMET_FUNCTION(f64, sum, (point, p)) /* ERROR HERE */
{
	(void)p;
	return 0;
}

RAMET_STRUCT(point, (f64, x), (f64, y));
