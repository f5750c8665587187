/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rounds create|start|answer [COUNT]: two processes that talk, in three ways.
 *
 *   create   like fork(2): both sides go on behind ramet_create(), each with its end of a channel
 *   start    a function runs in the other process
 *   answer   the other process asks, and is answered where its values arrive: by the store of an
 *            exchange
 *
 * With "create" and "start" the numbers from 0 to COUNT (100) go to the other process one by one.
 * Each is acknowledged: ramet_channel_send_i64() returns when it has been taken over there. The
 * other process prints them, and says "Done" when it has the last.
 *
 * With "answer" the other process begins with COUNT (20), and what it gets for a number is one
 * less, until that is 0.
 *
 * Exit status: 0, 1 (the other process was lost; a reason is printed), 2 (usage).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ramet.h>

static int complain(int code, ramet_error *error)
{
	fprintf(stderr, "rounds: %s\n", error->message ? error->message : strerror(-code));
	ramet_error_clear(error);
	return 1;
}

/* The other process: what each of "create" and "start" has it do. */
static void listen_to(ramet_channel *channel, void *data)
{
	int64_t last = *(int64_t *)data, number = -1;
	ramet_value *value = NULL;

	ramet_channel_set_acknowledged(channel, true);
	while (number < last && ramet_channel_receive(channel, -1, &value, NULL) == 1) {
		number = ramet_value_i64(value);
		ramet_value_unref(value);
		if (number < last)
			printf("%" PRId64 "\n", number);
	}
	fflush(stdout); /* what we have printed comes before what the parent prints about it */
	if (number == last)
		ramet_channel_send_str(channel, "Done");
}

/* This process, for both. */
static int count_to(ramet_channel *channel, int64_t last)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int r = 0;

	ramet_channel_set_acknowledged(channel, true);
	for (int64_t number = 0; number <= last && r == 0; number++)
		r = ramet_channel_send_i64(channel, number);
	if (r == 0)
		r = ramet_channel_receive(channel, -1, &value, &error);
	ramet_channel_close(channel); /* and waits for the process */
	if (r != 1)
		return complain(r < 0 ? r : -ECONNRESET, &error);
	printf("%s\n", ramet_value_str(value));
	ramet_value_unref(value);
	return 0;
}

static int by_create(int64_t last)
{
	ramet_channel *channel = NULL;
	int child = ramet_create(&channel);

	if (child == 0) {
		listen_to(channel, &last);
		ramet_channel_close(channel);
		_Exit(0); /* what exit(3) does is for the parent to do */
	}
	return child < 0 ? complain(child, &(ramet_error)RAMET_ERROR_INIT)
			 : count_to(channel, last);
}

static int by_start(int64_t last)
{
	ramet_channel *channel = NULL;
	int r = ramet_start(listen_to, &last, &channel);

	return r < 0 ? complain(r, &(ramet_error)RAMET_ERROR_INIT) : count_to(channel, last);
}

/* The other process of "answer". */
static void ask(ramet_channel *channel, void *data)
{
	int64_t number = *(int64_t *)data;
	ramet_value *value = NULL;

	while (number > 0 && ramet_channel_send_i64(channel, number) == 0 &&
	       ramet_channel_receive(channel, -1, &value, NULL) == 1) {
		number = ramet_value_i64(value);
		ramet_value_unref(value);
	}
}

static int answer(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value, void *data)
{
	int64_t number = ramet_value_i64(value);

	(void)exchange, (void)data;
	printf("%" PRId64 " -> %" PRId64 "\n", number, number - 1);
	return ramet_channel_send_i64(channel, number - 1);
}

static int by_answer(int64_t first)
{
	ramet_exchange *exchange = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int r = ramet_exchange_new(1, answer, NULL, &exchange);

	if (r == 0)
		r = ramet_exchange_start(exchange, ask, &first, &error);
	if (r == 0)
		r = ramet_exchange_finish(exchange, -1, &error);
	ramet_exchange_unref(exchange);
	return r < 0 ? complain(r, &error) : 0;
}

int main(int argc, char **argv)
{
	ramet_init(argc, argv);
	const char *way = argc > 1 ? argv[1] : "", *number = argc > 2 ? argv[2] : NULL;
	char none[] = "", *end = none;
	int64_t count = number ? strtoll(number, &end, 10) : !strcmp(way, "answer") ? 20 : 100;
	int status = 2;

	if (argc > 3 || count < 0 || *end)
		;
	else if (!strcmp(way, "create"))
		status = by_create(count);
	else if (!strcmp(way, "start"))
		status = by_start(count);
	else if (!strcmp(way, "answer"))
		status = by_answer(count);
	if (status == 2)
		fprintf(stderr, "usage: rounds create|start|answer [COUNT]\n");
	return status;
}
