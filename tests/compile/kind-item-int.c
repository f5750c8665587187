/* int is not a kind. */
#include <ramet.h>

RAMET_ARRAY(numbers, int); /* ERROR HERE */
