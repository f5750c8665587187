/* SPDX-License-Identifier: BSD-3-Clause */
/* Log records, what functions print, and small helpers. */
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/time.h"
#include "core/log.h"
#include "fixture.h"
#include "records.h"

/* --- functions -------------------------------------------------------------------------------------- */

RAMET_FUNCTION(none, print_lines, (i32, count))
{
	for (int32_t i = 0; i < count; i++)
		printf("line %d\n", i);
}

RAMET_FUNCTION(none, complain, (str, text))
{
	fprintf(stderr, "%s\n", text);
}

RAMET_FUNCTION(none, print_part, (str, text))
{
	fputs(text, stdout);
	fflush(stdout);
}

RAMET_FUNCTION(none, record, (i32, level), (str, source), (str, text))
{
	ramet_log(ramet_call_router(call), (enum ramet_log_level)level, source, "%s", text);
}

RAMET_FUNCTION(i32, level_here)
{
	return ramet_log_level();
}

RAMET_FUNCTION(str, input)
{
	static char text[8];

	return fgets(text, sizeof(text), stdin) ? text : NULL;
}

RAMET_FUNCTION(str, own_executable)
{
	return ramet_executable();
}

RAMET_FUNCTION(none, record_with_fields)
{
	const ramet_log_field fields[] = {
		{"file", "a b", 0}, {"size", NULL, -12}, {"odd", "\xff", 0}};

	ramet_log_with(ramet_call_router(call), RAMET_LOG_WARNING, "fields", fields, 3,
		       "%d of them", 3);
}

RAMET_FUNCTION(none, record_many_fields, (i32, count), (i32, size))
{
	ramet_log_field fields[100];
	char *text = calloc(1, (size_t)size + 1);

	memset(text, 'x', (size_t)size);
	for (int32_t i = 0; i < count; i++)
		fields[i] = (ramet_log_field){"f", text, 0};
	ramet_log_with(ramet_call_router(call), RAMET_LOG_WARNING, "fields", fields, (size_t)count,
		       "many");
	free(text);
}

/* What prints before there is a context: the first thing that runs in the process. */
__attribute__((constructor)) static void print_early(void)
{
	const char *text = getenv("TEST_LOG_EARLY");

	if (text)
		dprintf(STDOUT_FILENO, "%s\n", text);
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

static const char *const paths[] = {"local", "fork", "local/local", "fork/local/fork"};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

/* --- what functions print --------------------------------------------------------------------------- */

static void output_of_functions_becomes_records_in_order(void **state)
{
	enum { COUNT = 200 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		char expected[32];
		size_t at = 0;

		open_tree(0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(print_lines_call(context, COUNT, NULL), 0);
		assert_int_equal(complain_call(context, "to stderr", NULL), 0);
		for (int k = 0; k < COUNT; k++) {
			snprintf(expected, sizeof(expected), "line %d", k);
			at = records_wait(&records, at, paths[i], "stdout", expected);
			assert_string_equal(records.items[at].text, expected);
			assert_int_equal(records.items[at].level, RAMET_LOG_INFO);
			at++;
		}
		records_wait(&records, 0, paths[i], "stderr", "to stderr");
		assert_int_equal(records_count(&records, "stdout", NULL), COUNT);
		ramet_context_unref(context);
		close_tree();
	}
}

static void output_without_newline_waits_for_its_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		size_t at;

		open_tree(0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(print_part_call(context, "one ", NULL), 0);
		assert_int_equal(print_part_call(context, "line\nand the ", NULL), 0);
		at = records_wait(&records, 0, paths[i], "stdout", "one");
		assert_string_equal(records.items[at].text, "one line");
		/* The rest comes when the context ends. */
		assert_int_equal(records_count(&records, "stdout", NULL), 1);
		assert_int_equal(print_part_call(context, "last", NULL), 0);
		assert_int_equal(ramet_context_shutdown(context, -1, NULL), 0);
		at = records_wait(&records, at + 1, paths[i], "stdout", "last");
		assert_string_equal(records.items[at].text, "and the last");
		ramet_context_unref(context);
		close_tree();
	}
}

/* In the master, standard output is the program's own. */
static void functions_in_children_find_an_empty_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ramet_context *context;
		const char *text = "x";

		open_tree(0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(input_call(context, &text, NULL), 0);
		assert_null(text);
		ramet_context_unref(context);
		close_tree();
	}
}

