/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reach-connect [PATH]: connects, for bench/reach.c, once, or for each line on standard input. Prints
 * the nanoseconds from the beginning of the connection to the answer of a call as soon as that is
 * there. A program of its own, without stdio: it travels.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ramet.h>

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void print(const char *text, size_t size)
{
	if (write(STDOUT_FILENO, text, size) != (ssize_t)size)
		_exit(1);
}

static void print_number(int64_t number)
{
	char text[24], *at = text + sizeof(text);

	*--at = '\n';
	for (; number > 0; number /= 10)
		*--at = (char)('0' + number % 10);
	print(at, (size_t)(text + sizeof(text) - at));
}

static int fail(const ramet_error *error)
{
	const char *text = error->message ? error->message : strerror(-error->code);

	print("failed: ", 8);
	print(text, strcspn(text, "\n"));
	print("\n", 1);
	return -1;
}

/* `wait`: until standard input ends, when whoever measures has seen the answer. */
static int connect_to(ramet_router *router, const char *path, bool wait)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;
	int64_t begin = now();
	char byte;

	if (ramet_connect(router, path, &context, &error) < 0 || nothing_call(context, &error) < 0)
		return fail(&error);
	print_number(now() - begin);
	while (wait && read(STDIN_FILENO, &byte, 1) > 0)
		;
	if (ramet_context_shutdown(context, -1, &error) < 0)
		return fail(&error);
	ramet_context_unref(context);
	return 0;
}

/* Without its newline; false at the end. */
static bool read_line(char *line, size_t size)
{
	for (size_t used = 0; used + 1 < size && read(STDIN_FILENO, line + used, 1) == 1; used++)
		if (line[used] == '\n') {
			line[used] = '\0';
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	ramet_router *router;
	char line[8192];
	int r = 0;

	if (ramet_init(argc, argv) < 0 || ramet_router_new(NULL, &router) < 0)
		return 1;
	if (argc > 1)
		r = connect_to(router, argv[1], true);
	else
		while (r == 0 && read_line(line, sizeof(line)))
			r = connect_to(router, line, false);
	ramet_router_unref(router);
	return r < 0;
}
