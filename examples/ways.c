/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ways [-n SIZE] [-d MILLISECONDS] [-j LIMIT] [-t] WAY: the multiplication table from 1 x 1 to SIZE
 * x SIZE (10), each product of which takes a while (10 ms: -d), in all the ways that this library
 * has to compute many things at once: one function below for each, to be read side by side. All
 * print the same table. LIMIT (4) processes work at a time; -t tells on standard error how long it
 * took.
 *
 *   sequence        no other process: what the others are compared with
 *   create          fork(2), and an exchange that puts results where they belong as they arrive
 *   create-map      fork(2), and results in the order of the inputs
 *   create-queue    fork(2), and results taken one by one as they arrive
 *   start           a function in a process for each product, and an exchange
 *   start-queue     the same, taken one by one
 *   managed         a function that is called, in a process for each call, and an exchange
 *   managed-queue   the same, taken one by one
 *   managed-map     a map, with a process for each input
 *   reusable        the same, with processes that are used again
 *   pmap            a map, all at once
 *   pmap-iter       a map, each row of which is printed as soon as it is there
 *   continuous      a process for each row, which sends many results
 *   pool            a map over contexts, here or anywhere: -p PATHS ("fork*4")
 *   mutation        what is not shared: variables that a process sets are its own
 *
 * And three that outlive the program. One run begins them (--start); another one collects
 * (--reconnect), as soon as it likes. -a ADDRESS is where they meet, a name or a path (the way's
 * name).
 *
 *   persistent        a process in the background for each row, and an exchange
 *   persistent-queue  the same, taken one by one
 *   background        one process in the background, which has workers of its own
 *
 * Exit status: 0; 1, a reason is printed; 2, usage.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ramet.h>

/* What the options say, and the table. Processes that are forked have it all, as it was then. */
static int size = 10, delay = 10, limit = 4;
static const char *paths = "fork*4", *address;
static int64_t *table; /* the product at row * size + column */

/* --- What is to be computed ------------------------------------------------------------------- */

static int64_t product(int64_t place)
{
	struct timespec pause = {delay / 1000, delay % 1000 * 1000000L};

	while (delay > 0 && nanosleep(&pause, &pause) < 0)
		;
	return (place / size + 1) * (place % size + 1);
}

/* Sends a result together with its place, for those who get it in any order. */
static int send_placed(ramet_channel *channel, int64_t place, int64_t result)
{
	ramet_value *items[] = {ramet_value_new_i64(place), ramet_value_new_i64(result)};
	ramet_value *pair = items[0] && items[1] ? ramet_value_new_array(items, 2) : NULL;
	int r = pair ? ramet_channel_send_value(channel, pair) : -ENOMEM;

	ramet_value_unref(items[0]);
	ramet_value_unref(items[1]);
	ramet_value_unref(pair);
	return r;
}

static void put(const ramet_value *pair)
{
	int64_t place = ramet_value_i64(ramet_value_item(pair, 0));

	if (place >= 0 && place < (int64_t)size * size)
		table[place] = ramet_value_i64(ramet_value_item(pair, 1));
}

/* The store of an exchange: called with what has arrived. */
static int store(ramet_exchange *exchange, ramet_channel *channel, ramet_value *pair, void *data)
{
	(void)exchange, (void)channel, (void)data;
	put(pair);
	return 0;
}

/* Without a store: takes all that arrives one by one. */
static int take_all(ramet_exchange *exchange, ramet_error *error)
{
	ramet_channel *channel = NULL;
	ramet_value *pair = NULL;
	int r;

	while ((r = ramet_exchange_next(exchange, -1, &channel, &pair, error)) == 1) {
		put(pair);
		ramet_value_unref(pair);
	}
	return r;
}

/* The rest of each way with an exchange. */
static int finish(int r, ramet_exchange *exchange, bool stores, ramet_error *error)
{
	if (r == 0)
		r = stores ? ramet_exchange_finish(exchange, -1, error) : take_all(exchange, error);
	ramet_exchange_unref(exchange);
	return r;
}

