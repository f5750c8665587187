/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes by fork, and channels to them. In the copies nothing is asserted: they send what they see. */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "parallel/channel.h"

#define LARGE (50u << 20)

static ramet_channel *start(ramet_channel_function *function, void *data)
{
	ramet_channel *channel = NULL;

	assert_int_equal(ramet_start(function, data, &channel), 0);
	return channel;
}

static int64_t receive_i64(ramet_channel *channel)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t number;

	if (ramet_channel_receive(channel, SOON, &value, &error) != 1)
		fail_msg("%s", error.message ? error.message : "the end");
	assert_int_equal(ramet_value_kind(value), RAMET_KIND_I64);
	number = ramet_value_i64(value);
	ramet_value_unref(value);
	return number;
}

static void receive_error(ramet_channel *channel, int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), code);
	fixture_check_error(&error, code, text, NULL);
}

static void receive_end(ramet_channel *channel)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), 0);
}

/* --- values ------------------------------------------------------------------------------- */

static void send_all_kinds(ramet_channel *channel, void *data)
{
	ramet_value *items[2] = {ramet_value_new_str("one"), ramet_value_new_none()};
	ramet_value *array = ramet_value_new_array(items, 2);

	(void)data;
	ramet_channel_send_boolean(channel, true);
	ramet_channel_send_i64(channel, INT64_MIN);
	ramet_channel_send_f64(channel, 0.5);
	ramet_channel_send_str(channel, "text");
	ramet_channel_send_bytes(channel, (ramet_bytes){"\0b", 2});
	ramet_channel_send_bytes(channel, (ramet_bytes){NULL, 0});
	ramet_channel_send_value(channel, array);
	ramet_value_unref(array);
	ramet_value_unref(items[0]);
	ramet_value_unref(items[1]);
}

static void test_values_of_all_kinds_arrive_in_order(void **state)
{
	ramet_channel *channel = start(send_all_kinds, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *values[7];

	(void)state;
	assert_true(ramet_channel_pid(channel) > 0);
	for (int i = 0; i < 7; i++)
		assert_int_equal(ramet_channel_receive(channel, SOON, &values[i], &error), 1);
	assert_true(ramet_value_boolean(values[0]));
	assert_true(ramet_value_i64(values[1]) == INT64_MIN);
	assert_true(ramet_value_f64(values[2]) == 0.5);
	assert_string_equal(ramet_value_str(values[3]), "text");
	assert_memory_equal(ramet_value_bytes(values[4]).data, "\0b", 2);
	assert_int_equal(ramet_value_kind(values[5]), RAMET_KIND_BYTES);
	assert_int_equal(ramet_value_bytes(values[5]).size, 0);
	assert_int_equal(ramet_value_count(values[6]), 2);
	assert_string_equal(ramet_value_str(ramet_value_item(values[6], 0)), "one");
	for (int i = 0; i < 7; i++)
		ramet_value_unref(values[i]);
	receive_end(channel);
	receive_end(channel);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void echo(ramet_channel *channel, void *data)
{
	ramet_value *value;

	(void)data;
	while (ramet_channel_receive(channel, -1, &value, NULL) == 1) {
		ramet_channel_send_value(channel, value);
		ramet_value_unref(value);
	}
}

static void test_sizes_around_each_limit_come_back_as_they_were(void **state)
{
	static const size_t sizes[] = {
		0,     1,     4095,  4096,          16383,   16384,         16385,  65519,
		65520, 65536, 65537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20};
	ramet_channel *channel = start(echo, NULL);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned char *bytes = malloc(sizes[i] + 1);
		ramet_value *value = NULL;

		for (size_t j = 0; j < sizes[i]; j++)
			bytes[j] = (unsigned char)(j * 7 + i);
		assert_int_equal(ramet_channel_send_bytes(channel, (ramet_bytes){bytes, sizes[i]}),
				 0);
		assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), 1);
		assert_int_equal(ramet_value_bytes(value).size, sizes[i]);
		if (sizes[i] > 0)
			assert_memory_equal(ramet_value_bytes(value).data, bytes, sizes[i]);
		ramet_value_unref(value);
		free(bytes);
	}
	assert_int_equal(ramet_channel_close(channel), 0);
}

