/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests with other users and machines:
 *
 *	detacher detach PATH NAME	has the context detach itself, with a child
 *	detacher find PATH		says what it finds there
 *	detacher end PATH		ends it
 *
 * Each says "PID PID-OF-CHILD COUNT".
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ramet.h>

static int32_t counter;
static ramet_context *child;

RAMET_FUNCTION(str, state)
{
	ramet_error error = RAMET_ERROR_INIT;
	char *text = ramet_call_alloc(call, 64);

	if (!child && ramet_connect(ramet_call_router(call), "local", &child, &error) < 0) {
		ramet_fail_error(call, &error);
		return NULL;
	}
	snprintf(text, 64, "%d %d %d", (int)getpid(), ramet_context_pid(child), ++counter);
	return text;
}

RAMET_FUNCTION(none, detach, (str, name))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_detach(ramet_call_router(call), name, &error) < 0)
		ramet_fail_error(call, &error);
}

static int fail(ramet_error *error)
{
	fprintf(stderr, "%s\n", error->message ? error->message : "?");
	ramet_error_clear(error);
	return 1;
}

int main(int argc, char **argv)
{
	ramet_router *router = NULL;
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	const char *text = NULL, *reason = NULL;

	ramet_init(argc, argv);
	if (argc < 3)
		return 2;
	if (ramet_router_new(NULL, &router) < 0 ||
	    ramet_connect(router, argv[2], &context, &error) < 0 ||
	    state_call(context, &text, &error) < 0)
		return fail(&error);
	puts(text);
	ramet_free(text);
	if (strcmp(argv[1], "detach") == 0) {
		if (argc < 4 || detach_call(context, argv[3], &error) < 0)
			return fail(&error);
		if (ramet_context_wait(context, 10000, &reason) == 1)
			fprintf(stderr, "%s\n", reason);
	} else if (strcmp(argv[1], "end") == 0 && ramet_context_shutdown(context, -1, &error) < 0) {
		return fail(&error);
	}
	ramet_context_unref(context);
	ramet_router_unref(router);
	return 0;
}
