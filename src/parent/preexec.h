/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's function that runs in each new child before anything else. */
#pragma once

#include <pthread.h>

struct rmt_preexec {
	pthread_mutex_t lock;
	void (*run)(void *data);
	void *data;
};

extern struct rmt_preexec rmt_preexec;
