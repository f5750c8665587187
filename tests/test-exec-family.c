/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands in contexts: that nothing of them is left. All of it twice, with control groups where there can be some, and
 * then without: in a mount namespace that has no hierarchy.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "commands.h"
#include "fixture.h"
#include "service/group.h"

/* --- control groups --------------------------------------------------------------------------------- */

static struct {
	bool usable;
	int directory; /* of the group that the tests run in; stays when it is hidden; -1: none */
} groups = {.directory = -1};

/* Whether a group can be made now. */
static bool probe_group(void)
{
	char *path = NULL;
	int group = rmt_group_find(&path);

	if (group == 0)
		group = rmt_group_make(path);
	if (group >= 0) {
		rmt_group_end(group, path);
		close(group);
		*strrchr(path, '/') = '\0';
		if (groups.directory < 0)
			groups.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(groups.directory >= 0);
	}
	free(path);
	return group >= 0;
}

/* Of a process, from the root of what there is. */
static void group_of(int pid, char group[256])
{
	char path[64], text[256];
	FILE *file;

	*group = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(text, sizeof(text), file))
		if (strncmp(text, "0::", 3) == 0)
			strcpy(group, text + 3);
	fclose(file);
	group[strcspn(group, "\n")] = '\0';
}

/* The group of a command, below that of the tests: begins with "/"; "" without groups. */
static void group_below(int pid, char below[256])
{
	char own[256], group[256];
	size_t size;

	group_of(getpid(), own);
	group_of(pid, group);
	size = strcmp(own, "/") == 0 ? 0 : strlen(own);
	assert_memory_equal(own, group, size);
	strcpy(below, strcmp(group, own) == 0 ? "" : group + size);
}

static bool group_is_there(const char *below)
{
	return *below && faccessat(groups.directory, below + 1, F_OK, 0) == 0;
}

/* --- the background --------------------------------------------------------------------------------- */

static void what_is_left_in_the_background_goes_on_and_delays_nothing(void **state)
{
	ramet_process *process;
	char group[256];
	int pid;

	(void)state;
	fixture_allow_orphans();
	for (size_t i = 0; i < 2; i++) {
		commands_enter(commands_places[i]);
		process = command_start_line("sleep 1000 & echo $!; exec sleep 0.1");
		pid = command_read_number(process);
		group_below(ramet_process_pid(process), group);
		assert_int_equal(group_is_there(group), groups.usable);
		assert_int_equal(command_finish(process).status, 0);
		assert_false(group_is_there(group));
		group_below(pid, group);
		assert_string_equal(group, "");
		ramet_process_unref(process);
		commands_leave();
		assert_int_equal(kill(pid, 0), 0);
		assert_int_equal(kill(pid, SIGKILL), 0);
		process_wait_gone(pid);
	}
}

static void alone_leaves_nothing_in_the_background(void **state)
{
	ramet_command_options options = command_line("setsid sleep 1000 & echo $!");
	ramet_process *process;
	int pid;

	(void)state;
	options.alone = true;
	commands_enter("local");
	process = command_start(&options);
	pid = command_read_number(process);
	assert_int_equal(command_finish(process).status, 0);
	assert_int_equal(kill(pid, 0), -1);
	ramet_process_unref(process);
	commands_leave();
}

static void signals_reach_the_whole_group(void **state)
{
	ramet_process *process;
	ramet_process_result result;

	(void)state;
	fixture_allow_orphans(); /* a shell may end before what it waits for */
	commands_enter("local");
	process = command_start_line(
		"trap 'echo 5; exit 5' USR1; echo 1; while :; do sleep 0.01; done");
	assert_int_equal(command_read_number(process), 1);
	assert_int_equal(ramet_process_signal(process, 0), -EINVAL);
	assert_int_equal(ramet_process_signal(process, SIGUSR1), 0);
	result = command_finish(process);
	assert_int_equal(result.status == 5 || result.signal == SIGUSR1, 1);
	assert_int_equal(result.cause, RAMET_CAUSE_ITSELF);
	assert_int_equal(ramet_process_signal(process, SIGUSR1), -ESRCH);
	ramet_process_unref(process);
	commands_leave();
}

