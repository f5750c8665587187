/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands in contexts: what they get, what comes back, and that nothing of them is left. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fixture.h"

/* Where each test's command runs. */
static const char *const places[] = {"", "local", "fork", "local/local"};

static struct {
	ramet_router *router;
	ramet_context *context;
} here;

/* --- helpers ---------------------------------------------------------------------------------------- */

static void enter(const char *path)
{
	here.router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	here.context = *path ? fixture_connect(here.router, path)
			     : ramet_context_ref(ramet_router_self(here.router));
}

static void leave(void)
{
	ramet_context_unref(here.context);
	ramet_router_unref(here.router);
}

static ramet_command_options line(const char *text)
{
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	options.line = text;
	return options;
}

static ramet_process *start(const ramet_command_options *options)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process = NULL;

	if (ramet_command_start(here.context, options, &process, &error) < 0)
		fail_msg("%s", error.message);
	return process;
}

static ramet_process *start_line(const char *text)
{
	ramet_command_options options = line(text);

	return start(&options);
}

static ramet_process_result finish(ramet_process *process)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process_result result = {.status = -1};

	if (ramet_process_wait(process, SOON, &result, &error) < 0)
		fail_msg("%s", error.message);
	return result;
}

static ramet_command_result run(const ramet_command_options *options, ramet_bytes input)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_command_result result = {.truncated = true};

	if (ramet_command_run(here.context, options, input, &result, &error) < 0)
		fail_msg("%s", error.message);
	return result;
}

static void check_bytes(ramet_bytes bytes, const void *expected, size_t size)
{
	if (bytes.size != size || memcmp(bytes.data, expected, size) != 0)
		fail_msg("got %zu bytes: '%.*s'", bytes.size, (int)bytes.size,
			 (const char *)bytes.data);
}

static void check_line(const ramet_command_options *options, const char *expected)
{
	ramet_command_result result = run(options, (ramet_bytes){NULL, 0});

	if (result.errors.size > 0)
		fail_msg("%.*s", (int)result.errors.size, (const char *)result.errors.data);
	check_bytes(result.output, expected, strlen(expected));
	assert_int_equal(result.process.status, 0);
	assert_int_equal(result.process.signal, 0);
	assert_int_equal(result.process.cause, RAMET_CAUSE_ITSELF);
	ramet_command_result_clear(&result);
}

static void check_refused(const ramet_command_options *options, int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process = start(options);

	assert_int_equal(ramet_process_pid(process), 0);
	assert_null(ramet_process_stdin(process));
	assert_int_equal(ramet_process_signal(process, SIGTERM), -ESRCH);
	assert_int_equal(ramet_process_wait(process, SOON, NULL, &error), code);
	fixture_check_error(&error, code, text, NULL);
	ramet_process_unref(process);
}

/* The next number that the command prints on a line of its own. */
static int read_number(ramet_process *process)
{
	static char text[64];
	size_t size = 0;
	ramet_value *value;

	do {
		assert_int_equal(ramet_receive(ramet_process_stdout(process), SOON, &value, NULL),
				 1);
		assert_true(size + ramet_value_bytes(value).size < sizeof(text));
		memcpy(text + size, ramet_value_bytes(value).data, ramet_value_bytes(value).size);
		size += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	} while (text[size - 1] != '\n');
	text[size] = '\0';
	return atoi(text);
}

/* Discards until the end; how much there was. */
static size_t drain(ramet_receiver *receiver)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value;
	size_t size = 0;
	int r;

	while ((r = ramet_receive(receiver, SOON, &value, &error)) > 0) {
		size += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	ramet_error_clear(&error);
	assert_true(r == 0 || r == -ECONNRESET);
	return size;
}

/* Neither there nor waiting to be reaped by somebody else. */
static void wait_gone(int pid)
{
	int64_t until = fixture_now() + SOON;
	char path[64], text[256], *at;
	FILE *file;

	for (;;) {
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = fopen(path, "re");
		at = file && fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
		if (file)
			fclose(file);
		if (!at || at[2] == 'Z' || at[2] == 'X')
			return;
		assert_true(fixture_now() < until);
		sched_yield();
	}
}

static int parent_of(int pid)
{
	char path[64], text[256], *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	at = strrchr(text, ')');
	assert_non_null(at);
	return atoi(at + 4);
}

/* --- what a command gets ---------------------------------------------------------------------------- */

