/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where passwords come from (parent/password.h). The user at a terminal is this program, which holds the other end of
 * it; whoever asks is a child process, with the pseudo-terminal as its controlling one, and a shell's part is played
 * by that child's parent, as only a group with a parent in its session can be stopped from the terminal.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/descriptor.h"
#include "base/macro.h"
#include "fixture.h"
#include "parent/password.h"
#include "parent/spawn.h"
#include "parent/terminal.h"

#define PROMPT "ssh:db: root@db's password: "

/* --- hops ----------------------------------------------------------------------------------------------- */

static struct rmt_hop hop_of(const char *text)
{
	struct rmt_hop hop;
	ramet_error error = RAMET_ERROR_INIT;

	if (rmt_hop_parse(text, strlen(text), &hop, &error) < 0)
		fail_msg("%s", error.message);
	return hop;
}

static int check_key(const char *text, ramet_error *error)
{
	struct rmt_hop hop = hop_of(text);
	int r = rmt_password_check(&hop, error);

	rmt_hop_done(&hop);
	return r;
}

static int get(ramet_router *router, const char *text, struct rmt_password *password,
	       ramet_error *error)
{
	struct rmt_hop hop = hop_of(text);
	int r = rmt_password_get(router, &hop, "ssh:db", "root@db's password: ", password, error);

	rmt_hop_done(&hop);
	return r;
}

static void check_got(ramet_router *router, const char *text, const char *expected)
{
	struct rmt_password *password = rmt_password_new();
	ramet_error error = RAMET_ERROR_INIT;

	assert_non_null(password);
	if (get(router, text, password, &error) < 0)
		fail_msg("%s: %s", text, error.message);
	assert_string_equal(password->text, expected);
	assert_int_equal(password->size, strlen(expected));
	rmt_password_free(password);
}

static void check_none(ramet_router *router, const char *text, int code, const char *words)
{
	struct rmt_password *password = rmt_password_new();
	ramet_error error = RAMET_ERROR_INIT;

	assert_non_null(password);
	assert_int_equal(get(router, text, password, &error), code);
	assert_int_equal(password->size, 0);
	fixture_check_error(&error, code, words, NULL);
	rmt_password_free(password);
}

/* --- the key, variables, descriptors, the program ------------------------------------------------------- */

static void key_is_one_of_the_four_forms(void **state)
{
	static const char *const good[] = {"ssh:h", "ssh:h?password=env:P", "ssh:h?password=fd:0",
					   "ssh:h?password=ask", "ssh:h?password=program"};
	static const char *const bad[] = {
		"ssh:h?password=hunter2",   "ssh:h?password=env:",
		"ssh:h?password=env:A%3DB", "ssh:h?password=fd:",
		"ssh:h?password=fd:x",      "ssh:h?password=fd:-1",
		"ssh:h?password=fd:3x",     "ssh:h?password=fd:99999999999999999999",
		"ssh:h?password=ask:"};
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(good); i++)
		assert_int_equal(check_key(good[i], &error), 0);
	for (size_t i = 0; i < RMT_COUNT(bad); i++) {
		assert_int_equal(check_key(bad[i], &error), -EINVAL);
		/* Whoever writes the password itself there must not find it in a log. */
		assert_null(strstr(error.message, "hunter2"));
		fixture_check_error(&error, -EINVAL, "env:NAME, fd:N, ask or program", NULL);
	}
}

static void variable_has_the_password(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	char longest[RMT_PASSWORD_MAX + 2];

	(void)state;
	setenv("RAMET_TEST_PASSWORD", "pässword with blanks ", 1);
	check_got(router, "ssh:db?password=env:RAMET_TEST_PASSWORD", "pässword with blanks ");
	memset(longest, 'x', sizeof(longest));
	longest[RMT_PASSWORD_MAX + 1] = '\0';
	setenv("RAMET_TEST_PASSWORD", longest, 1);
	check_none(router, "ssh:db?password=env:RAMET_TEST_PASSWORD", -ENOKEY, "longer than 1023");
	setenv("RAMET_TEST_PASSWORD", longest + 1, 1);
	check_got(router, "ssh:db?password=env:RAMET_TEST_PASSWORD", longest + 1);
	unsetenv("RAMET_TEST_PASSWORD");
	check_none(router, "ssh:db?password=env:RAMET_TEST_PASSWORD", -ENOKEY,
		   "RAMET_TEST_PASSWORD, which should have the password, is not set");
	ramet_router_unref(router);
}

