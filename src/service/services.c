/* SPDX-License-Identifier: BSD-3-Clause */
/* All services there are. */
#include "service/services.h"

#include <string.h>

#include "service/exec.h"
#include "service/file.h"
#include "service/module.h"
#include "service/transfer.h"

static const struct ramet_function *const services[] = {
	&rmt_exec__function,
	&rmt_file_hash__function,
	&rmt_file_list__function,
	&rmt_file_make_directory__function,
	&rmt_file_read__function,
	&rmt_file_remove__function,
	&rmt_file_send__function,
	&rmt_file_stat__function,
	&rmt_file_take__function,
	&rmt_file_write__function,
	&rmt_module_load__function,
	NULL,
};

const struct ramet_function *rmt_service_find(const char *name, size_t size)
{
	for (const struct ramet_function *const *at = services; *at; at++)
		if (strlen((*at)->name) == size && memcmp((*at)->name, name, size) == 0)
			return *at;
	return NULL;
}
