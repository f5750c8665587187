/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/title.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/format.h"
#include "parent/keys.h"
#include "ramet.h"

char *rmt_title(const struct rmt_hop *hop, const char *path)
{
	const char *file = ramet_executable(), *program = strrchr(file, '/');
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *starter = rmt_hop_remote_name(hop);

	rmt_buffer_printf(&out, "%s(ramet %s, started by %s)", program ? program + 1 : file, path,
			  starter ? starter : "?");
	free(starter);
	return rmt_buffer_steal_string(&out);
}

void rmt_title_detached(const char *name)
{
	/* ps(1) reads this memory (proc(5), cmdline); it is as long as what stands there. */
	char *title = program_invocation_name;
	size_t size = strlen(title) + 1;

	memset(title, 0, size);
	rmt_format(title, size, "ramet(detached %s)", name);
}