/* --- records ---------------------------------------------------------------------------------------- */

static void record_has_level_time_place_source_and_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		struct timespec before, after;
		ramet_context *context;
		struct record *found;

		open_tree(0);
		context = fixture_connect(router, paths[i]);
		clock_gettime(CLOCK_REALTIME, &before);
		assert_int_equal(
			record_call(context, RAMET_LOG_WARNING, "parser", "odd \xff text", NULL),
			0);
		found = &records.items[records_wait(&records, 0, paths[i], "parser", "odd")];
		clock_gettime(CLOCK_REALTIME, &after);
		assert_string_equal(found->text, "odd \xff text");
		assert_int_equal(found->level, RAMET_LOG_WARNING);
		assert_true(found->time >= before.tv_sec * 1000000ll &&
			    found->time <= (after.tv_sec + 1) * 1000000ll);
		ramet_context_unref(context);
		close_tree();
	}
	/* The master's own. */
	open_tree(0);
	ramet_log(router, RAMET_LOG_ERROR, "main", "%d of %s", 3, "them");
	assert_int_equal(records_wait(&records, 0, "", "main", "3 of them"), 0);
	close_tree();
}

static void record_below_the_level_is_not_made(void **state)
{
	static const enum ramet_log_level levels[] = {RAMET_LOG_ERROR, RAMET_LOG_WARNING,
						      RAMET_LOG_INFO, RAMET_LOG_DEBUG};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		ramet_context *context;

		open_tree(levels[i]);
		context = fixture_connect(router, "local/fork");
		for (size_t k = 0; k < 4; k++) {
			assert_int_equal(record_call(context, (int32_t)levels[k], "test",
						     "from below", NULL),
					 0);
			ramet_log(router, levels[k], "test", "from here");
		}
		assert_int_equal(print_lines_call(context, 1, NULL), 0);
		/* The most urgent comes last, and after it nothing. */
		assert_int_equal(record_call(context, RAMET_LOG_ERROR, "test", "the end", NULL), 0);
		records_wait(&records, 0, "local/fork", "test", "the end");
		assert_int_equal(records_count(&records, "test", "from below"), i + 1);
		assert_int_equal(records_count(&records, "test", "from here"), i + 1);
		if (levels[i] >= RAMET_LOG_INFO)
			records_wait(&records, 0, "local/fork", "stdout", "line 0");
		ramet_context_unref(context);
		close_tree();
	}
}

