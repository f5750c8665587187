/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of our own that execute calls: for functions marked concurrent, and one in place of a main
 * thread that is not ours. They are started when there is work, and end when there was none for a
 * while. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/router.h"

/* A call was put into execution.concurrent, or execution.serial. */
void rmt_worker_wanted(ramet_router *router);
void rmt_serial_wanted(ramet_router *router);

/* A call was appended to execution.services, and gets a thread at once, or is refused. */
void rmt_servant_wanted(ramet_router *router);

/* Waits until no such thread is left, at most until then; true when none is. The router must have
 * begun to end. */
bool rmt_workers_quiet(ramet_router *router, int64_t until);
