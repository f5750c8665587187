/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes in the background, and channels that listen. */
#include "fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char directory[] = "/tmp/ramet-background-XXXXXX";
static char address[64], lock[80];

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/ramet-background-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(address, sizeof(address), "%s/socket", directory);
	snprintf(lock, sizeof(lock), "%s.lock", address);
	return fixture_begin(state);
}

/* Nothing is left in it, or it cannot be removed. */
static int tear_down(void **state)
{
	if (rmdir(directory) < 0)
		return -1;
	return fixture_end(state);
}

static int start(ramet_channel_function *function, int wait, const char *output)
{
	ramet_background_options options = RAMET_BACKGROUND_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	int pid = 0;

	options.wait = wait;
	options.output = output;
	if (ramet_start_background(address, function, NULL, &options, &pid, &error) < 0)
		fail_msg("%s", error.message);
	assert_true(pid > 0);
	fixture_allow_orphans();
	return pid;
}

static ramet_channel *connect_it(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel = NULL;

	if (ramet_channel_connect(address, SOON, &channel, &error) < 0)
		fail_msg("%s", error.message);
	return channel;
}

static int64_t receive_i64(ramet_channel *channel)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t number;

	if (ramet_channel_receive(channel, SOON, &value, &error) != 1)
		fail_msg("%s", error.message ? error.message : "the end");
	number = ramet_value_i64(value);
	ramet_value_unref(value);
	return number;
}

static void wait_for(int pidfd)
{
	fixture_wait_end(pidfd);
	assert_true(fixture_wait_orphans());
}

static void three_numbers(ramet_channel *channel, void *data)
{
	(void)data;
	for (int i = 1; i <= 3; i++)
		if (ramet_channel_send_i64(channel, i) < 0)
			ramet_channel_fail(channel, EIO, "not sent");
}

static void test_each_value_waits_for_somebody_who_takes_it(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int pid = start(three_numbers, 0, NULL), pidfd = fixture_pidfd(pid);
	ramet_channel *channel = connect_it();

	(void)state;
	assert_int_equal(ramet_channel_pid(channel), pid);
	assert_int_equal(receive_i64(channel), 1);
	assert_int_equal(ramet_channel_close(channel), 0);
	/* Connected, and gone without taking anything. */
	channel = connect_it();
	assert_int_equal(ramet_channel_close(channel), 0);
	channel = connect_it();
	assert_int_equal(receive_i64(channel), 2);
	assert_int_equal(receive_i64(channel), 3);
	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), 0);
	assert_int_equal(ramet_channel_close(channel), 0);
	wait_for(pidfd);
	assert_int_equal(ramet_channel_connect(address, 0, &channel, &error), -ENOENT);
	fixture_check_error(&error, -ENOENT, address, NULL);
}

static void describe(ramet_channel *channel, void *data)
{
	char path[PATH_MAX] = "", title[256] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

	(void)data;
	ramet_channel_send_str(channel, getcwd(path, sizeof(path)) ? path : "?");
	ramet_channel_send_i64(channel,
			       getsid(0) != getpid() && getsid(0) != 0 && getpgrp() != getpid());
	if (fd < 0 || read(fd, title, sizeof(title) - 1) < 0)
		_exit(1);
	close(fd);
	ramet_channel_send_str(channel, title);
	puts("said");
}

static void test_it_has_a_place_and_a_title_of_its_own(void **state)
{
	char output[96], said[16] = "", *text;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	ramet_channel *channel;
	int pidfd, fd;

	(void)state;
	snprintf(output, sizeof(output), "%s/output", directory);
	pidfd = fixture_pidfd(start(describe, 0, output));
	channel = connect_it();
	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), 1);
	assert_string_equal(ramet_value_str(value), "/");
	ramet_value_unref(value);
	assert_int_equal(receive_i64(channel), 1);
	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), 1);
	text = (char *)ramet_value_str(value);
	/* As far as there is room: all of it, where arguments may be moved. */
	assert_true(strncmp(text, "ramet-background ", strlen(text) < 17 ? strlen(text) : 17) == 0);
	ramet_value_unref(value);
	ramet_channel_close(channel);
	wait_for(pidfd);
	fd = open(output, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, said, sizeof(said)), 5);
	assert_string_equal(said, "said\n");
	close(fd);
	unlink(output);
}