static void arguments_of_any_bytes_arrive_as_they_are(void **state)
{
	const char *argv[] = {"printf",   "%s|",   "",  "a b", "new\nline",
			      "\xff\xfe", "$HOME", "*", "-n",  NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	(void)state;
	options.argv = argv;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		enter(places[i]);
		check_line(&options, "|a b|new\nline|\xff\xfe|$HOME|*|-n|");
		leave();
	}
}

static void arguments_that_are_too_long_are_refused(void **state)
{
	char *long_one = malloc(1u << 20);
	const char *argv[] = {"true", long_one, NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	(void)state;
	memset(long_one, 'x', (1u << 20) - 1);
	long_one[(1u << 20) - 1] = '\0';
	options.argv = argv;
	enter("local");
	check_refused(&options, -E2BIG, "cannot execute 'true'");
	leave();
	free(long_one);
}

static void what_cannot_be_started_says_why(void **state)
{
	const char *argv[] = {"/no/such/program", NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	(void)state;
	options.argv = argv;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		enter(places[i]);
		check_refused(&options, -ENOENT, "cannot execute '/no/such/program'");
		leave();
	}
	enter("local");
	argv[0] = "no-such-program";
	check_refused(&options, -ENOENT, "no-such-program");
	argv[0] = "/etc/passwd";
	check_refused(&options, -EACCES, "/etc/passwd");
	argv[0] = "true";
	options.cwd = "/no/such/directory";
	check_refused(&options, -ENOENT, "cannot enter '/no/such/directory'");
	options.cwd = NULL;
	options.user = "nobody-of-that-name";
	check_refused(&options, -ESRCH, "there is no user 'nobody-of-that-name'");
	leave();
}

static void options_that_make_no_sense_are_refused_at_once(void **state)
{
	const char *argv[] = {"true", NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process;

	(void)state;
	enter("");
	assert_int_equal(ramet_command_start(here.context, &options, &process, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "argv", NULL);
	options.argv = argv;
	options.umask = "8";
	assert_int_equal(ramet_command_start(here.context, &options, &process, &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "umask", NULL);
	leave();
}

static void the_place_and_the_environment_are_those_asked_for(void **state)
{
	const char *env[] = {"GREETING=hi there", "LEFT_OUT", "EMPTY=", NULL};
	ramet_command_options options = line(
		"echo \"$PWD|$GREETING|${LEFT_OUT-none}|${EMPTY-none}|$(umask)|$(nice)\"");

	(void)state;
	setenv("LEFT_OUT", "there", 1);
	options.cwd = "/usr";
	options.env = env;
	options.umask = "027";
	options.nice = 3;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		enter(places[i]);
		check_line(&options, "/usr|hi there|none||0027|3\n");
		leave();
	}
	unsetenv("LEFT_OUT");
	enter("local");
	options = line("/usr/bin/env | grep -v '^PWD=\\|^_=\\|^SHLVL='");
	options.env = env;
	options.clear_env = true;
	check_line(&options, "GREETING=hi there\nEMPTY=\n");
	leave();
}

static void another_user_has_its_own_groups_home_and_name(void **state)
{
	ramet_command_options options = line(
		"echo \"$(id -u) $(id -G) $HOME $USER $LOGNAME\"; echo x >/etc/passwd");
	ramet_command_result result;
	const char *said;

	(void)state;
	if (geteuid() != 0)
		skip();
	options.user = "nobody";
	options.cwd = "/";
	enter("local");
	result = run(&options, (ramet_bytes){NULL, 0});
	said = "65534 65534 /nonexistent nobody nobody\n";
	check_bytes(result.output, said, strlen(said));
	assert_int_not_equal(result.process.status, 0);
	assert_true(result.errors.size > 0);
	ramet_command_result_clear(&result);
	options = line("echo \"$(id -u):$(id -g):$(id -G)\"");
	options.user = "54321";
	check_line(&options, "54321:54321:54321\n");
	leave();
}

static void a_command_sees_three_descriptors_and_no_signal_blocked_or_ignored(void **state)
{
	ramet_command_options options = line(
		"ls /proc/self/fd | tr '\\n' ' '; grep -E '^Sig(Blk|Ign)' /proc/self/status | "
		"tr '\\t\\n' '  '; "
		"readlink /proc/self/fd/0");
	int extra = open("/dev/null", O_RDONLY); /* of the program, and not close-on-exec */

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		enter(places[i]);
		check_line(&options, "0 1 2 3 SigBlk: 0000000000000000 SigIgn: 0000000000000000 "
				     "/dev/null\n"); /* 3: ls itself */
		leave();
	}
	close(extra);
}

/* --- streams ---------------------------------------------------------------------------------------- */

static void output_and_errors_come_apart_or_joined_or_not_at_all(void **state)
{
	ramet_command_options options = line("echo out; echo err >&2; echo again");
	ramet_command_result result;

	(void)state;
	enter("local");
	result = run(&options, (ramet_bytes){NULL, 0});
	check_bytes(result.output, "out\nagain\n", 10);
	check_bytes(result.errors, "err\n", 4);
	ramet_command_result_clear(&result);
	options.errors = RAMET_OUTPUT_JOIN;
	check_line(&options, "out\nerr\nagain\n");
	options.errors = RAMET_OUTPUT_STREAM;
	options.output = RAMET_OUTPUT_NULL;
	result = run(&options, (ramet_bytes){NULL, 0});
	assert_int_equal(result.output.size, 0);
	check_bytes(result.errors, "err\n", 4);
	ramet_command_result_clear(&result);
	leave();
}

static void input_goes_through_a_command_and_comes_back_the_same(void **state)
{
	size_t size = SANITIZED ? 4u << 20 : 100u << 20;
	ramet_command_options options = line("cat");
	unsigned char *data = malloc(size);
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
	options.output_max = size;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t part = i == 1 ? size : size / 16; /* all of it once */
		ramet_command_result result;

		enter(places[i]);
		result = run(&options, (ramet_bytes){data, part});
		assert_false(result.truncated);
		assert_int_equal(result.output.size, part);
		assert_memory_equal(result.output.data, data, part);
		ramet_command_result_clear(&result);
		leave();
	}
	free(data);
}

static void output_beyond_the_limit_is_left_out(void **state)
{
	ramet_command_options options = line("head -c 3000000 /dev/zero");
	ramet_command_result result;

	(void)state;
	options.output_max = 1000;
	enter("local");
	result = run(&options, (ramet_bytes){NULL, 0});
	assert_true(result.truncated);
	assert_int_equal(result.output.size, 1000);
	assert_int_equal(result.process.status, 0);
	ramet_command_result_clear(&result);
	leave();
}

static void input_that_a_command_does_not_read_is_no_failure(void **state)
{
	size_t size = 8u << 20;
	char *data = calloc(1, size);
	ramet_command_options options = line("exec <&-; echo done");
	ramet_command_result result;

	(void)state;
	enter("local");
	result = run(&options, (ramet_bytes){data, size});
	check_bytes(result.output, "done\n", 5);
	assert_int_equal(result.process.status, 0);
	ramet_command_result_clear(&result);
	leave();
	free(data);
}

/* Bytes of the process's memory that are there. */
static long resident(int pid)
{
	char path[64];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages * getpagesize();
}

static void a_reader_that_stops_blocks_the_command_and_nobody_grows(void **state)
{
	ramet_process *process;
	ramet_process_result result;
	ramet_error error = RAMET_ERROR_INIT;
	long before;

	(void)state;
	enter("local");
	process = start_line("echo go; exec head -c 67108864 /dev/zero");
	assert_true(ramet_process_pid(process) > 0);
	before = resident(ramet_context_pid(here.context));
	assert_int_equal(ramet_process_wait(process, 300, &result, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "300 ms", NULL);
	fixture_wait_state(ramet_process_pid(process), 'S');
	if (!SANITIZED)
		assert_true(resident(ramet_context_pid(here.context)) - before < 4 << 20);
	assert_int_equal(drain(ramet_process_stdout(process)), 67108864 + 3);
	assert_int_equal(drain(ramet_process_stderr(process)), 0);
	assert_int_equal(finish(process).status, 0);
	ramet_process_unref(process);
	leave();
}

static void closing_the_receiver_breaks_the_pipe(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	enter("local");
	process = start_line("exec yes");
	ramet_receiver_close(ramet_process_stdout(process));
	result = finish(process);
	assert_int_equal(result.signal, SIGPIPE);
	assert_int_equal(result.cause, RAMET_CAUSE_ITSELF);
	ramet_process_unref(process);
	leave();
}

static void what_was_written_before_the_end_is_there_when_it_is_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		enter(places[i]);
		for (int round = 0; round < 20; round++) {
			ramet_process *process = start_line(
				"head -c 200000 /dev/zero; echo end >&2");
			ramet_value *value;
			size_t size = 0;

			finish(process);
			while (ramet_receive(ramet_process_stdout(process), 0, &value, NULL) > 0) {
				size += ramet_value_bytes(value).size;
				ramet_value_unref(value);
			}
			assert_int_equal(size, 200000);
			ramet_process_unref(process);
		}
		leave();
	}
}

