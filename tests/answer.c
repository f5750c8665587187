/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * answer FILE PATH: connects, with the lines of FILE for passwords, one for each question. Prints what
 * it is asked, and the user id in the context; or the code and the words of the error, and exits with 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ramet.h>

RAMET_FUNCTION(i64, user_id)
{
	(void)call;
	return getuid();
}

static int next_line(const ramet_password_request *request, char *password, size_t size, void *data)
{
	char line[1024];
	size_t length;

	printf("%s: %s %s: %s\n", request->path, request->method,
	       request->target ? request->target : "-", request->prompt);
	if (!fgets(line, sizeof(line), data))
		return -ENOKEY;
	length = strcspn(line, "\n");
	if (length > size)
		return -E2BIG;
	memcpy(password, line, length);
	return (int)length;
}

int main(int argc, char **argv)
{
	ramet_init(argc, argv);

	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t id;

	if (argc != 3)
		return 2;
	options.password = next_line;
	options.password_data = fopen(argv[1], "re");
	if (!options.password_data)
		return 2;
	int r = ramet_router_new(&options, &router);
	if (r == 0)
		r = ramet_connect(router, argv[2], &context, &error);
	if (r == 0)
		r = user_id_call(context, &id, &error);
	if (r == 0)
		printf("%" PRId64 "\n", id);
	else
		printf("%d: %s\n", -r, error.message);
	ramet_error_clear(&error);
	ramet_context_unref(context);
	ramet_router_unref(router);
	fclose(options.password_data);
	return r < 0;
}