/* A family that does what it can not to be found: one that ignores TERM, one that has left the session,
 * one that was forked twice, one that is stopped. Prints their ids, in any order, with a sign before the last. */
#define FAMILY                                                                             \
	"trap '' TERM; (sleep 1000 & echo $!); setsid sh -c 'echo $$; exec sleep 1000' & " \
	"setsid sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000\" & exit 0'; "          \
	"sh -c 'echo +$$; kill -STOP $$; sleep 1000' & while :; do sleep 1000; done"

static int start_family(ramet_process **ret_process, int pids[5])
{
	ramet_process *process = command_start_line(FAMILY);
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
	return process_parent(pids[4]);
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
	char group[256];
	int pids[5];

	(void)state;
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		int64_t begun;

		commands_enter(commands_places[i]);
		start_family(&process, pids);
		group_below(pids[4], group);
		assert_int_equal(group_is_there(group), groups.usable);
		begun = fixture_now();
		ramet_process_kill(process);
		result = command_finish(process);
		assert_int_equal(result.signal, SIGKILL);
		assert_int_equal(result.cause, RAMET_CAUSE_KILLED);
		assert_true(fixture_now() - begun >= 200);
		check_family_gone(pids);
		assert_false(group_is_there(group));
		ramet_process_unref(process);
		commands_leave();
	}
}

static void term_is_enough_for_who_obeys(void **state)
{
	ramet_process_result result;
	ramet_command_options options = command_line(
		"trap 'exit 9' TERM; echo 1; while :; do sleep 0.01; done");
	ramet_process *process;

	(void)state;
	commands_enter("local");
	options.grace = 8000;
	process = command_start(&options);
	assert_int_equal(command_read_number(process), 1);
	ramet_process_kill(process);
	result = command_finish(process);
	assert_int_equal(result.status, 9);
	assert_int_equal(result.cause, RAMET_CAUSE_KILLED);
	assert_true(result.wall_us < 8000000);
	ramet_process_unref(process);
	commands_leave();
}

static void a_command_that_takes_too_long_is_killed(void **state)
{
	ramet_command_options options = command_line("sleep 1000 & sleep 1000");
	ramet_process_result result;
	ramet_process *process;

	(void)state;
	options.timeout = 50;
	options.grace = -1;
	commands_enter("local");
	process = command_start(&options);
	result = command_finish(process);
	assert_int_equal(result.signal, SIGKILL);
	assert_int_equal(result.cause, RAMET_CAUSE_TIMEOUT);
	assert_true(result.wall_us >= 50000);
	ramet_process_unref(process);
	commands_leave();
}

static void dropping_a_process_kills_the_command(void **state)
{
	ramet_process *process;
	int pids[5];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		commands_enter(commands_places[i]);
		start_family(&process, pids);
		ramet_process_unref(ramet_process_ref(process));
		assert_int_equal(kill(pids[4], 0), 0);
		ramet_process_unref(process);
		for (int k = 0; k < 5; k++)
			process_wait_gone(pids[k]);
		commands_leave();
	}
}

static void the_end_of_the_router_ends_its_commands(void **state)
{
	ramet_process *process;
	int pids[5];

	(void)state;
	for (size_t i = 0; i < sizeof(commands_places) / sizeof(*commands_places); i++) {
		commands_enter(commands_places[i]);
		start_family(&process, pids);
		commands_leave();
		check_family_gone(pids);
		ramet_process_unref(process);
	}
}

static void a_context_that_is_killed_takes_its_commands_along(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process;
	char group[256];
	int pids[5], guard;

	(void)state;
	fixture_allow_orphans();
	commands_enter("local");
	guard = start_family(&process, pids);
	group_below(pids[4], group);
	guard = fixture_pidfd(guard);
	assert_int_equal(kill(ramet_context_pid(commands.context), SIGKILL), 0);
	assert_int_equal(ramet_process_wait(process, SOON, NULL, &error), -ECONNRESET);
	ramet_error_clear(&error);
	fixture_wait_end(guard);
	for (int i = 0; i < 5; i++)
		process_wait_gone(pids[i]);
	assert_false(group_is_there(group));
	ramet_process_unref(process);
	commands_leave();
}