/* --- how it ends ------------------------------------------------------------------------------------ */

static void the_result_has_status_signal_and_usage(void **state)
{
	ramet_process_result result;
	ramet_process *process;

	(void)state;
	enter("local/local");
	process = start_line("exit 7");
	result = finish(process);
	assert_int_equal(result.status, 7);
	assert_int_equal(result.signal, 0);
	assert_int_equal(finish(process).status, 7); /* once more */
	ramet_process_unref(process);
	process = start_line("ulimit -c 0; kill -SEGV $$");
	result = finish(process);
	assert_int_equal(result.signal, SIGSEGV);
	assert_false(result.core);
	assert_int_equal(result.status, 0);
	ramet_process_unref(process);
	process = start_line("i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; sleep 0.1");
	result = finish(process);
	assert_true(result.user_us + result.system_us > 1000);
	assert_true(result.wall_us >= 100000 && result.wall_us > result.user_us);
	assert_true(result.max_rss > 100000 && result.max_rss < 1 << 30);
	ramet_process_unref(process);
	leave();
}

static void a_core_dump_is_told(void **state)
{
	char directory[] = "/tmp/ramet-test-exec-XXXXXX", pattern[256] = "";
	ramet_command_options options = line("ulimit -c unlimited 2>&- && kill -SEGV $$");
	ramet_process *process;
	ramet_process_result result;
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
	char command[256];

	(void)state;
	if (file && !fgets(pattern, sizeof(pattern), file))
		pattern[0] = '\0';
	if (file)
		fclose(file);
	/* Elsewhere it is none of ours. */
	if (pattern[0] == '|' || pattern[0] == '/' || pattern[0] == '\n' || !pattern[0])
		skip();
	assert_non_null(mkdtemp(directory));
	options.cwd = directory;
	enter("local");
	process = start(&options);
	result = finish(process);
	assert_int_equal(result.signal, SIGSEGV);
	assert_true(result.core);
	ramet_process_unref(process);
	leave();
	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
}

