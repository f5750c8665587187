/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts that are limited to a directory: what is beneath it can be reached, nothing else can. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "files.h"
#include "fixture.h"
#include "service/place.h"

/* flags: of the limit; the internal one, too. */
RAMET_FUNCTION(none, limit_files, (str, directory), (u64, flags))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (rmt_place_limit(ramet_call_router(call), directory, (unsigned)flags, &error) < 0)
		ramet_fail_error(call, &error);
}

/* The context's own calls are not limited. */
RAMET_FUNCTION(str, read_own, (str, path))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_bytes bytes = {NULL, 0};
	char *text;

	if (ramet_file_read(ramet_router_self(ramet_call_router(call)), path, 0, 0, &bytes,
			    &error) < 0) {
		ramet_fail_error(call, &error);
		return NULL;
	}
	text = ramet_call_alloc(call, bytes.size + 1);
	memcpy(text, bytes.data, bytes.size);
	text[bytes.size] = '\0';
	ramet_free(bytes.data);
	return text;
}

static ramet_router *router;
static ramet_context *context;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* inside/ is the limit; secret lies beside it. */
static void open_limited(const char *path, unsigned flags)
{
	ramet_error error = RAMET_ERROR_INIT;

	files_begin();
	assert_int_equal(mkdir(files_path("inside"), 0755), 0);
	assert_int_equal(mkdir(files_path("inside/deep"), 0755), 0);
	write_file(files_path("secret"), "secret");
	write_file(files_path("inside/file"), "inside");
	write_file(files_path("inside/deep/file"), "deep");
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	context = fixture_connect(router, path);
	if (limit_files_call(context, files_path("inside"), flags, &error) < 0)
		fail_msg("%s", error.message);
}

static void close_limited(void)
{
	ramet_context_unref(context);
	ramet_router_unref(router);
	/* Whatever was tried, what is outside is as it was. */
	files_check_names(files_path("."), "inside secret");
	files_end();
}

static int read_code(const char *path)
{
	ramet_bytes bytes = {NULL, 0};
	int r = ramet_file_read(context, path, 0, 0, &bytes, NULL);

	if (r == 0) {
		assert_true(bytes.size == 0 || memcmp(bytes.data, "secret", 6) != 0);
		ramet_free(bytes.data);
	}
	return r;
}

