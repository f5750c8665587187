/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/title.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "ramet.h"

char *rmt_title(const char *path, const char *starter)
{
	const char *file = ramet_executable(), *program = strrchr(file, '/');
	const char *user = getenv("USER");
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char host[65] = "";

	rmt_buffer_printf(&out, "%s(ramet %s, started by ", program ? program + 1 : file, path);
	if (starter) {
		rmt_buffer_printf(&out, "%s", starter);
	} else {
		gethostname(host, sizeof(host) - 1);
		if (user)
			rmt_buffer_printf(&out, "%s", user);
		else
			rmt_buffer_printf(&out, "%u", (unsigned)getuid());
		rmt_buffer_printf(&out, "@%s:%d", host, (int)getpid());
	}
	rmt_buffer_append_byte(&out, ')');
	return rmt_buffer_steal_string(&out);
}