/* A pipe at a descriptor of its own, so that no test gets what another one has read. */
static int pipe_with(const char *text, size_t size, int *ret_end)
{
	static int next = 200;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, size), (ssize_t)size);
	assert_int_equal(dup2(fds[0], next), next);
	close(fds[0]);
	if (ret_end)
		*ret_end = fds[1];
	else
		close(fds[1]);
	return next++;
}

static const char *fd_hop(int fd)
{
	static char text[64];

	snprintf(text, sizeof(text), "ssh:db?password=fd:%d", fd);
	return text;
}

static void descriptor_is_read_once_and_for_one_line(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	char rest[8] = "";
	int fd = pipe_with("secret\nmore\n", 12, NULL);

	(void)state;
	check_got(router, fd_hop(fd), "secret");
	check_got(router, fd_hop(fd), "secret");
	assert_int_equal(read(fd, rest, sizeof(rest)), 5);
	assert_memory_equal(rest, "more\n", 5);
	/* What is left is not for processes that are started later. */
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	check_got(router, fd_hop(fd), "secret");
	ramet_router_unref(router);
}

static void descriptor_line_may_end_anyhow(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	static char longest[RMT_PASSWORD_MAX + 3];
	int fd;

	(void)state;
	fd = pipe_with("no newline", 10, NULL);
	check_got(router, fd_hop(fd), "no newline");
	close(fd);
	fd = pipe_with("dos\r\n", 5, NULL);
	check_got(router, fd_hop(fd), "dos");
	close(fd);
	fd = pipe_with("\n", 1, NULL);
	check_got(router, fd_hop(fd), "");
	close(fd);
	fd = pipe_with("", 0, NULL);
	check_none(router, fd_hop(fd), -ENOKEY, "ended before a password came");
	close(fd);
	check_none(router, fd_hop(fd), -ENOKEY, strerror(EBADF));
	memset(longest, 'x', RMT_PASSWORD_MAX + 1);
	strcpy(longest + RMT_PASSWORD_MAX + 1, "\n");
	fd = pipe_with(longest, RMT_PASSWORD_MAX + 2, NULL);
	check_none(router, fd_hop(fd), -ENOKEY, "longer than 1023 bytes");
	close(fd);
	fd = pipe_with(longest + 1, RMT_PASSWORD_MAX + 1, NULL);
	longest[RMT_PASSWORD_MAX + 1] = '\0';
	check_got(router, fd_hop(fd), longest + 1);
	close(fd);
	ramet_router_unref(router);
}

static struct {
	ramet_router *router;
	int fd;
} slow;

static void *get_slowly(void *unused)
{
	(void)unused;
	check_got(slow.router, fd_hop(slow.fd), "late");
	return NULL;
}

static void nonblocking_descriptor_is_waited_for(void **state)
{
	pthread_t thread;
	int end;

	(void)state;
	slow.router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	slow.fd = pipe_with("", 0, &end);
	assert_int_equal(fcntl(slow.fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&thread, NULL, get_slowly, NULL), 0);
	fixture_wait_threads_sleep();
	assert_int_equal(write(end, "late\n", 5), 5);
	pthread_join(thread, NULL);
	close(end);
	close(slow.fd);
	ramet_router_unref(slow.router);
}

static struct {
	ramet_password_request seen;
	int result;
	size_t room;
} program;

static int answer(const ramet_password_request *request, char *password, size_t size, void *data)
{
	assert_ptr_equal(data, &program);
	assert_string_equal(request->path, "ssh:db");
	assert_string_equal(request->method, "ssh");
	assert_string_equal(request->target, "db");
	assert_string_equal(request->prompt, "root@db's password: ");
	assert_string_equal(request->user ? request->user : "-", "admin");
	program.room = size;
	if (program.result > 0)
		memset(password, 'y', RMT_PASSWORD_MAX);
	return program.result;
}

