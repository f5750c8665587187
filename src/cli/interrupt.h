/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGINT and SIGTERM, on a thread of their own: a handler could not use the library. */
#pragma once

#include <stdbool.h>

/*
 * To be called before other threads begin, so that they do not get these signals. At the first one
 * `end` is called, on that thread; when it returns false, at a second signal, or when the process
 * has not ended within a while, the process exits with status 130. Contexts then end because their
 * parent has.
 */
int rmt_interrupt_watch(bool (*end)(void *data), void *data);