/* --- The ways --------------------------------------------------------------------------------- */

static int by_sequence(ramet_error *error)
{
	(void)error;
	for (int64_t place = 0; place < (int64_t)size * size; place++)
		table[place] = product(place);
	return 0;
}

/* create, create-queue: they differ in how results are taken */
static int create(bool stores, ramet_error *error)
{
	ramet_exchange *exchange = NULL;
	ramet_channel *channel = NULL;
	int r = ramet_exchange_new(limit, stores ? store : NULL, NULL, &exchange);

	for (int64_t place = 0; r >= 0 && place < (int64_t)size * size; place++) {
		r = ramet_exchange_create(exchange, &channel, error);
		if (r == 0) { /* this is the copy */
			send_placed(channel, place, product(place));
			ramet_channel_close(channel);
			_Exit(0);
		}
	}
	return finish(r < 0 ? r : 0, exchange, stores, error);
}

static int by_create(ramet_error *error)
{
	return create(true, error);
}

static int by_create_queue(ramet_error *error)
{
	return create(false, error);
}

/* Takes the result of the process behind a channel, and waits for its end. */
static int take_one(ramet_channel *channel, int64_t *ret_result, ramet_error *error)
{
	ramet_value *value = NULL;
	int r = ramet_channel_receive(channel, -1, &value, error);

	if (r == 1)
		*ret_result = ramet_value_i64(value);
	ramet_value_unref(value);
	ramet_channel_close(channel);
	return r == 1 ? 0 : r < 0 ? r : -ECONNRESET;
}

/* Ends processes whose results nobody wants any more. */
static void give_up(ramet_channel *channel)
{
	ramet_channel_kill(channel, SIGKILL);
	ramet_channel_close(channel);
}

/* Without an exchange the program has its channels in a ring: the oldest is the next whose turn
 * it is. */
static int by_create_map(ramet_error *error)
{
	ramet_channel **ring = calloc((size_t)limit, sizeof(*ring));
	int64_t count = (int64_t)size * size, begun = 0, taken = 0;
	int r = ring ? 0 : -ENOMEM;

	while (r >= 0 && taken < count) {
		if (begun == count || begun - taken == limit) {
			r = take_one(ring[taken % limit], &table[taken], error);
			taken++;
			continue;
		}
		r = ramet_create(&ring[begun % limit]);
		if (r == 0) {
			ramet_channel_send_i64(ring[begun % limit], product(begun));
			ramet_channel_close(ring[begun % limit]);
			_Exit(0);
		}
		begun += r > 0;
	}
	for (; r < 0 && taken < begun; taken++)
		give_up(ring[taken % limit]);
	free(ring);
	return r < 0 ? r : 0;
}

static void started(ramet_channel *channel, void *data)
{
	int64_t place = *(int64_t *)data;

	send_placed(channel, place, product(place));
}

/* start, start-queue, continuous: what is started, and how often */
static int start(ramet_channel_function *function, int64_t count, bool stores, ramet_error *error)
{
	ramet_exchange *exchange = NULL;
	int r = ramet_exchange_new(limit, stores ? store : NULL, NULL, &exchange);

	for (int64_t i = 0; r == 0 && i < count; i++)
		r = ramet_exchange_start(exchange, function, &i, error);
	return finish(r, exchange, stores, error);
}

static int by_start(ramet_error *error)
{
	return start(started, (int64_t)size * size, true, error);
}

static int by_start_queue(ramet_error *error)
{
	return start(started, (int64_t)size * size, false, error);
}

static void row_started(ramet_channel *channel, void *data)
{
	int64_t begin = *(int64_t *)data * size;

	for (int64_t place = begin; place < begin + size; place++)
		if (send_placed(channel, place, product(place)) < 0)
			break; /* nobody listens any more */
}

static int by_continuous(ramet_error *error)
{
	return start(row_started, size, false, error);
}

static void called(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t place = ramet_value_i64(input);

	(void)state;
	send_placed(channel, place, product(place));
}

