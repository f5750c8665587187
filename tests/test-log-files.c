/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames as records, and a file of records for each process. */
#include <dirent.h>
#include <sys/stat.h>

#include "fixture.h"
#include "records.h"

/* --- functions -------------------------------------------------------------------------------------- */

RAMET_FUNCTION(none, record, (i32, level), (str, source), (str, text))
{
	ramet_log(ramet_call_router(call), (enum ramet_log_level)level, source, "%s", text);
}

RAMET_CONCURRENT_FUNCTION(i64, process_id)
{
	return getpid();
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;

static void open_tree(enum ramet_log_level level)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.log_level = level;
	router = records_router(&records, &options);
}

static void close_tree(void)
{
	ramet_router_unref(router);
	records_done(&records);
}

/* --- frames ----------------------------------------------------------------------------------------- */

/* Here alone: what others see of theirs does not travel. */
static void frames_are_shown_where_they_pass(void **state)
{
	ramet_context *context;
	size_t at, count;
	int64_t pid;
	char expected[64];

	(void)state;
	open_tree(RAMET_LOG_IO);
	context = fixture_connect(router, "local/local");
	at = records_wait(&records, 0, "", "ramet", "sent");
	snprintf(expected, sizeof(expected),
		 " source=%u destination=", ramet_context_id(ramet_router_self(router)));
	assert_non_null(strstr(records.items[at].fields, expected));
	records_wait(&records, 0, "", "ramet", "received");
	pthread_mutex_lock(&records.lock);
	at = records.count;
	pthread_mutex_unlock(&records.lock);
	assert_int_equal(process_id_call(context, &pid, NULL), 0);
	at = records_wait(&records, at, "", "ramet", "sent");
	assert_non_null(strstr(records.items[at].fields, " handle=2 flags=32 "));
	assert_non_null(strstr(records.items[at].fields, " peer=local "));
	/* Nothing goes on by itself. */
	ramet_context_unref(context);
	close_tree();
	open_tree(RAMET_LOG_IO);
	context = fixture_connect(router, "local");
	count = records_count(&records, "ramet", "sent");
	assert_int_equal(process_id_call(context, &pid, NULL), 0);
	assert_in_range(records_count(&records, "ramet", "sent"), count, count + 2);
	for (size_t i = 0; i < records.count; i++)
		if (records.items[i].level == RAMET_LOG_IO)
			assert_string_equal(records.items[i].context, "");
	ramet_context_unref(context);
	close_tree();
}

/* --- a file for each process ------------------------------------------------------------------------ */

