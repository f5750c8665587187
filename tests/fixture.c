/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/buffer.h"
#include "core/child.h"
#include "core/function.h"
#include "wire/frame.h"
#include "wire/handle.h"
#include "wire/handshake.h"

#define FAKE_VARIABLE "RAMET_TEST_FAKE"

/* Of each test: enough for a slow machine with sanitizers, and an end. */
#define TEST_SECONDS (SANITIZED ? 240 : 60)

/* A context that is ended by force while it looks for leaks leaves the process that helps it, which is in its group. */
#ifdef __SANITIZE_ADDRESS__
#define LEAVES_HELPERS 1
#else
#define LEAVES_HELPERS 0
#endif

static struct {
	unsigned fds, threads;
	int orphans_allowed;
} before;

int64_t fixture_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what is left ------------------------------------------------------------------------------------ */

static unsigned count_entries(const char *directory)
{
	DIR *dir = opendir(directory);
	unsigned count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

unsigned fixture_count_fds(void)
{
	return count_entries("/proc/self/fd");
}

static void print_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char target[256];

	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n > 0)
			print_error("# %s -> %.*s\n", entry->d_name, (int)n, target);
	}
	if (dir)
		closedir(dir);
}

/* A thread that was joined, or has said that it is done, may need a moment for its last instructions. */
static int threads_are_gone(void)
{
	int64_t until = fixture_now() + SOON;

	while (count_entries("/proc/self/task") > before.threads) {
		if (fixture_now() > until)
			return 0;
		sched_yield();
	}
	return 1;
}

static void print_children(void)
{
	char path[64], line[4096] = "", name[4096], *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (file && fgets(line, sizeof(line), file)) {
		for (at = strtok(line, " "); at; at = strtok(NULL, " ")) {
			FILE *child;
			size_t size = 0;

			snprintf(path, sizeof(path), "/proc/%s/cmdline", at);
			child = fopen(path, "re");
			if (child) {
				size = fread(name, 1, sizeof(name) - 1, child);
				fclose(child);
			}
			for (size_t i = 0; i < size; i++)
				if (!name[i])
					name[i] = ' ';
			print_error("# %s: %.*s\n", at, (int)size, name);
		}
	}
	if (file)
		fclose(file);
}

static void print_zombie(pid_t pid)
{
	char path[64], line[128] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = pid ? fopen(path, "re") : NULL;
	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	print_error("# a child is left: %s\n", pid ? line : "it runs");
}

/* Children that ended as orphans are ours to reap; everything else is a leak. */
static int children_are_gone(void)
{
	int64_t until = fixture_now() + SOON;
	siginfo_t info;

	if (LEAVES_HELPERS && !before.orphans_allowed)
		return fixture_reap_orphans();
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return errno == ECHILD;
		if (!before.orphans_allowed) {
			print_zombie(info.si_pid);
			print_children();
			return 0;
		}
		if (info.si_pid)
			waitpid(info.si_pid, NULL, 0);
		else if (fixture_now() > until)
			return 0;
		else
			sched_yield();
	}
}

int fixture_wait_orphans(void)
{
	return children_are_gone();
}

int fixture_reap_orphans(void)
{
	int64_t until = fixture_now() + SOON;
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return errno == ECHILD;
		if (info.si_pid == 0 && fixture_now() < until) {
			sched_yield();
			continue;
		}
		if (info.si_pid == 0 || getpgid(info.si_pid) == info.si_pid) {
			print_zombie(info.si_pid);
			print_children();
			return 0;
		}
		waitpid(info.si_pid, NULL, 0);
	}
}

/* A test that has failed must not make those behind it fail. */
static void kill_children(void)
{
	char path[64], line[4096], *at;
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(line, sizeof(line), file))
			for (at = strtok(line, " "); at; at = strtok(NULL, " "))
				kill(atoi(at), SIGKILL);
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
}

static void clean_up(void)
{
	do {
		kill_children();
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	} while (waitpid(-1, NULL, WNOHANG) == 0);
}

int fixture_begin(void **state)
{
	(void)state;
	before.orphans_allowed = 0;
	before.fds = fixture_count_fds();
	before.threads = count_entries("/proc/self/task");
	alarm(TEST_SECONDS);
	return 0;
}

int fixture_end(void **state)
{
	unsigned fds;
	int r = 0;

	(void)state;
	fixture_fake(NULL);
	if (!children_are_gone()) {
		print_error("# there are processes left\n");
		clean_up();
		r = -1;
	}
	if (!threads_are_gone()) {
		print_error("# there are threads left\n");
		r = -1;
	}
	fds = fixture_count_fds();
	if (fds != before.fds) {
		print_error("# there were %u descriptors, there are %u\n", before.fds, fds);
		print_fds();
		r = -1;
	}
	alarm(0);
	return r;
}

void fixture_allow_orphans(void)
{
	before.orphans_allowed = 1;
}

/* Ends a test that hangs with its name's place in the output, and everything that it has started with it. */
static void alarmed(int signal)
{
	static const char text[] = "# the test takes too long\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signal;
	(void)n;
	abort();
}

static void *do_nothing(void *argument)
{
	return argument;
}

