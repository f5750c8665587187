/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands in contexts: what they get, and what comes back. */
#include <fcntl.h>
#include <sys/resource.h>

#include "commands.h"
#include "fixture.h"

/* --- what a command gets ---------------------------------------------------------------------------- */

static void arguments_of_any_bytes_arrive_as_they_are(void **state)
{
	const char *argv[] = {"printf",   "%s|",   "",  "a b", "new\nline",
			      "\xff\xfe", "$HOME", "*", "-n",  NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	(void)state;
	options.argv = argv;
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		commands_enter(commands_places[i]);
		command_check_line(&options, "|a b|new\nline|\xff\xfe|$HOME|*|-n|");
		commands_leave();
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
	commands_enter("local");
	command_check_refused(&options, -E2BIG, "cannot execute 'true'");
	commands_leave();
	free(long_one);
}

static void what_cannot_be_started_says_why(void **state)
{
	const char *argv[] = {"/no/such/program", NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	(void)state;
	options.argv = argv;
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		commands_enter(commands_places[i]);
		command_check_refused(&options, -ENOENT, "cannot execute '/no/such/program'");
		commands_leave();
	}
	commands_enter("local");
	argv[0] = "no-such-program";
	command_check_refused(&options, -ENOENT, "no-such-program");
	argv[0] = "/etc/passwd";
	command_check_refused(&options, -EACCES, "/etc/passwd");
	argv[0] = "true";
	options.cwd = "/no/such/directory";
	command_check_refused(&options, -ENOENT, "cannot enter '/no/such/directory'");
	options.cwd = NULL;
	options.user = "nobody-of-that-name";
	command_check_refused(&options, -ESRCH, "there is no user 'nobody-of-that-name'");
	commands_leave();
}

static void options_that_make_no_sense_are_refused_at_once(void **state)
{
	const char *argv[] = {"true", NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process;

	(void)state;
	commands_enter("");
	assert_int_equal(ramet_command_start(commands.context, &options, &process, &error),
			 -EINVAL);
	fixture_check_error(&error, -EINVAL, "argv", NULL);
	options.argv = argv;
	options.umask = "8";
	assert_int_equal(ramet_command_start(commands.context, &options, &process, &error),
			 -EINVAL);
	fixture_check_error(&error, -EINVAL, "umask", NULL);
	commands_leave();
}

static void the_place_and_the_environment_are_those_asked_for(void **state)
{
	const char *env[] = {"GREETING=hi there", "LEFT_OUT", "EMPTY=", NULL};
	ramet_command_options options = command_line(
		"echo \"$PWD|$GREETING|${LEFT_OUT-none}|${EMPTY-none}|$(umask)|$(nice)\"");

	(void)state;
	setenv("LEFT_OUT", "there", 1);
	options.cwd = "/usr";
	options.env = env;
	options.umask = "027";
	options.nice = 3;
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		commands_enter(commands_places[i]);
		command_check_line(&options, "/usr|hi there|none||0027|3\n");
		commands_leave();
	}
	unsetenv("LEFT_OUT");
	commands_enter("local");
	options = command_line("/usr/bin/env | grep -v '^PWD=\\|^_=\\|^SHLVL='");
	options.env = env;
	options.clear_env = true;
	command_check_line(&options, "GREETING=hi there\nEMPTY=\n");
	commands_leave();
}

static void another_user_has_its_own_groups_home_and_name(void **state)
{
	ramet_command_options options = command_line(
		"echo \"$(id -u) $(id -G) $HOME $USER $LOGNAME\"; echo x >/etc/passwd");
	ramet_command_result result;
	const char *said;

	(void)state;
	if (geteuid() != 0)
		skip();
	options.user = "nobody";
	options.cwd = "/";
	commands_enter("local");
	result = command_run(&options, (ramet_bytes){NULL, 0});
	said = "65534 65534 /nonexistent nobody nobody\n";
	command_check_bytes(result.output, said, strlen(said));
	assert_int_not_equal(result.process.status, 0);
	assert_true(result.errors.size > 0);
	ramet_command_result_clear(&result);
	options = command_line("echo \"$(id -u):$(id -g):$(id -G)\"");
	options.user = "54321";
	command_check_line(&options, "54321:54321:54321\n");
	commands_leave();
}

static void a_command_sees_three_descriptors_and_no_signal_blocked_or_ignored(void **state)
{
	ramet_command_options options = command_line(
		"ls /proc/self/fd | tr '\\n' ' '; grep -E '^Sig(Blk|Ign)' /proc/self/status | "
		"tr '\\t\\n' '  '; "
		"readlink /proc/self/fd/0");
	int extra = open("/dev/null", O_RDONLY); /* of the program, and not close-on-exec */

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		commands_enter(commands_places[i]);
		command_check_line(&options,
				   "0 1 2 3 SigBlk: 0000000000000000 SigIgn: 0000000000000000 "
				   "/dev/null\n"); /* 3: ls itself */
		commands_leave();
	}
	close(extra);
}