static void program_is_asked(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router;
	struct rmt_hop hop = hop_of("ssh:db"), other = hop_of("ssh:db?password=ask");

	(void)state;
	options.password = answer;
	options.password_data = &program;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	assert_true(rmt_password_known(router, &hop));
	program.result = 3;
	check_got(router, "ssh:db?username=admin", "yyy");
	check_got(router, "ssh:db?username=admin&password=program", "yyy");
	assert_int_equal(program.room, RMT_PASSWORD_MAX);
	program.result = 0;
	check_got(router, "ssh:db?username=admin", "");
	program.result = -ENOKEY;
	check_none(router, "ssh:db?username=admin", -ENOKEY,
		   "the program has no password for ssh:db");
	program.result = -EPERM;
	check_none(router, "ssh:db?username=admin", -EPERM, strerror(EPERM));
	program.result = RMT_PASSWORD_MAX + 1;
	check_none(router, "ssh:db?username=admin", -EINVAL, "the program");
	ramet_router_unref(router);
	/* A program that was compiled before there were callbacks. */
	options.size = offsetof(ramet_router_options, password);
	assert_int_equal(ramet_router_new(&options, &router), 0);
	assert_false(rmt_password_known(router, &hop));
	assert_true(rmt_password_known(router, &other));
	check_none(router, "ssh:db", -ENOKEY, "none is given");
	ramet_router_unref(router);
	rmt_hop_done(&hop);
	rmt_hop_done(&other);
}

/* --- memory --------------------------------------------------------------------------------------------- */

/* What /proc says of the mapping at an address. */
static void mapping_flags(const void *address, char *flags, size_t size)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	bool found = false;
	unsigned long from, to;

	assert_non_null(file);
	*flags = '\0';
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2 && strchr(line, '-') < line + 17)
			found = from <= (uintptr_t)address && (uintptr_t)address < to;
		else if (found && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, size, "%s", line + 8);
	}
	fclose(file);
}

static void memory_is_kept_out_of_dumps_and_copies(void **state)
{
	struct rmt_password *password = rmt_password_new();
	char flags[512];
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(password);
	strcpy(password->text, "secret");
	mapping_flags(password, flags, sizeof(flags));
	if (!*flags)
		skip();
	assert_non_null(strstr(flags, " dd")); /* do not dump */
	assert_non_null(strstr(flags, " wf")); /* wipe on fork */
	pid = fork();
	if (pid == 0)
		_exit(password->text[0] != '\0');
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	rmt_password_free(password);
	rmt_password_free(NULL);
}

