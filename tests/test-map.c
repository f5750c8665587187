/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps over forked workers. */
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "children.h"
#include "fixture.h"

/* What tests and tasks share. */
static struct shared {
	atomic_int begun, ended, tasks, failures_left;
	atomic_int pids[64];
	atomic_llong results[4096];
} * shared;

static int shared_begin(void **state)
{
	int r = fixture_begin(state);

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return r;
}

static int shared_end(void **state)
{
	munmap(shared, sizeof(*shared));
	return fixture_end(state);
}

#define MAP_TEST(name) cmocka_unit_test_setup_teardown(name, shared_begin, shared_end)

/* --- tasks -------------------------------------------------------------------------------- */

static void note_pid(void)
{
	int pid = getpid();

	for (size_t i = 0; i < 64; i++) {
		int none = 0;

		if (shared->pids[i] == pid ||
		    atomic_compare_exchange_strong(&shared->pids[i], &none, pid))
			return;
	}
}

static int pids(void)
{
	int count = 0;

	while (count < 64 && shared->pids[count] != 0)
		count++;
	return count;
}

static void square(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t number = ramet_value_i64(input);

	(void)state;
	atomic_fetch_add(&shared->tasks, 1);
	note_pid();
	ramet_channel_send_i64(channel, number * number);
}

/* Takes longer than results wait in a worker. */
static void slow_square(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t until = ramet_deadline(30);

	square(channel, input, state);
	while (ramet_time_left(until) > 0)
		;
}

/* A result of each shape: by the input modulo 8. */
static void shapes(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t number = ramet_value_i64(input), count = number % 8;
	size_t size = (size_t)count << 18;
	char *block;

	(void)state;
	switch (count) {
	case 0:
		return;
	case 5:
		ramet_channel_send_i64(channel, number);
		ramet_channel_fail(channel, EDOM, "failed at %d", (int)number);
		ramet_channel_fail(channel, ERANGE, "and again");
		return;
	case 6:
	case 7:
		block = malloc(size);
		memset(block, (int)number, size);
		ramet_channel_send_bytes(channel, (ramet_bytes){block, size});
		free(block);
		return;
	default:
		for (int64_t i = 0; i < count; i++)
			ramet_channel_send_i64(channel, number + i);
	}
}

static void check_shape(int64_t number, int r, const ramet_value *value, ramet_error *error)
{
	int64_t count = number % 8;

	if (count == 5) {
		char text[32];

		assert_int_equal(r, -EDOM);
		snprintf(text, sizeof(text), "failed at %d", (int)number);
		fixture_check_error(error, -EDOM, text, NULL);
		return;
	}
	assert_int_equal(r, 1);
	if (count == 0) {
		assert_null(value);
	} else if (count > 5) {
		ramet_bytes bytes = ramet_value_bytes(value);

		assert_int_equal(bytes.size, (size_t)count << 18);
		assert_int_equal(((const char *)bytes.data)[bytes.size - 1], (char)number);
	} else if (count == 1) {
		assert_int_equal(ramet_value_i64(value), number);
	} else {
		assert_int_equal(ramet_value_count(value), count);
		for (int64_t i = 0; i < count; i++)
			assert_int_equal(ramet_value_i64(ramet_value_item(value, (size_t)i)),
					 number + i);
	}
}

/* --- helpers ------------------------------------------------------------------------------ */

static ramet_value **numbers(size_t count)
{
	ramet_value **values = calloc(count ? count : 1, sizeof(ramet_value *));

	for (size_t i = 0; i < count; i++)
		values[i] = ramet_value_new_i64((int64_t)i);
	return values;
}

static void numbers_free(ramet_value **values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ramet_value_unref(values[i]);
	free(values);
}

static ramet_map *map_new(ramet_task *task, const ramet_map_options *options)
{
	ramet_map *map;

	assert_int_equal(ramet_map_new(task, options, &map), 0);
	return map;
}

static void begin_numbers(ramet_map *map, size_t count)
{
	ramet_value **inputs = numbers(count);
	ramet_error error = RAMET_ERROR_INIT;
	int r = ramet_map_begin(map, inputs, count, &error);

	if (r < 0)
		fail_msg("%d: %s", r, error.message);
	numbers_free(inputs, count); /* the map has its own */
}

