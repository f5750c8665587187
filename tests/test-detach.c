/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that become the roots of trees of their own: what they keep, and how they are found again. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/router.h"
#include "fixture.h"

extern char **environ;

/* --- functions -------------------------------------------------------------------------------------- */

static int32_t counter;
static ramet_context *held;

RAMET_FUNCTION(i64, process_id)
{
	return getpid();
}

RAMET_FUNCTION(none, say, (str, text))
{
	ramet_log(ramet_call_router(call), RAMET_LOG_WARNING, "test", "%s", text);
}

RAMET_FUNCTION(i32, count)
{
	return ++counter;
}

RAMET_FUNCTION(none, hold, (str, path))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_connect(ramet_call_router(call), path, &held, &error) < 0)
		ramet_fail_error(call, &error);
}

/* idle: ms; 0: never. */
RAMET_FUNCTION(i32, detach, (str, name), (i32, idle))
{
	ramet_listen_options options = RAMET_LISTEN_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *router = ramet_call_router(call);
	int r = 0;

	options.idle = idle;
	if (idle > 0)
		r = ramet_router_listen(router, name, &options, &error);
	if (r == 0)
		r = ramet_detach(router, name, &error);
	ramet_error_clear(&error);
	return r;
}

RAMET_FUNCTION(i32, detach_twice, (str, name))
{
	int r = ramet_detach(ramet_call_router(call), name, NULL);

	return r < 0 ? r : ramet_detach(ramet_call_router(call), "other", NULL);
}

RAMET_FUNCTION(none, send_numbers, (sender, to), (i32, up_to))
{
	for (int32_t i = 0; i < up_to; i++)
		if (ramet_send_i64(to, i) < 0)
			return;
}

/* Session and standard output. */
RAMET_FUNCTION(i32, is_alone)
{
	struct stat null, out;

	return getsid(0) == getpid() && stat("/dev/null", &null) == 0 && fstat(1, &out) == 0 &&
	       null.st_rdev == out.st_rdev;
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static char scratch[] = "/tmp/test-detach-XXXXXX";

static bool exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/ramet/%s", scratch, name);
	return access(path, F_OK) == 0;
}

static ramet_router *new_router(void)
{
	fixture_allow_orphans();
	return fixture_router(RAMET_POLLER_DEFAULT, 0);
}

static void detach_as(ramet_context *context, const char *name)
{
	const char *reason = NULL;
	char expected[64];
	int32_t result = -1;

	assert_int_equal(detach_call(context, name, 0, &result, NULL), 0);
	assert_int_equal(result, 0);
	assert_int_equal(ramet_context_wait(context, SOON, &reason), 1);
	snprintf(expected, sizeof(expected), "detached as '%s'", name);
	assert_string_equal(reason, expected);
}

/* Ends what was detached, whatever happens to the rest of a test. */
static void end_detached(ramet_router *router, const char *name, int pidfd)
{
	char path[64];
	ramet_context *context;

	snprintf(path, sizeof(path), "unix:%s", name);
	context = fixture_connect(router, path);
	assert_int_equal(ramet_context_shutdown(context, -1, NULL), 0);
	ramet_context_unref(context);
	fixture_wait_end(pidfd);
	assert_false(exists(name));
}

static void check_stream(ramet_router *router, ramet_context *context)
{
	ramet_receiver *receiver = NULL;

	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(send_numbers_call(context, ramet_receiver_sender(receiver), 100, NULL), 0);
	for (int64_t i = 0; i < 100; i++) {
		ramet_value *value = NULL;

		assert_int_equal(ramet_receive(receiver, SOON, &value, NULL), 1);
		assert_int_equal(ramet_value_i64(value), i);
		ramet_value_unref(value);
	}
	ramet_receiver_unref(receiver);
}

/* --- tests ------------------------------------------------------------------------------------------ */

static void detached_context_is_found_again_with_all_it_had(void **state)
{
	static const char *const paths[] = {"unix:kept", "local/unix:kept"};
	ramet_router *router;
	ramet_context *context, *below;
	int32_t number = 0, alone = 0;
	int64_t pid = 0;
	int pids[2], pidfds[2];

	(void)state;
	router = new_router();
	context = fixture_connect(router, "local");
	below = fixture_connect(router, "local/local");
	assert_int_equal(count_call(context, &number, NULL), 0);
	assert_int_equal(count_call(below, &number, NULL), 0);
	pids[0] = ramet_context_pid(context);
	pids[1] = ramet_context_pid(below);
	for (int i = 0; i < 2; i++)
		pidfds[i] = fixture_pidfd(pids[i]);
	detach_as(context, "kept");
	assert_false(ramet_context_alive(below));
	ramet_context_unref(below);
	ramet_context_unref(context);
	ramet_router_unref(router);
	for (int run = 0; run < 2; run++) {
		char path[64];

		router = new_router();
		context = fixture_connect(router, paths[run]);
		snprintf(path, sizeof(path), "%s/local#0", paths[run]);
		below = fixture_connect(router, path);
		assert_int_equal(ramet_context_pid(context), pids[0]);
		assert_int_equal(ramet_context_pid(below), pids[1]);
		assert_int_equal(process_id_call(below, &pid, NULL), 0);
		assert_int_equal(pid, pids[1]);
		assert_int_equal(count_call(context, &number, NULL), 0);
		assert_int_equal(number, run + 2);
		assert_int_equal(count_call(below, &number, NULL), 0);
		assert_int_equal(number, run + 2);
		assert_int_equal(is_alone_call(context, &alone, NULL), 0);
		assert_int_equal(alone, 1);
		check_stream(router, context);
		check_stream(router, below);
		ramet_context_unref(below);
		/* It has new children, too. */
		snprintf(path, sizeof(path), "%s/local#1", paths[run]);
		below = fixture_connect(router, path);
		assert_int_equal(process_id_call(below, &pid, NULL), 0);
		ramet_context_unref(below);
		ramet_context_unref(context);
		ramet_router_unref(router);
	}
	router = new_router();
	end_detached(router, "kept", pidfds[0]);
	fixture_wait_end(pidfds[1]);
	ramet_router_unref(router);
}