/* Prints the id of the command that it has started, and waits to be killed. */
static void be_master(int output)
{
	ramet_process *process;
	int pids[5];

	setsid();
	commands_enter("local");
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
		process_wait_gone(pids[i]);
}

static void a_command_whose_guard_is_killed_ends(void **state)
{
	ramet_process_result result;
	ramet_process *process;
	int pid, child;

	(void)state;
	fixture_allow_orphans();
	commands_enter("local");
	process = command_start_line("sleep 1000 & echo $!; wait");
	child = command_read_number(process);
	pid = ramet_process_pid(process);
	assert_int_equal(kill(process_parent(pid), SIGKILL), 0);
	result = command_finish(process);
	assert_int_equal(result.cause, RAMET_CAUSE_UNGUARDED);
	assert_int_equal(result.signal, SIGKILL);
	process_wait_gone(pid);
	process_wait_gone(child);
	ramet_process_unref(process);
	commands_leave();
}

/* Those that have left the process group are known by the control group alone. */
static void check_family_of_killed_guard(const int pids[5], const char *group)
{
	if (!groups.usable)
		for (int i = 0; i < 4; i++)
			kill(pids[i], SIGKILL);
	for (int i = 0; i < 5; i++)
		process_wait_gone(pids[i]);
	assert_false(group_is_there(group));
}

static void the_family_of_a_killed_guard_is_ended_by_the_context(void **state)
{
	ramet_process_result result;
	ramet_process *process;
	char group[256];
	int pids[5], guard;

	(void)state;
	fixture_allow_orphans();
	for (size_t i = 0; i < COMMANDS_PLACES; i++) {
		commands_enter(commands_places[i]);
		guard = start_family(&process, pids);
		group_below(pids[4], group);
		assert_int_equal(kill(guard, SIGKILL), 0);
		result = command_finish(process);
		assert_int_equal(result.cause, RAMET_CAUSE_UNGUARDED);
		check_family_of_killed_guard(pids, group);
		ramet_process_unref(process);
		commands_leave();
	}
}

static void a_context_that_ends_waits_for_the_family_of_a_killed_guard(void **state)
{
	ramet_process *process;
	char group[256];
	int pids[5], guard;

	(void)state;
	fixture_allow_orphans();
	for (size_t i = 0; i < 2; i++) {
		commands_enter(commands_places[i]);
		guard = start_family(&process, pids);
		group_below(pids[4], group);
		assert_int_equal(kill(guard, SIGKILL), 0);
		commands_leave();
		check_family_of_killed_guard(pids, group);
		ramet_process_unref(process);
	}
}

/* The one case in which something stays: nobody is left who could end it. */
static void guard_and_context_killed_together_leave_the_background_in_its_group(void **state)
{
	ramet_process *process;
	char group[256];
	int pids[5], guard, context, left = 0;

	(void)state;
	fixture_allow_orphans();
	commands_enter("local");
	guard = start_family(&process, pids);
	group_below(pids[4], group);
	context = ramet_context_pid(commands.context);
	assert_int_equal(kill(context, SIGSTOP), 0);
	assert_int_equal(kill(guard, SIGKILL), 0);
	assert_int_equal(kill(context, SIGKILL), 0);
	process_wait_gone(pids[4]);
	for (int i = 0; i < 4; i++)
		left += kill(pids[i], SIGKILL) == 0;
	assert_true(left > 0);
	kill(-pids[4], SIGKILL); /* what its shell waits for */
	for (int i = 0; i < 4; i++)
		process_wait_gone(pids[i]);
	ramet_process_unref(process);
	commands_leave();
	assert_int_equal(group_is_there(group), groups.usable);
	assert_true(fixture_wait_orphans());
	if (groups.usable)
		assert_int_equal(unlinkat(groups.directory, group + 1, AT_REMOVEDIR), 0);
}

/* --- groups of many --------------------------------------------------------------------------------- */

static void a_group_is_named_after_its_context(void **state)
{
	ramet_command_options options = command_line("read x");
	char group[256], expected[64];
	ramet_process *process;

	(void)state;
	options.input = true;
	for (size_t i = 0; i < COMMANDS_PLACES; i++) {
		commands_enter(commands_places[i]);
		process = command_start(&options);
		group_below(ramet_process_pid(process), group);
		snprintf(expected, sizeof(expected), "/ramet-%d-",
			 ramet_context_pid(commands.context));
		if (groups.usable)
			assert_memory_equal(group, expected, strlen(expected));
		else
			assert_string_equal(group, "");
		ramet_sender_close(ramet_process_stdin(process));
		command_finish(process);
		assert_false(group_is_there(group));
		ramet_process_unref(process);
		commands_leave();
	}
}