static char *read_file(const char *directory, const char *start)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	char *text = NULL;
	char path[512];

	assert_non_null(stream);
	while (!text && (entry = readdir(stream))) {
		struct stat status;
		FILE *file;

		if (strncmp(entry->d_name, start, strlen(start)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		assert_int_equal(lstat(path, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0600);
		text = calloc(1, (size_t)status.st_size + 1);
		file = fopen(path, "re");
		assert_non_null(file);
		assert_int_equal(fread(text, 1, (size_t)status.st_size, file), status.st_size);
		fclose(file);
	}
	closedir(stream);
	return text;
}

static void empty_directory(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	char path[512];

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (*entry->d_name != '.')
			assert_int_equal(unlink(path), 0);
	}
	closedir(stream);
	assert_int_equal(rmdir(directory), 0);
}

static void check_file(const char *directory, int pid, const char *path)
{
	char start[64], expected[128], *text;

	snprintf(start, sizeof(start), "ramet-%d-", pid);
	text = read_file(directory, start);
	assert_non_null(text);
	assert_ptr_equal(strstr(text, "program: /"), text);
	snprintf(expected, sizeof(expected), "\npath: %s, context ", path);
	assert_non_null(strstr(text, expected));
	assert_non_null(strstr(text, "\nparent: "));
	assert_non_null(strstr(text, "test-log"));
	assert_non_null(strstr(text, " io "));
	assert_non_null(strstr(text, ": sent peer="));
	assert_non_null(strstr(text, ": received peer="));
	free(text);
}

static void each_process_writes_a_file(void **state)
{
	static const char *const contexts[] = {"local", "local/fork", "local/fork/local"};
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	char above[] = "/tmp/test-log-XXXXXX", directory[64], start[64], *text;
	ramet_context *handles[3];
	struct stat status;
	int pids[3];

	(void)state;
	assert_non_null(mkdtemp(above));
	snprintf(directory, sizeof(directory), "%s/logs", above);
	options.log_directory = directory;
	options.log_level = RAMET_LOG_IO;
	router = records_router(&records, &options);
	for (size_t i = 0; i < 3; i++) {
		handles[i] = fixture_connect(router, contexts[i]);
		pids[i] = ramet_context_pid(handles[i]);
		assert_int_equal(
			record_call(handles[i], RAMET_LOG_INFO, "test", "to the file", NULL), 0);
		records_wait(&records, 0, contexts[i], "test", "to the file");
	}
	assert_int_equal(stat(directory, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	for (size_t i = 0; i < 3; i++) {
		check_file(directory, pids[i], contexts[i]);
		snprintf(start, sizeof(start), "ramet-%d-", pids[i]);
		text = read_file(directory, start);
		assert_non_null(strstr(text, " info "));
		assert_non_null(strstr(text, " test: to the file\n"));
		free(text);
	}
	check_file(directory, getpid(), "");
	snprintf(start, sizeof(start), "ramet-%d-", pids[0]);
	text = read_file(directory, start);
	assert_non_null(strstr(text, ": forwarded peer="));
	free(text);
	for (size_t i = 3; i-- > 0;)
		ramet_context_unref(handles[i]);
	close_tree();
	empty_directory(directory);
	assert_int_equal(rmdir(above), 0);
}

/* A warning, and life goes on. */
static void file_in_no_private_directory_is_refused(void **state)
{
	static const char *const reasons[] = {"others may write", "not absolute", "Not a directory",
					      "No such file", "others may write"};
	char above[] = "/tmp/test-log-XXXXXX", shared[64], link[64], missing[64];
	const char *directories[] = {shared, "relative", link, missing, "/tmp"};

	(void)state;
	assert_non_null(mkdtemp(above));
	snprintf(shared, sizeof(shared), "%s/shared", above);
	snprintf(link, sizeof(link), "%s/link", above);
	snprintf(missing, sizeof(missing), "%s/no/logs", above);
	assert_int_equal(mkdir(shared, 0700), 0);
	assert_int_equal(chmod(shared, 0770), 0);
	assert_int_equal(symlink("/root", link), 0);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
		ramet_context *context;
		int64_t pid;
		size_t at;

		options.log_directory = directories[i];
		router = records_router(&records, &options);
		context = fixture_connect(router, "local");
		at = records_wait(&records, 0, "", "ramet", "no log file in");
		assert_non_null(strstr(records.items[at].text, reasons[i]));
		assert_int_equal(records.items[at].level, RAMET_LOG_WARNING);
		records_wait(&records, 0, "local", "ramet", reasons[i]);
		assert_int_equal(process_id_call(context, &pid, NULL), 0);
		ramet_context_unref(context);
		close_tree();
	}
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(shared), 0);
	assert_int_equal(rmdir(above), 0);
}

/* The environment says it, too; what nobody reads is not sent. */
static void directory_comes_from_the_environment(void **state)
{
	char directory[] = "/tmp/test-log-XXXXXX", start[64], *text;
	ramet_context *context;

	(void)state;
	assert_non_null(mkdtemp(directory));
	setenv("RAMET_LOG_DIRECTORY", directory, 1);
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	context = fixture_connect(router, "local");
	assert_int_equal(record_call(context, RAMET_LOG_INFO, "test", "quiet", NULL), 0);
	snprintf(start, sizeof(start), "ramet-%d-", ramet_context_pid(context));
	text = read_file(directory, start);
	assert_non_null(text);
	assert_non_null(strstr(text, " test: quiet\n"));
	free(text);
	ramet_context_unref(context);
	ramet_router_unref(router);
	unsetenv("RAMET_LOG_DIRECTORY");
	empty_directory(directory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(frames_are_shown_where_they_pass),
		FIXTURE_TEST(each_process_writes_a_file),
		FIXTURE_TEST(file_in_no_private_directory_is_refused),
		FIXTURE_TEST(directory_comes_from_the_environment),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
