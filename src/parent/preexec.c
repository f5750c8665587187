/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/preexec.h"

#include "base/macro.h"
#include "ramet.h"

struct rmt_preexec rmt_preexec = {.lock = PTHREAD_MUTEX_INITIALIZER};

RMT_PUBLIC void ramet_set_preexec_hook(void (*hook)(void *data), void *data)
{
	pthread_mutex_lock(&rmt_preexec.lock);
	rmt_preexec.run = hook;
	rmt_preexec.data = data;
	pthread_mutex_unlock(&rmt_preexec.lock);
}