static void test_an_address_in_use_is_refused(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel = NULL;
	int pidfd;

	(void)state;
	pidfd = fixture_pidfd(start(three_numbers, 0, NULL));
	assert_int_equal(ramet_start_background(address, three_numbers, NULL, NULL, NULL, &error),
			 -EADDRINUSE);
	fixture_check_error(&error, -EADDRINUSE, address, NULL);
	assert_int_equal(ramet_channel_listen(address, &channel, &error), -EADDRINUSE);
	ramet_error_clear(&error);
	channel = connect_it();
	for (int i = 1; i <= 3; i++)
		assert_int_equal(receive_i64(channel), i);
	ramet_channel_close(channel);
	wait_for(pidfd);
}

static void test_a_killed_one_leaves_a_socket_that_is_replaced(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel = NULL;
	int pid = start(three_numbers, 0, NULL), pidfd = fixture_pidfd(pid);

	(void)state;
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_for(pidfd);
	assert_int_equal(access(address, F_OK), 0);
	assert_int_equal(ramet_channel_connect(address, 0, &channel, &error), -ECONNREFUSED);
	ramet_error_clear(&error);
	assert_int_equal(ramet_channel_listen(address, &channel, &error), 0);
	assert_int_equal(ramet_channel_fd(channel), -1);
	ramet_channel_set_timeout(channel, 10);
	assert_int_equal(ramet_channel_send_i64(channel, 1), -ENOTCONN);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void test_a_signal_removes_the_socket(void **state)
{
	int pid = start(three_numbers, 0, NULL), pidfd = fixture_pidfd(pid);

	(void)state;
	assert_int_equal(kill(pid, SIGTERM), 0);
	wait_for(pidfd);
	assert_int_equal(access(address, F_OK), -1);
	assert_int_equal(access(lock, F_OK), -1);
}

static void test_it_gives_up_when_nobody_comes(void **state)
{
	int pidfd = fixture_pidfd(start(three_numbers, 10, NULL));

	(void)state;
	wait_for(pidfd);
}

static void test_a_second_one_waits_for_the_first(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *first, *second = NULL;
	int pidfd = fixture_pidfd(start(three_numbers, 0, NULL));

	(void)state;
	first = connect_it();
	assert_int_equal(ramet_channel_connect(address, 20, &second, &error), -ETIMEDOUT);
	ramet_error_clear(&error);
	assert_int_equal(receive_i64(first), 1);
	ramet_channel_close(first);
	second = connect_it();
	assert_int_equal(receive_i64(second), 2);
	assert_int_equal(receive_i64(second), 3);
	ramet_channel_close(second);
	wait_for(pidfd);
}

static void add(ramet_channel *channel, void *data)
{
	ramet_value *value;
	int64_t sum = 0;

	(void)data;
	while (ramet_channel_receive(channel, SOON, &value, NULL) == 1 &&
	       ramet_value_i64(value) != 0) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	ramet_value_unref(value);
	ramet_channel_send_i64(channel, sum);
}

static void test_it_receives_from_one_after_the_other(void **state)
{
	int pidfd = fixture_pidfd(start(add, 0, NULL));
	ramet_channel *channel;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		channel = connect_it();
		assert_int_equal(ramet_channel_send_i64(channel, i), 0);
		assert_int_equal(ramet_channel_close(channel), 0);
	}
	channel = connect_it();
	assert_int_equal(ramet_channel_send_i64(channel, 0), 0);
	assert_int_equal(receive_i64(channel), 6);
	assert_int_equal(ramet_channel_close(channel), 0);
	wait_for(pidfd);
}

static void test_an_open_directory_and_a_long_path_are_refused(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	char path[200];

	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(ramet_start_background(address, add, NULL, NULL, NULL, &error), -EPERM);
	ramet_error_clear(&error);
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ramet_start_background(path, add, NULL, NULL, NULL, &error),
			 -ENAMETOOLONG);
	ramet_error_clear(&error);
	assert_int_equal(ramet_start_background("..", add, NULL, NULL, NULL, &error), -EINVAL);
	ramet_error_clear(&error);
}

/* --- accidents ---------------------------------------------------------------------------- */

static void exit_at_once(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_send_i64(channel, 1);
	exit(3);
}

static void test_exit_removes_the_socket(void **state)
{
	int pidfd = fixture_pidfd(start(exit_at_once, 0, NULL));
	ramet_channel *channel = connect_it();

	(void)state;
	assert_int_equal(receive_i64(channel), 1);
	wait_for(pidfd);
	ramet_channel_close(channel);
	assert_int_equal(access(address, F_OK), -1);
	assert_int_equal(access(lock, F_OK), -1);
}