static void forked_context_has_no_kept_password(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	int fd = pipe_with("secret\n", 7, NULL), status;
	struct rmt_spawn fork_only = {.stdin_fd = 0, .stdout_fd = 1, .stderr_fd = 2};
	pid_t pid = 0;

	(void)state;
	check_got(router, fd_hop(fd), "secret");
	close(fd);
	if (rmt_spawn(&fork_only, &pid, NULL) == 1) {
		static struct rmt_password password;
		struct rmt_hop hop = hop_of(fd_hop(fd));

		_exit(rmt_password_get(router, &hop, "p", "q", &password, NULL) != -ENOKEY);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	ramet_router_unref(router);
}

/* --- the terminal --------------------------------------------------------------------------------------- */

/* What the asking process reports through a pipe when it is done. */
struct report {
	int code;
	size_t size;
	char text[32];
	char message[160];
	int interrupts; /* that its own handler has seen */
	bool same_handlers, same_mask;
};

/* A process that asks, at a terminal in the modes that users have. */
static struct asker {
	int master, slave, report;
	struct termios settings;
	pid_t pid;
} asker;

enum how { PLAIN, HANDLED, IGNORED, THREADED, EXITING };

static volatile sig_atomic_t interrupts;

static void count(int number)
{
	(void)number;
	interrupts++;
}

static void *wait_for_signals(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static void *exit_when_told(void *fd)
{
	char byte;

	if (read(*(int *)fd, &byte, 1) == 1)
		exit(7);
	return NULL;
}

static void prepare(enum how how, int *told)
{
	struct sigaction action = {.sa_handler = how == IGNORED ? SIG_IGN : count};
	pthread_t thread;
	sigset_t all;

	if (how == HANDLED || how == IGNORED)
		sigaction(SIGINT, &action, NULL);
	/* Signals then go to another thread than the one that asks. */
	if (how == THREADED) {
		pthread_create(&thread, NULL, wait_for_signals, NULL);
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
	}
	if (how == EXITING)
		pthread_create(&thread, NULL, exit_when_told, told);
}

static _Noreturn void ask_in_child(enum how how, int *told, int report_fd)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGTSTP, SIGCONT};
	struct sigaction before[RMT_COUNT(numbers)], after;
	struct rmt_password *password = rmt_password_new();
	struct report report = {.same_handlers = true};
	ramet_error error = RAMET_ERROR_INIT;
	sigset_t mask_before, mask_after;

	signal(SIGALRM, SIG_DFL); /* the fixture's */
	prepare(how, told);
	for (size_t i = 0; i < RMT_COUNT(numbers); i++)
		sigaction(numbers[i], NULL, &before[i]);
	pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
	report.code = rmt_password_ask("ssh:db", "root@db's password: ", password, &error);
	/* The other thread is just about to end the process. */
	while (how == THREADED && report.code == -EINTR)
		pause();
	for (size_t i = 0; i < RMT_COUNT(numbers); i++) {
		sigaction(numbers[i], NULL, &after);
		report.same_handlers &= after.sa_handler == before[i].sa_handler;
	}
	pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
	report.same_mask = memcmp(&mask_before, &mask_after, 8) == 0;
	report.size = password->size;
	snprintf(report.text, sizeof(report.text), "%.31s", password->text);
	snprintf(report.message, sizeof(report.message), "%s", error.message ? error.message : "");
	report.interrupts = interrupts;
	_exit(write(report_fd, &report, sizeof(report)) != sizeof(report));
}