static void limits_are_those_of_the_command_alone(void **state)
{
	static const ramet_command_limit limits[] = {
		{RLIMIT_NOFILE, 20, 30}, {RLIMIT_CORE, 0, 0}, {RLIMIT_CPU, 1000, RAMET_LIMIT_NONE}};
	ramet_command_options options = command_line(
		"ulimit -S -n; ulimit -H -n; ulimit -H -c; ulimit -S -t; ulimit -H -t; sh -c "
		"'ulimit -n'");
	struct rlimit before, after;

	(void)state;
	options.limits = limits;
	options.limit_count = 3;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < COMMANDS_PLACES; i++) {
		commands_enter(commands_places[i]);
		command_check_line(&options, "20\n30\n0\n1000\nunlimited\n20\n");
		if (geteuid() == 0) {
			options.user = "nobody";
			options.cwd = "/";
			command_check_line(&options, "20\n30\n0\n1000\nunlimited\n20\n");
			options.user = options.cwd = NULL;
		}
		commands_leave();
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void a_limit_ends_who_goes_beyond_it(void **state)
{
	static const ramet_command_limit limit = {RLIMIT_FSIZE, 1000, 1000};
	char path[] = "/tmp/ramet-test-exec-XXXXXX", text[128];
	ramet_command_options options;
	ramet_process_result result;
	ramet_process *process;

	(void)state;
	close(mkstemp(path));
	snprintf(text, sizeof(text), "exec head -c 5000 /dev/zero >%s", path);
	options = command_line(text);
	options.limits = &limit;
	options.limit_count = 1;
	commands_enter("local");
	process = command_start(&options);
	result = command_finish(process);
	assert_int_equal(result.signal, SIGXFSZ);
	ramet_process_unref(process);
	commands_leave();
	unlink(path);
}

static void a_limit_that_cannot_be_set_is_an_error(void **state)
{
	ramet_command_limit limits[RAMET_LIMITS_MAX + 1] = {{RLIMIT_CORE, 0, 0},
							    {RLIMIT_NOFILE, 20, 10}};
	ramet_command_options options = command_line("true");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process;

	(void)state;
	options.limits = limits;
	options.limit_count = 2;
	commands_enter("local");
	command_check_refused(&options, -EINVAL, "RLIMIT_NOFILE (7) to 20, at most 10");
	/* More than fs.nr_open, which nobody may have. */
	limits[1] = (ramet_command_limit){RLIMIT_NOFILE, 20, RAMET_LIMIT_NONE};
	command_check_refused(&options, -EPERM, "RLIMIT_NOFILE (7) to 20, at most none");
	limits[1] = (ramet_command_limit){1000, 1, 1};
	command_check_refused(&options, -EINVAL, "RLIMIT_? (1000)");
	limits[1].resource = -1;
	command_check_refused(&options, -EINVAL, "RLIMIT_? (-1)");
	options.limit_count = RAMET_LIMITS_MAX + 1;
	assert_int_equal(ramet_command_start(commands.context, &options, &process, &error),
			 -EINVAL);
	fixture_check_error(&error, -EINVAL, "16 limits", NULL);
	options.limits = NULL;
	assert_int_equal(ramet_command_start(commands.context, &options, &process, &error),
			 -EINVAL);
	fixture_check_error(&error, -EINVAL, "limits", NULL);
	commands_leave();
}

/* --- streams ---------------------------------------------------------------------------------------- */

static void output_and_errors_come_apart_or_joined_or_not_at_all(void **state)
{
	ramet_command_options options = command_line("echo out; echo err >&2; echo again");
	ramet_command_result result;

	(void)state;
	commands_enter("local");
	result = command_run(&options, (ramet_bytes){NULL, 0});
	command_check_bytes(result.output, "out\nagain\n", 10);
	command_check_bytes(result.errors, "err\n", 4);
	ramet_command_result_clear(&result);
	options.errors = RAMET_OUTPUT_JOIN;
	command_check_line(&options, "out\nerr\nagain\n");
	options.errors = RAMET_OUTPUT_STREAM;
	options.output = RAMET_OUTPUT_NULL;
	result = command_run(&options, (ramet_bytes){NULL, 0});
	assert_int_equal(result.output.size, 0);
	command_check_bytes(result.errors, "err\n", 4);
	ramet_command_result_clear(&result);
	commands_leave();
}

static void input_goes_through_a_command_and_comes_back_the_same(void **state)
{
	size_t size = SANITIZED ? 4u << 20 : 100u << 20;
	ramet_command_options options = command_line("cat");
	unsigned char *data = malloc(size);
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
	options.output_max = size;
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		size_t part = i == 1 ? size : size / 16; /* all of it once */
		ramet_command_result result;

		commands_enter(commands_places[i]);
		result = command_run(&options, (ramet_bytes){data, part});
		assert_false(result.truncated);
		assert_int_equal(result.output.size, part);
		assert_memory_equal(result.output.data, data, part);
		ramet_command_result_clear(&result);
		commands_leave();
	}
	free(data);
}

