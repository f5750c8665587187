/* SPDX-License-Identifier: BSD-3-Clause */
/* Pseudo-terminals (parent/terminal.h), and processes that have one (parent/spawn.h). */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/descriptor.h"
#include "fixture.h"
#include "parent/spawn.h"
#include "parent/terminal.h"

#define SELF "/proc/self/exe"

/* --- calls that fail (ld's --wrap) ---------------------------------------------------------------------- */

int __real_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __real_tcsetattr(int fd, int when, const struct termios *settings);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_tcsetattr(int fd, int when, const struct termios *settings);

static struct {
	int ptmx, unlock, tcsetattr;
	unsigned calls;
} fault;

static bool fails(int code)
{
	fault.calls += code != 0;
	errno = code;
	return code != 0;
}

/* open(2), as it is called where offsets always have 64 bits. */
int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list arguments;

	if (strcmp(path, "/dev/ptmx") == 0 && fails(fault.ptmx))
		return -1;
	va_start(arguments, flags);
	if (flags & O_CREAT)
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return __real_open64(path, flags, mode);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	if (request == TIOCSPTLCK && fails(fault.unlock))
		return -1;
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return __real_ioctl(fd, request, argument);
}

int __wrap_tcsetattr(int fd, int when, const struct termios *settings)
{
	return fails(fault.tcsetattr) ? -1 : __real_tcsetattr(fd, when, settings);
}

/* --- what the processes do ------------------------------------------------------------------------------ */

/* Asks at the terminal, as a tool does: 0 and 1 are pipes. */
static int ask(void)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	char answer[16];
	ssize_t n;

	if (tty < 0)
		return 10;
	if (write(tty, "Question: ", 10) != 10)
		return 11;
	n = read(tty, answer, sizeof(answer));
	return n != 3 || memcmp(answer, "abc", 3) != 0 ? 12 : 0;
}

static int act(const char *what)
{
	if (strcmp(what, "ask") == 0)
		return ask();
	if (strcmp(what, "no-tty") == 0)
		return open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0 || errno != ENXIO;
	if (strcmp(what, "full") == 0)
		return !isatty(0) || !isatty(1) || !isatty(2) || tcgetpgrp(0) != getpid() ||
		       getsid(0) != getpid() || ask() != 0;
	if (strcmp(what, "hang") == 0)
		for (;;)
			pause();
	return 99;
}

/* --- helpers -------------------------------------------------------------------------------------------- */

static void terminal(int *ret_master, int *ret_slave)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (rmt_terminal_open(ret_master, ret_slave, &error) < 0)
		fail_msg("%s", error.message);
}

static void close_terminal(int master, int slave)
{
	rmt_descriptor_close(slave);
	rmt_descriptor_close(master);
}

static void read_exactly(int fd, void *memory, size_t size)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	unsigned char *at = memory;

	while (size > 0) {
		ssize_t n;

		assert_int_equal(poll(&wait, 1, SOON), 1);
		n = read(fd, at, size);
		assert_true(n > 0);
		at += n;
		size -= (size_t)n;
	}
}

