/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For cold.sh, which links it as programs that travel are linked.
 *
 *	cold image		what ramet_core_image() gives, to the standard output
 *	cold [-f FILE] PATHS INNER	connects PATHS; then each context there connects INNER ("-": nothing)
 *
 * With -f, children find FILE where the executable was, in a mount namespace of their own: so they are
 * what a context on another machine is.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ramet.h>

static const char *file, *self;

static void hide_executable(void *data)
{
	(void)data;
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(file, self, NULL, MS_BIND, NULL) < 0)
		_exit(99);
}

RAMET_FUNCTION(i64, executable_size)
{
	struct stat status;

	if (stat(ramet_executable(), &status) < 0)
		ramet_fail(call, errno, "%s", strerror(errno));
	return status.st_size;
}

/* How many contexts answered. */
RAMET_FUNCTION(i64, reach, (str, paths))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;
	int64_t size, count = 0;

	if (ramet_connect_all(ramet_call_router(call), paths, &group, &error) < 0) {
		ramet_fail_error(call, &error);
		return 0;
	}
	for (size_t i = 0; i < ramet_group_size(group); i++) {
		if (executable_size_call(ramet_group_get(group, i), &size, &error) < 0)
			break;
		count++;
	}
	if (error.code)
		ramet_fail_error(call, &error);
	ramet_group_unref(group);
	return count;
}

static int complain(ramet_error *error)
{
	fprintf(stderr, "cold: %s\n", error->message);
	ramet_error_clear(error);
	return 1;
}

static int print_image(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_bytes image;

	if (ramet_core_image(&image, &error) < 0)
		return complain(&error);
	return fwrite(image.data, 1, image.size, stdout) != image.size;
}

static int print_contexts(ramet_router *router, const char *paths, const char *inner)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;
	int64_t size, count;

	if (ramet_connect_all(router, paths, &group, &error) < 0)
		return complain(&error);
	for (size_t i = 0; i < ramet_group_size(group) && !error.code; i++) {
		ramet_context *context = ramet_group_get(group, i);

		count = 0;
		if (executable_size_call(context, &size, &error) == 0 &&
		    (strcmp(inner, "-") == 0 || reach_call(context, inner, &count, &error) == 0))
			printf("%s %d %d\n", ramet_context_path(context), (int)size, (int)count);
	}
	ramet_group_unref(group);
	return error.code ? complain(&error) : 0;
}

int main(int argc, char **argv)
{
	ramet_router *router;
	int r = ramet_init(argc, argv);

	if (r < 0) {
		fprintf(stderr, "cold: %s\n", strerror(-r));
		return 3;
	}
	if (argc == 2 && strcmp(argv[1], "image") == 0)
		return print_image();
	if (argc > 2 && strcmp(argv[1], "-f") == 0) {
		file = argv[2];
		self = ramet_executable();
		ramet_set_preexec_hook(hide_executable, NULL);
		argv += 2;
		argc -= 2;
	}
	if (argc != 3 || ramet_router_new(NULL, &router) < 0)
		return 2;
	r = print_contexts(router, argv[1], argv[2]);
	ramet_router_unref(router);
	return r;
}
