/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions from other contexts that start a child for us. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/router.h"

/* An ASK message has arrived: a tool at `source`, which starts the child that `reply` waits for, asks
 * for a password. It is answered by the thread that waits in ramet_connect(). */
void rmt_question_arrived(ramet_router *router, uint32_t source, uint32_t reply, const char *prompt,
			  size_t prompt_size);
