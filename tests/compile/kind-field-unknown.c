/* SPDX-License-Identifier: BSD-3-Clause */
/* f46 is not a kind. */
#include <ramet.h>

RAMET_STRUCT(point, (f46, x), (f64, y)); /* ERROR HERE */