static void level_comes_from_the_environment(void **state)
{
	static const struct {
		const char *text;
		int level;
	} cases[] = {
		{"error", RAMET_LOG_ERROR},
		{"WARNING", RAMET_LOG_WARNING},
		{"Info", RAMET_LOG_INFO},
		{"debug", RAMET_LOG_DEBUG},
		{"io", RAMET_LOG_IO},
		{"3", 3},
		{"8", 8},
		{"9", RAMET_LOG_INFO},
		{"loud", RAMET_LOG_INFO},
		{"", RAMET_LOG_INFO},
		{"33", RAMET_LOG_INFO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		setenv("RAMET_LOG_LEVEL", cases[i].text, 1);
		assert_int_equal(ramet_log_level(), cases[i].level);
	}
	unsetenv("RAMET_LOG_LEVEL");
	assert_int_equal(ramet_log_level(), RAMET_LOG_INFO);
}

static size_t print_to_stderr(const ramet_log_record *printed, size_t count, char *text,
			      size_t size)
{
	int pipe_fds[2], saved;
	ssize_t n;

	assert_int_equal(pipe(pipe_fds), 0);
	fflush(stderr);
	saved = dup(2);
	dup2(pipe_fds[1], 2);
	for (size_t i = 0; i < count; i++)
		ramet_log_to_stderr(&printed[i], NULL);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	close(pipe_fds[1]);
	n = read(pipe_fds[0], text, size - 1);
	close(pipe_fds[0]);
	assert_true(n > 0);
	text[n] = '\0';
	return (size_t)n;
}

static void record_to_stderr_has_no_control_characters(void **state)
{
	const ramet_log_record printed[] = {
		{.level = RAMET_LOG_WARNING,
		 .context = "local",
		 .source = "stdout",
		 .text = "a\x1b[31mb\tc\r\x7f"},
		{.level = RAMET_LOG_ERROR,
		 .context = "a\x1b]0;b",
		 .source = "c\xc2\x9b"
			   "d",
		 .text = "\xc3\xa9\x9b"},
		{.level = RAMET_LOG_ERROR, .context = "", .source = "ramet", .text = "text"},
	};
	char text[256];

	(void)state;
	print_to_stderr(printed, 3, text, sizeof(text));
	assert_string_equal(text,
			    "warning local stdout: a\\x1b[31mb\tc\\x0d\\x7f\n"
			    "error a\\x1b]0;b c\\xc2\\x9bd: \xc3\xa9\\x9b\nerror ramet: text\n");
}

static void fields_are_printed_as_logfmt(void **state)
{
	const ramet_log_field fields[] = {
		{"plain", "word", 0},     {"number", NULL, INT64_MIN},  {"empty", "", 0},
		{"two", "a b", 0},        {"quote", "say \"x\\y\"", 0}, {"line", "a\nb", 0},
		{"not a name", "x=y", 0},
	};
	const ramet_log_record record = {
		.level = RAMET_LOG_INFO,
		.context = "",
		.source = "test",
		.text = "t",
		.fields = fields,
		.field_count = sizeof(fields) / sizeof(*fields),
	};
	char text[512];

	(void)state;
	print_to_stderr(&record, 1, text, sizeof(text));
	assert_string_equal(text, "info test: t plain=word number=-9223372036854775808 empty=\"\" "
				  "two=\"a b\" quote=\"say \\\"x\\\\y\\\"\" line=\"a\\x0ab\" "
				  "?=\"x=y\"\n");
}

/* --- fields ----------------------------------------------------------------------------------------- */

static void fields_arrive_as_they_were(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		size_t at;

		open_tree(0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(record_with_fields_call(context, NULL), 0);
		at = records_wait(&records, 0, paths[i], "fields", "3 of them");
		assert_string_equal(records.items[at].fields, " file=a b size=-12 odd=\xff");
		ramet_context_unref(context);
		close_tree();
	}
}

static void fields_beyond_the_limits_are_left_out(void **state)
{
	ramet_context *context;
	size_t at, count = 0;

	(void)state;
	open_tree(0);
	context = fixture_connect(router, "local");
	assert_int_equal(record_many_fields_call(context, 100, 1, NULL), 0);
	at = records_wait(&records, 0, "local", "fields", "many");
	for (const char *c = records.items[at].fields; *c; c++)
		count += *c == '=';
	assert_int_equal(count, 32);
	/* Three of them fit. */
	assert_int_equal(record_many_fields_call(context, 10, 2700, NULL), 0);
	at = records_wait(&records, at + 1, "local", "fields", "many");
	assert_true(strlen(records.items[at].fields) == sizeof(records.items[at].fields) - 1);
	ramet_context_unref(context);
	close_tree();
}

/* --- the level at run time -------------------------------------------------------------------------- */

static void level_changes_for_a_subtree(void **state)
{
	ramet_context *near, *far, *other, *late;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	open_tree(RAMET_LOG_INFO);
	near = fixture_connect(router, "local");
	far = fixture_connect(router, "local/fork/local");
	other = fixture_connect(router, "fork");
	assert_int_equal(ramet_context_log_level(near, RAMET_LOG_DEBUG, NULL), 0);
	late = fixture_connect(router, "local/local");
	record_call(near, RAMET_LOG_DEBUG, "test", "near", NULL);
	record_call(far, RAMET_LOG_DEBUG, "test", "far", NULL);
	record_call(late, RAMET_LOG_DEBUG, "test", "late", NULL);
	record_call(other, RAMET_LOG_DEBUG, "test", "other", NULL);
	ramet_log(router, RAMET_LOG_DEBUG, "test", "here");
	records_wait(&records, 0, "local", "test", "near");
	records_wait(&records, 0, "local/fork/local", "test", "far");
	records_wait(&records, 0, "local/local", "test", "late");
	/* All of the tree, and down to nothing but errors. */
	assert_int_equal(ramet_context_log_level(ramet_router_self(router), RAMET_LOG_ERROR, NULL),
			 0);
	record_call(far, RAMET_LOG_WARNING, "test", "far again", NULL);
	record_call(other, RAMET_LOG_WARNING, "test", "other again", NULL);
	record_call(other, RAMET_LOG_ERROR, "test", "the end of other", NULL);
	record_call(far, RAMET_LOG_ERROR, "test", "the end of far", NULL);
	records_wait(&records, 0, "fork", "test", "the end of other");
	records_wait(&records, 0, "local/fork/local", "test", "the end of far");
	assert_int_equal(records_count(&records, "test", NULL), 5);
	assert_int_equal(ramet_context_log_level(near, (enum ramet_log_level)9, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "level 9", NULL);
	kill(ramet_context_pid(other), SIGKILL);
	assert_int_equal(ramet_context_wait(other, SOON, NULL), 1);
	assert_int_equal(ramet_context_log_level(other, RAMET_LOG_INFO, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "fork", NULL);
	ramet_context_unref(late);
	ramet_context_unref(other);
	ramet_context_unref(far);
	ramet_context_unref(near);
	close_tree();
}

RAMET_FUNCTION(i32, set_level_there, (context, whom), (i32, level))
{
	return ramet_context_log_level(whom, (enum ramet_log_level)level, NULL);
}

static void level_of_a_parent_is_not_for_its_children(void **state)
{
	ramet_context *near, *far;
	int32_t code = 1;

	(void)state;
	open_tree(RAMET_LOG_INFO);
	near = fixture_connect(router, "local");
	far = fixture_connect(router, "local/local");
	assert_int_equal(set_level_there_call(far, near, RAMET_LOG_DEBUG, &code, NULL), 0);
	assert_int_equal(code, -EPERM);
	assert_int_equal(set_level_there_call(near, far, RAMET_LOG_DEBUG, &code, NULL), 0);
	assert_int_equal(code, 0);
	record_call(far, RAMET_LOG_DEBUG, "test", "far", NULL);
	records_wait(&records, 0, "local/local", "test", "far");
	ramet_context_unref(far);
	ramet_context_unref(near);
	close_tree();
}

static void *connect_in_thread(void *argument)
{
	ramet_context **ret = argument;

	return ramet_connect(router, getenv("TEST_LOG_HOP"), ret, NULL) == 0 ? ret : NULL;
}

/* What ramet_listen() does with a connection, when the test wants it. */
static pid_t serve(int listener)
{
	int fd = accept(listener, NULL, NULL);
	pid_t pid = fork();

	assert_true(fd >= 0 && pid >= 0);
	if (pid == 0) {
		dup2(fd, STDIN_FILENO);
		execl("/proc/self/exe", "test-log", "--ramet-context", NULL);
		_exit(1);
	}
	close(fd);
	return pid;
}

static void level_set_while_a_child_connects_reaches_it(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char directory[] = "/tmp/test-log-XXXXXX", hop[128];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ramet_statistics statistics = RAMET_STATISTICS_INIT;
	ramet_context *context = NULL;
	pthread_t thread;
	void *result;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
	snprintf(hop, sizeof(hop), "unix:%%2Ftmp%%2F%s%%2Fs", directory + 5);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	setenv("TEST_LOG_HOP", hop, 1);
	open_tree(RAMET_LOG_INFO);
	assert_int_equal(pthread_create(&thread, NULL, connect_in_thread, &context), 0);
	/* The welcome was written once a frame has gone out. */
	do {
		ramet_statistics_clear(&statistics);
		assert_int_equal(
			ramet_context_statistics(ramet_router_self(router), &statistics, NULL), 0);
	} while (statistics.frames_out == 0);
	ramet_statistics_clear(&statistics);
	assert_int_equal(ramet_context_log_level(ramet_router_self(router), RAMET_LOG_DEBUG, NULL),
			 0);
	pid = serve(listener);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, &context);
	assert_int_equal(ramet_context_pid(context), pid);
	record_call(context, RAMET_LOG_DEBUG, "test", "from there", NULL);
	records_wait(&records, 0, NULL, "test", "from there");
	ramet_context_unref(context);
	close_tree();
	unsetenv("TEST_LOG_HOP");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(listener);
	unlink(address.sun_path);
	assert_int_equal(rmdir(directory), 0);
}

static void output_before_the_context_is_there_is_not_lost(void **state)
{
	(void)state;
	setenv("TEST_LOG_EARLY", "before everything", 1);
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;

		open_tree(0);
		context = fixture_connect(router, i % 2 == 0 ? "local" : "fork/local");
		records_wait(&records, 0, i % 2 == 0 ? "local" : "fork/local", "stdout",
			     "before everything");
		ramet_context_unref(context);
		close_tree();
	}
	unsetenv("TEST_LOG_EARLY");
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static void signal_has_its_usual_name(void **state)
{
	char expected[32];

	(void)state;
	assert_string_equal(ramet_signal_name(SIGHUP), "SIGHUP");
	assert_string_equal(ramet_signal_name(SIGKILL), "SIGKILL");
	assert_string_equal(ramet_signal_name(SIGTERM), "SIGTERM");
	assert_string_equal(ramet_signal_name(SIGCHLD), "SIGCHLD");
	assert_string_equal(ramet_signal_name(SIGABRT), "SIGABRT");
	assert_string_equal(ramet_signal_name(SIGIO), "SIGIO");
	for (int signal = 1; signal < 32; signal++)
		assert_non_null(ramet_signal_name(signal));
	assert_string_equal(ramet_signal_name(SIGRTMIN), "SIGRTMIN+0");
	snprintf(expected, sizeof(expected), "SIGRTMIN+%d", SIGRTMAX - SIGRTMIN);
	assert_string_equal(ramet_signal_name(SIGRTMAX), expected);
	assert_null(ramet_signal_name(0));
	assert_null(ramet_signal_name(-1));
	assert_null(ramet_signal_name(SIGRTMAX + 1));
	assert_null(ramet_signal_name(INT_MAX));
}

static void open_max_follows_the_limit(void **state)
{
	struct rlimit limit, lower;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	lower = limit;
	lower.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
	assert_int_equal(ramet_open_max(), 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(ramet_open_max() > 0);
}

static void executable_is_this_file_everywhere(void **state)
{
	ramet_context *context;
	const char *theirs = NULL;
	char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);

	(void)state;
	assert_true(size > 0);
	path[size] = '\0';
	assert_string_equal(ramet_executable(), path);
	open_tree(0);
	context = fixture_connect(router, "local/fork/local");
	assert_int_equal(own_executable_call(context, &theirs, NULL), 0);
	assert_string_equal(theirs, path);
	ramet_free(theirs);
	ramet_context_unref(context);
	close_tree();
}

static void deadline_turns_into_the_time_left(void **state)
{
	int64_t deadline;

	(void)state;
	assert_int_equal(ramet_deadline(-1), -1);
	assert_int_equal(ramet_deadline(-5), -1);
	assert_int_equal(ramet_time_left(-1), -1);
	deadline = ramet_deadline(60000);
	assert_in_range(ramet_time_left(deadline), 1, 60000);
	assert_int_equal(ramet_time_left(ramet_deadline(0)), 0);
	assert_int_equal(ramet_time_left(1), 0);
	deadline = ramet_deadline(INT_MAX);
	assert_in_range(ramet_time_left(deadline), INT_MAX - 60000, INT_MAX);
}

static void version_is_that_of_the_header(void **state)
{
	(void)state;
	assert_string_equal(ramet_version(), RAMET_VERSION);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(output_of_functions_becomes_records_in_order),
		FIXTURE_TEST(output_without_newline_waits_for_its_end),
		FIXTURE_TEST(functions_in_children_find_an_empty_input),
		FIXTURE_TEST(record_has_level_time_place_source_and_text),
		FIXTURE_TEST(record_below_the_level_is_not_made),
		FIXTURE_TEST(level_comes_from_the_environment),
		FIXTURE_TEST(record_to_stderr_has_no_control_characters),
		FIXTURE_TEST(fields_are_printed_as_logfmt),
		FIXTURE_TEST(fields_arrive_as_they_were),
		FIXTURE_TEST(fields_beyond_the_limits_are_left_out),
		FIXTURE_TEST(level_changes_for_a_subtree),
		FIXTURE_TEST(level_of_a_parent_is_not_for_its_children),
		FIXTURE_TEST(level_set_while_a_child_connects_reaches_it),
		FIXTURE_TEST(output_before_the_context_is_there_is_not_lost),
		FIXTURE_TEST(signal_has_its_usual_name),
		FIXTURE_TEST(open_max_follows_the_limit),
		FIXTURE_TEST(executable_is_this_file_everywhere),
		FIXTURE_TEST(deadline_turns_into_the_time_left),
		FIXTURE_TEST(version_is_that_of_the_header),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
