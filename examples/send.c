/*
 * send FILE PATHS DESTINATION: copies a file from here to every context of a set. Each byte crosses
 * each link of the tree once, however many contexts are behind it; what arrives is compared by hash,
 * and takes its name when it is complete.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ramet.h>

static int progress(uint64_t bytes, uint64_t total, void *data)
{
	(void)data;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " bytes", bytes, total);
	return 0; /* anything else cancels */
}

/* Tells what each context has got, and drops it. */
static void report(const ramet_group *group, ramet_file_outcome *outcomes)
{
	for (size_t i = 0; i < ramet_group_size(group); i++) {
		ramet_file_outcome *outcome = &outcomes[i];
		const char *path = ramet_context_path(ramet_group_get(group, i));

		if (outcome->error.code < 0)
			fprintf(stderr, "send: %s: %s\n", path, outcome->error.message);
		else
			printf("%s  %s\n", outcome->result.hash, path);
		ramet_error_clear(&outcome->error);
	}
}

int main(int argc, char **argv)
{
	ramet_init(argc, argv);
	if (argc != 4) {
		fprintf(stderr, "usage: send FILE PATHS DESTINATION\n");
		return 2;
	}
	ramet_router *router = NULL;
	ramet_group *group = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_file_distribute_options options = RAMET_FILE_DISTRIBUTE_OPTIONS_INIT;

	if (ramet_router_new(NULL, &router) < 0 ||
	    ramet_connect_all(router, argv[2], &group, &error) < 0) {
		fprintf(stderr, "send: %s\n", error.message);
		return 1;
	}
	options.from = ramet_router_self(router);
	options.from_path = argv[1];
	options.to = group;
	options.to_path = argv[3];
	options.progress = isatty(STDERR_FILENO) ? progress : NULL;

	ramet_file_outcome *outcomes = calloc(ramet_group_size(group), sizeof(*outcomes));
	int failed = ramet_file_distribute(&options, outcomes, &error);
	if (options.progress)
		fputc('\n', stderr);
	if (failed < 0)
		fprintf(stderr, "send: %s\n", error.message); /* the file cannot be read, say */
	else
		report(group, outcomes);
	free(outcomes);
	ramet_error_clear(&error);
	ramet_group_unref(group);
	ramet_router_unref(router);
	return failed != 0;
}
