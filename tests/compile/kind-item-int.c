/* SPDX-License-Identifier: BSD-3-Clause */
/* int is not a kind. */
#include <ramet.h>

RAMET_ARRAY(numbers, int); /* ERROR HERE */