/* managed, managed-queue: calls never wait; they stand in line for one of `limit` processes */
static int manage(bool stores, ramet_error *error)
{
	ramet_exchange *exchange = NULL;
	ramet_managed *managed = NULL;
	ramet_worker_options options = RAMET_WORKER_OPTIONS_INIT;

	options.fresh = true;
	int r = ramet_exchange_new(limit, stores ? store : NULL, NULL, &exchange);
	if (r == 0)
		r = ramet_managed_new(exchange, called, &options, &managed);
	for (int64_t place = 0; r == 0 && place < (int64_t)size * size; place++) {
		ramet_value *input = ramet_value_new_i64(place);
		r = input ? ramet_managed_call(managed, input, error) : -ENOMEM;
		ramet_value_unref(input);
	}
	if (r == 0)
		r = stores ? ramet_exchange_finish(exchange, -1, error) : take_all(exchange, error);
	ramet_managed_free(managed);
	ramet_exchange_unref(exchange);
	return r;
}

static int by_managed(ramet_error *error)
{
	return manage(true, error);
}

static int by_managed_queue(ramet_error *error)
{
	return manage(false, error);
}

/* The task of a map need not say which result it is. */
static void mapped(ramet_channel *channel, const ramet_value *input, void *state)
{
	(void)state;
	ramet_channel_send_i64(channel, product(ramet_value_i64(input)));
}

/* Inputs are made as they are needed: there may be any number. */
static int next_place(ramet_value **ret_input, void *data)
{
	int64_t *next = data;

	if (*next == (int64_t)size * size)
		return 0;
	*ret_input = ramet_value_new_i64((*next)++);
	return *ret_input ? 1 : -ENOMEM;
}

static void print_row(int64_t row)
{
	for (int64_t place = row * size; place < (row + 1) * size; place++)
		printf("%" PRId64 "%c", table[place], (place + 1) % size ? '\t' : '\n');
	fflush(stdout);
}

/* managed-map, reusable, pmap-iter, mutation: results in the order of the inputs, each as soon
 * as it can be had */
static int map(ramet_task *task, bool fresh, bool print, int64_t *results, ramet_error *error)
{
	ramet_map *map = NULL;
	ramet_value *value = NULL;
	ramet_worker_options worker = RAMET_WORKER_OPTIONS_INIT;
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	int64_t next = 0;

	worker.fresh = fresh;
	options.worker = &worker;
	options.limit = limit;
	int r = ramet_map_new(task, &options, &map);
	if (r == 0)
		r = ramet_map_begin_source(map, next_place, &next, error);
	while (r >= 0 && (r = ramet_map_next(map, -1, &value, error)) == 1) {
		int64_t place = (int64_t)ramet_map_index(map);
		results[place] = ramet_value_i64(value);
		ramet_value_unref(value);
		if (print && (place + 1) % size == 0)
			print_row(place / size);
	}
	ramet_map_unref(map);
	return r;
}

static int by_managed_map(ramet_error *error)
{
	return map(mapped, true, false, table, error);
}

static int by_reusable(ramet_error *error)
{
	return map(mapped, false, false, table, error);
}

static int by_pmap_iter(ramet_error *error)
{
	return map(mapped, false, true, table, error);
}

static int by_pmap(ramet_error *error)
{
	size_t count = (size_t)size * (size_t)size;
	ramet_value **inputs = calloc(count, sizeof(*inputs));
	ramet_value **results = calloc(count, sizeof(*results));
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	int r = inputs && results ? 0 : -ENOMEM;

	options.limit = limit;
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!(inputs[i] = ramet_value_new_i64((int64_t)i)))
			r = -ENOMEM;
	if (r == 0)
		r = ramet_map_values(mapped, inputs, count, &options, results, error);
	for (size_t i = 0; inputs && results && i < count; i++) {
		table[i] = ramet_value_i64(results[i]);
		ramet_value_unref(results[i]);
		ramet_value_unref(inputs[i]);
	}
	free(inputs);
	free(results);
	return r;
}