static void output_beyond_the_limit_is_left_out(void **state)
{
	ramet_command_options options = command_line("head -c 3000000 /dev/zero");
	ramet_command_result result;

	(void)state;
	options.output_max = 1000;
	commands_enter("local");
	result = command_run(&options, (ramet_bytes){NULL, 0});
	assert_true(result.truncated);
	assert_int_equal(result.output.size, 1000);
	assert_int_equal(result.process.status, 0);
	ramet_command_result_clear(&result);
	commands_leave();
}

static void input_that_a_command_does_not_read_is_no_failure(void **state)
{
	size_t size = 8u << 20;
	char *data = calloc(1, size);
	ramet_command_options options = command_line("exec <&-; echo done");
	ramet_command_result result;

	(void)state;
	commands_enter("local");
	result = command_run(&options, (ramet_bytes){data, size});
	command_check_bytes(result.output, "done\n", 5);
	assert_int_equal(result.process.status, 0);
	ramet_command_result_clear(&result);
	commands_leave();
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
	commands_enter("local");
	process = command_start_line("echo go; exec head -c 67108864 /dev/zero");
	assert_true(ramet_process_pid(process) > 0);
	before = resident(ramet_context_pid(commands.context));
	assert_int_equal(ramet_process_wait(process, 300, &result, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "300 ms", NULL);
	fixture_wait_state(ramet_process_pid(process), 'S');
	if (!SANITIZED)
		assert_true(resident(ramet_context_pid(commands.context)) - before < 4 << 20);
	assert_int_equal(command_drain(ramet_process_stdout(process)), 67108864 + 3);
	assert_int_equal(command_drain(ramet_process_stderr(process)), 0);
	assert_int_equal(command_finish(process).status, 0);
	ramet_process_unref(process);
	commands_leave();
}

static void closing_the_receiver_breaks_the_pipe(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	commands_enter("local");
	process = command_start_line("exec yes");
	ramet_receiver_close(ramet_process_stdout(process));
	result = command_finish(process);
	assert_int_equal(result.signal, SIGPIPE);
	assert_int_equal(result.cause, RAMET_CAUSE_ITSELF);
	ramet_process_unref(process);
	commands_leave();
}

static void what_was_written_before_the_end_is_there_when_it_is_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		commands_enter(commands_places[i]);
		for (int round = 0; round < 20; round++) {
			ramet_process *process = command_start_line(
				"head -c 200000 /dev/zero; echo end >&2");
			ramet_value *value;
			size_t size = 0;

			command_finish(process);
			while (ramet_receive(ramet_process_stdout(process), 0, &value, NULL) > 0) {
				size += ramet_value_bytes(value).size;
				ramet_value_unref(value);
			}
			assert_int_equal(size, 200000);
			ramet_process_unref(process);
		}
		commands_leave();
	}
}

/* --- how it ends ------------------------------------------------------------------------------------ */

static void the_result_has_status_signal_and_usage(void **state)
{
	ramet_process_result result;
	ramet_process *process;

	(void)state;
	commands_enter("local/local");
	process = command_start_line("exit 7");
	result = command_finish(process);
	assert_int_equal(result.status, 7);
	assert_int_equal(result.signal, 0);
	assert_int_equal(command_finish(process).status, 7); /* once more */
	ramet_process_unref(process);
	process = command_start_line("ulimit -c 0; kill -SEGV $$");
	result = command_finish(process);
	assert_int_equal(result.signal, SIGSEGV);
	assert_false(result.core);
	assert_int_equal(result.status, 0);
	ramet_process_unref(process);
	process = command_start_line(
		"i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; sleep 0.1");
	result = command_finish(process);
	assert_true(result.user_us + result.system_us > 1000);
	assert_true(result.wall_us >= 100000 && result.wall_us > result.user_us);
	assert_true(result.max_rss > 100000 && result.max_rss < 1 << 30);
	ramet_process_unref(process);
	commands_leave();
}

