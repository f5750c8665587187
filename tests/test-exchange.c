/* SPDX-License-Identifier: BSD-3-Clause */
/* Exchanges. */
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "exchanges.h"

#define PROCESSES 20

/* --- what processes do -------------------------------------------------------------------- */

static void square_and_block(ramet_channel *channel, void *data)
{
	char *block = malloc(3 << 20);

	memset(block, 7, 3 << 20);
	square(channel, data);
	ramet_channel_send_bytes(channel, (ramet_bytes){block, 3 << 20});
	free(block);
}

static void many(ramet_channel *channel, void *data)
{
	for (int64_t i = 0; i < *(int64_t *)data; i++)
		ramet_channel_send_i64(channel, i);
}

static void wait_for_ever(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_send_boolean(channel, true);
	for (;;)
		pause();
}

static void fail_it(ramet_channel *channel, void *data)
{
	ramet_channel_fail(channel, EDOM, "no root of %d", (int)*(int64_t *)data);
}

static void exit_3(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_send_i64(channel, 3);
	_exit(3);
}

static void be_killed(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_send_i64(channel, 9);
	raise(SIGKILL);
}

/* --- results ------------------------------------------------------------------------------ */

static void exchange_with_limit_never_has_more_processes(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(LIMIT, store, &sums);
	int64_t expected = 0;

	(void)state;
	for (int64_t i = 0; i < PROCESSES; i++) {
		exchange_start(exchange, square, &i);
		assert_true(children_count() <= LIMIT);
		expected += i * i;
	}
	exchange_finish(exchange);
	assert_int_equal(sums.squares, expected);
	assert_int_equal(sums.values, PROCESSES);
	assert_true(sums.most <= LIMIT);
	/* It can be used again. */
	expected = 5;
	exchange_start(exchange, square, &expected);
	sums.squares = 0;
	exchange_finish(exchange);
	assert_int_equal(sums.squares, 25);
	ramet_exchange_unref(exchange);
}

static void exchange_of_large_messages_gets_all_of_them(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(LIMIT, store, &sums);

	(void)state;
	for (int64_t i = 0; i < PROCESSES; i++)
		exchange_start(exchange, square_and_block, &i);
	exchange_finish(exchange);
	assert_int_equal(sums.bytes, (size_t)PROCESSES * (3 << 20));
	assert_int_equal(sums.squares, 2470);
	ramet_exchange_unref(exchange);
}