static int64_t next_i64(ramet_map *map)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t number;
	int r = ramet_map_next(map, SOON, &value, &error);

	if (r != 1)
		fail_msg("%d: %s", r, error.message);
	number = ramet_value_i64(value);
	ramet_value_unref(value);
	return number;
}

static void check_over(ramet_map *map)
{
	ramet_value *value;

	assert_int_equal(ramet_map_next(map, SOON, &value, NULL), 0);
	assert_int_equal(children_count(), 0);
}

struct source {
	int64_t next, count; /* count -1: without end */
	int result;
};

static int give(ramet_value **ret_input, void *data)
{
	struct source *source = data;

	if (source->next == source->count)
		return source->result;
	*ret_input = ramet_value_new_i64(source->next++);
	return 1;
}

/* --- results ------------------------------------------------------------------------------ */

static void results_are_in_the_order_of_the_inputs(void **state)
{
	static const size_t counts[] = {
		1, 2, 3, 100, SANITIZED ? 500 : 5000, SANITIZED ? 2000 : 200000};
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_map *map;

	(void)state;
	for (int variant = 0; variant < 8; variant++) {
		options.limit = 1 + variant % 3;
		options.batch = variant & 4 ? 7 : 0;
		options.window = variant & 2 ? 50 : 0;
		map = map_new(square, &options);
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			begin_numbers(map, counts[i]);
			for (size_t j = 0; j < counts[i]; j++) {
				assert_int_equal(next_i64(map), (int64_t)(j * j));
				assert_int_equal(ramet_map_index(map), j);
				if (j % 64 == 0)
					assert_true(children_count() <= options.limit);
			}
			check_over(map);
		}
		ramet_map_unref(map);
	}
}

/* The last result of a batch comes before the worker says that it is done with it. */
static void results_of_slow_tasks_come_before_their_batch_is_over(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_map *map;

	(void)state;
	options.limit = 1;
	for (options.batch = 1; options.batch <= 3; options.batch++) {
		map = map_new(slow_square, &options);
		begin_numbers(map, 7);
		for (int64_t i = 0; i < 7; i++)
			assert_int_equal(next_i64(map), i * i);
		check_over(map);
		ramet_map_unref(map);
	}
}

static void results_as_they_come_are_all_of_them(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	size_t count = 3000;
	ramet_map *map;
	char *seen = calloc(count, 1);

	(void)state;
	options.arrival = true;
	options.limit = 3;
	map = map_new(square, &options);
	begin_numbers(map, count);
	for (size_t i = 0; i < count; i++) {
		int64_t number = next_i64(map);
		uint64_t index = ramet_map_index(map);

		assert_true(index < count);
		assert_int_equal(number, (int64_t)(index * index));
		assert_int_equal(seen[index]++, 0);
	}
	check_over(map);
	free(seen);
	ramet_map_unref(map);
}

static void map_of_nothing_is_over_at_once(void **state)
{
	ramet_map *map = map_new(square, NULL);
	struct source source = {0};
	const ramet_value *got;
	ramet_value *value;

	(void)state;
	assert_int_equal(ramet_map_next(map, 0, &value, NULL), -EINVAL);
	begin_numbers(map, 0);
	assert_int_equal(ramet_map_next(map, 0, &value, NULL), 0);
	assert_int_equal(ramet_map_next(map, 0, &value, NULL), 0);
	assert_int_equal(ramet_map_get(map, 0, 0, &got, NULL), -ENOENT);
	assert_int_equal(ramet_map_begin_source(map, give, &source, NULL), 0);
	assert_int_equal(ramet_map_next(map, 0, &value, NULL), 0);
	ramet_map_unref(map);
}

static void result_is_what_the_task_has_sent(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_worker_options worker = RAMET_WORKER_OPTIONS_INIT;
	size_t count = 64;

	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		struct source source = {.count = (int64_t)count};
		ramet_error error = RAMET_ERROR_INIT;
		ramet_value *value = NULL;
		ramet_map *map;

		worker.fresh = variant & 1;
		options.worker = &worker;
		map = map_new(shapes, &options);
		if (variant & 2)
			assert_int_equal(ramet_map_begin_source(map, give, &source, NULL), 0);
		else
			begin_numbers(map, count);
		for (size_t i = 0; i < count; i++) {
			int r = ramet_map_next(map, SOON, &value, &error);

			check_shape((int64_t)i, r, value, &error);
			assert_int_equal(ramet_map_index(map), i);
			if (r == 1)
				ramet_value_unref(value);
			value = NULL;
		}
		check_over(map);
		ramet_map_unref(map);
	}
}

