/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies between contexts: contents, what is preserved, what is in the way, resuming. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "files.h"
#include "fixture.h"

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static ramet_file_copy_result result;

static ramet_context *here(void)
{
	return ramet_router_self(router);
}

static int copy_with(ramet_context *from, const char *from_path, ramet_context *to,
		     const char *to_path, unsigned flags, ramet_error *error)
{
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;

	options.from = from;
	options.from_path = from_path;
	options.to = to;
	options.to_path = to_path;
	options.flags = flags;
	memset(&result, 0, sizeof(result));
	return ramet_file_copy(&options, &result, error);
}

static void copy(ramet_context *from, const char *from_path, ramet_context *to, const char *to_path,
		 unsigned flags)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (copy_with(from, from_path, to, to_path, flags, &error) < 0)
		fail_msg("%s: %s", error.where, error.message);
}

static void refuse(ramet_context *to, const char *from_path, const char *to_path, unsigned flags,
		   int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;

	assert_int_equal(copy_with(here(), from_path, to, to_path, flags, &error), code);
	fixture_check_error(&error, code, text, NULL);
}

static const char *const paths[] = {"local", "fork", "local/local"};

/* --- contents --------------------------------------------------------------------------------------- */

static void files_of_all_sizes_arrive_whole(void **state)
{
	static const uint64_t sizes[] = {0, 1, 65535, 65536, 65537, (1 << 20) + 1, 5000000};

	(void)state;
	files_begin();
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		ramet_context *context;

		router = fixture_router(RAMET_POLLER_DEFAULT, 0);
		context = fixture_connect(router, paths[i]);
		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
			char hash[33];

			files_make(files_path("from"), sizes[k], (unsigned)k);
			copy(here(), files_path("from"), context, files_path("there"), 0);
			files_check_same(files_path("from"), files_path("there"));
			assert_int_equal(result.bytes, sizes[k]);
			assert_int_equal(result.files, 1);
			assert_int_equal(ramet_file_hash(here(), files_path("from"), hash, NULL),
					 0);
			assert_string_equal(result.hash, hash);
			copy(context, files_path("there"), here(), files_path("back"), 0);
			files_check_same(files_path("from"), files_path("back"));
			files_check_status(files_path("from"), files_path("back"));
			files_check_names(files_path("."), "back from there");
		}
		ramet_context_unref(context);
		ramet_router_unref(router);
	}
	files_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(files_of_all_sizes_arrive_whole),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	(void)refuse;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