static void expect(int fd, const char *text)
{
	char got[64];

	read_exactly(fd, got, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static pid_t start(const char *what, struct rmt_spawn spawn)
{
	char *argv[] = {(char *)"process", (char *)what, NULL};
	ramet_error error = RAMET_ERROR_INIT;
	pid_t pid = -1;

	spawn.file = SELF;
	spawn.argv = argv;
	if (rmt_spawn(&spawn, &pid, &error) < 0)
		fail_msg("%s", error.message);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void pair_is_a_terminal_close_on_exec(void **state)
{
	struct stat status;
	int master, slave;

	(void)state;
	terminal(&master, &slave);
	assert_true(isatty(master) && isatty(slave));
	assert_true(fcntl(master, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(slave, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fcntl(slave, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(fcntl(master, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(fstat(slave, &status), 0);
	assert_true(S_ISCHR(status.st_mode));
	assert_int_equal(major(status.st_rdev), 136);
	assert_int_equal(fstat(master, &status), 0);
	assert_int_equal(major(status.st_rdev), 5);
	close_terminal(master, slave);
}

static void all_bytes_pass_in_both_directions(void **state)
{
	unsigned char all[256], got[256];
	int master, slave;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	terminal(&master, &slave);
	assert_int_equal(write(master, all, sizeof(all)), sizeof(all));
	read_exactly(slave, got, sizeof(got));
	assert_memory_equal(got, all, sizeof(all));
	assert_int_equal(write(slave, all, sizeof(all)), sizeof(all));
	read_exactly(master, got, sizeof(got));
	assert_memory_equal(got, all, sizeof(all));
	/* And nothing else: no echo. */
	assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(slave, F_SETFL, O_NONBLOCK), 0);
	assert_true(read(master, got, 1) < 0 && errno == EAGAIN);
	assert_true(read(slave, got, 1) < 0 && errno == EAGAIN);
	close_terminal(master, slave);
}

static void hybrid_process_asks_at_its_terminal(void **state)
{
	int master, slave;
	pid_t pid;

	(void)state;
	terminal(&master, &slave);
	pid = start("ask", (struct rmt_spawn){.stdin_fd = 0,
					      .stdout_fd = 1,
					      .stderr_fd = 2,
					      .controlled = true,
					      .terminal = slave});
	expect(master, "Question: ");
	assert_int_equal(write(master, "abc", 3), 3);
	assert_int_equal(wait_for(pid), 0);
	close_terminal(master, slave);
}

static void full_process_has_the_terminal_everywhere(void **state)
{
	int master, slave;
	pid_t pid;

	(void)state;
	terminal(&master, &slave);
	pid = start("full", (struct rmt_spawn){.stdin_fd = slave,
					       .stdout_fd = slave,
					       .stderr_fd = slave,
					       .controlled = true,
					       .terminal = slave});
	expect(master, "Question: ");
	assert_int_equal(write(master, "abc", 3), 3);
	assert_int_equal(wait_for(pid), 0);
	close_terminal(master, slave);
}

static void process_with_a_session_alone_has_no_terminal(void **state)
{
	(void)state;
	assert_int_equal(wait_for(start("no-tty", (struct rmt_spawn){.stdin_fd = 0,
								     .stdout_fd = 1,
								     .stderr_fd = 2,
								     .session = true})),
			 0);
}

static void closed_master_hangs_the_session_up(void **state)
{
	int master, slave, status;
	pid_t pid;

	(void)state;
	terminal(&master, &slave);
	pid = start("hang", (struct rmt_spawn){.stdin_fd = 0,
					       .stdout_fd = 1,
					       .stderr_fd = 2,
					       .controlled = true,
					       .terminal = slave});
	close_terminal(master, slave);
	status = wait_for(pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGHUP);
}

static void terminal_of_another_session_is_refused(void **state)
{
	char *argv[] = {(char *)"process", (char *)"hang", NULL};
	struct rmt_spawn spawn = {.file = SELF, .argv = argv, .stdout_fd = 1, .stderr_fd = 2};
	ramet_error error = RAMET_ERROR_INIT;
	int pipes[2];
	pid_t pid = 77;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	spawn.controlled = true;
	spawn.terminal = pipes[0];
	assert_int_equal(rmt_spawn(&spawn, &pid, &error), -ENOTTY);
	assert_int_equal(pid, 77);
	fixture_check_error(&error, -ENOTTY, "could not be executed", NULL);
	close(pipes[0]);
	close(pipes[1]);
}

static void check_refused(int code)
{
	ramet_error error = RAMET_ERROR_INIT;
	unsigned fds = fixture_count_fds();
	int master = 55, slave = 66;

	assert_int_equal(rmt_terminal_open(&master, &slave, &error), -code);
	assert_int_equal(master, 55);
	assert_int_equal(slave, 66);
	fixture_check_error(&error, -code, strerror(code), "kernel.pty.max", NULL);
	assert_int_equal(fixture_count_fds(), fds);
}

static void failure_of_each_call_is_told(void **state)
{
	static const int codes[] = {ENXIO, ENOENT, ENOSPC, EMFILE};

	(void)state;
	memset(&fault, 0, sizeof(fault));
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		fault.ptmx = codes[i];
		check_refused(codes[i]);
	}
	fault.ptmx = 0;
	fault.unlock = EACCES;
	check_refused(EACCES);
	fault.unlock = 0;
	fault.tcsetattr = EIO;
	check_refused(EIO);
	fault.tcsetattr = 0;
	assert_int_equal(fault.calls, 6);
}

static void no_descriptors_left_is_told(void **state)
{
	struct rlimit before, limit;
	ramet_error error = RAMET_ERROR_INIT;
	int master, slave, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	for (rlim_t room = 0; room < 2; room++) {
		limit.rlim_cur = (rlim_t)fd + room;
		close(fd);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(rmt_terminal_open(&master, &slave, &error), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		fixture_check_error(&error, -EMFILE, strerror(EMFILE), "kernel.pty.max", NULL);
		assert_int_equal(open("/dev/null", O_RDONLY | O_CLOEXEC), fd);
	}
	close(fd);
}

/* In a mount namespace of its own, whose terminals are two. Exit status 77: the system does not let us. */
static int exhaust(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	int fds[3][2], r;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,max=2") < 0 ||
	    mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) < 0)
		return 77;
	for (int i = 0; i < 2; i++)
		if (rmt_terminal_open(&fds[i][0], &fds[i][1], &error) < 0)
			return 1;
	r = rmt_terminal_open(&fds[2][0], &fds[2][1], &error);
	/* musl has no ENOSPC for that. */
	if ((r != -ENOSPC && r != -EAGAIN) || !strstr(error.message, "kernel.pty.max"))
		return 2;
	ramet_error_clear(&error);
	close_terminal(fds[0][0], fds[0][1]);
	if (rmt_terminal_open(&fds[2][0], &fds[2][1], &error) < 0)
		return 3;
	return 0;
}

static void exhausted_terminals_are_told_and_come_back(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(exhaust());
	status = wait_for(pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(pair_is_a_terminal_close_on_exec),
		FIXTURE_TEST(all_bytes_pass_in_both_directions),
		FIXTURE_TEST(hybrid_process_asks_at_its_terminal),
		FIXTURE_TEST(full_process_has_the_terminal_everywhere),
		FIXTURE_TEST(process_with_a_session_alone_has_no_terminal),
		FIXTURE_TEST(closed_master_hangs_the_session_up),
		FIXTURE_TEST(terminal_of_another_session_is_refused),
		FIXTURE_TEST(failure_of_each_call_is_told),
		FIXTURE_TEST(no_descriptors_left_is_told),
		FIXTURE_TEST(exhausted_terminals_are_told_and_come_back),
	};

	if (argc == 2)
		return act(argv[1]);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
