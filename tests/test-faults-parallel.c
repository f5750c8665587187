/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exchanges and maps whose memory runs out at the first allocation, at the second, and so on. Each time everything ends,
 * with results that are right and in their order, or with an error, and nothing is left.
 */
#include <sys/wait.h>

#include "fail-alloc.h"
#include "fixture.h"

/* More than any scenario has. */
#define ALLOCATIONS_MAX 3000

#define INPUTS 40

static void square(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t number = ramet_value_i64(input);

	(void)state;
	if (ramet_channel_send_i64(channel, number * number) < 0)
		_exit(1);
}

static void send_both(ramet_channel *channel, void *data)
{
	static char block[100000];

	(void)data;
	if (ramet_channel_send_str(channel, "small") < 0 ||
	    ramet_channel_send_bytes(channel, (ramet_bytes){block, sizeof(block)}) < 0)
		_exit(1);
}

/* Every step may fail; what comes nevertheless is right. */
static void use_exchange(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_exchange *exchange = NULL;
	ramet_managed *managed = NULL;
	ramet_channel *channel;
	ramet_value *value;

	if (ramet_exchange_new(2, NULL, NULL, &exchange) < 0)
		return;
	for (int i = 0; i < 3; i++)
		ramet_exchange_start(exchange, send_both, NULL, &error);
	if (ramet_managed_new(exchange, square, NULL, &managed) == 0) {
		value = ramet_value_new_i64(7);
		for (int i = 0; value && i < 4; i++)
			ramet_managed_call(managed, value, &error);
		ramet_value_unref(value);
	}
	for (int i = 0; i < 20; i++) {
		int r = ramet_exchange_next(exchange, SOON, &channel, &value, &error);

		assert_int_not_equal(r, -ETIMEDOUT);
		if (r == 0)
			break;
		if (r < 0)
			continue;
		assert_true(ramet_value_i64(value) == 49 || ramet_value_str(value) ||
			    ramet_value_bytes(value).size == 100000);
		ramet_value_unref(value);
	}
	ramet_error_clear(&error);
	ramet_exchange_unref(exchange);
}

static int give(ramet_value **ret_input, void *data)
{
	int64_t *number = data;
	ramet_value *value;

	if (*number == INPUTS)
		return 0;
	value = ramet_value_new_i64(*number);
	if (!value)
		return -ENOMEM;
	++*number;
	*ret_input = value;
	return 1;
}

static void use_map(bool fresh)
{
	ramet_worker_options worker = RAMET_WORKER_OPTIONS_INIT;
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t number = 0, last = -1;
	ramet_map *map = NULL;
	int failures = 0;

	worker.fresh = fresh;
	options.worker = &worker;
	options.limit = 2;
	if (ramet_map_new(square, &options, &map) < 0)
		return;
	if (ramet_map_begin_source(map, give, &number, &error) == 0) {
		while (failures < 10) {
			int r = ramet_map_next(map, SOON, &value, &error);

			assert_int_not_equal(r, -ETIMEDOUT);
			if (r == 0)
				break;
			failures += r < 0;
			if (r < 0)
				continue;
			assert_true((int64_t)ramet_map_index(map) > last);
			last = (int64_t)ramet_map_index(map);
			assert_int_equal(ramet_value_i64(value), last * last);
			ramet_value_unref(value);
		}
		if (failures == 0)
			assert_int_equal(last, INPUTS - 1);
	}
	ramet_error_clear(&error);
	ramet_map_unref(map);
}

static ramet_value *add(const ramet_value *left, const ramet_value *right, void *state)
{
	(void)state;
	return ramet_value_new_i64(ramet_value_i64(left) + ramet_value_i64(right));
}

static void use_reduce(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	ramet_map *map = NULL;
	int64_t number = 0;
	int r;

	if (ramet_map_new(square, NULL, &map) < 0)
		return;
	if (ramet_map_begin_source(map, give, &number, &error) == 0) {
		r = ramet_map_reduce(map, add, SOON, &value, &error);
		assert_int_not_equal(r, -ETIMEDOUT);
		assert_int_not_equal(r, 0);
		if (r == 1) {
			assert_int_equal(ramet_value_i64(value), 20540);
			ramet_value_unref(value);
		}
	}
	ramet_error_clear(&error);
	ramet_map_unref(map);
}

static void use_fresh_map(void)
{
	use_map(true);
}

static void use_usual_map(void)
{
	use_map(false);
}

#define STEP (SANITIZED ? 7 : 1)

static void fail_each(void (*scenario)(void))
{
	unsigned fds, n;

	scenario();
	fds = fixture_count_fds();
	for (n = 1; n < ALLOCATIONS_MAX; n += STEP) {
		fail_alloc_at(n, 1);
		scenario();
		if (!fail_alloc_end())
			break;
		if (fixture_count_fds() != fds)
			fail_msg("descriptors are left after a failure of allocation %u", n);
		if (waitpid(-1, NULL, WNOHANG) != -1)
			fail_msg("processes are left after a failure of allocation %u", n);
		alarm(60);
	}
	assert_true(n < ALLOCATIONS_MAX);
}

static void exchange_out_of_memory_everything_ends(void **state)
{
	(void)state;
	fail_each(use_exchange);
}

static void map_out_of_memory_everything_ends(void **state)
{
	(void)state;
	fail_each(use_usual_map);
	fail_each(use_fresh_map);
}

static void reduce_out_of_memory_everything_ends(void **state)
{
	(void)state;
	fail_each(use_reduce);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(exchange_out_of_memory_everything_ends),
		FIXTURE_TEST(map_out_of_memory_everything_ends),
		FIXTURE_TEST(reduce_out_of_memory_everything_ends),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests_name("faults-parallel", tests, NULL, NULL);
}