/* Contents of the log file of that process. */
static void read_log(const char *directory, int pid, char *text, size_t size)
{
	char name[32], path[512];
	struct dirent *entry;
	DIR *files = opendir(directory);
	size_t used = 0;

	assert_non_null(files);
	snprintf(name, sizeof(name), "ramet-%d-", pid);
	while ((entry = readdir(files))) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (strncmp(entry->d_name, name, strlen(name)) == 0) {
			fd = open(path, O_RDONLY | O_CLOEXEC);
			used = (size_t)read(fd, text, size - 1);
			close(fd);
		}
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	closedir(files);
	text[used] = '\0';
}

static void detached_context_goes_on_writing_its_log_file(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	char directory[64], text[16384];
	ramet_router *router;
	ramet_context *context;
	int pid, pidfd;

	(void)state;
	fixture_allow_orphans();
	snprintf(directory, sizeof(directory), "%s/log", scratch);
	options.log_directory = directory;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	context = fixture_connect(router, "local");
	pid = ramet_context_pid(context);
	pidfd = fixture_pidfd(pid);
	detach_as(context, "logged");
	ramet_context_unref(context);
	ramet_router_unref(router);
	router = new_router();
	context = fixture_connect(router, "unix:logged");
	assert_int_equal(say_call(context, "after all", NULL), 0);
	ramet_context_unref(context);
	end_detached(router, "logged", pidfd);
	ramet_router_unref(router);
	read_log(directory, pid, text, sizeof(text));
	assert_non_null(strstr(text, "detached as 'logged'"));
	assert_non_null(strstr(text, "after all"));
	assert_int_equal(rmdir(directory), 0);
}

static void detached_context_is_joined_by_the_same_tree(void **state)
{
	ramet_router *router;
	ramet_context *gone, *context, *below;
	int64_t pid = 0;
	int pidfd;

	(void)state;
	router = new_router();
	gone = fixture_connect(router, "local");
	assert_int_equal(hold_call(gone, "local", NULL), 0);
	pidfd = fixture_pidfd(ramet_context_pid(gone));
	detach_as(gone, "same");
	for (int round = 0; round < 3; round++) {
		context = fixture_connect(router, "unix:same");
		below = fixture_connect(router, "unix:same/local");
		assert_int_equal(ramet_context_id(context), ramet_context_id(gone));
		assert_false(ramet_context_alive(gone));
		assert_int_equal(process_id_call(context, &pid, NULL), 0);
		assert_int_equal(pid, ramet_context_pid(gone));
		assert_int_equal(process_id_call(below, &pid, NULL), 0);
		assert_int_equal(pid, ramet_context_pid(below));
		ramet_context_unref(below);
		ramet_context_unref(context);
	}
	ramet_context_unref(gone);
	end_detached(router, "same", pidfd);
	ramet_router_unref(router);
}

static void context_two_hops_away_detaches_alone(void **state)
{
	ramet_router *router;
	ramet_context *parent, *context;
	int64_t pid = 0;
	int pidfd;

	(void)state;
	router = new_router();
	parent = fixture_connect(router, "local");
	context = fixture_connect(router, "local/local");
	pidfd = fixture_pidfd(ramet_context_pid(context));
	detach_as(context, "deep");
	assert_int_equal(process_id_call(parent, &pid, NULL), 0);
	ramet_context_unref(context);
	/* A new one takes its place. */
	context = fixture_connect(router, "local/local");
	assert_int_equal(process_id_call(context, &pid, NULL), 0);
	ramet_context_unref(context);
	ramet_context_unref(parent);
	ramet_router_unref(router);
	router = new_router();
	end_detached(router, "deep", pidfd);
	ramet_router_unref(router);
}