static void exchange_without_store_is_asked_for_values(void **state)
{
	ramet_exchange *exchange = exchange_new(2, NULL, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel;
	ramet_value *value;
	int64_t sum = 0;
	int r, count = 0;

	(void)state;
	/* Values are kept while one is started. */
	for (int64_t i = 0; i < PROCESSES; i++)
		exchange_start(exchange, square_and_block, &i);
	while ((r = ramet_exchange_next(exchange, SOON, &channel, &value, &error)) == 1) {
		assert_true(ramet_channel_pid(channel) > 0);
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
		count++;
	}
	assert_int_equal(r, 0);
	assert_int_equal(sum, 2470);
	assert_int_equal(count, 2 * PROCESSES);
	ramet_exchange_unref(exchange);
}

static void one_process_that_sends_much_does_not_keep_others_waiting(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(LIMIT, store, &sums);
	int64_t much = SANITIZED ? 2000 : 20000, one = 1;

	(void)state;
	exchange_start(exchange, many, &much);
	for (int i = 0; i < PROCESSES; i++)
		exchange_start(exchange, square, &one);
	exchange_finish(exchange);
	assert_int_equal(sums.values, much + PROCESSES);
	assert_int_equal(sums.squares, much * (much - 1) / 2 + PROCESSES);
	ramet_exchange_unref(exchange);
}

/* --- in the store ------------------------------------------------------------------------- */

static void count_down(ramet_channel *channel, void *data)
{
	int64_t number = *(int64_t *)data;
	ramet_value *value;

	while (ramet_channel_send_i64(channel, number) == 0 && number > 0 &&
	       ramet_channel_receive(channel, SOON, &value, NULL) == 1) {
		number = ramet_value_i64(value);
		ramet_value_unref(value);
	}
}

static int answer(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value, void *data)
{
	int *answers = data;

	(void)exchange;
	if (ramet_value_i64(value) == 0)
		return 0;
	++*answers;
	return ramet_channel_send_i64(channel, ramet_value_i64(value) - 1);
}

static void store_that_answers_is_heard(void **state)
{
	int answers = 0;
	ramet_exchange *exchange = exchange_new(2, answer, &answers);
	int64_t number = 20;

	(void)state;
	for (int i = 0; i < 5; i++)
		exchange_start(exchange, count_down, &number);
	exchange_finish(exchange);
	assert_int_equal(answers, 100);
	ramet_exchange_unref(exchange);
}

static int start_another(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value,
			 void *data)
{
	int *values = data;
	int64_t one = 1;
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	(void)channel, (void)value;
	if (++*values >= 50)
		return 0;
	if (ramet_exchange_running(exchange) < 3)
		return ramet_exchange_start(exchange, square, &one, NULL);
	/* It must not wait. */
	r = ramet_exchange_start(exchange, square, &one, &error);
	fixture_check_error(&error, -EDEADLK, "must not wait", NULL);
	return r == -EDEADLK ? 0 : -EPROTO;
}

static void store_may_start_processes_and_must_not_wait(void **state)
{
	int values = 0;
	ramet_exchange *exchange = exchange_new(3, start_another, &values);
	int64_t two = 2;

	(void)state;
	exchange_start(exchange, many, &two);
	exchange_start(exchange, many, &two);
	exchange_finish(exchange);
	assert_true(values >= 4);
	ramet_exchange_unref(exchange);
}

static int refuse_the_third(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value,
			    void *data)
{
	int *values = data;

	(void)exchange, (void)channel, (void)value;
	return ++*values == 3 ? -EXDEV : 0;
}

static void store_that_fails_stops_and_loses_nothing_else(void **state)
{
	int values = 0;
	ramet_exchange *exchange = exchange_new(2, refuse_the_third, &values);
	ramet_error error = RAMET_ERROR_INIT;
	int64_t ten = 10;

	(void)state;
	exchange_start(exchange, many, &ten);
	exchange_start(exchange, many, &ten);
	assert_int_equal(ramet_exchange_finish(exchange, SOON, &error), -EXDEV);
	assert_int_equal(values, 3);
	ramet_error_clear(&error);
	/* What is left shows at the descriptor, even when it was read already. */
	while (values < 20) {
		struct pollfd ready = {.fd = ramet_exchange_fd(exchange), .events = POLLIN};

		assert_int_equal(poll(&ready, 1, SOON), 1);
		assert_true(ramet_exchange_handle(exchange, 0, &error) >= 0 ||
			    error.code == -ETIMEDOUT);
	}
	ramet_error_clear(&error);
	exchange_finish(exchange);
	assert_int_equal(values, 20);
	ramet_exchange_unref(exchange);
}

static int remove_it(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value,
		     void *data)
{
	(void)value;
	assert_int_equal(ramet_exchange_remove(exchange, channel), 0);
	*(ramet_channel **)data = channel;
	return 0;
}

static void channel_can_be_removed_in_the_store(void **state)
{
	ramet_channel *removed = NULL;
	ramet_exchange *exchange = exchange_new(2, remove_it, &removed);
	ramet_value *value;
	int64_t three = 3;

	(void)state;
	exchange_start(exchange, many, &three);
	assert_true(ramet_exchange_handle(exchange, SOON, NULL) > 0);
	assert_non_null(removed);
	assert_int_equal(ramet_exchange_running(exchange), 0);
	assert_int_equal(ramet_exchange_handle(exchange, SOON, NULL), 0);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(ramet_channel_receive(removed, SOON, &value, NULL), 1);
		assert_int_equal(ramet_value_i64(value), i);
		ramet_value_unref(value);
	}
	assert_int_equal(ramet_channel_close(removed), 0);
	ramet_exchange_unref(exchange);
}

