/* SPDX-License-Identifier: BSD-3-Clause */
#include "reach.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "fixture.h"

static char directory[] = "/tmp/test-reach-XXXXXX";
static int told = -1;

static const char prelude[] =
	"#!/bin/sh\n"
	"for stage; do :; done\n"
	"n=${stage#*n=}\n"
	"n=${n%%;*}\n"
	"say() { echo \"ramet:$n:$*\"; }\n"
	"ready() { say \"ready:$(uname -sm):plain:none:anonymous:/nowhere\"; }\n"
	"take() { read -r size form digest && head -c \"$size\" >/dev/null; }\n";

int reach_begin(void **state)
{
	ramet_bytes image;
	char path[64];

	(void)state;
	/* Made once, beside connections, and perhaps still when those have failed. */
	if (ramet_core_image(&image, NULL) < 0)
		return -1;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/told", directory);
	if (mkfifo(path, 0600) < 0)
		return -1;
	/* For both, so that no end waits for the other. */
	told = open(path, O_RDWR | O_CLOEXEC);
	return told < 0 ? -1 : 0;
}

int reach_end(void **state)
{
	char command[64];

	(void)state;
	close(told);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command); /* NOLINT: of a test's own words */
}

void reach_wait(void)
{
	struct pollfd poll_fd = {.fd = told, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&poll_fd, 1, SOON), 1);
	assert_int_equal(read(told, &byte, 1), 1);
}

const char *reach_path(const char *method, const char *name, const char *body, const char *keys)
{
	static char path[512];
	char file[64], *at = path;
	FILE *script;

	snprintf(file, sizeof(file), "%s/%s", directory, name);
	script = fopen(file, "we");
	assert_non_null(script);
	fprintf(script, "%stell() { printf x >%s/told; }\n%s\n", prelude, directory, body);
	assert_int_equal(fclose(script), 0);
	assert_int_equal(chmod(file, 0700), 0);
	at += sprintf(at, "%s%s", method, strchr(method, '?') ? "" : ":");
	for (const char *c = file; *c; c++)
		at += sprintf(at, *c == '/' ? "%%2F" : "%c", *c);
	sprintf(at, "%s", keys);
	return path;
}
