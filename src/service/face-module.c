/* SPDX-License-Identifier: BSD-3-Clause */
/* The public functions of modules: they travel, what is behind them does not, until it is needed. */
#include "parent/gate.h"
#include "parent/module.h"
#include "service/module.h"

RMT_PUBLIC int ramet_module_allow(ramet_router *router, const char *name, const char *file,
				  ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_module_allow(router, name, file, error);
}

RMT_PUBLIC int ramet_module_allow_directory(ramet_router *router, const char *directory,
					    ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_module_allow_directory(router, directory, error);
}

RMT_PUBLIC int ramet_module_load(ramet_context *context, const char *name, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_module_load_call(context, name, error);
}