static const size_t shrinking[] = {1900000, 1700000, 1200000, 1100000, 100000, 3};

static void send_shrinking(ramet_channel *channel, void *data)
{
	char *block = calloc(1, shrinking[0]);

	(void)data;
	for (int round = 0; round < 4; round++)
		for (size_t i = 0; i < sizeof(shrinking) / sizeof(shrinking[0]); i++)
			ramet_channel_send_bytes(channel, (ramet_bytes){block, shrinking[i]});
	free(block);
}

/* The memory of a large value is used again for smaller ones, with others right behind them. */
static void test_smaller_values_follow_larger_ones(void **state)
{
	ramet_channel *channel = start(send_shrinking, NULL);
	ramet_value *value;

	(void)state;
	for (int round = 0; round < 4; round++)
		for (size_t i = 0; i < sizeof(shrinking) / sizeof(shrinking[0]); i++) {
			assert_int_equal(ramet_channel_receive(channel, 20000, &value, NULL), 1);
			assert_int_equal(ramet_value_bytes(value).size, shrinking[i]);
			ramet_value_unref(value);
		}
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void send_large(ramet_channel *channel, void *data)
{
	size_t size = *(size_t *)data;
	char *bytes = malloc(size);
	ramet_value *value = NULL;

	memset(bytes, 'c', size);
	ramet_channel_send_bytes(channel, (ramet_bytes){bytes, size});
	free(bytes);
	if (ramet_channel_receive(channel, -1, &value, NULL) == 1)
		ramet_channel_send_i64(channel, (int64_t)ramet_value_bytes(value).size);
	ramet_value_unref(value);
}

static void test_both_sides_send_50_megabytes_at_once(void **state)
{
	size_t size = LARGE;
	ramet_channel *channel = start(send_large, &size);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	char *bytes = malloc(size);

	(void)state;
	memset(bytes, 'p', size);
	assert_int_equal(ramet_channel_send_bytes(channel, (ramet_bytes){bytes, size}), 0);
	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), 1);
	assert_int_equal(ramet_value_bytes(value).size, size);
	memset(bytes, 'c', size);
	assert_memory_equal(ramet_value_bytes(value).data, bytes, size);
	ramet_value_unref(value);
	free(bytes);
	assert_int_equal(receive_i64(channel), LARGE);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void acknowledged_both_ways(ramet_channel *channel, void *data)
{
	ramet_value *value;
	int64_t sum = 0;

	(void)data;
	ramet_channel_set_acknowledged(channel, true);
	for (int i = 0; i < 100; i++)
		if (ramet_channel_send_i64(channel, i) < 0)
			_exit(9);
	for (int i = 0; i < 100 && ramet_channel_receive(channel, -1, &value, NULL) == 1; i++) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	ramet_channel_send_i64(channel, sum);
}