static void what_is_left_in_the_background_goes_on_and_delays_nothing(void **state)
{
	ramet_process *process;
	int pid;

	(void)state;
	fixture_allow_orphans();
	for (size_t i = 0; i < 2; i++) {
		enter(places[i]);
		process = start_line("sleep 1000 & echo $!");
		pid = read_number(process);
		assert_int_equal(finish(process).status, 0);
		ramet_process_unref(process);
		leave();
		assert_int_equal(kill(pid, 0), 0);
		assert_int_equal(kill(pid, SIGKILL), 0);
		wait_gone(pid);
	}
}

static void alone_leaves_nothing_in_the_background(void **state)
{
	ramet_command_options options = line("setsid sleep 1000 & echo $!");
	ramet_process *process;
	int pid;

	(void)state;
	options.alone = true;
	enter("local");
	process = start(&options);
	pid = read_number(process);
	assert_int_equal(finish(process).status, 0);
	assert_int_equal(kill(pid, 0), -1);
	ramet_process_unref(process);
	leave();
}

static void signals_reach_the_whole_group(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	enter("local");
	process = start_line("trap 'echo 5; exit 5' USR1; echo 1; while :; do sleep 0.01; done");
	assert_int_equal(read_number(process), 1);
	assert_int_equal(ramet_process_signal(process, 0), -EINVAL);
	assert_int_equal(ramet_process_signal(process, SIGUSR1), 0);
	result = finish(process);
	assert_int_equal(result.status == 5 || result.signal == SIGUSR1, 1);
	assert_int_equal(result.cause, RAMET_CAUSE_ITSELF);
	assert_int_equal(ramet_process_signal(process, SIGUSR1), -ESRCH);
	ramet_process_unref(process);
	leave();
}

/* A family that does what it can not to be found: one that ignores TERM, one that has left the session,
 * one that was forked twice, one that is stopped. Prints their ids, in any order, with a sign before the last. */
