/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on one file in a context. */
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

#include "files.h"
#include "fixture.h"

static ramet_router *router;
static const char *const paths[] = {NULL, "local", "fork/local"};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

static ramet_context *open_tree(size_t i)
{
	files_begin();
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	return paths[i] ? fixture_connect(router, paths[i])
			: ramet_context_ref(ramet_router_self(router));
}

static void close_tree(ramet_context *context)
{
	ramet_context_unref(context);
	ramet_router_unref(router);
	files_end();
}

static ramet_bytes bytes_of(const char *text)
{
	return (ramet_bytes){text, strlen(text)};
}

static unsigned mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

/* --- reading ---------------------------------------------------------------------------------------- */

static void check_read(ramet_context *context, const char *path, uint64_t offset, uint64_t size,
		       const char *expected)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_bytes bytes;

	if (ramet_file_read(context, path, offset, size, &bytes, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(bytes.size, strlen(expected));
	assert_memory_equal(bytes.data, expected, bytes.size);
	ramet_free(bytes.data);
}

static void file_is_read_whole_and_in_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context = open_tree(i);
		ramet_error error = RAMET_ERROR_INIT;
		const char *path = files_path("file");
		ramet_bytes bytes;

		assert_int_equal(
			ramet_file_write(context, path, bytes_of("0123456789"), -1, 0, NULL), 0);
		check_read(context, path, 0, 0, "0123456789");
		check_read(context, path, 3, 4, "3456");
		check_read(context, path, 8, 100, "89");
		check_read(context, path, 10, 0, "");
		check_read(context, path, 11, 5, "");
		assert_int_equal(ramet_file_read(context, files_path("none"), 0, 0, &bytes, &error),
				 -ENOENT);
		fixture_check_error(&error, -ENOENT, "none", NULL);
		assert_int_equal(ramet_file_read(context, files_path("."), 0, 0, &bytes, &error),
				 -EISDIR);
		fixture_check_error(&error, -EISDIR, NULL);
		assert_int_equal(mkfifo(files_path("fifo"), 0600), 0);
		assert_int_equal(ramet_file_read(context, files_path("fifo"), 0, 0, &bytes, &error),
				 -EINVAL);
		fixture_check_error(&error, -EINVAL, "fifo", NULL);
		/* What is of no size in proc(5) has content nevertheless. */
		assert_int_equal(ramet_file_read(context, "/proc/self/comm", 0, 0, &bytes, &error),
				 0);
		assert_true(bytes.size > 0);
		ramet_free(bytes.data);
		close_tree(context);
	}
}

static void file_beyond_a_message_is_refused(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;
	ramet_bytes bytes;

	(void)state;
	files_begin();
	options.message_size_max = 1 << 20;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	context = fixture_connect(router, "local");
	files_make(files_path("file"), 2 << 20, 1);
	assert_int_equal(ramet_file_read(context, files_path("file"), 0, 0, &bytes, &error),
			 -EFBIG);
	fixture_check_error(&error, -EFBIG, "file", NULL);
	assert_int_equal(
		ramet_file_read(context, files_path("file"), 1 << 20, 1 << 19, &bytes, NULL), 0);
	assert_int_equal(bytes.size, 1 << 19);
	ramet_free(bytes.data);
	close_tree(context);
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void file_is_replaced_and_keeps_its_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context = open_tree(i);
		const char *path = files_path("file");
		mode_t before = umask(022);

		umask(before);
		assert_int_equal(ramet_file_write(context, path, bytes_of("one"), -1, 0, NULL), 0);
		assert_int_equal(mode_of(path), 0666 & ~before);
		assert_int_equal(ramet_file_write(context, path, bytes_of("two"), 0751, 0, NULL),
				 0);
		assert_int_equal(mode_of(path), 0751);
		assert_int_equal(ramet_file_write(context, path, bytes_of("three"), -1,
						  RAMET_FILE_NO_SYNC, NULL),
				 0);
		assert_int_equal(mode_of(path), 0751);
		check_read(context, path, 0, 0, "three");
		/* A link is replaced, not what it points to. */
		assert_int_equal(symlink("file", files_path("link")), 0);
		assert_int_equal(ramet_file_write(context, files_path("link"), bytes_of("four"), -1,
						  0, NULL),
				 0);
		check_read(context, path, 0, 0, "three");
		check_read(context, files_path("link"), 0, 0, "four");
		files_check_names(files_path("."), "file link");
		close_tree(context);
	}
}

