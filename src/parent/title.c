/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/title.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

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

/* ps(1) reads this memory (proc(5), cmdline); it is as long as what stands there. */
static void overwrite(const char *text)
{
	char *title = program_invocation_name;
	size_t size = strlen(title) + 1;

	memset(title, 0, size);
	rmt_format(title, size, "%s", text);
}

void rmt_title_detached(const char *name)
{
	char *text = rmt_format_new("ramet(detached %s)", name);

	overwrite(text ? text : "ramet(detached)");
	free(text);
}

void rmt_title_background(const char *address)
{
	/* For good, if it can be used. */
	char *text = rmt_format_new("ramet-background %s", address);
	unsigned long begin = (unsigned long)text;

	prctl(PR_SET_NAME, "ramet-background");
	/* The heap is below the stack, so that the beginning never lies behind the end. */
	if (text && prctl(PR_SET_MM, PR_SET_MM_ARG_START, begin, 0, 0) == 0 &&
	    prctl(PR_SET_MM, PR_SET_MM_ARG_END, begin + strlen(text) + 1, 0, 0) == 0)
		return;
	overwrite(text ? text : "ramet-background");
	free(text);
}