#define FAMILY                                                                             \
	"trap '' TERM; (sleep 1000 & echo $!); setsid sh -c 'echo $$; exec sleep 1000' & " \
	"setsid sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000\" & exit 0'; "          \
	"sh -c 'echo +$$; kill -STOP $$; sleep 1000' & while :; do sleep 1000; done"

static int start_family(ramet_process **ret_process, int pids[5])
{
	ramet_process *process = start_line(FAMILY);
	ramet_value *value;
	char text[256] = "";
	int count = 0, lines = 0, stopped = 0;

	while (lines < 4) {
		assert_int_equal(ramet_receive(ramet_process_stdout(process), SOON, &value, NULL),
				 1);
		strncat(text, ramet_value_bytes(value).data, ramet_value_bytes(value).size);
		ramet_value_unref(value);
		lines = 0;
		for (char *at = text; (at = strchr(at, '\n')); at++)
			lines++;
	}
	for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) {
		pids[count++] = atoi(at);
		stopped = *at == '+' ? pids[count - 1] : stopped;
	}
	assert_int_equal(count, 4);
	fixture_wait_state(stopped, 'T');
	pids[4] = ramet_process_pid(process);
	*ret_process = process;
	return parent_of(pids[4]);
}

static void check_family_gone(const int pids[5])
{
	for (int i = 0; i < 5; i++)
		if (kill(pids[i], 0) == 0)
			fail_msg("process %d of the family is left", i);
}

static void the_ladder_ends_all_descendants(void **state)
{
	ramet_process_result result;
	ramet_process *process;
	int pids[5];

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int64_t begun;

		enter(places[i]);
		start_family(&process, pids);
		begun = fixture_now();
		ramet_process_kill(process);
		result = finish(process);
		assert_int_equal(result.signal, SIGKILL);
		assert_int_equal(result.cause, RAMET_CAUSE_KILLED);
		assert_true(fixture_now() - begun >= 200);
		check_family_gone(pids);
		ramet_process_unref(process);
		leave();
	}
}

static void term_is_enough_for_who_obeys(void **state)
{
	ramet_process_result result;
	ramet_command_options options = line(
		"trap 'exit 9' TERM; echo 1; while :; do sleep 0.01; done");
	ramet_process *process;

	(void)state;
	enter("local");
	options.grace = 8000;
	process = start(&options);
	assert_int_equal(read_number(process), 1);
	ramet_process_kill(process);
	result = finish(process);
	assert_int_equal(result.status, 9);
	assert_int_equal(result.cause, RAMET_CAUSE_KILLED);
	assert_true(result.wall_us < 8000000);
	ramet_process_unref(process);
	leave();
}

static void a_command_that_takes_too_long_is_killed(void **state)
{
	ramet_command_options options = line("sleep 1000 & sleep 1000");
	ramet_process_result result;
	ramet_process *process;

	(void)state;
	options.timeout = 50;
	options.grace = -1;
	enter("local");
	process = start(&options);
	result = finish(process);
	assert_int_equal(result.signal, SIGKILL);
	assert_int_equal(result.cause, RAMET_CAUSE_TIMEOUT);
	assert_true(result.wall_us >= 50000);
	ramet_process_unref(process);
	leave();
}

static void dropping_a_process_kills_the_command(void **state)
{
	ramet_process *process;
	int pids[5];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		enter(places[i]);
		start_family(&process, pids);
		ramet_process_unref(ramet_process_ref(process));
		assert_int_equal(kill(pids[4], 0), 0);
		ramet_process_unref(process);
		for (int k = 0; k < 5; k++)
			wait_gone(pids[k]);
		leave();
	}
}

static void the_end_of_the_router_ends_its_commands(void **state)
{
	ramet_process *process;
	int pids[5];

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		enter(places[i]);
		start_family(&process, pids);
		leave();
		check_family_gone(pids);
		ramet_process_unref(process);
	}
}

static void a_context_that_is_killed_takes_its_commands_along(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process;
	int pids[5], guard;

	(void)state;
	fixture_allow_orphans();
	enter("local");
	guard = start_family(&process, pids);
	guard = fixture_pidfd(guard);
	assert_int_equal(kill(ramet_context_pid(here.context), SIGKILL), 0);
	assert_int_equal(ramet_process_wait(process, SOON, NULL, &error), -ECONNRESET);
	ramet_error_clear(&error);
	fixture_wait_end(guard);
	for (int i = 0; i < 5; i++)
		wait_gone(pids[i]);
	ramet_process_unref(process);
	leave();
}