static void what_cannot_be_started_leaves_no_group(void **state)
{
	const char *argv[] = {"/no/such/program", NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	(void)state;
	if (!groups.usable)
		skip();
	options.argv = argv;
	commands_enter("");
	for (int i = 0; i < 10; i++)
		command_check_refused(&options, -ENOENT, "/no/such/program");
	commands_leave();
	for (int i = 1; i < 1000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "ramet-%d-%d", (int)getpid(), i);
		assert_int_equal(faccessat(groups.directory, name, F_OK, 0), -1);
	}
}

static void a_hundred_commands_of_two_contexts_have_a_group_each(void **state)
{
	enum { COUNT = 100 };
	static char names[COUNT][256];
	ramet_command_options options = command_line("sleep 1000 & read x");
	ramet_process *processes[COUNT];
	ramet_context *first, *second;

	(void)state;
	options.input = options.alone = true;
	options.grace = -1;
	commands_enter("local");
	first = commands.context;
	second = fixture_connect(commands.router, "local");
	for (int i = 0; i < COUNT; i++) {
		commands.context = i % 2 ? first : second;
		processes[i] = command_start(&options);
	}
	commands.context = first;
	for (int i = 0; i < COUNT; i++) {
		group_below(ramet_process_pid(processes[i]), names[i]);
		assert_int_equal(group_is_there(names[i]), groups.usable);
		for (int k = 0; k < i && groups.usable; k++)
			assert_string_not_equal(names[i], names[k]);
	}
	for (int i = 0; i < COUNT; i++) {
		if (i % 3)
			ramet_process_kill(processes[i]);
		else
			ramet_sender_close(ramet_process_stdin(processes[i]));
	}
	for (int i = 0; i < COUNT; i++) {
		command_finish(processes[i]);
		assert_false(group_is_there(names[i]));
		ramet_process_unref(processes[i]);
	}
	ramet_context_unref(second);
	commands_leave();
}

/* --- a command that has commands -------------------------------------------------------------------- */

/* What the test program is as one: prints the ids of a family of its own. */
static void be_nested(void)
{
	ramet_process *process;
	int pids[5];

	commands_enter("local");
	start_family(&process, pids);
	for (int i = 0; i < 5; i++)
		printf("%d\n", pids[i]);
	fflush(stdout);
	pause();
	_exit(1);
}

static void start_nested(ramet_process **ret_process, int pids[5], char group[256], char inner[256])
{
	const char *argv[] = {"/proc/self/exe", "nested", NULL};
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;
	char text[256] = "";
	int lines = 0;

	options.argv = argv;
	*ret_process = command_start(&options);
	while (lines < 5) {
		ramet_value *value;

		assert_int_equal(
			ramet_receive(ramet_process_stdout(*ret_process), SOON, &value, NULL), 1);
		strncat(text, ramet_value_bytes(value).data, ramet_value_bytes(value).size);
		ramet_value_unref(value);
		lines = 0;
		for (char *at = text; (at = strchr(at, '\n')); at++)
			lines++;
	}
	lines = 0;
	for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n"))
		pids[lines++] = atoi(at);
	assert_int_equal(lines, 5);
	group_below(ramet_process_pid(*ret_process), group);
	group_below(pids[4], inner);
	if (groups.usable) {
		assert_memory_equal(inner, group, strlen(group));
		assert_memory_equal(inner + strlen(group), "/ramet-", 7);
	}
}

static void commands_of_a_command_end_with_it(void **state)
{
	ramet_process *process;
	char group[256], inner[256];
	int pids[5];

	(void)state;
	fixture_allow_orphans();
	for (size_t i = 0; i < 2; i++) {
		commands_enter(commands_places[i]);
		start_nested(&process, pids, group, inner);
		ramet_process_kill(process);
		assert_int_equal(command_finish(process).cause, RAMET_CAUSE_KILLED);
		for (int k = 0; k < 5; k++)
			process_wait_gone(pids[k]);
		assert_false(group_is_there(inner));
		assert_false(group_is_there(group));
		ramet_process_unref(process);
		commands_leave();
	}
}

