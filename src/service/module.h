/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading modules: a shared object from above becomes functions of this process. */
#pragma once

#include "service/services.h"

#include "base/buffer.h"

/* Loads the module into the context where it is called. */
RAMET_DECLARE(none, rmt_module_load, (str, name));

/*
 * module-file.c: the shared object in memory becomes code, and stays. `ordinal` is different in each
 * attempt of this process. Called with rmt_modules_lock() held.
 * 0; -ENOTSUP, -ENOEXEC, -ELIBACC and those of memfd_create(2), open(2), write(2): error says what is
 * wrong with module `name`.
 */
int rmt_module_open(const char *name, const struct rmt_buffer *bytes, unsigned ordinal,
		    const struct ramet_module **ret_module, void **ret_handle, ramet_error *error);
void rmt_module_close(void *handle);

/* 0, or -ENOTSUP: this process cannot load anything. */
int rmt_module_possible(ramet_error *error);