static void connect_and_send(ramet_channel *channel, void *data)
{
	ramet_channel *to = NULL;

	(void)data;
	if (ramet_channel_connect(address, SOON, &to, NULL) < 0 ||
	    ramet_channel_send_i64(to, 5) < 0)
		ramet_channel_fail(channel, EIO, "not sent");
	ramet_channel_close(to);
}

static void test_who_cannot_be_accepted_is_reported_and_waits(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel = NULL, *process;
	struct rlimit before, none;
	ramet_value *value;
	int lowest;

	(void)state;
	assert_int_equal(ramet_channel_listen(address, &channel, &error), 0);
	assert_int_equal(ramet_start(connect_and_send, NULL, &process), 0);
	lowest = dup(0);
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){(rlim_t)lowest, before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), -EMFILE);
	ramet_channel_set_timeout(channel, SOON);
	assert_int_equal(ramet_channel_send_i64(channel, 1), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
	fixture_check_error(&error, -EMFILE, "accepted", NULL);
	assert_int_equal(receive_i64(channel), 5);
	assert_int_equal(ramet_channel_close(process), 0);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static int gate[2]; /* a pipe */

/* It has accepted before it sends, so that the value does not come with the greeting. */
static void accept_and_wait(ramet_channel *channel, void *data)
{
	ramet_value *value;
	char byte;

	(void)data;
	close(gate[1]);
	while (ramet_channel_fd(channel) < 0)
		ramet_channel_receive(channel, 10, &value, NULL);
	ramet_channel_set_timeout(channel, 10);
	if (read(gate[0], &byte, 1) == 1)
		ramet_channel_send_i64(channel, 7);
	raise(SIGKILL);
}

static void test_an_exchange_sees_the_end_behind_the_last_value(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_exchange *exchange;
	ramet_value *value = NULL;
	ramet_channel *channel;
	int pidfd;

	(void)state;
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pidfd = fixture_pidfd(start(accept_and_wait, 0, NULL));
	channel = connect_it();
	assert_int_equal(write(gate[1], "x", 1), 1);
	wait_for(pidfd);
	assert_int_equal(ramet_exchange_new(2, NULL, NULL, &exchange), 0);
	assert_int_equal(ramet_exchange_add(exchange, channel, NULL), 0);
	assert_int_equal(ramet_exchange_next(exchange, SOON, NULL, &value, &error), 1);
	assert_int_equal(ramet_value_i64(value), 7);
	ramet_value_unref(value);
	assert_int_equal(ramet_exchange_next(exchange, SOON, NULL, &value, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "gone", NULL);
	ramet_exchange_unref(exchange);
	unlink(address);
	unlink(lock);
	close(gate[0]);
	close(gate[1]);
}

static void start_without_streams(ramet_channel *channel, void *data)
{
	(void)data;
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	ramet_channel_send_i64(
		channel, ramet_start_background(address, three_numbers, NULL, NULL, NULL, NULL));
}

static void test_it_is_started_by_a_program_without_standard_streams(void **state)
{
	ramet_channel *starter, *channel;
	int pidfd;

	(void)state;
	assert_int_equal(ramet_start(start_without_streams, NULL, &starter), 0);
	assert_int_equal(receive_i64(starter), 0);
	fixture_allow_orphans();
	assert_int_equal(ramet_channel_close(starter), 0);
	channel = connect_it();
	pidfd = fixture_pidfd(ramet_channel_pid(channel));
	for (int i = 1; i <= 3; i++)
		assert_int_equal(receive_i64(channel), i);
	assert_int_equal(ramet_channel_close(channel), 0);
	wait_for(pidfd);
}

#define BACKGROUND_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BACKGROUND_TEST(test_each_value_waits_for_somebody_who_takes_it),
		BACKGROUND_TEST(test_it_has_a_place_and_a_title_of_its_own),
		BACKGROUND_TEST(test_an_address_in_use_is_refused),
		BACKGROUND_TEST(test_a_killed_one_leaves_a_socket_that_is_replaced),
		BACKGROUND_TEST(test_a_signal_removes_the_socket),
		BACKGROUND_TEST(test_it_gives_up_when_nobody_comes),
		BACKGROUND_TEST(test_a_second_one_waits_for_the_first),
		BACKGROUND_TEST(test_it_receives_from_one_after_the_other),
		BACKGROUND_TEST(test_exit_removes_the_socket),
		BACKGROUND_TEST(test_who_cannot_be_accepted_is_reported_and_waits),
		BACKGROUND_TEST(test_an_exchange_sees_the_end_behind_the_last_value),
		BACKGROUND_TEST(test_it_is_started_by_a_program_without_standard_streams),
		BACKGROUND_TEST(test_an_open_directory_and_a_long_path_are_refused),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