static void end_right_behind_detaching_leaves_it_alone(void **state)
{
	ramet_router *router;
	ramet_context *context;
	int32_t result = -1;
	int pidfd;

	(void)state;
	router = new_router();
	context = fixture_connect(router, "local");
	pidfd = fixture_pidfd(ramet_context_pid(context));
	assert_int_equal(detach_call(context, "late", 0, &result, NULL), 0);
	assert_int_equal(result, 0);
	ramet_context_unref(context);
	ramet_router_unref(router);
	router = new_router();
	end_detached(router, "late", pidfd);
	ramet_router_unref(router);
}

static void second_detach_or_a_name_in_use_is_refused(void **state)
{
	ramet_router *router, *other;
	ramet_context *context, *twice;
	int32_t result = 0;
	int pidfd;

	(void)state;
	router = new_router();
	other = new_router();
	assert_int_equal(ramet_detach(router, "root", NULL), -EINVAL);
	assert_int_equal(ramet_router_listen(other, "taken", NULL, NULL), 0);
	context = fixture_connect(router, "local");
	assert_int_equal(detach_call(context, "taken", 0, &result, NULL), 0);
	assert_int_equal(result, -EADDRINUSE);
	/* It is a child as before. */
	assert_int_equal(count_call(context, &result, NULL), 0);
	twice = fixture_connect(router, "local#1");
	pidfd = fixture_pidfd(ramet_context_pid(twice));
	assert_int_equal(detach_twice_call(twice, "twice", &result, NULL), 0);
	assert_int_equal(result, -EALREADY);
	assert_int_equal(ramet_context_wait(twice, SOON, NULL), 1);
	ramet_context_unref(twice);
	twice = fixture_connect(router, "unix:twice");
	assert_int_equal(detach_call(twice, "again", 0, &result, NULL), 0);
	assert_int_equal(result, -EINVAL);
	ramet_context_unref(twice);
	end_detached(router, "twice", pidfd);
	ramet_context_unref(context);
	ramet_router_unref(router);
	ramet_router_unref(other);
	assert_false(exists("taken"));
}

static void idle_detached_context_ends(void **state)
{
	ramet_router *router;
	ramet_context *context;
	int32_t result = -1;
	int pidfd;

	(void)state;
	router = new_router();
	context = fixture_connect(router, "local");
	pidfd = fixture_pidfd(ramet_context_pid(context));
	assert_int_equal(detach_call(context, "idle", 300, &result, NULL), 0);
	assert_int_equal(result, 0);
	ramet_context_unref(context);
	ramet_router_unref(router);
	fixture_wait_end(pidfd);
	assert_false(exists("idle"));
	assert_false(exists("idle.lock"));
}

/* --- two runs of a program -------------------------------------------------------------------------- */

/* The first run starts and detaches, the second finds and ends; both say the process's id and its count. */
static int role(const char *which)
{
	bool first = strcmp(which, "first") == 0;
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *context = fixture_connect(router, first ? "local" : "unix:runs");
	int32_t number = 0, result = -1;
	int64_t pid = 0;

	if (process_id_call(context, &pid, NULL) < 0 || count_call(context, &number, NULL) < 0)
		return 1;
	printf("%lld %d\n", (long long)pid, number);
	if (first && (detach_call(context, "runs", 0, &result, NULL) < 0 || result < 0))
		return 1;
	if (!first && ramet_context_shutdown(context, -1, NULL) < 0)
		return 1;
	ramet_context_unref(context);
	ramet_router_unref(router);
	return 0;
}

static void run_role(const char *which, long long *ret_pid, int *ret_number)
{
	char *argv[] = {(char *)"test-detach", (char *)which, NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], status = 0;
	pid_t pid;
	FILE *out;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	out = fdopen(fds[0], "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%lld %d", ret_pid, ret_number), 2);
	fclose(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void detached_context_is_found_by_the_next_run_of_the_program(void **state)
{
	long long first, second;
	int pidfd, number;

	(void)state;
	fixture_allow_orphans();
	run_role("first", &first, &number);
	assert_int_equal(number, 1);
	pidfd = fixture_pidfd((int)first);
	assert_true(exists("runs"));
	run_role("second", &second, &number);
	assert_int_equal(second, first);
	assert_int_equal(number, 2);
	fixture_wait_end(pidfd);
	assert_false(exists("runs"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(detached_context_is_found_again_with_all_it_had),
		FIXTURE_TEST(detached_context_goes_on_writing_its_log_file),
		FIXTURE_TEST(detached_context_is_joined_by_the_same_tree),
		FIXTURE_TEST(context_two_hops_away_detaches_alone),
		FIXTURE_TEST(end_right_behind_detaching_leaves_it_alone),
		FIXTURE_TEST(second_detach_or_a_name_in_use_is_refused),
		FIXTURE_TEST(idle_detached_context_ends),
		FIXTURE_TEST(detached_context_is_found_by_the_next_run_of_the_program),
	};
	char path[64];
	int r;

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	if (argc == 2)
		return role(argv[1]);
	fixture_init();
	if (!mkdtemp(scratch) || setenv("XDG_RUNTIME_DIR", scratch, 1) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof(path), "%s/ramet", scratch);
	rmdir(path);
	if (rmdir(scratch) < 0)
		print_error("# there are files left in %s\n", scratch);
	return r;
}