/* Prints the id of the command that it has started, and waits to be killed. */
static void be_master(int output)
{
	ramet_process *process;
	int pids[5];

	setsid();
	enter("local");
	start_family(&process, pids);
	if (write(output, pids, sizeof(pids)) != sizeof(pids))
		_exit(1);
	pause();
	_exit(1);
}

static void a_master_that_is_killed_takes_all_commands_along(void **state)
{
	int pids[5], ends[2];
	pid_t master;

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	master = fork();
	if (master == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_master(ends[1]);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], pids, sizeof(pids)), sizeof(pids));
	close(ends[0]);
	kill(master, SIGKILL);
	assert_int_equal(waitpid(master, NULL, 0), master);
	for (int i = 0; i < 5; i++)
		wait_gone(pids[i]);
}

static void a_command_whose_guard_is_killed_ends(void **state)
{
	ramet_process_result result;
	ramet_process *process;
	int pid, child;

	(void)state;
	fixture_allow_orphans();
	enter("local");
	process = start_line("sleep 1000 & echo $!; wait");
	child = read_number(process);
	pid = ramet_process_pid(process);
	assert_int_equal(kill(parent_of(pid), SIGKILL), 0);
	result = finish(process);
	assert_int_equal(result.cause, RAMET_CAUSE_UNGUARDED);
	assert_int_equal(result.signal, SIGKILL);
	wait_gone(pid);
	wait_gone(child);
	ramet_process_unref(process);
	leave();
}

/* --- many ------------------------------------------------------------------------------------------- */

static void two_hundred_commands_run_at_once(void **state)
{
	enum { COUNT = SANITIZED ? 50 : 200 };
	ramet_process *processes[COUNT];
	ramet_command_options options = line("read x; echo $x; exit $x");

	(void)state;
	options.input = true;
	for (size_t place = 0; place < 2; place++) {
		enter(places[place]);
		for (int i = 0; i < COUNT; i++)
			processes[i] = start(&options);
		/* All have begun before the first may end. */
		for (int i = 0; i < COUNT; i++)
			assert_true(ramet_process_pid(processes[i]) > 0);
		for (int i = 0; i < COUNT; i++) {
			char text[16];
			int n = snprintf(text, sizeof(text), "%d\n", i);

			assert_int_equal(ramet_send_bytes(ramet_process_stdin(processes[i]),
							  (ramet_bytes){text, (size_t)n}),
					 0);
		}
		for (int i = 0; i < COUNT; i++) {
			assert_int_equal(read_number(processes[i]), i);
			assert_int_equal(finish(processes[i]).status, i);
			ramet_process_unref(processes[i]);
		}
		leave();
	}
}

/* --- terminals -------------------------------------------------------------------------------------- */

static ramet_process *start_terminal(const char *text)
{
	ramet_command_options options = line(text);

	options.terminal = true;
	options.rows = 30;
	options.columns = 100;
	options.term = "vt100";
	return start(&options);
}

/* Reads until the text has come. */
static void await_text(ramet_process *process, const char *text)
{
	static char seen[4096];
	size_t size = 0;
	ramet_value *value;

	memset(seen, 0, sizeof(seen));
	while (!strstr(seen, text)) {
		if (ramet_receive(ramet_process_stdout(process), SOON, &value, NULL) != 1)
			fail_msg("no '%s' in '%s'", text, seen);
		assert_true(size + ramet_value_bytes(value).size < sizeof(seen));
		memcpy(seen + size, ramet_value_bytes(value).data, ramet_value_bytes(value).size);
		size += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
}

static void type_text(ramet_process *process, const char *text)
{
	assert_int_equal(
		ramet_send_bytes(ramet_process_stdin(process), (ramet_bytes){text, strlen(text)}),
		0);
}

static void a_terminal_is_one_and_controls_the_session(void **state)
{
	ramet_process *process;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		enter(places[i]);
		process = start_terminal("test -t 0 && test -t 1 && test -t 2 && echo terminal; "
					 "echo $TERM; stty size; "
					 "echo there >/dev/tty");
		assert_null(ramet_process_stderr(process));
		await_text(process, "terminal\r\nvt100\r\n30 100\r\nthere\r\n");
		drain(ramet_process_stdout(process));
		assert_int_equal(finish(process).status, 0);
		ramet_process_unref(process);
		leave();
	}
}