static void check_reads(const char *path, const char *expected)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_bytes bytes;

	if (ramet_file_read(context, path, 0, 0, &bytes, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(bytes.size, strlen(expected));
	assert_memory_equal(bytes.data, expected, bytes.size);
	ramet_free(bytes.data);
}

static const unsigned ways[] = {0, RMT_PLACE_WALKS};
enum { WAYS = 2 };

static void paths_begin_in_the_directory_and_end_there(void **state)
{
	(void)state;
	for (int i = 0; i < WAYS; i++) {
		ramet_error error = RAMET_ERROR_INIT;
		const char *text = NULL;
		ramet_bytes bytes;

		open_limited(i ? "local" : "fork", ways[i]);
		check_reads("file", "inside");
		check_reads("/file", "inside");
		check_reads("deep/../file", "inside");
		check_reads("//deep//./file", "deep");
		assert_int_equal(ramet_file_read(context, "../secret", 0, 0, &bytes, &error),
				 -EXDEV);
		fixture_check_error(&error, -EXDEV, "limited", NULL);
		assert_int_equal(read_code("/../secret"), -EXDEV);
		assert_int_equal(read_code("deep/../../secret"), -EXDEV);
		assert_int_equal(read_code(files_path("secret")), -ENOENT);
		assert_int_equal(read_code("/etc/passwd"), -ENOENT);
		assert_int_equal(read_code("/proc/self/root/etc/passwd"), -ENOENT);
		assert_int_equal(read_code(".."), -EXDEV);
		/* Itself it may. */
		assert_int_equal(read_own_call(context, files_path("secret"), &text, NULL), 0);
		assert_string_equal(text, "secret");
		ramet_free(text);
		assert_int_equal(limit_files_call(context, "/", 0, &error), -EALREADY);
		fixture_check_error(&error, -EALREADY, NULL);
		close_limited();
	}
}

static void links_do_not_lead_out(void **state)
{
	(void)state;
	for (int i = 0; i < WAYS; i++) {
		open_limited("local", ways[i]);
		assert_int_equal(symlink("/etc", files_path("inside/absolute")), 0);
		assert_int_equal(symlink("..", files_path("inside/up")), 0);
		assert_int_equal(symlink("../secret", files_path("inside/secret")), 0);
		assert_int_equal(symlink("/proc/self/root", files_path("inside/magic")), 0);
		assert_int_equal(symlink("deep/file", files_path("inside/within")), 0);
		assert_true(read_code("absolute/passwd") < 0);
		assert_true(read_code("up/secret") < 0);
		assert_true(read_code("secret") < 0);
		assert_true(read_code("magic/etc/passwd") < 0);
		/* Those that stay are followed where the system does it. */
		if (ways[i])
			assert_int_equal(read_code("within"), -ELOOP);
		else
			check_reads("within", "deep");
		/* What is hard-linked into the directory is in it. */
		assert_int_equal(link(files_path("secret"), files_path("inside/hard")), 0);
		check_reads("hard", "secret");
		assert_int_equal(unlink(files_path("inside/hard")), 0);
		close_limited();
	}
}

static void check_code(int r, int walks_code, int code)
{
	assert_true(r == code || r == walks_code);
}

static void nothing_is_written_outside(void **state)
{
	const ramet_bytes content = {"changed", 7};

	(void)state;
	for (int i = 0; i < WAYS; i++) {
		ramet_file_copy_options copy = RAMET_FILE_COPY_OPTIONS_INIT;
		ramet_error error = RAMET_ERROR_INIT;
		ramet_file_status status;

		open_limited("local", ways[i]);
		assert_int_equal(symlink("..", files_path("inside/up")), 0);
		assert_int_equal(ramet_file_write(context, "../new", content, -1, 0, NULL), -EXDEV);
		assert_int_equal(ramet_file_write(context, "../secret", content, -1,
						  RAMET_FILE_APPEND, NULL),
				 -EXDEV);
		check_code(ramet_file_write(context, "up/new", content, -1, 0, NULL), -ENOTDIR,
			   -EXDEV);
		check_code(ramet_file_write(context, "up/secret", content, -1, RAMET_FILE_APPEND,
					    NULL),
			   -ENOTDIR, -EXDEV);
		assert_int_equal(ramet_file_remove(context, "../secret", 0, NULL), -EXDEV);
		check_code(ramet_file_remove(context, "up/secret", 0, NULL), -ENOTDIR, -EXDEV);
		assert_int_equal(ramet_file_make_directory(context, "../made", 0700, 0, NULL),
				 -EXDEV);
		assert_true(ramet_file_make_directory(context, "up/made/more", 0700,
						      RAMET_FILE_PARENTS, NULL) < 0);
		assert_int_equal(ramet_file_stat(context, "../secret", 0, &status, NULL), -EXDEV);
		copy.from = ramet_router_self(router);
		copy.from_path = files_path("secret");
		copy.to = context;
		copy.to_path = "../new";
		assert_int_equal(ramet_file_copy(&copy, NULL, &error), -EXDEV);
		fixture_check_error(&error, -EXDEV, "limited", NULL);
		copy.to_path = "up/new";
		assert_true(ramet_file_copy(&copy, NULL, NULL) < 0);
		copy.to_path = "/copied";
		assert_int_equal(ramet_file_copy(&copy, NULL, NULL), 0);
		copy.from = context;
		copy.to = ramet_router_self(router);
		copy.from_path = "../secret";
		copy.to_path = files_path("new");
		assert_int_equal(ramet_file_copy(&copy, NULL, NULL), -EXDEV);
		/* A tree with the link in it: the link is copied, not followed. */
		assert_int_equal(ramet_file_remove(context, "/copied", 0, NULL), 0);
		copy.from_path = "/";
		copy.to_path = files_path("inside/deep/copy");
		assert_int_equal(ramet_file_remove(context, "deep", RAMET_FILE_TREE, NULL), 0);
		files_check_names(files_path("inside"), "file up");
		/* And removing a tree does not follow it either. */
		assert_int_equal(ramet_file_make_directory(context, "tree", 0700, 0, NULL), 0);
		assert_int_equal(symlink("../..", files_path("inside/tree/out")), 0);
		assert_int_equal(ramet_file_remove(context, "tree", RAMET_FILE_TREE, NULL), 0);
		close_limited();
	}
}

static void limit_may_be_for_reading_only(void **state)
{
	ramet_file_copy_options copy = RAMET_FILE_COPY_OPTIONS_INIT;
	const ramet_bytes content = {"changed", 7};
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	open_limited("local", RAMET_FILE_READ_ONLY);
	check_reads("file", "inside");
	assert_int_equal(ramet_file_write(context, "file", content, -1, 0, &error), -EROFS);
	fixture_check_error(&error, -EROFS, NULL);
	assert_int_equal(ramet_file_write(context, "file", content, -1, RAMET_FILE_APPEND, NULL),
			 -EROFS);
	assert_int_equal(ramet_file_remove(context, "file", 0, NULL), -EROFS);
	assert_int_equal(ramet_file_make_directory(context, "made", 0700, 0, NULL), -EROFS);
	copy.from = ramet_router_self(router);
	copy.from_path = files_path("secret");
	copy.to = context;
	copy.to_path = "new";
	assert_int_equal(ramet_file_copy(&copy, NULL, &error), -EROFS);
	fixture_check_error(&error, -EROFS, NULL);
	files_check_names(files_path("inside"), "deep file");
	close_limited();
}

/* --- races ------------------------------------------------------------------------------------------ */

static atomic_bool racing;
static atomic_uint swaps;

/* inside/swap is now a directory, now a link out of it. */
static void *swap(void *unused)
{
	char one[256], other[256];

	(void)unused;
	snprintf(one, sizeof(one), "%s", files_path("inside/swap"));
	snprintf(other, sizeof(other), "%s", files_path("inside/other"));
	while (racing) {
		syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2 /* RENAME_EXCHANGE */);
		swaps++;
	}
	return NULL;
}

