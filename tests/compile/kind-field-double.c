/* SPDX-License-Identifier: BSD-3-Clause */
/* double is not a kind. */
#include <ramet.h>

RAMET_STRUCT(point, (f64, x), (double, y)); /* ERROR HERE */