static void writing_says_what_is_in_the_way(void **state)
{
	ramet_context *context = open_tree(1);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(mkdir(files_path("directory"), 0700), 0);
	assert_int_equal(
		ramet_file_write(context, files_path("directory"), bytes_of("x"), -1, 0, &error),
		-EISDIR);
	fixture_check_error(&error, -EISDIR, "directory", NULL);
	assert_int_equal(
		ramet_file_write(context, files_path("no/file"), bytes_of("x"), -1, 0, &error),
		-ENOENT);
	fixture_check_error(&error, -ENOENT, "no/file", NULL);
	assert_int_equal(ramet_file_write(context, files_path("new"), bytes_of("x"), -1,
					  RAMET_FILE_NEW, NULL),
			 0);
	assert_int_equal(ramet_file_write(context, files_path("new"), bytes_of("y"), -1,
					  RAMET_FILE_NEW, &error),
			 -EEXIST);
	fixture_check_error(&error, -EEXIST, "new", NULL);
	check_read(context, files_path("new"), 0, 0, "x");
	assert_int_equal(ramet_file_write(context, files_path("new"), bytes_of("y"), -1,
					  RAMET_FILE_TREE, &error),
			 -EINVAL);
	fixture_check_error(&error, -EINVAL, "flags", NULL);
	assert_int_equal(ramet_file_write(context, files_path("new/."), bytes_of("y"), -1, 0, NULL),
			 -EINVAL);
	files_check_names(files_path("."), "directory new");
	files_check_names(files_path("directory"), "");
	close_tree(context);
}

static void file_is_appended_to(void **state)
{
	ramet_context *context = open_tree(1);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ramet_file_write(context, files_path("file"), bytes_of("line\n"),
						  0640, RAMET_FILE_APPEND, NULL),
				 0);
	check_read(context, files_path("file"), 0, 0, "line\nline\nline\n");
	files_check_names(files_path("."), "file");
	close_tree(context);
}

/* --- looking ---------------------------------------------------------------------------------------- */

static void status_says_what_the_system_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context = open_tree(i);
		ramet_error error = RAMET_ERROR_INIT;
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
					    {.tv_sec = 1234567890, .tv_nsec = 987654321}};
		ramet_file_status status;
		struct stat direct;

		files_make(files_path("file"), 12345, 1);
		assert_int_equal(chmod(files_path("file"), 04751), 0);
		assert_int_equal(utimensat(AT_FDCWD, files_path("file"), times, 0), 0);
		assert_int_equal(symlink("file", files_path("link")), 0);
		assert_int_equal(symlink("nowhere", files_path("dangling")), 0);
		assert_int_equal(lstat(files_path("file"), &direct), 0);

		assert_int_equal(ramet_file_stat(context, files_path("file"), 0, &status, NULL), 0);
		assert_int_equal(status.type, RAMET_FILE_REGULAR);
		assert_int_equal(status.mode, 04751);
		assert_int_equal(status.size, 12345);
		assert_int_equal(status.mtime, 1234567890987654321);
		assert_int_equal(status.uid, getuid());
		assert_string_equal(status.user, getpwuid(getuid())->pw_name);
		assert_int_equal(status.inode, direct.st_ino);
		assert_int_equal(status.device, direct.st_dev);
		assert_null(status.link);
		ramet_file_status_clear(&status);

		assert_int_equal(ramet_file_stat(context, files_path("link"), 0, &status, NULL), 0);
		assert_int_equal(status.type, RAMET_FILE_LINK);
		assert_string_equal(status.link, "file");
		ramet_file_status_clear(&status);
		assert_int_equal(ramet_file_stat(context, files_path("link"), RAMET_FILE_FOLLOW,
						 &status, NULL),
				 0);
		assert_int_equal(status.type, RAMET_FILE_REGULAR);
		ramet_file_status_clear(&status);
		assert_int_equal(ramet_file_stat(context, files_path("dangling"), RAMET_FILE_FOLLOW,
						 &status, &error),
				 -ENOENT);
		fixture_check_error(&error, -ENOENT, "dangling", NULL);
		assert_int_equal(ramet_file_stat(context, "/", 0, &status, NULL), 0);
		assert_int_equal(status.type, RAMET_FILE_DIRECTORY);
		ramet_file_status_clear(&status);
		assert_int_equal(ramet_file_stat(context, "/dev/null", 0, &status, NULL), 0);
		assert_int_equal(status.type, RAMET_FILE_CHARACTER);
		ramet_file_status_clear(&status);
		close_tree(context);
	}
}