static void a_terminal_changes_its_size_and_tells(void **state)
{
	ramet_process *process;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	enter("local");
	process = start_terminal(
		"trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done");
	await_text(process, "ready");
	assert_int_equal(ramet_process_resize(process, -1, 0), -EINVAL);
	assert_int_equal(ramet_process_resize(process, 50, 132), 0);
	await_text(process, "50 132");
	drain(ramet_process_stdout(process));
	assert_int_equal(finish(process).status, 0);
	ramet_process_unref(process);
	leave();
}

static void what_is_typed_is_obeyed(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	enter("local");
	process = start_terminal(
		"echo ready; read x; echo \"got $x\"; cat; echo end of file; exec sleep 1000");
	await_text(process, "ready");
	type_text(process, "word\n");
	await_text(process, "got word");
	type_text(process, "no newline");
	ramet_sender_close(ramet_process_stdin(process));
	await_text(process, "end of file");
	ramet_process_unref(process);
	process = start_terminal("echo ready; exec sleep 1000");
	await_text(process, "ready");
	type_text(process, "\003");
	drain(ramet_process_stdout(process));
	result = finish(process);
	assert_int_equal(result.signal, SIGINT);
	ramet_process_unref(process);
	leave();
}

static void closing_a_terminal_hangs_up(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	enter("local");
	process = start_terminal("echo ready; while :; do echo; sleep 0.01; done");
	await_text(process, "ready");
	ramet_receiver_close(ramet_process_stdout(process));
	result = finish(process);
	assert_int_equal(result.signal, SIGHUP);
	ramet_process_unref(process);
	leave();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(arguments_of_any_bytes_arrive_as_they_are),
		FIXTURE_TEST(arguments_that_are_too_long_are_refused),
		FIXTURE_TEST(what_cannot_be_started_says_why),
		FIXTURE_TEST(options_that_make_no_sense_are_refused_at_once),
		FIXTURE_TEST(the_place_and_the_environment_are_those_asked_for),
		FIXTURE_TEST(another_user_has_its_own_groups_home_and_name),
		FIXTURE_TEST(a_command_sees_three_descriptors_and_no_signal_blocked_or_ignored),
		FIXTURE_TEST(output_and_errors_come_apart_or_joined_or_not_at_all),
		FIXTURE_TEST(input_goes_through_a_command_and_comes_back_the_same),
		FIXTURE_TEST(output_beyond_the_limit_is_left_out),
		FIXTURE_TEST(input_that_a_command_does_not_read_is_no_failure),
		FIXTURE_TEST(a_reader_that_stops_blocks_the_command_and_nobody_grows),
		FIXTURE_TEST(closing_the_receiver_breaks_the_pipe),
		FIXTURE_TEST(what_was_written_before_the_end_is_there_when_it_is_over),
		FIXTURE_TEST(the_result_has_status_signal_and_usage),
		FIXTURE_TEST(a_core_dump_is_told),
		FIXTURE_TEST(what_is_left_in_the_background_goes_on_and_delays_nothing),
		FIXTURE_TEST(alone_leaves_nothing_in_the_background),
		FIXTURE_TEST(signals_reach_the_whole_group),
		FIXTURE_TEST(the_ladder_ends_all_descendants),
		FIXTURE_TEST(term_is_enough_for_who_obeys),
		FIXTURE_TEST(a_command_that_takes_too_long_is_killed),
		FIXTURE_TEST(dropping_a_process_kills_the_command),
		FIXTURE_TEST(the_end_of_the_router_ends_its_commands),
		FIXTURE_TEST(a_context_that_is_killed_takes_its_commands_along),
		FIXTURE_TEST(a_master_that_is_killed_takes_all_commands_along),
		FIXTURE_TEST(a_command_whose_guard_is_killed_ends),
		FIXTURE_TEST(two_hundred_commands_run_at_once),
		FIXTURE_TEST(a_terminal_is_one_and_controls_the_session),
		FIXTURE_TEST(a_terminal_changes_its_size_and_tells),
		FIXTURE_TEST(what_is_typed_is_obeyed),
		FIXTURE_TEST(closing_a_terminal_hangs_up),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
