/* SPDX-License-Identifier: BSD-3-Clause */
/* pointt is not a kind. */
#include <ramet.h>

RAMET_STRUCT(point, (f64, x), (f64, y));
RAMET_ARRAY(points, pointt); /* ERROR HERE */