struct seen {
	size_t count, sum, stop_at;
	bool odd;
};

static int see(const char *name, const ramet_file_status *status, void *data)
{
	struct seen *seen = data;

	seen->odd |= status->type != RAMET_FILE_REGULAR || status->size != 0;
	seen->sum += strtoul(name, NULL, 10);
	return ++seen->count == seen->stop_at ? 77 : 0;
}

static void large_directory_is_listed_once_each(void **state)
{
	enum { COUNT = SANITIZED ? 5000 : 100000 };
	ramet_context *context = open_tree(2);
	struct seen seen = {0};
	char name[16];
	int directory;

	(void)state;
	assert_int_equal(mkdir(files_path("many"), 0700), 0);
	directory = open(files_path("many"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%d", i);
		close(openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	assert_int_equal(ramet_file_list(context, files_path("many"), see, &seen, NULL), 0);
	assert_int_equal(seen.count, COUNT);
	assert_int_equal(seen.sum, (size_t)COUNT * (COUNT - 1) / 2);
	assert_false(seen.odd);
	seen = (struct seen){.stop_at = 150};
	assert_int_equal(ramet_file_list(context, files_path("many"), see, &seen, NULL), 77);
	assert_int_equal(seen.count, 150);
	close(directory);
	assert_int_equal(ramet_file_remove(context, files_path("many"), RAMET_FILE_TREE, NULL), 0);
	files_check_names(files_path("."), "");
	close_tree(context);
}

static int see_name(const char *name, const ramet_file_status *status, void *data)
{
	char *names = data;

	(void)status;
	strcat(names, name);
	return 0;
}

static void names_are_any_bytes(void **state)
{
	ramet_context *context = open_tree(1);
	ramet_error error = RAMET_ERROR_INIT;
	char names[600] = "", longest[256];

	(void)state;
	assert_int_equal(
		ramet_file_write(context, files_path("\xff\xfe"), bytes_of("x"), -1, 0, NULL), 0);
	check_read(context, files_path("\xff\xfe"), 0, 0, "x");
	assert_int_equal(ramet_file_list(context, files_path("."), see_name, names, NULL), 0);
	assert_string_equal(names, "\xff\xfe");
	memset(longest, 'n', 255);
	longest[255] = '\0';
	assert_int_equal(
		ramet_file_write(context, files_path("%s", longest), bytes_of("y"), -1, 0, NULL),
		0);
	check_read(context, files_path("%s", longest), 0, 0, "y");
	assert_int_equal(
		ramet_file_write(context, files_path("%sn", longest), bytes_of("y"), -1, 0, &error),
		-ENAMETOOLONG);
	fixture_check_error(&error, -ENAMETOOLONG, NULL);
	assert_int_equal(
		ramet_file_list(context, files_path("%s", longest), see_name, names, &error),
		-ENOTDIR);
	fixture_check_error(&error, -ENOTDIR, NULL);
	close_tree(context);
}

/* That of xxhsum -H2. */
static void hash_is_the_known_one(void **state)
{
	ramet_context *context = open_tree(1);
	ramet_error error = RAMET_ERROR_INIT;
	char hash[33];

	(void)state;
	assert_int_equal(ramet_file_write(context, files_path("empty"), bytes_of(""), -1, 0, NULL),
			 0);
	assert_int_equal(ramet_file_hash(context, files_path("empty"), hash, NULL), 0);
	assert_string_equal(hash, "99aa06d3014798d86001c324468d497f");
	assert_int_equal(ramet_file_hash(context, files_path("."), hash, &error), -EISDIR);
	fixture_check_error(&error, -EISDIR, NULL);
	close_tree(context);
}

/* --- removing and making ---------------------------------------------------------------------------- */

static void trees_are_made_and_removed(void **state)
{
	ramet_context *context = open_tree(1);
	ramet_error error = RAMET_ERROR_INIT;
	const char *deep = files_path("a/b/c/d");

	(void)state;
	assert_int_equal(ramet_file_make_directory(context, deep, 0750, 0, &error), -ENOENT);
	fixture_check_error(&error, -ENOENT, NULL);
	assert_int_equal(ramet_file_make_directory(context, deep, 0750, RAMET_FILE_PARENTS, NULL),
			 0);
	assert_int_equal(mode_of(deep) & 0700, 0700);
	assert_int_equal(ramet_file_make_directory(context, deep, 0750, 0, &error), -EEXIST);
	fixture_check_error(&error, -EEXIST, NULL);
	assert_int_equal(ramet_file_make_directory(context, deep, 0750, RAMET_FILE_LENIENT, NULL),
			 0);
	files_make(files_path("a/file"), 10, 1);
	files_make(files_path("outside"), 10, 1);
	assert_int_equal(mkdir(files_path("elsewhere"), 0700), 0);
	files_make(files_path("elsewhere/stays"), 10, 1);
	assert_int_equal(symlink("../../elsewhere", files_path("a/b/link")), 0);
	assert_int_equal(ramet_file_make_directory(context, files_path("outside"), 0750,
						   RAMET_FILE_LENIENT, &error),
			 -ENOTDIR);
	fixture_check_error(&error, -ENOTDIR, NULL);
	assert_int_equal(ramet_file_remove(context, files_path("a"), 0, &error), -ENOTEMPTY);
	fixture_check_error(&error, -ENOTEMPTY, "/a", NULL);
	assert_int_equal(ramet_file_remove(context, files_path("a"), RAMET_FILE_TREE, NULL), 0);
	files_check_names(files_path("elsewhere"), "stays");
	assert_int_equal(ramet_file_remove(context, files_path("a"), RAMET_FILE_TREE, &error),
			 -ENOENT);
	fixture_check_error(&error, -ENOENT, NULL);
	assert_int_equal(ramet_file_remove(context, files_path("a"),
					   RAMET_FILE_TREE | RAMET_FILE_LENIENT, NULL),
			 0);
	assert_int_equal(ramet_file_remove(context, files_path("outside"), 0, NULL), 0);
	files_check_names(files_path("."), "elsewhere");
	close_tree(context);
}

/* --- threads ---------------------------------------------------------------------------------------- */

RAMET_CONCURRENT_FUNCTION(none, block, (sender, until))
{
	while (!ramet_call_cancelled(call) && !ramet_sender_closed(until))
		usleep(1000);
}

static void services_work_while_all_workers_are_busy(void **state)
{
	enum { COUNT = 20 };
	ramet_context *context = open_tree(1);
	ramet_receiver *calls[COUNT], *receiver;

	(void)state;
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(
			block_start(context, ramet_receiver_sender(receiver), &calls[i], NULL), 0);
	assert_int_equal(ramet_file_write(context, files_path("file"), bytes_of("x"), -1, 0, NULL),
			 0);
	check_read(context, files_path("file"), 0, 0, "x");
	assert_false(ramet_receiver_done(calls[0]));
	ramet_receiver_close(receiver);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(block_finish(calls[i], SOON, NULL), 0);
		ramet_receiver_unref(calls[i]);
	}
	ramet_receiver_unref(receiver);
	close_tree(context);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(file_is_read_whole_and_in_parts),
		FIXTURE_TEST(file_beyond_a_message_is_refused),
		FIXTURE_TEST(file_is_replaced_and_keeps_its_mode),
		FIXTURE_TEST(writing_says_what_is_in_the_way),
		FIXTURE_TEST(file_is_appended_to),
		FIXTURE_TEST(status_says_what_the_system_says),
		FIXTURE_TEST(large_directory_is_listed_once_each),
		FIXTURE_TEST(names_are_any_bytes),
		FIXTURE_TEST(hash_is_the_known_one),
		FIXTURE_TEST(trees_are_made_and_removed),
		FIXTURE_TEST(services_work_while_all_workers_are_busy),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