/* --- ends --------------------------------------------------------------------------------- */

static void check_ends(ramet_exchange_store *function)
{
	struct ends ends = {0};
	ramet_exchange *exchange = exchange_new(2, function, &ends);
	ramet_channel *channel;
	ramet_value *value;
	int64_t one = 1;

	ramet_exchange_on_end(exchange, ended);
	exchange_start(exchange, square, &one);
	exchange_start(exchange, exit_3, &one);
	exchange_start(exchange, be_killed, &one);
	exchange_start(exchange, fail_it, &one);
	if (!function)
		for (int i = 0; i < 3; i++) {
			assert_int_equal(
				ramet_exchange_next(exchange, SOON, &channel, &value, NULL), 1);
			ramet_value_unref(value);
		}
	if (!function)
		assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, NULL), 0);
	exchange_finish(exchange);
	assert_int_equal(ends.count, 4);
	assert_int_equal(ends.exited[0], 1);
	assert_int_equal(ends.exited[1], 1);
	assert_int_equal(ends.exited[3], 1);
	assert_int_equal(ends.killed, 1);
	assert_int_equal(ends.failed, 3);
	assert_true(told(&ends, -EDOM, "no root of 1"));
	assert_true(told(&ends, -ECONNRESET, "SIGKILL"));
	assert_true(told(&ends, -ECONNRESET, "status 3"));
	ramet_exchange_unref(exchange);
}

static void ends_are_told_with_status_and_failure(void **state)
{
	(void)state;
	check_ends(ignore);
	check_ends(NULL);
}

static void first_failure_is_what_finish_returns(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(1, store, &sums);
	ramet_error error = RAMET_ERROR_INIT;
	int64_t four = 4;

	(void)state;
	exchange_start(exchange, fail_it, &four);
	exchange_start(exchange, exit_3, &four);
	exchange_start(exchange, square, &four);
	assert_int_equal(ramet_exchange_finish(exchange, SOON, &error), -EDOM);
	fixture_check_error(&error, -EDOM, "no root of 4", NULL);
	assert_int_equal(sums.squares, 19);
	exchange_finish(exchange);
	ramet_exchange_unref(exchange);
}

static void failure_is_returned_by_next_and_others_follow(void **state)
{
	ramet_exchange *exchange = exchange_new(1, NULL, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel;
	ramet_value *value;
	int64_t four = 4;

	(void)state;
	exchange_start(exchange, be_killed, &four);
	exchange_start(exchange, square, &four);
	assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, &error), 1);
	assert_int_equal(ramet_value_i64(value), 9);
	ramet_value_unref(value);
	assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, &error),
			 -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "SIGKILL", NULL);
	assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, &error), 1);
	assert_int_equal(ramet_value_i64(value), 16);
	ramet_value_unref(value);
	assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, &error), 0);
	ramet_exchange_unref(exchange);
}

/* Closes its end and goes on until it is told. */
static int go_on[2];

