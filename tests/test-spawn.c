/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting processes (parent/spawn.h). The processes are this program, which then reports what it finds. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fixture.h"
#include "parent/password.h"
#include "parent/spawn.h"

#define SELF "/proc/self/exe"

/* --- what the processes do ------------------------------------------------------------------------------ */

static void report_line(const char *key)
{
	char line[256];
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			fputs(line, stdout);
	if (file)
		fclose(file);
}

static void report_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
			printf("fd %s\n", entry->d_name);
	if (directory)
		closedir(directory);
}

/* Says which descriptor is which: a byte from 0, one to 1 and one to 2. */
static int tell_stdio(void)
{
	char byte;

	if (read(0, &byte, 1) != 1)
		return 1;
	return write(1, "O", 1) != 1 || write(2, "E", 1) != 1 || byte < 'a';
}

static int act(const char *what)
{
	if (strcmp(what, "stdio") == 0)
		return tell_stdio();
	if (strcmp(what, "report") == 0) {
		printf("pid %d group %d\n", (int)getpid(), (int)getpgrp());
		printf("session %d\n", (int)getsid(0));
		printf("secret %s\n",
		       getenv("RAMET_TEST_SECRET") ? getenv("RAMET_TEST_SECRET") : "-");
		printf("other %s\n", getenv("RAMET_TEST_OTHER") ? getenv("RAMET_TEST_OTHER") : "-");
		report_line("Sig");
		report_descriptors();
		return 0;
	}
	return atoi(what);
}

/* --- helpers -------------------------------------------------------------------------------------------- */

/* What is different from a plain process. */
static struct rmt_spawn extra;