/* A context may be on another machine, and has none of our memory: all that it needs goes along. */
RAMET_FUNCTION(i64, product_of, (i32, table_size), (i32, table_delay), (i64, place))
{
	(void)call;
	size = table_size;
	delay = table_delay;
	return product(place);
}

static int by_pool(ramet_error *error)
{
	size_t count = (size_t)size * (size_t)size;
	struct product_of_args *tasks = calloc(count, sizeof(*tasks));
	ramet_router *router = NULL;
	ramet_pool *pool = NULL;
	int r = tasks ? ramet_router_new(NULL, &router) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < count; i++)
		tasks[i] = (struct product_of_args){size, delay, (int64_t)i};
	if (r == 0)
		r = ramet_pool_new(router, paths, NULL, &pool, error);
	if (r == 0)
		r = product_of_map(pool, tasks, count, table, NULL, error);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
	free(tasks);
	return r;
}

static int64_t places_set(void)
{
	int64_t set = 0;

	for (int64_t place = 0; place < (int64_t)size * size; place++)
		set += table[place] != 0;
	return set;
}

/* Each process sets its place in a table that is its own, and sends how much of it is set. */
static void changed(ramet_channel *channel, const ramet_value *input, void *state)
{
	(void)state;
	table[ramet_value_i64(input)] = product(ramet_value_i64(input));
	ramet_channel_send_i64(channel, places_set());
}

static int by_mutation(ramet_error *error)
{
	int64_t *set = calloc((size_t)size * (size_t)size, sizeof(*set)), there = 0;
	int r = set ? map(changed, true, false, set, error) : -ENOMEM;

	for (int64_t copy = 0; r == 0 && copy < (int64_t)size * size; copy++)
		there += set[copy];
	if (r == 0)
		printf("set in %d copies of the table: %" PRId64 "\nset in the table: %" PRId64
		       "\n",
		       size * size, there, places_set());
	free(set);
	return r;
}

/* --- In the background ------------------------------------------------------------------------ */

/* Rows have addresses of their own. */
static const char *row_address(int64_t row)
{
	static char text[4096];

	snprintf(text, sizeof(text), "%s.%" PRId64, address, row);
	return text;
}

static int start_persistent(ramet_error *error)
{
	int pid, r = 0;

	for (int64_t row = 0; r == 0 && row < size; row++)
		r = ramet_start_background(row_address(row), row_started, &row, NULL, &pid, error);
	return r;
}

/* Channels that were connected go into an exchange like any other. */
static int collect_persistent(bool stores, ramet_error *error)
{
	ramet_exchange *exchange = NULL;
	int r = ramet_exchange_new(size, stores ? store : NULL, NULL, &exchange);

	for (int64_t row = 0; r == 0 && row < size; row++) {
		ramet_channel *channel = NULL;
		r = ramet_channel_connect(row_address(row), 10 * 1000, &channel, error);
		if (r == 0 && (r = ramet_exchange_add(exchange, channel, error)) < 0)
			ramet_channel_close(channel);
	}
	return finish(r, exchange, stores, error);
}

static int by_persistent(ramet_error *error)
{
	return collect_persistent(true, error);
}

static int by_persistent_queue(ramet_error *error)
{
	return collect_persistent(false, error);
}

/* What is in the background may use all that a program in the foreground may. */
static void all_started(ramet_channel *channel, void *data)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = by_reusable(&error);

	(void)data;
	if (r < 0)
		ramet_channel_fail(channel, -r, "%s", error.message ? error.message : "no memory");
	for (int64_t place = 0; r >= 0 && place < (int64_t)size * size; place++)
		r = send_placed(channel, place, table[place]);
	ramet_error_clear(&error);
}

static int start_background(ramet_error *error)
{
	int pid;

	return ramet_start_background(address, all_started, NULL, NULL, &pid, error);
}

static int by_background(ramet_error *error)
{
	ramet_channel *channel = NULL;
	ramet_value *pair = NULL;
	int r = ramet_channel_connect(address, 10 * 1000, &channel, error);

	while (r >= 0 && (r = ramet_channel_receive(channel, -1, &pair, error)) == 1) {
		put(pair);
		ramet_value_unref(pair);
	}
	ramet_channel_close(channel);
	return r;
}

