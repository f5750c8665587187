/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services: functions of the library that every context offers to its parents, whatever program it
 * runs. They are defined like any other (RAMET_DEFINE, with names that begin with RMT_SERVICE_PREFIX),
 * listed in services.c, and in no program's table.
 */
#pragma once

#include "parent/gate.h"
#include "ramet.h"

#undef RAMET__IN_TABLE
#define RAMET__IN_TABLE(name)
