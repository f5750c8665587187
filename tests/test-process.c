/* SPDX-License-Identifier: BSD-3-Clause */
/* The output and the end of processes (parent/process.h). */
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "base/time.h"
#include "core/log.h"
#include "core/wait.h"
#include "fixture.h"
#include "parent/process.h"
#include "parent/spawn.h"
#include "records.h"

#define LINE_MAX_TEXT RMT_CAPTURE_LINE_MAX

static struct {
	ramet_router *router;
	struct records records;
	struct rmt_process *process;
	bool over;
	char end[96]; /* how it ended */
	size_t history;
	char *last; /* line of its history */
} run;

/* --- what the processes do ------------------------------------------------------------------------------ */

static void put(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0)
			_exit(99);
		at += n;
		size -= (size_t)n;
	}
}

static void put_bulk(void)
{
	char line[64];

	for (int i = 0; i < 16384; i++) {
		snprintf(line, sizeof(line), "%063d", i);
		line[63] = '\n';
		put(1, line, 64);
	}
}

static int act(const char *what)
{
	static char text[3 * LINE_MAX_TEXT];

	if (strcmp(what, "lines") == 0) {
		put(1, "one\ntw", 6);
		put(1, "o\n\nthree", 8);
		put(2, "error\n", 6);
	} else if (strcmp(what, "nul") == 0) {
		put(1, "a\0b\n\0\n", 6);
	} else if (strcmp(what, "long") == 0) {
		memset(text, 'x', sizeof(text));
		text[LINE_MAX_TEXT] = '\n';         /* exactly full */
		text[2 * LINE_MAX_TEXT + 2] = '\n'; /* one more than full */
		put(1, text, 2 * LINE_MAX_TEXT + 3);
	} else if (strcmp(what, "bulk") == 0) {
		put_bulk();
	} else if (strcmp(what, "many") == 0) {
		for (unsigned i = 0; i < RMT_HISTORY_LINES + 20; i++)
			dprintf(1, "line %u\n", i);
	} else if (strcmp(what, "orphan") == 0) {
		/* Its own child keeps the output open, and ends when the test ends its wait. */
		put(1, "first\n", 6);
		if (fork() == 0)
			pause();
	} else if (strcmp(what, "stubborn") == 0) {
		signal(SIGTERM, SIG_IGN);
		put(1, "ready\n", 6);
		for (;;)
			pause();
	} else if (strcmp(what, "wait") == 0) {
		put(1, "ready\n", 6);
		for (;;)
			pause();
	} else if (strncmp(what, "raise:", 6) == 0) {
		raise(atoi(what + 6));
	} else {
		return atoi(what);
	}
	return 0;
}

/* --- helpers -------------------------------------------------------------------------------------------- */

static void on_end(struct rmt_process *process)
{
	rmt_process_describe(process, run.end, sizeof(run.end));
	run.history = process->history_count;
	if (run.history > 0)
		run.last = strdup(process->history[run.history - 1]);
	rmt_process_free(process);
	run.process = NULL;
	run.over = true;
	rmt_wait_changed(run.router);
}

static void start(const char *what)
{
	char *argv[] = {(char *)"process", (char *)what, NULL};
	struct rmt_spawn options = {.file = "/proc/self/exe",
				    .argv = argv,
				    .stdin_fd = 0,
				    .stdout_fd = 1,
				    .stderr_fd = 2};
	int out[2], err[2];
	pid_t pid;

	run.over = false;
	run.last = NULL;
	run.router = records_router(&run.records, NULL);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	options.stdout_fd = out[1];
	options.stderr_fd = err[1];
	assert_int_equal(rmt_spawn(&options, &pid, NULL), 0);
	close(out[1]);
	close(err[1]);
	rmt_lock(run.router);
	assert_int_equal(rmt_process_new(run.router, pid, out[0], err[0], "local/x", &run.process),
			 0);
	run.process->on_end = on_end;
	rmt_unlock(run.router);
}

static bool is_over(void *argument)
{
	(void)argument;
	return run.over;
}

static void wait_for_end(void)
{
	rmt_lock(run.router);
	if (!run.over)
		rmt_process_leave(run.process);
	assert_int_equal(rmt_wait(run.router, is_over, NULL, RMT_NEVER), 0);
	/* Its last records may still be on their way to the sink, by this thread or the broker. */
	while (run.router->logging.delivering || !rmt_list_empty(&run.router->logging.waiting)) {
		rmt_log_flush(run.router);
		rmt_unlock(run.router);
		sched_yield();
		rmt_lock(run.router);
	}
	rmt_unlock(run.router);
}

static void finish(void)
{
	free(run.last);
	ramet_router_unref(run.router);
	records_done(&run.records);
}

