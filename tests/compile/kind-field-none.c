/* SPDX-License-Identifier: BSD-3-Clause */
/* none is a kind of results only. */
#include <ramet.h>

RAMET_STRUCT(point, (none, x), (f64, y)); /* ERROR HERE */