/* --- The command ------------------------------------------------------------------------------ */

static const struct way {
	const char *name;
	int (*compute)(ramet_error *error);
	int (*begin)(ramet_error *error); /* with --start */
	bool prints;                      /* by itself */
} ways[] = {
	{"sequence", by_sequence, NULL, false},
	{"create", by_create, NULL, false},
	{"create-map", by_create_map, NULL, false},
	{"create-queue", by_create_queue, NULL, false},
	{"start", by_start, NULL, false},
	{"start-queue", by_start_queue, NULL, false},
	{"managed", by_managed, NULL, false},
	{"managed-queue", by_managed_queue, NULL, false},
	{"managed-map", by_managed_map, NULL, false},
	{"reusable", by_reusable, NULL, false},
	{"pmap", by_pmap, NULL, false},
	{"pmap-iter", by_pmap_iter, NULL, true},
	{"continuous", by_continuous, NULL, false},
	{"pool", by_pool, NULL, false},
	{"mutation", by_mutation, NULL, true},
	{"persistent", by_persistent, start_persistent, false},
	{"persistent-queue", by_persistent_queue, start_persistent, false},
	{"background", by_background, start_background, false},
};

static int usage(FILE *stream, int status)
{
	fprintf(stream, "usage: ways [-n SIZE] [-d MILLISECONDS] [-j LIMIT] [-p PATHS] [-t] WAY\n"
			"       ways [-n SIZE] [-d MILLISECONDS] [-j LIMIT] [-a ADDRESS] [-t] WAY "
			"--start|--reconnect\n"
			"ways:");
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		fprintf(stream, "%s%s", i % 7 ? " " : "\n\t", ways[i].name);
	fprintf(stream, "\n");
	return status;
}

/* Returns -1 for what is no number from `least` to `most`. */
static int number(const char *text, int least, int most)
{
	char *end;
	long value = strtol(text, &end, 10);

	return *text && !*end && value >= least && value <= most ? (int)value : -1;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run(const struct way *way, bool start, bool timed)
{
	ramet_error error = RAMET_ERROR_INIT;
	double begun = seconds();
	int r = -ENOMEM;

	table = calloc((size_t)size * (size_t)size, sizeof(*table));
	if (table)
		r = (start ? way->begin : way->compute)(&error);
	for (int64_t row = 0; r == 0 && !start && !way->prints && row < size; row++)
		print_row(row);
	if (r == 0 && timed)
		fprintf(stderr, "ways: %s: %.3f s\n", way->name, seconds() - begun);
	if (r < 0)
		fprintf(stderr, "ways: %s: %s\n", way->name,
			error.message ? error.message : strerror(-r));
	ramet_error_clear(&error);
	free(table);
	return r < 0 || fflush(stdout) || ferror(stdout);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"start", no_argument, NULL, 's'},
					      {"reconnect", no_argument, NULL, 'r'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	const struct way *way = NULL;
	bool timed = false;
	int option, meeting = 0;

	ramet_init(argc, argv);
	while ((option = getopt_long(argc, argv, "n:d:j:p:a:th", longs, NULL)) != -1) {
		if (option == 'n' && (size = number(optarg, 1, 1000)) > 0)
			continue;
		if (option == 'd' && (delay = number(optarg, 0, 60 * 1000)) >= 0)
			continue;
		if (option == 'j' && (limit = number(optarg, 1, 1000)) > 0)
			continue;
		switch (option) {
		case 'p':
			paths = optarg;
			break;
		case 'a':
			address = optarg;
			break;
		case 't':
			timed = true;
			break;
		case 's':
		case 'r':
			meeting = option;
			break;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	for (size_t i = 0; optind == argc - 1 && i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(argv[optind], ways[i].name))
			way = &ways[i];
	if (!way || !way->begin != !meeting)
		return usage(stderr, 2);
	if (!address)
		address = way->name;
	return run(way, meeting == 's', timed);
}