static pid_t spawn(const char *what, int in, int out, int err)
{
	char *argv[] = {(char *)"process", (char *)what, NULL};
	struct rmt_spawn options = extra;
	ramet_error error = RAMET_ERROR_INIT;
	pid_t pid = 0;

	options.file = extra.file ? extra.file : SELF;
	options.argv = argv;
	options.stdin_fd = in;
	options.stdout_fd = out;
	options.stderr_fd = err;
	if (rmt_spawn(&options, &pid, &error) < 0)
		fail_msg("%s", error.message);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* What a reporting process prints. */
static void report(char *text, size_t size, pid_t *ret_pid)
{
	int out[2];
	size_t used = 0;
	ssize_t n;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	*ret_pid = spawn("report", 0, out[1], 2);
	close(out[1]);
	while ((n = read(out[0], text + used, size - used - 1)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(out[0]);
	assert_int_equal(wait_for(*ret_pid), 0);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

enum { OTHER = 3, NUMBERS };

/* One process whose 0, 1 and 2 are the sockets `which[0..2]`. ours[i] is the other end of socket i. */
static int place(const int which[3], const int theirs[NUMBERS], const int ours[NUMBERS],
		 char got[NUMBERS][8])
{
	int fds[3], status;
	pid_t pid;

	/* Descriptor 0 is socket 0 and so on; socket 3 has a higher number. */
	for (int i = 0; i < 3; i++) {
		fds[i] = which[i] == OTHER ? theirs[OTHER] : which[i];
		dup3(theirs[i], i, i == 1 ? O_CLOEXEC : 0);
	}
	for (char i = 0; i < NUMBERS; i++)
		if (write(ours[(int)i], (char[]){'a' + i}, 1) != 1)
			return -1;
	pid = spawn("stdio", fds[0], fds[1], fds[2]);
	while (waitpid(pid, &status, 0) < 0)
		;
	for (int i = 0; i < NUMBERS; i++) {
		ssize_t n = recv(ours[i], got[i], 7, MSG_DONTWAIT);
		char rest[8];

		got[i][n > 0 ? n : 0] = '\0';
		/* A byte that nobody has read. */
		if (recv(theirs[i], rest, 7, MSG_DONTWAIT) > 0)
			strcat(got[i], "-");
	}
	return status;
}

static void stdio_of_any_numbers_is_placed(void **state)
{
	int saved[3], theirs[NUMBERS], ours[NUMBERS], pair[2];

	(void)state;
	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < NUMBERS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		theirs[i] = fcntl(pair[0], F_DUPFD_CLOEXEC, 10);
		ours[i] = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
		close(pair[0]);
		close(pair[1]);
	}
	for (int code = 0; code < NUMBERS * NUMBERS * NUMBERS; code++) {
		int which[3] = {code % NUMBERS, code / NUMBERS % NUMBERS, code / NUMBERS / NUMBERS},
		    status;
		char got[NUMBERS][8], expected[8];

		status = place(which, theirs, ours, got);
		for (int i = 0; i < 3; i++)
			dup2(saved[i], i);
		assert_int_equal(status, 0);
		for (int i = 0; i < NUMBERS; i++) {
			snprintf(expected, sizeof(expected), "%s%s%s", which[1] == i ? "O" : "",
				 which[2] == i ? "E" : "", which[0] == i ? "" : "-");
			assert_string_equal(got[i], expected);
		}
	}
	for (int i = 0; i < NUMBERS; i++) {
		close(theirs[i]);
		close(ours[i]);
	}
	for (int i = 0; i < 3; i++)
		close(saved[i]);
}

/* Whatever the library has open, a process gets none of it. */
static void process_has_only_descriptors_without_close_on_exec(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local");
	char text[8192], expected[32];
	pid_t pid;

	(void)state;
	report(text, sizeof(text), &pid);
	for (int fd = 3; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		snprintf(expected, sizeof(expected), "\nfd %d\n", fd);
		assert_int_equal(strstr(text, expected) != NULL,
				 flags >= 0 && !(flags & FD_CLOEXEC));
	}
	assert_non_null(strstr(text, "\nfd 0\n"));
	assert_non_null(strstr(text, "\nfd 1\n"));
	assert_non_null(strstr(text, "\nfd 2\n"));
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void process_leads_a_group_of_its_own(void **state)
{
	char text[8192], expected[64];
	pid_t pid;

	(void)state;
	report(text, sizeof(text), &pid);
	snprintf(expected, sizeof(expected), "pid %d group %d\n", (int)pid, (int)pid);
	assert_memory_equal(text, expected, strlen(expected));
}

static void ignore(int signal)
{
	(void)signal;
}

static unsigned long long mask(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 16);
}

static void process_begins_with_default_signals_and_none_blocked(void **state)
{
	struct sigaction ignored = {.sa_handler = SIG_IGN}, handled = {.sa_handler = ignore}, usr1,
			 pipe, hup, rt;
	sigset_t block, before, after;
	char text[8192];
	pid_t pid;

	(void)state;
	sigaction(SIGPIPE, &ignored, &pipe);
	sigaction(SIGHUP, &ignored, &hup);
	sigaction(SIGRTMIN + 3, &ignored, &rt);
	sigaction(SIGUSR1, &handled, &usr1);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR2);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &before);
	report(text, sizeof(text), &pid);
	/* The caller's own signals are as they were. */
	sigprocmask(SIG_SETMASK, &before, &after);
	assert_int_equal(sigismember(&after, SIGUSR2), 1);
	assert_int_equal(sigismember(&after, SIGTERM), 1);
	assert_int_equal(sigismember(&after, SIGINT), 0);
	sigaction(SIGPIPE, &pipe, &ignored);
	assert_ptr_equal(ignored.sa_handler, SIG_IGN);
	sigaction(SIGHUP, &hup, NULL);
	sigaction(SIGRTMIN + 3, &rt, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
	assert_int_equal(mask(text, "\nSigBlk:"), 0);
	assert_int_equal(mask(text, "\nSigIgn:"), 0);
	assert_int_equal(mask(text, "\nSigCgt:") & 1ull << (SIGUSR1 - 1), 0);
}

static void spawn_of_what_cannot_be_executed_fails_with_its_errno(void **state)
{
	char plain[] = "/tmp/ramet-test-plain-XXXXXX", text[] = "/tmp/ramet-test-text-XXXXXX";
	struct {
		const char *file;
		int code;
	} cases[] = {{"/nonexistent/program", -ENOENT},
		     {"/", -EACCES},
		     {plain, -EACCES},
		     {text, -ENOEXEC}};
	int fd = mkstemp(plain);

	(void)state;
	close(fd);
	fd = mkstemp(text);
	assert_int_equal(write(fd, "no program\n", 11), 11);
	fchmod(fd, 0700);
	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *argv[] = {(char *)"process", NULL};
		struct rmt_spawn options = {.file = cases[i].file,
					    .argv = argv,
					    .stdin_fd = 0,
					    .stdout_fd = 1,
					    .stderr_fd = 2};
		ramet_error error = RAMET_ERROR_INIT;
		pid_t pid = 77;

		assert_int_equal(rmt_spawn(&options, &pid, &error), cases[i].code);
		assert_int_equal(pid, 77);
		fixture_check_error(&error, cases[i].code, cases[i].file, strerror(-cases[i].code),
				    NULL);
	}
	unlink(plain);
	unlink(text);
}

static void spawn_with_a_closed_descriptor_fails(void **state)
{
	char *argv[] = {(char *)"process", (char *)"0", NULL};
	struct rmt_spawn options = {
		.file = SELF, .argv = argv, .stdin_fd = 0, .stdout_fd = 1000, .stderr_fd = 2};
	ramet_error error = RAMET_ERROR_INIT;
	pid_t pid;

	(void)state;
	assert_int_equal(rmt_spawn(&options, &pid, &error), -EBADF);
	ramet_error_clear(&error);
}

static void hook_runs(void *data)
{
	pid_t pid = getpid();

	if (write(*(int *)data, &pid, sizeof(pid)) != sizeof(pid))
		_exit(99);
}

static void preexec_hook_runs_in_each_new_process(void **state)
{
	int pipe_fds[2];
	struct rmt_spawn forked = {.stdin_fd = 0, .stdout_fd = 1, .stderr_fd = 2};
	pid_t pid, seen = 0;

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	ramet_set_preexec_hook(hook_runs, &pipe_fds[1]);
	pid = spawn("0", 0, 1, 2);
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(read(pipe_fds[0], &seen, sizeof(seen)), sizeof(seen));
	assert_int_equal(seen, pid);
	if (rmt_spawn(&forked, &pid, NULL) == 1)
		_exit(0);
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(read(pipe_fds[0], &seen, sizeof(seen)), sizeof(seen));
	assert_int_equal(seen, pid);
	/* And no more once it is taken back. */
	ramet_set_preexec_hook(NULL, NULL);
	assert_int_equal(wait_for(spawn("0", 0, 1, 2)), 0);
	assert_int_equal(read(pipe_fds[0], &seen, sizeof(seen)), -1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void fork_returns_in_the_copy_with_stdio_and_group(void **state)
{
	int pipe_fds[2];
	struct rmt_spawn options = {.stdin_fd = 0, .stdout_fd = 0, .stderr_fd = 2};
	char text[64] = "", expected[64];
	pid_t pid = 0;
	int r;

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	options.stdout_fd = pipe_fds[1];
	r = rmt_spawn(&options, &pid, NULL);
	if (r == 1) {
		snprintf(text, sizeof(text), "%d %d", (int)getpid(), (int)getpgrp());
		_exit(write(1, text, strlen(text)) < 0);
	}
	assert_int_equal(r, 0);
	close(pipe_fds[1]);
	assert_true(read(pipe_fds[0], text, sizeof(text) - 1) > 0);
	close(pipe_fds[0]);
	snprintf(expected, sizeof(expected), "%d %d", (int)pid, (int)pid);
	assert_string_equal(text, expected);
	assert_int_equal(wait_for(pid), 0);
}

static void process_with_a_session_leads_it(void **state)
{
	char text[8192], expected[64];
	pid_t pid;

	(void)state;
	extra = (struct rmt_spawn){.session = true};
	report(text, sizeof(text), &pid);
	snprintf(expected, sizeof(expected), "pid %d group %d\nsession %d\n", (int)pid, (int)pid,
		 (int)pid);
	assert_memory_equal(text, expected, strlen(expected));
	extra = (struct rmt_spawn){0};
	report(text, sizeof(text), &pid);
	snprintf(expected, sizeof(expected), "\nsession %d\n", (int)getsid(0));
	assert_non_null(strstr(text, expected));
}

static void environment_given_is_that_of_the_process(void **state)
{
	char *environment[] = {(char *)"RAMET_TEST_OTHER=given", NULL}, text[8192];
	pid_t pid;

	(void)state;
	setenv("RAMET_TEST_SECRET", "mine", 1);
	extra = (struct rmt_spawn){.environment = environment};
	report(text, sizeof(text), &pid);
	assert_non_null(strstr(text, "\nother given\n"));
	assert_non_null(strstr(text, "\nsecret -\n"));
	extra = (struct rmt_spawn){0};
	report(text, sizeof(text), &pid);
	assert_non_null(strstr(text, "\nother -\n"));
	assert_non_null(strstr(text, "\nsecret mine\n"));
	unsetenv("RAMET_TEST_SECRET");
}

/* A variable that is named as the place of a password stays here. */
static void hidden_variable_is_not_inherited(void **state)
{
	static const char text[] = "sudo?password=env:RAMET_TEST_HIDDEN";
	struct rmt_hop hop;
	char **environment = NULL;
	bool other = false;

	(void)state;
	assert_int_equal(rmt_hop_parse(text, strlen(text), &hop, NULL), 0);
	assert_int_equal(rmt_password_hide(&hop), 0);
	assert_int_equal(rmt_password_hide(&hop), 0);
	rmt_hop_done(&hop);
	setenv("RAMET_TEST_HIDDEN", "secret", 1);
	setenv("RAMET_TEST_HIDDEN_NOT", "no secret", 1);
	assert_int_equal(rmt_password_environment(&environment), 0);
	assert_non_null(environment);
	for (char **at = environment; *at; at++) {
		assert_null(strstr(*at, "=secret"));
		other |= strcmp(*at, "RAMET_TEST_HIDDEN_NOT=no secret") == 0;
	}
	assert_true(other);
	free(environment);
	unsetenv("RAMET_TEST_HIDDEN");
	unsetenv("RAMET_TEST_HIDDEN_NOT");
}

static void put_file(const char *directory, const char *name, const char *text, mode_t mode)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static void check_search(const char *path, const char *name, int code, const char *expected)
{
	ramet_error error = RAMET_ERROR_INIT;
	char *file = NULL;

	if (path)
		setenv("PATH", path, 1);
	else
		unsetenv("PATH");
	assert_int_equal(rmt_spawn_search(name, &file, &error), code);
	if (code == 0)
		assert_string_equal(file, expected);
	else
		fixture_check_error(&error, code, name, expected, NULL);
	free(file);
}

static void search_finds_what_can_be_executed(void **state)
{
	char directory[] = "/tmp/ramet-test-search-XXXXXX", path[512], file[300];
	char *saved = strdup(getenv("PATH")), *here = getcwd(NULL, 0);

	(void)state;
	assert_non_null(mkdtemp(directory));
	put_file(directory, "tool", "#!/bin/sh\nexit 4\n", 0755);
	put_file(directory, "plain", "", 0644);
	snprintf(file, sizeof(file), "%s/sub", directory);
	assert_int_equal(mkdir(file, 0700), 0);
	put_file(file, "plain", "#!/bin/sh\n", 0755);
	snprintf(path, sizeof(path), "/nonexistent:%s:%s/sub", directory, directory);
	snprintf(file, sizeof(file), "%s/tool", directory);
	check_search(path, "tool", 0, file);
	check_search(path, file, 0, file);
	/* One that cannot be executed does not hide one that can. */
	snprintf(file, sizeof(file), "%s/sub/plain", directory);
	check_search(path, "plain", 0, file);
	check_search(path, "ramet-no-such-tool", -ENOENT, "not found in PATH (/nonexistent:");
	check_search(path, "", -ENOENT, "not found in PATH");
	check_search(path, "sub", -EACCES, "not to be executed");
	check_search(directory, "plain", -EACCES, "not to be executed");
	check_search(NULL, "sh", 0, "/bin/sh");
	assert_int_equal(chdir(directory), 0);
	check_search("/nonexistent::/nonexistent", "tool", 0, "./tool");
	setenv("PATH", directory, 1);
	extra = (struct rmt_spawn){.file = "tool", .search = true};
	assert_int_equal(WEXITSTATUS(wait_for(spawn("0", 0, 1, 2))), 4);
	extra = (struct rmt_spawn){0};
	assert_int_equal(chdir(here), 0);
	setenv("PATH", saved, 1);
	snprintf(path, sizeof(path), "rm -r %s", directory);
	assert_int_equal(system(path), 0);
	free(here);
	free(saved);
}

static void exit_status_is_the_process_own(void **state)
{
	int status;

	(void)state;
	status = wait_for(spawn("3", 0, 1, 2));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(stdio_of_any_numbers_is_placed),
		FIXTURE_TEST(process_has_only_descriptors_without_close_on_exec),
		FIXTURE_TEST(process_leads_a_group_of_its_own),
		FIXTURE_TEST(process_begins_with_default_signals_and_none_blocked),
		FIXTURE_TEST(spawn_of_what_cannot_be_executed_fails_with_its_errno),
		FIXTURE_TEST(spawn_with_a_closed_descriptor_fails),
		FIXTURE_TEST(preexec_hook_runs_in_each_new_process),
		FIXTURE_TEST(fork_returns_in_the_copy_with_stdio_and_group),
		FIXTURE_TEST(process_with_a_session_leads_it),
		FIXTURE_TEST(environment_given_is_that_of_the_process),
		FIXTURE_TEST(search_finds_what_can_be_executed),
		FIXTURE_TEST(hidden_variable_is_not_inherited),
		FIXTURE_TEST(exit_status_is_the_process_own),
	};

	ramet_init(argc, argv);
	if (argc == 2)
		return act(argv[1]);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
