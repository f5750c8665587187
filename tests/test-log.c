/* SPDX-License-Identifier: BSD-3-Clause */
/* Log records, what functions print, and small helpers. */
#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* As fast as it goes, with one of another level behind all. */
RAMET_FUNCTION(none, flood, (i32, level), (i32, count), (i32, last))
{
	ramet_router *here = ramet_call_router(call);

	for (int32_t i = 0; i < count; i++)
		ramet_log(here, (enum ramet_log_level)level, "flood", "record %d", i);
	ramet_log(here, (enum ramet_log_level)last, "last", "behind %d", count);
}

RAMET_CONCURRENT_FUNCTION(i64, process_id)
{
	return getpid();
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

/* --- floods ----------------------------------------------------------------------------------------- */

/* The sum of what the records say that were dropped at a level. */
static long dropped(const char *level)
{
	char name[32];
	long sum = 0;

	snprintf(name, sizeof(name), " %s=", level);
	pthread_mutex_lock(&records.lock);
	for (size_t i = 0; i < records.count; i++) {
		const char *at = strstr(records.items[i].fields, name);

		if (at && strstr(records.items[i].text, "were dropped"))
			sum += strtol(at + strlen(name), NULL, 10);
	}
	pthread_mutex_unlock(&records.lock);
	return sum;
}

static void flood_of_records_is_dropped_and_counted(void **state)
{
	enum { COUNT = 20000 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		size_t at;

		open_tree(0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(
			flood_call(context, RAMET_LOG_INFO, COUNT, RAMET_LOG_WARNING, NULL), 0);
		/* What is urgent has its own part of the window. */
		records_wait(&records, 0, paths[i], "last", "behind 20000");
		at = records_wait(&records, 0, paths[i], "ramet", "were dropped");
		assert_int_equal(records.items[at].level, RAMET_LOG_WARNING);
		assert_int_equal(records_count(&records, "flood", NULL) + (size_t)dropped("info"),
				 COUNT);
		/* The rate allows for three seconds' worth at once, and what comes meanwhile. */
		assert_in_range(records_count(&records, "flood", NULL), 1, COUNT / 2);
		ramet_context_unref(context);
		close_tree();
	}
}

static void what_was_dropped_is_said_when_the_context_ends(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_context *context;

	(void)state;
	options.log_rate = 10;
	router = records_router(&records, &options);
	context = fixture_connect(router, "local/local");
	assert_int_equal(flood_call(context, RAMET_LOG_INFO, 100, RAMET_LOG_INFO, NULL), 0);
	assert_int_equal(ramet_context_shutdown(context, -1, NULL), 0);
	records_wait(&records, 0, "local/local", "ramet", "were dropped");
	assert_in_range(records_count(&records, "flood", NULL), 30, 50);
	assert_int_equal(records_count(&records, "flood", NULL) +
				 records_count(&records, "last", NULL) + (size_t)dropped("info"),
			 101);
	ramet_context_unref(context);
	close_tree();
}

static void flood_in_the_master_is_dropped_and_counted(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	(void)state;
	options.log_rate = 10;
	router = records_router(&records, &options);
	for (int i = 0; i < 1000; i++)
		ramet_log(router, RAMET_LOG_DEBUG - (i % 2), "flood", "%d", i);
	records_wait(&records, 0, "", "ramet", "were dropped");
	assert_int_equal(records_count(&records, "flood", NULL) + (size_t)dropped("info"), 500);
	assert_int_equal(dropped("debug"), 0);
	close_tree();
}

/* A sink that takes its time, and checks the order of what functions print. */
struct slow {
	pthread_mutex_t lock;
	pthread_cond_t more;
	long lines, wrong;
	bool stuck; /* until it is let go */
};

static void slow_sink(const ramet_log_record *record, void *data)
{
	struct slow *slow = data;
	char expected[32];

	pthread_mutex_lock(&slow->lock);
	while (slow->stuck)
		pthread_cond_wait(&slow->more, &slow->lock);
	if (strcmp(record->source, "stdout") == 0) {
		snprintf(expected, sizeof(expected), "line %ld", slow->lines++);
		slow->wrong += strcmp(expected, record->text) != 0;
		pthread_cond_broadcast(&slow->more);
	}
	pthread_mutex_unlock(&slow->lock);
}

static long rss(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

/* None is lost, nothing grows, and calls go on. */
static void flood_of_lines_waits_for_the_sink(void **state)
{
	enum { LINES = SANITIZED ? 30000 : 300000 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		struct slow slow = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
				    .lines = 0};
		ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
		ramet_statistics statistics = RAMET_STATISTICS_INIT;
		ramet_receiver *call = NULL;
		ramet_context *context;
		long before = rss();
		int64_t pid;

		options.log = slow_sink;
		options.log_data = &slow;
		router = NULL;
		assert_int_equal(ramet_router_new(&options, &router), 0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(print_lines_start(context, LINES, &call, NULL), 0);
		while (!ramet_receiver_done(call)) {
			assert_int_equal(process_id_call(context, &pid, NULL), 0);
			assert_int_equal(pid, ramet_context_pid(context));
		}
		assert_int_equal(print_lines_finish(call, -1, NULL), 0);
		ramet_receiver_unref(call);
		pthread_mutex_lock(&slow.lock);
		while (slow.lines < LINES)
			pthread_cond_wait(&slow.more, &slow.lock);
		pthread_mutex_unlock(&slow.lock);
		assert_int_equal(slow.wrong, 0);
		assert_int_equal(ramet_context_statistics(context, &statistics, NULL), 0);
		assert_int_equal(statistics.records_dropped, 0);
		if (!SANITIZED) {
			assert_true(statistics.rss_max < 16 << 20);
			assert_true(rss() - before < 16 << 10);
		}
		ramet_statistics_clear(&statistics);
		ramet_context_unref(context);
		ramet_router_unref(router);
		assert_int_equal(slow.lines, LINES);
	}
}

/* Until its main thread sleeps in write(2): see syscall in proc(5). */
static void wait_for_write(int pid)
{
	char path[64], text[32];
	long number = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	while (number != SYS_write) {
		FILE *file = fopen(path, "re");

		assert_non_null(file);
		if (fgets(text, sizeof(text), file))
			number = *text == 'r' ? -1 : strtol(text, NULL, 10);
		fclose(file);
		sched_yield();
	}
}

/* Who prints waits: its pipe is full, the window, and what its reader may hold. */
static void lines_wait_while_the_sink_is_stuck(void **state)
{
	enum { LINES = 100000 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		struct slow slow = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
				    .stuck = true};
		ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
		ramet_receiver *call = NULL;
		ramet_context *context;

		options.log = slow_sink;
		options.log_data = &slow;
		router = NULL;
		assert_int_equal(ramet_router_new(&options, &router), 0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(print_lines_start(context, LINES, &call, NULL), 0);
		wait_for_write(ramet_context_pid(context));
		/* This thread does not read, so it is not stuck itself. */
		pthread_mutex_lock(&slow.lock);
		assert_int_equal(slow.lines, 0);
		slow.stuck = false;
		pthread_cond_broadcast(&slow.more);
		while (slow.lines < LINES)
			pthread_cond_wait(&slow.more, &slow.lock);
		pthread_mutex_unlock(&slow.lock);
		assert_int_equal(slow.wrong, 0);
		assert_int_equal(print_lines_finish(call, SOON, NULL), 0);
		ramet_receiver_unref(call);
		ramet_context_unref(context);
		ramet_router_unref(router);
	}
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

/* --- frames ----------------------------------------------------------------------------------------- */

/* Here alone: what others see of theirs does not travel. */
static void frames_are_shown_where_they_pass(void **state)
{
	ramet_context *context;
	size_t at, count;
	int64_t pid;

	(void)state;
	open_tree(RAMET_LOG_IO);
	context = fixture_connect(router, "local/local");
	at = records_wait(&records, 0, "", "ramet", "sent");
	assert_non_null(strstr(records.items[at].fields, " source=0 destination="));
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
		FIXTURE_TEST(flood_of_records_is_dropped_and_counted),
		FIXTURE_TEST(what_was_dropped_is_said_when_the_context_ends),
		FIXTURE_TEST(flood_in_the_master_is_dropped_and_counted),
		FIXTURE_TEST(flood_of_lines_waits_for_the_sink),
		FIXTURE_TEST(lines_wait_while_the_sink_is_stuck),
		FIXTURE_TEST(fields_arrive_as_they_were),
		FIXTURE_TEST(fields_beyond_the_limits_are_left_out),
		FIXTURE_TEST(level_changes_for_a_subtree),
		FIXTURE_TEST(level_of_a_parent_is_not_for_its_children),
		FIXTURE_TEST(level_set_while_a_child_connects_reaches_it),
		FIXTURE_TEST(output_before_the_context_is_there_is_not_lost),
		FIXTURE_TEST(frames_are_shown_where_they_pass),
		FIXTURE_TEST(each_process_writes_a_file),
		FIXTURE_TEST(file_in_no_private_directory_is_refused),
		FIXTURE_TEST(directory_comes_from_the_environment),
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