static void a_core_dump_is_told(void **state)
{
	char directory[] = "/tmp/ramet-test-exec-XXXXXX", pattern[256] = "";
	ramet_command_options options = command_line("ulimit -c unlimited 2>&- && kill -SEGV $$");
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
	commands_enter("local");
	process = command_start(&options);
	result = command_finish(process);
	assert_int_equal(result.signal, SIGSEGV);
	assert_true(result.core);
	ramet_process_unref(process);
	commands_leave();
	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
}

/* --- many ------------------------------------------------------------------------------------------- */

static void two_hundred_commands_run_at_once(void **state)
{
	enum { COUNT = SANITIZED ? 50 : 200 };
	ramet_process *processes[COUNT];
	ramet_command_options options = command_line("read x; echo $x; exit $x");

	(void)state;
	options.input = true;
	for (size_t place = 0; place < 2; place++) {
		commands_enter(commands_places[place]);
		for (int i = 0; i < COUNT; i++)
			processes[i] = command_start(&options);
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
			assert_int_equal(command_read_number(processes[i]), i);
			assert_int_equal(command_finish(processes[i]).status, i);
			ramet_process_unref(processes[i]);
		}
		commands_leave();
	}
}

/* --- terminals -------------------------------------------------------------------------------------- */

static ramet_process *start_terminal(const char *text)
{
	ramet_command_options options = command_line(text);

	options.terminal = true;
	options.rows = 30;
	options.columns = 100;
	options.term = "vt100";
	return command_start(&options);
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
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		commands_enter(commands_places[i]);
		process = start_terminal("test -t 0 && test -t 1 && test -t 2 && echo terminal; "
					 "echo $TERM; stty size; "
					 "echo there >/dev/tty");
		assert_null(ramet_process_stderr(process));
		await_text(process, "terminal\r\nvt100\r\n30 100\r\nthere\r\n");
		command_drain(ramet_process_stdout(process));
		assert_int_equal(command_finish(process).status, 0);
		ramet_process_unref(process);
		commands_leave();
	}
}

static void a_terminal_changes_its_size_and_tells(void **state)
{
	ramet_process *process;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	commands_enter("local");
	process = start_terminal(
		"trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done");
	await_text(process, "ready");
	assert_int_equal(ramet_process_resize(process, -1, 0), -EINVAL);
	assert_int_equal(ramet_process_resize(process, 50, 132), 0);
	await_text(process, "50 132");
	command_drain(ramet_process_stdout(process));
	assert_int_equal(command_finish(process).status, 0);
	ramet_process_unref(process);
	commands_leave();
}

static void what_is_typed_is_obeyed(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	commands_enter("local");
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
	command_drain(ramet_process_stdout(process));
	result = command_finish(process);
	assert_int_equal(result.signal, SIGINT);
	ramet_process_unref(process);
	commands_leave();
}

static void closing_a_terminal_hangs_up(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	commands_enter("local");
	process = start_terminal("echo ready; while :; do echo; sleep 0.01; done");
	await_text(process, "ready");
	ramet_receiver_close(ramet_process_stdout(process));
	result = command_finish(process);
	assert_int_equal(result.signal, SIGHUP);
	ramet_process_unref(process);
	commands_leave();
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
		FIXTURE_TEST(limits_are_those_of_the_command_alone),
		FIXTURE_TEST(a_limit_ends_who_goes_beyond_it),
		FIXTURE_TEST(a_limit_that_cannot_be_set_is_an_error),
		FIXTURE_TEST(output_and_errors_come_apart_or_joined_or_not_at_all),
		FIXTURE_TEST(input_goes_through_a_command_and_comes_back_the_same),
		FIXTURE_TEST(output_beyond_the_limit_is_left_out),
		FIXTURE_TEST(input_that_a_command_does_not_read_is_no_failure),
		FIXTURE_TEST(a_reader_that_stops_blocks_the_command_and_nobody_grows),
		FIXTURE_TEST(closing_the_receiver_breaks_the_pipe),
		FIXTURE_TEST(what_was_written_before_the_end_is_there_when_it_is_over),
		FIXTURE_TEST(the_result_has_status_signal_and_usage),
		FIXTURE_TEST(a_core_dump_is_told),
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