static void link_that_is_swapped_in_leads_nowhere(void **state)
{
	const ramet_bytes content = {"changed", 7};

	(void)state;
	for (int i = 0; i < WAYS; i++) {
		unsigned inside = 0, refused = 0;
		pthread_t thread;

		open_limited("local", ways[i]);
		assert_int_equal(mkdir(files_path("inside/swap"), 0755), 0);
		write_file(files_path("inside/swap/secret"), "inside");
		assert_int_equal(symlink("..", files_path("inside/other")), 0);
		racing = true;
		assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
		for (int k = 0; k < 300 || ((inside == 0 || refused == 0) && k < 20000); k++) {
			int r = read_code("swap/secret"); /* which is never the secret */

			inside += r == 0;
			refused += r < 0;
			ramet_file_write(context, "swap/new", content, -1, RAMET_FILE_NO_SYNC,
					 NULL);
			ramet_file_remove(context, "swap/secret.none", 0, NULL);
		}
		racing = false;
		pthread_join(thread, NULL);
		assert_true(inside > 0 && refused > 0 && swaps > 0);
		close_limited();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(paths_begin_in_the_directory_and_end_there),
		FIXTURE_TEST(links_do_not_lead_out),
		FIXTURE_TEST(nothing_is_written_outside),
		FIXTURE_TEST(limit_may_be_for_reading_only),
		FIXTURE_TEST(link_that_is_swapped_in_leads_nowhere),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