/* Job control's part: the asker's group is in the foreground, and its state is passed on. */
static _Noreturn void be_shell(enum how how, int *told, int report_fd)
{
	static const int usual[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	pid_t pid;
	int status;

	/* Who runs the tests in the background may have had some ignored. */
	for (size_t i = 0; i < RMT_COUNT(usual); i++)
		signal(usual[i], SIG_DFL);
	if (rmt_terminal_control(asker.slave) < 0)
		_exit(90);
	pid = fork();
	if (pid == 0) {
		/* Until the foreground is its own, it must not ask. */
		char byte;

		setpgid(0, 0);
		if (read(told[2], &byte, 1) != 1)
			_exit(91);
		ask_in_child(how, told, report_fd);
	}
	setpgid(pid, pid);
	sigaction(SIGTTOU, &ignore, NULL);
	tcsetpgrp(asker.slave, pid);
	if (write(report_fd, &pid, sizeof(pid)) != sizeof(pid) || write(told[3], "", 1) != 1)
		_exit(92);
	while (waitpid(pid, &status, 0) != pid)
		;
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static struct {
	pid_t shell;
	int tell;
} job;

static void start_asking(enum how how)
{
	ramet_error error = RAMET_ERROR_INIT;
	int pipes[2], told[4];

	assert_int_equal(rmt_terminal_open(&asker.master, &asker.slave, &error), 0);
	assert_int_equal(tcgetattr(asker.slave, &asker.settings), 0);
	asker.settings.c_iflag |= ICRNL;
	asker.settings.c_oflag |= OPOST | ONLCR;
	asker.settings.c_lflag |= ICANON | ISIG | ECHO | ECHOE | IEXTEN;
	assert_int_equal(tcsetattr(asker.slave, TCSANOW, &asker.settings), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(told + 2, O_CLOEXEC), 0);
	job.shell = fork();
	assert_true(job.shell >= 0);
	if (job.shell == 0) {
		close(asker.master);
		be_shell(how, told, pipes[1]);
	}
	close(pipes[1]);
	close(told[0]);
	close(told[2]);
	close(told[3]);
	asker.report = pipes[0];
	job.tell = told[1];
	assert_int_equal(read(asker.report, &asker.pid, sizeof(asker.pid)), sizeof(asker.pid));
}

static void expect(const char *text)
{
	struct pollfd wait = {.fd = asker.master, .events = POLLIN};
	char got[256] = "";
	size_t used = 0;

	while (used < strlen(text)) {
		ssize_t n;

		if (poll(&wait, 1, SOON) != 1)
			fail_msg("expected %s, got %s", text, got);
		n = read(asker.master, got + used, strlen(text) - used);
		assert_true(n > 0);
		used += (size_t)n;
	}
	assert_memory_equal(got, text, used);
}

static void type(const char *text)
{
	assert_int_equal(write(asker.master, text, strlen(text)), (ssize_t)strlen(text));
}

static bool echoes(void)
{
	struct termios settings;

	assert_int_equal(tcgetattr(asker.slave, &settings), 0);
	return settings.c_lflag & ECHO;
}

/* All as it was. */
static void check_settings(void)
{
	struct termios settings;

	assert_int_equal(tcgetattr(asker.slave, &settings), 0);
	assert_int_equal(settings.c_lflag, asker.settings.c_lflag);
	assert_int_equal(settings.c_iflag, asker.settings.c_iflag);
	assert_int_equal(settings.c_oflag, asker.settings.c_oflag);
}

/* Asks, and has been seen to wait with the echo off. */
static void expect_prompt(void)
{
	expect(PROMPT);
	assert_false(echoes());
	/* It says so before it waits. */
	fixture_wait_state((int)asker.pid, 'S');
}

/* The status as a shell has it; `report` is untouched when the process had no time for one. */
static int end_asking(struct report *report)
{
	struct report got;
	int status;

	assert_int_equal(waitpid(job.shell, &status, 0), job.shell);
	if (read(asker.report, &got, sizeof(got)) == sizeof(got))
		*report = got;
	check_settings();
	close(asker.report);
	close(job.tell);
	rmt_descriptor_close(asker.slave);
	rmt_descriptor_close(asker.master);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void check_as_before(const struct report *report)
{
	assert_true(report->same_handlers);
	assert_true(report->same_mask);
}

static void user_is_asked_without_echo(void **state)
{
	struct report report = {.code = 1};

	(void)state;
	start_asking(PLAIN);
	expect_prompt();
	type("sec ret\n");
	/* Only the newline that ends the question. */
	expect("\r\n");
	assert_int_equal(end_asking(&report), 0);
	assert_int_equal(report.code, 0);
	assert_string_equal(report.text, "sec ret");
	assert_int_equal(report.size, 7);
	check_as_before(&report);
}

static void user_may_answer_with_nothing_or_give_up(void **state)
{
	struct report report = {.code = 1};

	(void)state;
	start_asking(PLAIN);
	expect_prompt();
	type("\n");
	assert_int_equal(end_asking(&report), 0);
	assert_int_equal(report.code, 0);
	assert_int_equal(report.size, 0);
	start_asking(PLAIN);
	expect_prompt();
	type("\x04");
	assert_int_equal(end_asking(&report), 0);
	assert_int_equal(report.code, -ENOKEY);
	assert_string_equal(report.message, "no password was entered for ssh:db");
}

static void overlong_answer_is_refused(void **state)
{
	struct report report = {.code = 1};
	char text[RMT_PASSWORD_MAX + 3];

	(void)state;
	memset(text, 'x', RMT_PASSWORD_MAX + 1);
	strcpy(text + RMT_PASSWORD_MAX + 1, "\n");
	start_asking(PLAIN);
	expect_prompt();
	type(text);
	assert_int_equal(end_asking(&report), 0);
	assert_int_equal(report.code, -ENOKEY);
	assert_non_null(strstr(report.message, "longer than 1023"));
	assert_int_equal(report.size, 0);
}

static void deadly_signals_restore_the_terminal_first(void **state)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM};
	struct report report = {.code = 1};

	(void)state;
	for (int how = PLAIN; how <= THREADED; how += THREADED - PLAIN)
		for (size_t i = 0; i < RMT_COUNT(numbers); i++) {
			start_asking((enum how)how);
			expect_prompt();
			/* The keys of the first are typed, the others are sent. */
			if (numbers[i] == SIGINT)
				type("half\x03");
			else
				kill(asker.pid, numbers[i]);
			assert_int_equal(end_asking(&report), 128 + numbers[i]);
			assert_int_equal(report.code, 1);
		}
}

static void program_with_a_handler_gets_its_signal(void **state)
{
	struct report report = {.code = 1};

	(void)state;
	start_asking(HANDLED);
	expect_prompt();
	type("half\x03");
	assert_int_equal(end_asking(&report), 0);
	assert_int_equal(report.code, -EINTR);
	assert_int_equal(report.interrupts, 1);
	assert_int_equal(report.size, 0);
	assert_string_equal(report.message, "interrupted while asking for the password of ssh:db");
	check_as_before(&report);
}

static void ignored_signal_stays_ignored(void **state)
{
	struct report report = {.code = 1};

	(void)state;
	start_asking(IGNORED);
	expect_prompt();
	kill(asker.pid, SIGINT);
	type("secret\n");
	assert_int_equal(end_asking(&report), 0);
	assert_int_equal(report.code, 0);
	assert_string_equal(report.text, "secret");
	check_as_before(&report);
}

static void stopped_process_asks_again_when_it_goes_on(void **state)
{
	struct report report = {.code = 1};

	(void)state;
	for (int how = PLAIN; how <= THREADED; how += THREADED - PLAIN) {
		start_asking((enum how)how);
		expect_prompt();
		type("half\x1a");
		fixture_wait_state((int)asker.pid, 'T');
		check_settings();
		kill(asker.pid, SIGCONT);
		expect("\r\n");
		expect_prompt();
		/* A stop that no handler sees: whoever sets the terminal up meanwhile. */
		kill(asker.pid, SIGSTOP);
		fixture_wait_state((int)asker.pid, 'T');
		kill(asker.pid, SIGCONT);
		expect("\r\n");
		expect_prompt();
		type("secret\n");
		assert_int_equal(end_asking(&report), 0);
		assert_int_equal(report.code, 0);
		assert_string_equal(report.text, "secret");
		check_as_before(&report);
	}
}

static void exit_of_another_thread_restores_the_terminal(void **state)
{
	struct report report = {.code = 1};

	(void)state;
	start_asking(EXITING);
	expect_prompt();
	assert_int_equal(write(job.tell, "", 1), 1);
	assert_int_equal(end_asking(&report), 7);
	assert_int_equal(report.code, 1);
}

static void process_without_terminal_cannot_ask(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		static struct rmt_password password;

		setsid();
		if (rmt_password_ask("ssh:db", "", &password, &error) != -ENOKEY)
			_exit(1);
		_exit(!strstr(error.message, "/dev/tty: No such device or address"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(key_is_one_of_the_four_forms),
		FIXTURE_TEST(variable_has_the_password),
		FIXTURE_TEST(descriptor_is_read_once_and_for_one_line),
		FIXTURE_TEST(descriptor_line_may_end_anyhow),
		FIXTURE_TEST(nonblocking_descriptor_is_waited_for),
		FIXTURE_TEST(program_is_asked),
		FIXTURE_TEST(memory_is_kept_out_of_dumps_and_copies),
		FIXTURE_TEST(forked_context_has_no_kept_password),
		FIXTURE_TEST(user_is_asked_without_echo),
		FIXTURE_TEST(user_may_answer_with_nothing_or_give_up),
		FIXTURE_TEST(overlong_answer_is_refused),
		FIXTURE_TEST(deadly_signals_restore_the_terminal_first),
		FIXTURE_TEST(program_with_a_handler_gets_its_signal),
		FIXTURE_TEST(ignored_signal_stays_ignored),
		FIXTURE_TEST(stopped_process_asks_again_when_it_goes_on),
		FIXTURE_TEST(exit_of_another_thread_restores_the_terminal),
		FIXTURE_TEST(process_without_terminal_cannot_ask),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