static void assert_record(size_t index, const char *source, const char *text)
{
	struct record *record = &run.records.items[index];

	assert_true(index < run.records.count);
	assert_string_equal(record->context, "local/x");
	assert_string_equal(record->source, source);
	assert_string_equal(record->text, text);
	assert_int_equal(record->level, RAMET_LOG_INFO);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void output_is_cut_into_lines_and_the_last_needs_no_newline(void **state)
{
	size_t error;

	(void)state;
	start("lines");
	wait_for_end();
	assert_int_equal(run.records.count, 5);
	error = records_wait(&run.records, 0, NULL, "stderr", "error");
	/* The order between the two streams is not known, within one it is. */
	for (size_t i = 0, k = 0; i < 5; i++)
		if (i != error)
			assert_record(i, "stdout",
				      ((const char *[]){"one", "two", "", "three"})[k++]);
	assert_string_equal(run.end, "exited with status 0");
	finish();
}

static void output_with_nul_shows_a_mark(void **state)
{
	(void)state;
	start("nul");
	wait_for_end();
	assert_int_equal(run.records.count, 2);
	assert_record(0, "stdout", "a?b");
	assert_record(1, "stdout", "?");
	assert_string_equal(run.last, "?");
	finish();
}

static void output_line_too_long_is_split(void **state)
{
	static const size_t sizes[] = {LINE_MAX_TEXT, LINE_MAX_TEXT, 1};

	(void)state;
	start("long");
	wait_for_end();
	assert_int_equal(run.records.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(strlen(run.records.items[i].text), sizes[i]);
	finish();
}

static void output_of_a_mebibyte_arrives_whole_and_in_order(void **state)
{
	char expected[64];

	(void)state;
	start("bulk");
	wait_for_end();
	assert_int_equal(run.records.count, 16384);
	for (int i = 0; i < 16384; i++) {
		snprintf(expected, sizeof(expected), "%063d", i);
		assert_string_equal(run.records.items[i].text, expected);
	}
	finish();
}

static void history_keeps_the_last_lines(void **state)
{
	(void)state;
	start("many");
	wait_for_end();
	assert_int_equal(run.history, RMT_HISTORY_LINES);
	assert_string_equal(run.last, "line 119");
	finish();
}

static void end_is_described(void **state)
{
	static const struct {
		const char *what, *text;
	} cases[] = {
		{"0", "exited with status 0"},         {"3", "exited with status 3"},
		{"raise:9", "was killed by SIGKILL"},  {"raise:15", "was killed by SIGTERM"},
		{"raise:10", "was killed by SIGUSR1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		start(cases[i].what);
		wait_for_end();
		assert_string_equal(run.end, cases[i].text);
		finish();
	}
}

/* Before anybody asked whether it ended. */
static void end_before_it_is_waited_for_is_noticed(void **state)
{
	int pidfd;

	(void)state;
	start("3");
	pidfd = fixture_pidfd(run.process->pid);
	fixture_wait_end(pidfd);
	wait_for_end();
	assert_string_equal(run.end, "exited with status 3");
	finish();
}

static void process_that_is_killed_gets_term(void **state)
{
	(void)state;
	start("wait");
	records_wait(&run.records, 0, NULL, NULL, "ready");
	rmt_lock(run.router);
	rmt_process_kill(run.process);
	rmt_unlock(run.router);
	wait_for_end();
	assert_string_equal(run.end, "was killed by SIGTERM");
	finish();
}

static void process_that_ignores_term_gets_kill(void **state)
{
	(void)state;
	start("stubborn");
	records_wait(&run.records, 0, NULL, NULL, "ready");
	rmt_lock(run.router);
	rmt_process_kill(run.process);
	rmt_unlock(run.router);
	wait_for_end();
	assert_string_equal(run.end, "was killed by SIGKILL");
	finish();
}

/* A grandchild that holds the output open is not waited for. */
static void output_held_open_by_others_does_not_delay_the_end(void **state)
{
	pid_t group;

	(void)state;
	fixture_allow_orphans();
	start("orphan");
	group = run.process->pid;
	records_wait(&run.records, 0, NULL, NULL, "first");
	wait_for_end();
	assert_string_equal(run.end, "exited with status 0");
	assert_int_equal(kill(-group, SIGKILL), 0);
	finish();
}

/* Somebody else's waitpid: the end is noticed, the status is not known. */
static void process_reaped_by_the_program_has_ended(void **state)
{
	int status;

	(void)state;
	start("3");
	assert_int_equal(waitpid(run.process->pid, &status, 0), run.process->pid);
	wait_for_end();
	assert_string_equal(run.end, "ended, and somebody else took its exit status");
	finish();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(output_is_cut_into_lines_and_the_last_needs_no_newline),
		FIXTURE_TEST(output_with_nul_shows_a_mark),
		FIXTURE_TEST(output_line_too_long_is_split),
		FIXTURE_TEST(output_of_a_mebibyte_arrives_whole_and_in_order),
		FIXTURE_TEST(history_keeps_the_last_lines),
		FIXTURE_TEST(end_is_described),
		FIXTURE_TEST(end_before_it_is_waited_for_is_noticed),
		FIXTURE_TEST(process_that_is_killed_gets_term),
		FIXTURE_TEST(process_that_ignores_term_gets_kill),
		FIXTURE_TEST(output_held_open_by_others_does_not_delay_the_end),
		FIXTURE_TEST(process_reaped_by_the_program_has_ended),
	};

	ramet_init(argc, argv);
	if (argc == 2)
		return act(argv[1]);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