static void close_and_go_on(ramet_channel *channel, void *data)
{
	char byte;

	(void)data;
	ramet_channel_send_i64(channel, 1);
	ramet_channel_close(channel);
	close(go_on[1]);
	while (read(go_on[0], &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static void process_counts_until_it_has_ended(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(2, store, &sums);
	ramet_error error = RAMET_ERROR_INIT;
	int64_t two = 2;

	(void)state;
	assert_int_equal(pipe(go_on), 0);
	exchange_start(exchange, close_and_go_on, NULL);
	while (sums.values == 0)
		assert_true(ramet_exchange_handle(exchange, SOON, &error) > 0);
	/* Nobody waits for it, */
	for (int i = 0; i < 5; i++)
		exchange_start(exchange, square, &two);
	while (sums.values < 6)
		assert_true(ramet_exchange_handle(exchange, SOON, &error) > 0);
	while (ramet_exchange_running(exchange) > 1)
		assert_true(ramet_exchange_handle(exchange, SOON, &error) > 0);
	/* but it is there. */
	assert_int_equal(ramet_exchange_running(exchange), 1);
	assert_int_equal(ramet_exchange_finish(exchange, 10, &error), -ETIMEDOUT);
	ramet_error_clear(&error);
	close(go_on[0]);
	close(go_on[1]);
	exchange_finish(exchange);
	ramet_exchange_unref(exchange);
}

/* Leaves somebody behind who has its end of the channel. */
static void leave_heir(ramet_channel *channel, void *data)
{
	char byte;

	(void)data;
	ramet_channel_send_i64(channel, 5);
	if (fork() == 0) {
		close(go_on[1]);
		while (read(go_on[0], &byte, 1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	_exit(0);
}

static void channel_ends_with_its_process_though_an_heir_has_it(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(2, store, &sums);

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(pipe(go_on), 0);
	exchange_start(exchange, leave_heir, NULL);
	assert_int_equal(ramet_exchange_finish(exchange, SOON, NULL), 0);
	assert_int_equal(sums.squares, 5);
	ramet_exchange_unref(exchange);
	close(go_on[0]);
	close(go_on[1]);
	assert_true(fixture_wait_orphans());
}

static void exchange_that_is_dropped_kills_its_processes(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(LIMIT, store, &sums);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	for (int i = 0; i < LIMIT; i++)
		exchange_start(exchange, wait_for_ever, NULL);
	while (sums.values < LIMIT)
		assert_true(ramet_exchange_handle(exchange, SOON, &error) > 0);
	assert_int_equal(ramet_exchange_handle(exchange, 0, &error), -ETIMEDOUT);
	assert_int_equal(ramet_exchange_ready(exchange, 1, &error), -ETIMEDOUT);
	assert_int_equal(ramet_exchange_wait(exchange, 1, &error), -ETIMEDOUT);
	assert_int_equal(ramet_exchange_finish(exchange, 1, &error), -ETIMEDOUT);
	ramet_error_clear(&error);
	assert_int_equal(children_count(), LIMIT);
	ramet_exchange_unref(exchange);
	assert_int_equal(children_count(), 0);
}

/* A function that hears of ends may remove what has ended, and must not wait. */
static int remove_ended(ramet_exchange *exchange, ramet_channel *channel, int status,
			const ramet_error *failure, void *data)
{
	ramet_value *value;

	assert_int_equal(status, 0);
	assert_null(failure);
	assert_int_equal(ramet_exchange_next(exchange, 0, NULL, &value, NULL), -EDEADLK);
	assert_int_equal(ramet_exchange_remove(exchange, channel), 0);
	*(ramet_channel **)data = channel;
	return 0;
}

static void channel_can_be_removed_when_its_end_is_told(void **state)
{
	ramet_channel *removed = NULL;
	ramet_exchange *exchange = exchange_new(2, NULL, &removed);
	ramet_value *value;
	int64_t one = 1;

	(void)state;
	ramet_exchange_on_end(exchange, remove_ended);
	exchange_start(exchange, square, &one);
	assert_int_equal(ramet_exchange_next(exchange, SOON, NULL, &value, NULL), 1);
	ramet_value_unref(value);
	assert_int_equal(ramet_exchange_next(exchange, SOON, NULL, &value, NULL), 0);
	assert_non_null(removed);
	assert_int_equal(ramet_channel_close(removed), 0);
	ramet_exchange_unref(exchange);
}

/* What a copy gets of the objects of its parent: no hang, no harm. */
static void use_objects_of_parent(ramet_channel *channel, void *data)
{
	void **objects = data;
	ramet_value *value;

	ramet_channel_send_i64(channel, ramet_exchange_next(objects[0], -1, NULL, &value, NULL));
	ramet_channel_send_i64(channel, ramet_exchange_ready(objects[0], -1, NULL));
	ramet_channel_send_i64(channel, ramet_map_next(objects[1], -1, &value, NULL));
	ramet_exchange_unref(objects[0]);
	ramet_map_unref(objects[1]);
}

static void copy_cannot_use_what_is_its_parents(void **state)
{
	ramet_exchange *exchange = exchange_new(2, NULL, NULL);
	ramet_value *input = ramet_value_new_i64(3), *value;
	ramet_channel *channel;
	ramet_map *map;
	void *objects[2];
	int64_t one = 1;

	(void)state;
	exchange_start(exchange, square_and_block, &one);
	assert_int_equal(ramet_map_new(square_of, NULL, &map), 0);
	assert_int_equal(ramet_map_begin(map, &input, 1, NULL), 0);
	objects[0] = exchange;
	objects[1] = map;
	assert_int_equal(ramet_start(use_objects_of_parent, objects, &channel), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ramet_channel_receive(channel, SOON, &value, NULL), 1);
		assert_int_equal(ramet_value_i64(value), -EBADF);
		ramet_value_unref(value);
	}
	assert_int_equal(ramet_channel_close(channel), 0);
	/* The parent's go on. */
	assert_int_equal(ramet_map_next(map, SOON, &value, NULL), 1);
	assert_int_equal(ramet_value_i64(value), 9);
	ramet_value_unref(value);
	ramet_map_unref(map);
	ramet_value_unref(input);
	ramet_exchange_unref(exchange);
}

/* --- channels of others ------------------------------------------------------------------- */

static void channel_made_elsewhere_is_added_and_removed(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(LIMIT, store, &sums), *other;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel, *second;
	int64_t six = 6;

	(void)state;
	assert_int_equal(ramet_start(square, &six, &channel), 0);
	assert_int_equal(ramet_start(square, &six, &second), 0);
	assert_int_equal(ramet_exchange_add(exchange, channel, &error), 0);
	assert_int_equal(ramet_exchange_add(exchange, channel, &error), -EEXIST);
	ramet_error_clear(&error);
	assert_int_equal(ramet_exchange_remove(exchange, second), -ENOENT);
	assert_int_equal(ramet_exchange_add(exchange, second, &error), 0);
	assert_int_equal(ramet_exchange_running(exchange), 2);
	assert_int_equal(ramet_exchange_remove(exchange, second), 0);
	assert_int_equal(ramet_exchange_running(exchange), 1);
	assert_int_equal(ramet_exchange_finish(exchange, SOON, &error), 0);
	assert_int_equal(sums.squares, 36);
	/* Another one may have it then. */
	other = exchange_new(1, store, &sums);
	assert_int_equal(ramet_exchange_add(other, second, &error), 0);
	exchange_finish(other);
	assert_int_equal(sums.squares, 72);
	ramet_exchange_unref(other);
	ramet_exchange_unref(exchange);
}

static void created_copy_has_its_end(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(2, store, &sums);
	ramet_channel *channel = NULL;

	(void)state;
	for (int64_t i = 0; i < 5; i++) {
		int pid = ramet_exchange_create(exchange, &channel, NULL);

		if (pid == 0) {
			ramet_channel_send_i64(channel, i);
			ramet_channel_close(channel);
			_exit(0);
		}
		assert_true(pid > 0);
		assert_null(channel);
	}
	exchange_finish(exchange);
	assert_int_equal(sums.squares, 10);
	ramet_exchange_unref(exchange);
}

static void start_that_fails_says_so_and_harms_nobody(void **state)
{
	struct sums sums = {0};
	ramet_exchange *exchange = exchange_new(4, store, &sums);
	ramet_error error = RAMET_ERROR_INIT;
	struct rlimit before, none;
	int64_t seven = 7;

	(void)state;
	exchange_start(exchange, square, &seven);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(ramet_exchange_start(exchange, square, &seven, &error), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	fixture_check_error(&error, -EMFILE, "no process", NULL);
	exchange_start(exchange, square, &seven);
	exchange_finish(exchange);
	assert_int_equal(sums.squares, 98);
	ramet_exchange_unref(exchange);
}

static void processes_that_have_ended_hold_no_descriptors(void **state)
{
	ramet_exchange *exchange = exchange_new(2, NULL, NULL);
	struct rlimit before, few;
	ramet_value *value;
	int64_t one = 1;
	int values = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = fixture_count_fds() + 16;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < 60; i++)
		exchange_start(exchange, square, &one);
	while (ramet_exchange_next(exchange, SOON, NULL, &value, NULL) == 1) {
		ramet_value_unref(value);
		values++;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(values, 60);
	exchange_finish(exchange);
	ramet_exchange_unref(exchange);
}

static void descriptor_is_readable_while_something_is_there(void **state)
{
	ramet_exchange *exchange = exchange_new(2, NULL, NULL);
	struct pollfd ready = {.fd = ramet_exchange_fd(exchange), .events = POLLIN};
	ramet_channel *channel;
	ramet_value *value;
	int64_t three = 3;

	(void)state;
	assert_int_equal(poll(&ready, 1, 0), 0);
	exchange_start(exchange, many, &three);
	assert_int_equal(poll(&ready, 1, SOON), 1);
	assert_int_equal(ramet_exchange_ready(exchange, 0, NULL), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll(&ready, 1, SOON), 1);
		assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, NULL), 1);
		ramet_value_unref(value);
	}
	assert_int_equal(poll(&ready, 1, SOON), 1);
	assert_int_equal(ramet_exchange_next(exchange, SOON, &channel, &value, NULL), 0);
	assert_int_equal(ramet_exchange_ready(exchange, 0, NULL), 0);
	assert_int_equal(poll(&ready, 1, 0), 0);
	ramet_exchange_unref(exchange);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(exchange_with_limit_never_has_more_processes),
		FIXTURE_TEST(exchange_of_large_messages_gets_all_of_them),
		FIXTURE_TEST(exchange_without_store_is_asked_for_values),
		FIXTURE_TEST(one_process_that_sends_much_does_not_keep_others_waiting),
		FIXTURE_TEST(store_that_answers_is_heard),
		FIXTURE_TEST(store_may_start_processes_and_must_not_wait),
		FIXTURE_TEST(store_that_fails_stops_and_loses_nothing_else),
		FIXTURE_TEST(channel_can_be_removed_in_the_store),
		FIXTURE_TEST(ends_are_told_with_status_and_failure),
		FIXTURE_TEST(first_failure_is_what_finish_returns),
		FIXTURE_TEST(failure_is_returned_by_next_and_others_follow),
		FIXTURE_TEST(process_counts_until_it_has_ended),
		FIXTURE_TEST(channel_ends_with_its_process_though_an_heir_has_it),
		FIXTURE_TEST(exchange_that_is_dropped_kills_its_processes),
		FIXTURE_TEST(channel_made_elsewhere_is_added_and_removed),
		FIXTURE_TEST(channel_can_be_removed_when_its_end_is_told),
		FIXTURE_TEST(copy_cannot_use_what_is_its_parents),
		FIXTURE_TEST(created_copy_has_its_end),
		FIXTURE_TEST(start_that_fails_says_so_and_harms_nobody),
		FIXTURE_TEST(processes_that_have_ended_hold_no_descriptors),
		FIXTURE_TEST(descriptor_is_readable_while_something_is_there),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