static void source_without_end_is_asked_as_far_as_needed(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	struct source source = {.count = -1};
	ramet_map *map;

	(void)state;
	options.window = 100;
	map = map_new(square, &options);
	assert_int_equal(ramet_map_begin_source(map, give, &source, NULL), 0);
	for (int64_t i = 0; i < 2000; i++) {
		assert_int_equal(next_i64(map), i * i);
		assert_true(source.next <= i + 1 + 100);
	}
	assert_true(children_count() > 0);
	ramet_map_unref(map);
	assert_int_equal(children_count(), 0);
}

static void source_that_fails_is_told_behind_what_it_gave(void **state)
{
	struct source source = {.count = 10, .result = -EIO};
	ramet_map *map = map_new(square, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value;

	(void)state;
	assert_int_equal(ramet_map_begin_source(map, give, &source, NULL), 0);
	for (int64_t i = 0; i < 10; i++)
		assert_int_equal(next_i64(map), i * i);
	assert_int_equal(ramet_map_next(map, SOON, &value, &error), -EIO);
	fixture_check_error(&error, -EIO, "source", NULL);
	check_over(map);
	ramet_map_unref(map);
}

static void map_that_begins_again_forgets_what_was(void **state)
{
	ramet_map *map = map_new(square, NULL);

	(void)state;
	begin_numbers(map, 1000);
	assert_int_equal(next_i64(map), 0);
	begin_numbers(map, 10);
	for (int64_t i = 0; i < 10; i++)
		assert_int_equal(next_i64(map), i * i);
	check_over(map);
	ramet_map_unref(map);
}

static void wait_for_word(ramet_channel *channel, const ramet_value *input, void *state)
{
	(void)state;
	while (atomic_load(&shared->results[ramet_value_i64(input)]) == 0)
		sched_yield();
	ramet_channel_send_value(channel, input);
}

static void next_that_takes_too_long_can_be_asked_again(void **state)
{
	ramet_map *map = map_new(wait_for_word, NULL);
	ramet_value *value;

	(void)state;
	begin_numbers(map, 2);
	assert_int_equal(ramet_map_next(map, 1, &value, NULL), -ETIMEDOUT);
	shared->results[1] = 1;
	assert_int_equal(ramet_map_next(map, 1, &value, NULL), -ETIMEDOUT);
	shared->results[0] = 1;
	assert_int_equal(next_i64(map), 0);
	assert_int_equal(next_i64(map), 1);
	check_over(map);
	ramet_map_unref(map);
}

static void results_are_kept_for_get(void **state)
{
	ramet_map *map = map_new(shapes, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	const ramet_value *got = NULL;
	ramet_value *value = NULL;
	size_t count = 200;

	(void)state;
	begin_numbers(map, count);
	for (size_t i = 0; i < 400; i++) {
		size_t index = (i * 37) % count;
		int r = ramet_map_get(map, index, SOON, &got, &error);

		assert_int_equal(ramet_map_index(map), index);
		check_shape((int64_t)index, r == 0 ? 1 : r, got, &error);
	}
	/* And in their order. */
	for (size_t i = 0; i < count; i++) {
		int r = ramet_map_next(map, SOON, &value, &error);

		check_shape((int64_t)i, r, value, &error);
		if (r == 1)
			ramet_value_unref(value);
	}
	check_over(map);
	assert_int_equal(ramet_map_get(map, count, SOON, &got, &error), -ENOENT);
	begin_numbers(map, 2);
	assert_int_equal(ramet_map_next(map, SOON, &value, &error), 1);
	assert_int_equal(ramet_map_get(map, 0, SOON, &got, &error), -EINVAL);
	ramet_error_clear(&error);
	ramet_map_unref(map);
}

static void all_values_at_once(void **state)
{
	ramet_value *inputs[100], *results[100] = {NULL};
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	for (int i = 0; i < 100; i++)
		inputs[i] = ramet_value_new_i64(i);
	assert_int_equal(ramet_map_values(square, inputs, 100, NULL, results, &error), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(ramet_value_i64(results[i]), i * i);
		ramet_value_unref(results[i]);
		results[i] = NULL;
	}
	assert_int_equal(ramet_map_values(shapes, inputs, 100, NULL, results, &error), -EDOM);
	fixture_check_error(&error, -EDOM, "failed at 5", NULL);
	for (int i = 0; i < 100; i++) {
		assert_null(results[i]);
		ramet_value_unref(inputs[i]);
	}
	assert_int_equal(children_count(), 0);
}

/* --- workers ------------------------------------------------------------------------------ */

static void *begin_hook(ramet_channel *channel, void *data)
{
	ramet_channel_send_str(channel, "heard by nobody");
	atomic_fetch_add(&shared->begun, 1);
	return data;
}

static void end_hook(void *state)
{
	assert_non_null(state);
	atomic_fetch_add(&shared->ended, 1);
}

static void *begin_badly(ramet_channel *channel, void *data)
{
	(void)data;
	ramet_channel_fail(channel, ENODEV, "not today");
	return NULL;
}

static void add_state(ramet_channel *channel, const ramet_value *input, void *state)
{
	note_pid();
	ramet_channel_send_i64(channel, ramet_value_i64(input) + *(int *)state);
}

static void workers_begin_and_end_once_or_for_each_input(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_worker_options worker = RAMET_WORKER_OPTIONS_INIT;
	int hundred = 100;
	ramet_map *map;

	(void)state;
	worker.begin = begin_hook;
	worker.end = end_hook;
	worker.data = &hundred;
	options.worker = &worker;
	options.limit = 2;
	for (int fresh = 0; fresh < 2; fresh++) {
		worker.fresh = fresh;
		memset(shared, 0, sizeof(*shared));
		map = map_new(add_state, &options);
		begin_numbers(map, 40);
		for (int64_t i = 0; i < 40; i++)
			assert_int_equal(next_i64(map), i + 100);
		check_over(map);
		assert_int_equal(shared->begun, fresh ? 40 : 2);
		assert_int_equal(shared->ended, fresh ? 40 : 2);
		assert_int_equal(pids(), fresh ? 40 : 2);
		ramet_map_unref(map);
	}
}

static void worker_that_cannot_begin_fails_its_input(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_worker_options worker = RAMET_WORKER_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value;
	ramet_map *map;

	(void)state;
	worker.begin = begin_badly;
	options.worker = &worker;
	map = map_new(add_state, &options);
	begin_numbers(map, 10);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(ramet_map_next(map, SOON, &value, &error), -ENODEV);
		fixture_check_error(&error, -ENODEV, "not today", NULL);
		assert_int_equal(ramet_map_index(map), i);
	}
	check_over(map);
	ramet_map_unref(map);
}

/* --- faults ------------------------------------------------------------------------------- */

/* Every 50th input kills its worker, or makes it end in another way. */
static void die_sometimes(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t number = ramet_value_i64(input);

	(void)state;
	if (number % 50 == 49) {
		ramet_channel_send_str(channel, "a part");
		switch (number / 50 % 3) {
		case 0:
			raise(SIGKILL);
			break;
		case 1:
			_exit(3);
		default:
			exit(0);
		}
	}
	ramet_channel_send_i64(channel, number * number);
}

static void lost_worker_fails_the_input_in_hand_alone(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t count = 1000;

	(void)state;
	for (int variant = 0; variant < 6; variant++) {
		struct source source = {.count = count};
		ramet_map *map;
		char *seen = calloc((size_t)count, 1);

		options.limit = 3;
		options.arrival = variant & 1;
		options.batch = variant >= 4 ? 1000 : 0;
		map = map_new(die_sometimes, &options);
		if (variant & 2)
			assert_int_equal(ramet_map_begin_source(map, give, &source, NULL), 0);
		else
			begin_numbers(map, (size_t)count);
		for (int64_t i = 0; i < count; i++) {
			ramet_value *value = NULL;
			int r = ramet_map_next(map, SOON, &value, &error);
			int64_t index = (int64_t)ramet_map_index(map);

			assert_true(children_count() <= 3);
			assert_int_equal(seen[index]++, 0);
			if (!options.arrival)
				assert_int_equal(index, i);
			if (index % 50 == 49) {
				fixture_check_error(&error, -ECONNRESET, "in hand", NULL);
				assert_int_equal(r, -ECONNRESET);
				continue;
			}
			if (r != 1)
				fail_msg("%d: %s", r, error.message);
			assert_int_equal(ramet_value_i64(value), index * index);
			ramet_value_unref(value);
		}
		check_over(map);
		free(seen);
		ramet_map_unref(map);
	}
}

/* One of our children. */
static int any_child(unsigned seed)
{
	char path[64], text[8192];
	int all[64], count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	for (char *at = strtok(text, " "); at && count < 64; at = strtok(NULL, " "))
		all[count++] = atoi(at);
	return count ? all[seed % (unsigned)count] : 0;
}

static void random_kills_fail_one_input_each_at_most(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	int64_t count = SANITIZED ? 20000 : 200000;
	int failed = 0, kills = 0;
	unsigned seed = 1;
	ramet_map *map;

	(void)state;
	options.limit = 3;
	map = map_new(square, &options);
	begin_numbers(map, (size_t)count);
	for (int64_t i = 0; i < count; i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_value *value = NULL;
		int r = ramet_map_next(map, SOON, &value, &error);

		assert_int_equal(ramet_map_index(map), i);
		if (r == 1) {
			assert_int_equal(ramet_value_i64(value), i * i);
			ramet_value_unref(value);
		} else {
			failed++;
			fixture_check_error(&error, -ECONNRESET, "SIGKILL", NULL);
		}
		seed = seed * 1103515245 + 12345;
		if (seed >> 16 < (SANITIZED ? 65536 / 300 : 65536 / 3000)) {
			int pid = any_child(seed >> 8);

			/* Not waited for yet, so the number is its. */
			if (pid > 0)
				kills += kill(pid, SIGKILL) == 0;
		}
	}
	check_over(map);
	assert_true(kills > 10);
	assert_true(failed <= kills);
	ramet_map_unref(map);
}

static void map_in_a_task_works(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t sum = 0, count = ramet_value_i64(input);
	ramet_map *map;
	ramet_value *value;

	(void)state;
	if (ramet_map_new(square, NULL, &map) < 0)
		return;
	begin_numbers(map, (size_t)count);
	while (ramet_map_next(map, SOON, &value, NULL) == 1) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	ramet_map_unref(map);
	ramet_channel_send_i64(channel, sum);
}

static void tasks_may_have_maps(void **state)
{
	ramet_map *map = map_new(map_in_a_task_works, NULL);

	(void)state;
	begin_numbers(map, 6);
	for (int64_t i = 0, sum = 0; i < 6; i++) {
		assert_int_equal(next_i64(map), sum);
		sum += i * i;
	}
	check_over(map);
	ramet_map_unref(map);
}

/* --- reducing ----------------------------------------------------------------------------- */

/* Strings: associative, and order shows. */
static void name_of(ramet_channel *channel, const ramet_value *input, void *state)
{
	char text[16];

	(void)state;
	if (ramet_value_i64(input) % 10 == 3)
		return; /* adds nothing */
	snprintf(text, sizeof(text), "%d,", (int)ramet_value_i64(input));
	ramet_channel_send_str(channel, text);
}

static ramet_value *join(const ramet_value *left, const ramet_value *right, void *state)
{
	const char *a = ramet_value_str(left), *b = ramet_value_str(right);
	char *both = malloc(strlen(a) + strlen(b) + 1);
	ramet_value *value;

	(void)state;
	note_pid();
	strcpy(both, a);
	strcat(both, b);
	value = ramet_value_new_str(both);
	free(both);
	return value;
}

static void reduce_combines_in_order_and_in_the_workers(void **state)
{
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	static const size_t counts[] = {1, 2, 3, 4, 2000};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_map *map;

	(void)state;
	for (unsigned variant = 0; variant < 10; variant++) {
		size_t count = counts[variant / 2];
		struct source source = {.count = (int64_t)count};
		char *expected = calloc(count, 8);
		ramet_value *value = NULL;

		memset(shared, 0, sizeof(*shared));
		options.limit = 2;
		options.batch = variant & 1 ? 16 : 0;
		map = map_new(name_of, &options);
		for (size_t i = 0, at = 0; i < count; i++)
			if (i % 10 != 3)
				at += (size_t)sprintf(expected + at, "%d,", (int)i);
		if (variant & 1)
			assert_int_equal(ramet_map_begin_source(map, give, &source, &error), 0);
		else
			begin_numbers(map, count);
		assert_int_equal(ramet_map_reduce(map, join, SOON, &value, &error), 1);
		assert_string_equal(ramet_value_str(value), expected);
		if (count > 1000)
			assert_true(pids() >= 2); /* here, and in a worker */
		ramet_value_unref(value);
		free(expected);
		ramet_map_unref(map);
		assert_int_equal(children_count(), 0);
	}
	map = map_new(name_of, NULL);
	begin_numbers(map, 0);
	assert_int_equal(ramet_map_reduce(map, join, SOON, &(ramet_value *){NULL}, &error), 0);
	ramet_map_unref(map);
}

static void fail_late(ramet_channel *channel, const ramet_value *input, void *state)
{
	if (ramet_value_i64(input) % 100 == 77)
		ramet_channel_fail(channel, EDOM, "at %d", (int)ramet_value_i64(input));
	else
		name_of(channel, input, state);
}

static ramet_value *no_memory(const ramet_value *left, const ramet_value *right, void *state)
{
	(void)left, (void)right, (void)state;
	return NULL;
}

static void reduce_ends_with_the_first_failure(void **state)
{
	ramet_map *map = map_new(fail_late, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	(void)state;
	begin_numbers(map, 1000);
	assert_int_equal(ramet_map_reduce(map, join, SOON, &value, &error), -EDOM);
	fixture_check_error(&error, -EDOM, "at 77", NULL);
	begin_numbers(map, 50);
	assert_int_equal(ramet_map_reduce(map, no_memory, SOON, &value, &error), -ENOMEM);
	ramet_error_clear(&error);
	assert_null(value);
	begin_numbers(map, 5);
	ramet_value_unref(ramet_map_next(map, SOON, &value, NULL) == 1 ? value : NULL);
	assert_int_equal(ramet_map_reduce(map, join, SOON, &value, &error), -EINVAL);
	ramet_error_clear(&error);
	ramet_map_unref(map);
}

/* As often as the test says, the whole worker dies. */
static void die_a_few_times(ramet_channel *channel, const ramet_value *input, void *state)
{
	name_of(channel, input, state);
	if (ramet_value_i64(input) == 500 && atomic_fetch_sub(&shared->failures_left, 1) > 0)
		raise(SIGKILL);
}

static void reduce_tells_of_a_lost_worker(void **state)
{
	ramet_map *map = map_new(die_a_few_times, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	(void)state;
	shared->failures_left = 1;
	begin_numbers(map, 1000);
	assert_int_equal(ramet_map_reduce(map, join, SOON, &value, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "SIGKILL", NULL);
	/* Not with its inputs. */
	begin_numbers(map, 1000);
	assert_int_equal(ramet_map_reduce(map, join, SOON, &value, &error), 1);
	ramet_value_unref(value);
	ramet_map_unref(map);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(results_are_in_the_order_of_the_inputs),
		MAP_TEST(results_of_slow_tasks_come_before_their_batch_is_over),
		MAP_TEST(results_as_they_come_are_all_of_them),
		MAP_TEST(map_of_nothing_is_over_at_once),
		MAP_TEST(result_is_what_the_task_has_sent),
		MAP_TEST(source_without_end_is_asked_as_far_as_needed),
		MAP_TEST(source_that_fails_is_told_behind_what_it_gave),
		MAP_TEST(map_that_begins_again_forgets_what_was),
		MAP_TEST(next_that_takes_too_long_can_be_asked_again),
		MAP_TEST(results_are_kept_for_get),
		MAP_TEST(all_values_at_once),
		MAP_TEST(workers_begin_and_end_once_or_for_each_input),
		MAP_TEST(worker_that_cannot_begin_fails_its_input),
		MAP_TEST(lost_worker_fails_the_input_in_hand_alone),
		MAP_TEST(random_kills_fail_one_input_each_at_most),
		MAP_TEST(tasks_may_have_maps),
		MAP_TEST(reduce_combines_in_order_and_in_the_workers),
		MAP_TEST(reduce_ends_with_the_first_failure),
		MAP_TEST(reduce_tells_of_a_lost_worker),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