static void commands_of_a_command_end_when_its_guard_is_killed(void **state)
{
	ramet_process *process;
	char group[256], inner[256];
	int pids[5];

	(void)state;
	fixture_allow_orphans();
	for (size_t i = 0; i < 2; i++) {
		commands_enter(commands_places[i]);
		start_nested(&process, pids, group, inner);
		assert_int_equal(kill(process_parent(ramet_process_pid(process)), SIGKILL), 0);
		assert_int_equal(command_finish(process).cause, RAMET_CAUSE_UNGUARDED);
		/* Without groups, by the guard of the inner context, which has lost it. */
		for (int k = 0; k < 5; k++)
			process_wait_gone(pids[k]);
		assert_false(group_is_there(inner));
		assert_false(group_is_there(group));
		ramet_process_unref(process);
		commands_leave();
	}
}

/* --- without ---------------------------------------------------------------------------------------- */

static void hierarchies_can_be_hidden(void **state)
{
	FILE *file;
	char text[4096], point[4096], type[64];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	file = fopen("/proc/self/mounts", "re");
	assert_non_null(file);
	while (fgets(text, sizeof(text), file))
		if (sscanf(text, "%*s %4095s %63s", point, type) == 2 &&
		    strcmp(type, "cgroup2") == 0)
			assert_int_equal(umount2(point, MNT_DETACH), 0);
	fclose(file);
	assert_false(probe_group());
	groups.usable = false;
}

#define HIDDEN_TEST(name)                                                       \
	{                                                                       \
		"without_groups_" #name, name, fixture_begin, fixture_end, NULL \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
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
		FIXTURE_TEST(the_family_of_a_killed_guard_is_ended_by_the_context),
		FIXTURE_TEST(a_context_that_ends_waits_for_the_family_of_a_killed_guard),
		FIXTURE_TEST(guard_and_context_killed_together_leave_the_background_in_its_group),
		FIXTURE_TEST(a_group_is_named_after_its_context),
		FIXTURE_TEST(what_cannot_be_started_leaves_no_group),
		FIXTURE_TEST(a_hundred_commands_of_two_contexts_have_a_group_each),
		FIXTURE_TEST(commands_of_a_command_end_with_it),
		FIXTURE_TEST(commands_of_a_command_end_when_its_guard_is_killed),
		FIXTURE_TEST(hierarchies_can_be_hidden),
		HIDDEN_TEST(what_is_left_in_the_background_goes_on_and_delays_nothing),
		HIDDEN_TEST(alone_leaves_nothing_in_the_background),
		HIDDEN_TEST(signals_reach_the_whole_group),
		HIDDEN_TEST(the_ladder_ends_all_descendants),
		HIDDEN_TEST(term_is_enough_for_who_obeys),
		HIDDEN_TEST(a_command_that_takes_too_long_is_killed),
		HIDDEN_TEST(dropping_a_process_kills_the_command),
		HIDDEN_TEST(the_end_of_the_router_ends_its_commands),
		HIDDEN_TEST(a_context_that_is_killed_takes_its_commands_along),
		HIDDEN_TEST(a_master_that_is_killed_takes_all_commands_along),
		HIDDEN_TEST(a_command_whose_guard_is_killed_ends),
		HIDDEN_TEST(the_family_of_a_killed_guard_is_ended_by_the_context),
		HIDDEN_TEST(a_context_that_ends_waits_for_the_family_of_a_killed_guard),
		HIDDEN_TEST(guard_and_context_killed_together_leave_the_background_in_its_group),
		HIDDEN_TEST(a_group_is_named_after_its_context),
		HIDDEN_TEST(a_hundred_commands_of_two_contexts_have_a_group_each),
		HIDDEN_TEST(commands_of_a_command_end_with_it),
		HIDDEN_TEST(commands_of_a_command_end_when_its_guard_is_killed),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	if (argc > 1 && strcmp(argv[1], "nested") == 0)
		be_nested();
	groups.usable = probe_group();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