static void test_both_sides_wait_for_confirmation_at_once(void **state)
{
	ramet_channel *channel = start(acknowledged_both_ways, NULL);

	(void)state;
	ramet_channel_set_acknowledged(channel, true);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ramet_channel_send_i64(channel, i), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(receive_i64(channel), i);
	assert_int_equal(receive_i64(channel), 4950);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void confirmed_then_killed(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_set_acknowledged(channel, true);
	ramet_channel_send_i64(channel, 1);
	raise(SIGKILL);
}

static void test_a_confirmed_value_is_not_lost_when_its_sender_dies(void **state)
{
	ramet_channel *channel = start(confirmed_then_killed, NULL);

	(void)state;
	assert_int_equal(receive_i64(channel), 1);
	receive_error(channel, -ECONNRESET, "was killed by SIGKILL");
	assert_true(WIFSIGNALED(ramet_channel_close(channel)));
}

static void test_without_a_receiver_confirmation_times_out(void **state)
{
	ramet_channel *channel = NULL;
	int pid = ramet_create(&channel);

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	ramet_channel_set_acknowledged(channel, true);
	ramet_channel_set_timeout(channel, 20);
	assert_int_equal(ramet_channel_send_i64(channel, 1), -ETIMEDOUT);
	assert_int_equal(ramet_channel_kill(channel, SIGKILL), 0);
	assert_int_equal(WTERMSIG(ramet_channel_close(channel)), SIGKILL);
}

/* --- the end ------------------------------------------------------------------------------ */

static void exit_with(ramet_channel *channel, void *data)
{
	ramet_channel_send_i64(channel, 5);
	_exit(*(int *)data);
}

static void test_an_exit_status_is_reported_after_what_was_sent(void **state)
{
	int three = 3, zero = 0, status = 0;
	ramet_channel *channel = start(exit_with, &three);

	(void)state;
	assert_int_equal(receive_i64(channel), 5);
	receive_error(channel, -ECONNRESET, "ended with status 3");
	assert_int_equal(ramet_channel_wait(channel, SOON, &status), 0);
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_int_equal(WEXITSTATUS(ramet_channel_close(channel)), 3);

	channel = start(exit_with, &zero);
	assert_int_equal(receive_i64(channel), 5);
	receive_end(channel);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void fail_and_go_on(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_fail(channel, ENOENT, "no such %s", "thing");
	ramet_channel_send_i64(channel, 1);
}

static void test_a_failure_arrives_and_the_channel_goes_on(void **state)
{
	ramet_channel *channel = start(fail_and_go_on, NULL);

	(void)state;
	receive_error(channel, -ENOENT, "no such thing");
	assert_int_equal(receive_i64(channel), 1);
	receive_end(channel);
	assert_int_equal(WEXITSTATUS(ramet_channel_close(channel)), 1);
}

static void killed_in_a_frame(ramet_channel *channel, void *data)
{
	struct rmt_channel_head head = {RMT_CHANNEL_MAGIC, RMT_CHANNEL_VALUE, RMT_CHANNEL_RAW, 0,
					*(uint64_t *)data};

	ramet_channel_send_i64(channel, 1);
	if (write(ramet_channel_fd(channel), &head, sizeof(head)) != sizeof(head))
		_exit(8);
	raise(SIGKILL);
}

static void test_a_process_killed_in_a_frame_is_lost_whatever_it_had_announced(void **state)
{
	uint64_t sizes[] = {100, 1 << 20, (uint64_t)1 << 62};

	(void)state;
	for (int i = 0; i < 3; i++) {
		ramet_channel *channel = start(killed_in_a_frame, &sizes[i]);

		assert_int_equal(receive_i64(channel), 1);
		receive_error(channel, -ECONNRESET, "was killed by SIGKILL, in the middle");
		ramet_channel_close(channel);
	}
}

static void write_garbage(ramet_channel *channel, void *data)
{
	if (write(ramet_channel_fd(channel), data, 32) != 32)
		_exit(8);
	/* Until nobody listens any more. */
	poll(&(struct pollfd){.fd = ramet_channel_fd(channel), .events = POLLIN}, 1, SOON);
	_exit(0);
}

static void test_garbage_is_refused(void **state)
{
	struct rmt_channel_head heads[][2] = {
		{{0x4141, 0x41, 0x41, 0, 16}},
		{{RMT_CHANNEL_MAGIC, 9, 0, 0, 0}},
		{{RMT_CHANNEL_MAGIC, RMT_CHANNEL_VALUE, 0x80, 0, 1}},
		{{RMT_CHANNEL_MAGIC, RMT_CHANNEL_VALUE, 0, 0, 0}},
		{{RMT_CHANNEL_MAGIC, RMT_CHANNEL_FAILURE, 0, 0, 1}},
		{{RMT_CHANNEL_MAGIC, RMT_CHANNEL_FAILURE, 0, 0, 16}},
		{{RMT_CHANNEL_MAGIC, RMT_CHANNEL_ACK, 0, 0, 4}},
		{{RMT_CHANNEL_MAGIC, RMT_CHANNEL_VALUE, 0, 0, 16}, {0xffff, 0xff, 0xff, ~0u, 0}},
		/* A tag for a sender, which belongs to a router. */
		{{RMT_CHANNEL_MAGIC, RMT_CHANNEL_VALUE, 0, 0, 16}, {0xc6c6, 0x82, 0x01, 1, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		ramet_channel *channel = start(write_garbage, heads[i]);

		receive_error(channel, -EBADMSG, "");
		assert_int_equal(ramet_channel_send_i64(channel, 1), -EPIPE);
		ramet_channel_close(channel);
	}
}

static void let_go(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_send_i64(channel, 1);
	close(ramet_channel_fd(channel));
	pause();
}

static void test_a_process_that_lets_go_of_its_channel_blocks_nobody(void **state)
{
	ramet_channel *channel = start(let_go, NULL);

	(void)state;
	assert_int_equal(receive_i64(channel), 1);
	receive_error(channel, -ECONNRESET, "goes on");
	assert_int_equal(ramet_channel_send_i64(channel, 1), -EPIPE);
	assert_int_equal(ramet_channel_kill(channel, SIGKILL), 0);
	ramet_channel_close(channel);
}

static void leave_a_heir(ramet_channel *channel, void *data)
{
	(void)channel;
	if (fork() == 0) {
		char byte;

		/* Holds the channel until the test ends this. */
		if (read(*(int *)data, &byte, 1) <= 0)
			_exit(0);
	}
	_exit(4);
}

static void test_the_end_is_seen_while_another_process_holds_the_channel(void **state)
{
	int held[2];
	ramet_channel *channel;

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	channel = start(leave_a_heir, &held[0]);
	receive_error(channel, -ECONNRESET, "ended with status 4");
	assert_int_equal(ramet_channel_send_i64(channel, 1), -EPIPE);
	ramet_channel_close(channel);
	close(held[0]);
	assert_int_equal(write(held[1], "x", 1), 1);
	close(held[1]);
	assert_true(fixture_wait_orphans());
}

static void test_sending_to_one_that_has_ended_fails_without_a_signal(void **state)
{
	int zero = 0;
	ramet_channel *channel = start(exit_with, &zero);

	(void)state;
	assert_int_equal(ramet_channel_wait(channel, SOON, NULL), 0);
	assert_int_equal(ramet_channel_send_i64(channel, 1), -EPIPE);
	assert_int_equal(ramet_channel_kill(channel, SIGTERM), -ESRCH);
	/* What it had sent is there still. */
	assert_int_equal(receive_i64(channel), 5);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void send_for_ever(ramet_channel *channel, void *data)
{
	static char block[100000];

	(void)data;
	while (ramet_channel_send_bytes(channel, (ramet_bytes){block, sizeof(block)}) == 0)
		;
}

static void test_close_ends_a_process_that_only_sends(void **state)
{
	ramet_channel *channel = start(send_for_ever, NULL);

	(void)state;
	assert_int_equal(ramet_channel_close(channel), 0);
}

/* --- time-outs ---------------------------------------------------------------------------- */

static void test_a_stopped_process_makes_sends_time_out(void **state)
{
	ramet_channel *channel = start(echo, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	size_t size = 4 << 20;
	char *bytes = calloc(1, size);
	ramet_value *value;
	int r;

	(void)state;
	assert_int_equal(ramet_channel_kill(channel, SIGSTOP), 0);
	fixture_wait_state(ramet_channel_pid(channel), 'T');
	assert_int_equal(ramet_channel_receive(channel, 10, &value, &error), -ETIMEDOUT);
	ramet_error_clear(&error);
	ramet_channel_set_timeout(channel, 20);
	/* Small ones that found no room are taken back whole, so the channel can be used again. */
	while ((r = ramet_channel_send_bytes(channel, (ramet_bytes){bytes, 1000})) == 0)
		;
	assert_int_equal(r, -ETIMEDOUT);
	/* Of a large one a part would be sent: that ends it. */
	assert_int_equal(ramet_channel_kill(channel, SIGCONT), 0);
	assert_int_equal(ramet_channel_receive(channel, SOON, &value, &error), 1);
	assert_int_equal(ramet_value_bytes(value).size, 1000);
	ramet_value_unref(value);
	assert_int_equal(ramet_channel_kill(channel, SIGKILL), 0);
	free(bytes);
	ramet_channel_close(channel);
}

static void test_a_time_out_in_the_middle_ends_sending(void **state)
{
	ramet_channel *channel = start(echo, NULL);
	size_t size = 4 << 20;
	char *bytes = calloc(1, size);

	(void)state;
	assert_int_equal(ramet_channel_kill(channel, SIGSTOP), 0);
	fixture_wait_state(ramet_channel_pid(channel), 'T');
	ramet_channel_set_timeout(channel, 20);
	assert_int_equal(ramet_channel_send_bytes(channel, (ramet_bytes){bytes, size}), -ETIMEDOUT);
	assert_int_equal(ramet_channel_send_i64(channel, 1), -EPIPE);
	assert_int_equal(ramet_channel_kill(channel, SIGKILL), 0);
	free(bytes);
	ramet_channel_close(channel);
}

static void on_signal(int signal)
{
	(void)signal;
}

static void interrupt_parent(ramet_channel *channel, void *data)
{
	(void)data;
	for (int i = 0; i < 50; i++) {
		kill(getppid(), SIGUSR1);
		ramet_channel_send_i64(channel, i);
	}
}

static void test_signals_do_not_disturb(void **state)
{
	struct sigaction action = {.sa_handler = on_signal}, before;
	ramet_channel *channel;

	(void)state;
	sigaction(SIGUSR1, &action, &before);
	channel = start(interrupt_parent, NULL);
	for (int i = 0; i < 50; i++)
		assert_int_equal(receive_i64(channel), i);
	assert_int_equal(ramet_channel_close(channel), 0);
	sigaction(SIGUSR1, &before, NULL);
}

/* --- the copy ----------------------------------------------------------------------------- */

static void look_around(ramet_channel *channel, void *data)
{
	ramet_channel *sibling = data;
	ramet_value *value;

	ramet_channel_send_i64(channel, ramet_channel_receive(sibling, -1, &value, NULL));
	ramet_channel_send_i64(channel, ramet_channel_send_i64(sibling, 1));
	ramet_channel_send_i64(channel, ramet_channel_close(sibling));
}

static void test_a_copy_has_no_part_in_the_channels_of_its_siblings(void **state)
{
	ramet_channel *first = start(echo, NULL), *second;
	int pidfd = fixture_pidfd(ramet_channel_pid(first));

	(void)state;
	second = start(look_around, first);
	assert_int_equal(receive_i64(second), -EBADF);
	assert_int_equal(receive_i64(second), -EPIPE);
	assert_int_equal(receive_i64(second), 0);
	receive_end(second);
	/* The first one ends although the second one's process may be there still. */
	assert_int_equal(ramet_channel_close(first), 0);
	fixture_wait_end(pidfd);
	assert_int_equal(ramet_channel_close(second), 0);
}

static void count_descriptors(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_send_i64(channel, fixture_count_fds());
}

static void test_a_copy_has_one_descriptor_more_however_many_channels_there_are(void **state)
{
	ramet_channel *channels[20], *last;
	unsigned before = fixture_count_fds();

	(void)state;
	for (int i = 0; i < 20; i++)
		channels[i] = start(echo, NULL);
	last = start(count_descriptors, NULL);
	assert_int_equal(receive_i64(last), before + 1);
	assert_int_equal(ramet_channel_close(last), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ramet_channel_close(channels[i]), 0);
}

static void test_what_was_printed_before_is_printed_once(void **state)
{
	char file[] = "/tmp/ramet-fork-XXXXXX", text[64] = "";
	int saved = dup(STDOUT_FILENO), fd = mkstemp(file), zero = 0;
	ramet_channel *channel;

	(void)state;
	assert_true(fd >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	fputs("once", stdout); /* no end of line, so that it stays in the buffer */
	channel = start(exit_with, &zero);
	ramet_channel_close(channel);
	channel = start(echo, NULL);
	ramet_channel_close(channel);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 4);
	assert_string_equal(text, "once");
	close(fd);
	unlink(file);
}

static void *wait_for_byte(void *data)
{
	char byte;

	return read(*(int *)data, &byte, 1) == 1 ? data : NULL;
}

static void test_a_program_with_threads_is_refused_unless_it_insists(void **state)
{
	ramet_channel *channel = NULL;
	unsigned before;
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_byte, fds), 0);
	before = fixture_count_fds();
	assert_int_equal(ramet_start(echo, NULL, &channel), -EBUSY);
	assert_int_equal(ramet_create(&channel), -EBUSY);
	assert_null(channel);
	assert_int_equal(fixture_count_fds(), before);
	ramet_fork_with_threads(true);
	channel = start(echo, NULL);
	assert_int_equal(ramet_channel_close(channel), 0);
	ramet_fork_with_threads(false);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	channel = start(echo, NULL);
	assert_int_equal(ramet_channel_close(channel), 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_threads_of_the_library_are_no_obstacle(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_POLL, 0);
	ramet_channel *channel;

	(void)state;
	for (int i = 0; i < 50; i++) {
		channel = start(count_descriptors, NULL);
		receive_i64(channel);
		assert_int_equal(ramet_channel_close(channel), 0);
	}
	ramet_router_unref(router);
	channel = start(echo, NULL);
	assert_int_equal(ramet_channel_close(channel), 0);
}

/* --- what is missing ---------------------------------------------------------------------- */

static void test_without_descriptors_nothing_is_begun(void **state)
{
	struct rlimit before, none;
	ramet_channel *channel = NULL;
	int lowest = dup(0);

	(void)state;
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &before);
	/* One is left, and a socketpair has two; with two there is none for the pidfd. */
	none = (struct rlimit){(rlim_t)lowest + 1, before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(ramet_start(echo, NULL, &channel), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_null(channel);
}

static void start_beyond_limit(ramet_channel *channel, void *data)
{
	struct rlimit none = {0, 0};
	ramet_channel *more = NULL;

	(void)data;
	/* Root is not limited: getrlimit(2), RLIMIT_NPROC. */
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		_exit(7);
	setrlimit(RLIMIT_NPROC, &none);
	ramet_channel_send_i64(channel, ramet_start(echo, NULL, &more));
}

static void test_without_processes_the_reason_is_reported(void **state)
{
	ramet_channel *channel = start(start_beyond_limit, NULL);

	(void)state;
	assert_int_equal(receive_i64(channel), -EAGAIN);
	assert_int_equal(ramet_channel_close(channel), 0);
}

static void test_ignored_children_leave_no_status(void **state)
{
	int three = 3;
	ramet_channel *channel;
	void (*before)(int) = signal(SIGCHLD, SIG_IGN);

	(void)state;
	channel = start(exit_with, &three);
	assert_int_equal(receive_i64(channel), 5);
	assert_int_equal(ramet_channel_wait(channel, SOON, NULL), -ECHILD);
	assert_int_equal(ramet_channel_close(channel), -ECHILD);
	signal(SIGCHLD, before);
}

static void test_wrong_arguments_are_refused(void **state)
{
	ramet_channel *channel = start(echo, NULL);

	(void)state;
	assert_int_equal(ramet_channel_send_value(channel, NULL), -EINVAL);
	assert_int_equal(ramet_channel_send_str(channel, NULL), -EINVAL);
	assert_int_equal(ramet_channel_fail(channel, 0, "nothing"), -EINVAL);
	assert_int_equal(ramet_start(NULL, NULL, &channel), -EINVAL);
	assert_int_equal(ramet_channel_close(channel), 0);
	assert_int_equal(ramet_channel_close(NULL), 0);
	assert_true(ramet_cores() >= 1);
}

/* --- many --------------------------------------------------------------------------------- */

static void send_nothing(ramet_channel *channel, void *data)
{
	(void)channel;
	(void)data;
}

static void test_all_are_waited_for(void **state)
{
	ramet_channel *channels[10];

	(void)state;
	for (int i = 0; i < 10; i++)
		channels[i] = start(i < 9 ? send_nothing : echo, NULL);
	assert_int_equal(ramet_wait_all(50), -ETIMEDOUT);
	assert_int_equal(ramet_channel_kill(channels[9], SIGTERM), 0);
	assert_int_equal(ramet_wait_all(SOON), 0);
	for (int i = 0; i < 9; i++)
		assert_int_equal(ramet_channel_close(channels[i]), 0);
	assert_int_equal(WTERMSIG(ramet_channel_close(channels[9])), SIGTERM);
	assert_int_equal(ramet_wait_all(0), 0);
}

static void send_many(ramet_channel *channel, void *data)
{
	rmt_channel_cork(channel, *(bool *)data);
	for (int i = 0; i < 20000; i++)
		ramet_channel_send_i64(channel, i);
}

static void test_what_is_gathered_arrives_and_pending_tells_of_it(void **state)
{
	bool corked[] = {false, true};

	(void)state;
	for (int i = 0; i < 2; i++) {
		ramet_channel *channel = start(send_many, &corked[i]);

		for (int j = 0; j < 20000; j++) {
			struct pollfd fd = {.fd = ramet_channel_fd(channel), .events = POLLIN};

			if (!ramet_channel_pending(channel))
				assert_int_equal(poll(&fd, 1, SOON), 1);
			assert_int_equal(receive_i64(channel), j);
		}
		receive_end(channel);
		assert_int_equal(ramet_channel_close(channel), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_values_of_all_kinds_arrive_in_order),
		FIXTURE_TEST(test_sizes_around_each_limit_come_back_as_they_were),
		FIXTURE_TEST(test_smaller_values_follow_larger_ones),
		FIXTURE_TEST(test_both_sides_send_50_megabytes_at_once),
		FIXTURE_TEST(test_both_sides_wait_for_confirmation_at_once),
		FIXTURE_TEST(test_a_confirmed_value_is_not_lost_when_its_sender_dies),
		FIXTURE_TEST(test_without_a_receiver_confirmation_times_out),
		FIXTURE_TEST(test_an_exit_status_is_reported_after_what_was_sent),
		FIXTURE_TEST(test_a_failure_arrives_and_the_channel_goes_on),
		FIXTURE_TEST(test_a_process_killed_in_a_frame_is_lost_whatever_it_had_announced),
		FIXTURE_TEST(test_garbage_is_refused),
		FIXTURE_TEST(test_a_process_that_lets_go_of_its_channel_blocks_nobody),
		FIXTURE_TEST(test_the_end_is_seen_while_another_process_holds_the_channel),
		FIXTURE_TEST(test_sending_to_one_that_has_ended_fails_without_a_signal),
		FIXTURE_TEST(test_close_ends_a_process_that_only_sends),
		FIXTURE_TEST(test_a_stopped_process_makes_sends_time_out),
		FIXTURE_TEST(test_a_time_out_in_the_middle_ends_sending),
		FIXTURE_TEST(test_signals_do_not_disturb),
		FIXTURE_TEST(test_a_copy_has_no_part_in_the_channels_of_its_siblings),
		FIXTURE_TEST(test_a_copy_has_one_descriptor_more_however_many_channels_there_are),
		FIXTURE_TEST(test_what_was_printed_before_is_printed_once),
		FIXTURE_TEST(test_a_program_with_threads_is_refused_unless_it_insists),
		FIXTURE_TEST(test_threads_of_the_library_are_no_obstacle),
		FIXTURE_TEST(test_without_descriptors_nothing_is_begun),
		FIXTURE_TEST(test_without_processes_the_reason_is_reported),
		FIXTURE_TEST(test_ignored_children_leave_no_status),
		FIXTURE_TEST(test_wrong_arguments_are_refused),
		FIXTURE_TEST(test_all_are_waited_for),
		FIXTURE_TEST(test_what_is_gathered_arrives_and_pending_tells_of_it),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
