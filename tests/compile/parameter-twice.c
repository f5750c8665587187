/* Two parameters have one name. */
#include <ramet.h>

RAMET_FUNCTION(i64, count, (str, path), (i64, path)) /* ERROR HERE */
{
	return path != 0;
}
