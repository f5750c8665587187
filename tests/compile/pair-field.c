/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields are written in parentheses. */
#include <ramet.h>

RAMET_STRUCT(point, f64, x); /* ERROR HERE */
