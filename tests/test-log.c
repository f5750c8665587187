/* SPDX-License-Identifier: BSD-3-Clause */
/* Log records, what functions print, and small helpers. */
#include <limits.h>
#include <sys/resource.h>
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
