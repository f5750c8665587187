/*
 * remote PATH COMMAND...: runs a command in another context, as ssh(1) does: what it writes appears
 * here while it runs, and its exit status is this one's. It ends with us, whatever happens to us.
 */
#include <stdio.h>

#include <ramet.h>

/* Copies what the command writes until it has closed both. */
static void show(ramet_select *select, ramet_receiver *output, ramet_receiver *errors)
{
	ramet_receiver *ready = NULL;
	ramet_value *value = NULL;

	ramet_select_add(select, output);
	ramet_select_add(select, errors);
	while (ramet_select_next(select, -1, &ready) > 0) {
		if (ramet_receive(ready, 0, &value, NULL) <= 0)
			continue; /* at its end it has left the select */
		ramet_bytes bytes = ramet_value_bytes(value);
		fwrite(bytes.data, 1, bytes.size, ready == output ? stdout : stderr);
		ramet_value_unref(value);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	ramet_init(argc, argv);
	if (argc < 3) {
		fprintf(stderr, "usage: remote PATH COMMAND...\n");
		return 255;
	}
	ramet_router *router = NULL;
	ramet_context *context = NULL;
	ramet_select *select = NULL;
	ramet_process *process = NULL;
	ramet_process_result result = {0};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	options.argv = (const char *const *)&argv[2];
	if (ramet_router_new(NULL, &router) < 0 || ramet_select_new(router, &select) < 0 ||
	    ramet_connect(router, argv[1], &context, &error) < 0 ||
	    ramet_command_start(context, &options, &process, &error) < 0) {
		fprintf(stderr, "remote: %s\n", error.message);
		return 255;
	}
	show(select, ramet_process_stdout(process), ramet_process_stderr(process));
	int r = ramet_process_wait(process, -1, &result, &error);
	if (r < 0)
		fprintf(stderr, "remote: %s\n", error.message); /* it could not be started, say */
	else if (result.signal)
		fprintf(stderr, "remote: killed by %s\n", ramet_signal_name(result.signal));
	ramet_error_clear(&error);
	ramet_process_unref(process);
	ramet_select_unref(select);
	ramet_context_unref(context);
	ramet_router_unref(router);
	return r < 0 ? 255 : result.signal ? 128 + result.signal : result.status;
}