void fixture_init(void)
{
	struct sigaction action = {.sa_handler = alarmed};
	pthread_t thread;

	/* The thread sanitizer has a thread of its own, which it starts with the first other one. */
	if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
		pthread_join(thread, NULL);
	sigaction(SIGALRM, &action, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* --- fakes ------------------------------------------------------------------------------------------- */

void fixture_fake(const char *how)
{
	if (how)
		setenv(FAKE_VARIABLE, how, 1);
	else
		unsetenv(FAKE_VARIABLE);
}

static void put(const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(STDIN_FILENO, at, size);

		if (n < 0)
			_exit(99);
		at += n;
		size -= (size_t)n;
	}
}

static void get(void *data, size_t size)
{
	char *at = data;

	while (size > 0) {
		ssize_t n = read(STDIN_FILENO, at, size);

		if (n <= 0)
			_exit(98);
		at += n;
		size -= (size_t)n;
	}
}

static void get_frame(struct rmt_frame *frame, unsigned char *payload)
{
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	get(header, sizeof(header));
	if (rmt_frame_decode(header, frame) < 0)
		_exit(97);
	get(payload, frame->length);
}

/* Reads the welcome and answers it, as a context of the program `identity` does. */
static void say_hello(uint64_t identity)
{
	static unsigned char payload[RMT_FRAME_PAYLOAD_MAX];
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_hello hello = {.program = identity, .pid = (uint32_t)getpid()};
	unsigned char header[RMT_FRAME_HEADER_SIZE];
	struct rmt_frame frame, answer = {.handle = RMT_HANDLE_CONTROL};

	get_frame(&frame, payload);
	hello.machine = hello.host = (struct rmt_text){"fake", 4};
	rmt_hello_encode(&hello, &out);
	answer.length = answer.total = (uint32_t)out.size;
	answer.destination = frame.source;
	answer.source = answer.authority = frame.destination;
	rmt_frame_encode(&answer, header);
	put(header, sizeof(header));
	put(out.data, out.size);
	rmt_buffer_done(&out);
}

/* The parent's program has the identity that it says in the welcome; ours is the same file, so it is computed. */
static uint64_t own_identity(void)
{
	const char *twice;

	rmt_functions_set(ramet__functions_begin, ramet__functions_end, &twice);
	return rmt_program_identity();
}

static _Noreturn void wait_for_end(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	_exit(0);
}

static void put_broken(const char *what)
{
	struct rmt_frame frame = {.handle = RMT_HANDLE_CONTROL, .length = 100, .total = 100};
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	rmt_frame_encode(&frame, header);
	if (strcmp(what, "garbage") == 0) {
		put("Last login: Tue from \x01host\nWelcome to example.org", 45);
		return;
	}
	if (strcmp(what, "version") == 0) {
		header[2] = 9;
		put(header, sizeof(header));
		return;
	}
	put(header, sizeof(header));
	put("the beginning of a frame", 24);
	_exit(0);
}

static _Noreturn void fake(const char *how)
{
	static unsigned char payload[RMT_FRAME_PAYLOAD_MAX];
	struct rmt_frame frame;
	sigset_t all;

	if (strncmp(how, "exit:", 5) == 0)
		_exit(atoi(how + 5));
	if (strncmp(how, "kill:", 5) == 0) {
		raise(atoi(how + 5));
		_exit(96);
	}
	if (strncmp(how, "text:", 5) == 0) {
		dprintf(STDERR_FILENO, "one line\n%s\nno newline", how + 5);
		_exit(4);
	}
	if (strcmp(how, "hang") == 0) {
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		for (;;)
			pause();
	}
	if (strcmp(how, "program") == 0) {
		say_hello(own_identity() + 1);
		wait_for_end();
	}
	if (strncmp(how, "hello-", 6) == 0) {
		say_hello(own_identity());
		get_frame(&frame, payload); /* the first call */
		how += 6;
	}
	put_broken(how);
	wait_for_end();
}

void fixture_child(int argc, char **argv)
{
	const char *how = getenv(FAKE_VARIABLE);

	if (argc == 2 && strcmp(argv[1], RMT_CHILD_ARGUMENT) == 0 && how)
		fake(how);
}

/* --- conveniences ------------------------------------------------------------------------------------ */

ramet_router *fixture_router(enum ramet_poller poller, int shutdown_timeout)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.poller = poller;
	options.shutdown_timeout = shutdown_timeout;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

ramet_context *fixture_connect(ramet_router *router, const char *path)
{
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_connect(router, path, &context, &error) < 0)
		fail_msg("%s: %s", path, error.message);
	assert_null(error.message);
	return context;
}

void fixture_check_error(ramet_error *error, int code, ...)
{
	const char *text;
	va_list texts;

	if (error->code != code)
		fail_msg("code %d instead of %d: %s", error->code, code, error->message);
	assert_non_null(error->message);
	assert_non_null(error->where);
	va_start(texts, code);
	while ((text = va_arg(texts, const char *)))
		if (!strstr(error->message, text))
			fail_msg("no '%s' in: %s", text, error->message);
	va_end(texts);
	ramet_error_clear(error);
}

int fixture_pidfd(int pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		fail_msg("pidfd_open %d: %s", pid, strerror(errno));
	return fd;
}

void fixture_wait_end(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	int n;

	do
		n = poll(&poll_fd, 1, SOON);
	while (n < 0 && errno == EINTR);
	close(pidfd);
	assert_int_equal(n, 1);
}

/* The state of proc(5) in a stat file; 0: there is no such file any more. */
static char read_state(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[512] = "", *at;

	if (!file)
		return 0;
	at = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	return at ? at[2] : 0;
}

void fixture_wait_state(int pid, char state)
{
	int64_t until = fixture_now() + SOON;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (read_state(path) != state) {
		assert_true(fixture_now() < until);
		sched_yield();
	}
}

static int others_sleep(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	char path[64];
	int sleep = 1;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", entry->d_name);
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != gettid() &&
		    read_state(path) != 'S')
			sleep = 0;
	}
	if (dir)
		closedir(dir);
	return sleep;
}

void fixture_wait_threads_sleep(void)
{
	int64_t until = fixture_now() + SOON;

	while (!others_sleep()) {
		assert_true(fixture_now() < until);
		sched_yield();
	}
}

void fixture_wait_threads(void)
{
	assert_true(threads_are_gone());
}
