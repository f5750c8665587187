/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of exchanges, and of functions that run in them, have in common. */
#pragma once

#include <sys/wait.h>

#include "children.h"
#include "fixture.h"

/* Processes at a time, which `store` checks. */
#define LIMIT 3

static inline ramet_exchange *exchange_new(int limit, ramet_exchange_store *store, void *data)
{
	ramet_exchange *exchange;

	assert_int_equal(ramet_exchange_new(limit, store, data, &exchange), 0);
	return exchange;
}

static inline void exchange_start(ramet_exchange *exchange, ramet_channel_function *function,
				  void *data)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = ramet_exchange_start(exchange, function, data, &error);

	if (r < 0)
		fail_msg("%d: %s", r, error.message);
}

static inline void exchange_finish(ramet_exchange *exchange)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = ramet_exchange_finish(exchange, SOON, &error);

	if (r < 0)
		fail_msg("%d: %s", r, error.message);
	assert_int_equal(ramet_exchange_running(exchange), 0);
	assert_int_equal(children_count(), 0);
}

/* Sends the square of a number, to which `data` points. */
static inline void square(ramet_channel *channel, void *data)
{
	int64_t number = *(int64_t *)data;

	ramet_channel_send_i64(channel, number * number);
}

/* The same as a task; 13 fails, and 17 kills its process. */
static inline void square_of(ramet_channel *channel, const ramet_value *input, void *state)
{
	int64_t number = ramet_value_i64(input);

	(void)state;
	if (number == 13)
		ramet_channel_fail(channel, EDOM, "thirteen");
	else if (number == 17)
		raise(SIGKILL);
	else
		ramet_channel_send_i64(channel, number * number);
}

/* Adds up what arrives. */
struct sums {
	int64_t squares;
	size_t bytes;
	int values, most;
};

static inline int store(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value,
			void *data)
{
	struct sums *sums = data;
	int running = ramet_exchange_running(exchange), children = children_count();

	assert_true(ramet_channel_pid(channel) > 0);
	sums->values++;
	if (children > sums->most)
		sums->most = children;
	assert_true(running <= LIMIT);
	if (ramet_value_kind(value) == RAMET_KIND_I64)
		sums->squares += ramet_value_i64(value);
	else
		sums->bytes += ramet_value_bytes(value).size;
	return 0;
}

/* Counts how channels have ended, and notes why. */
struct ends {
	int count, exited[4], killed, failed;
	char messages[4][128];
};

static inline int ended(ramet_exchange *exchange, ramet_channel *channel, int status,
			const ramet_error *failure, void *data)
{
	struct ends *ends = data;

	(void)exchange;
	assert_non_null(channel);
	if (WIFEXITED(status))
		ends->exited[WEXITSTATUS(status) & 3]++;
	else if (WIFSIGNALED(status))
		ends->killed += WTERMSIG(status) == SIGKILL;
	if (failure)
		snprintf(ends->messages[ends->failed++ & 3], 128, "%d %s", failure->code,
			 failure->message);
	ends->count++;
	return 0;
}

static inline int ignore(ramet_exchange *exchange, ramet_channel *channel, ramet_value *value,
			 void *data)
{
	(void)exchange, (void)channel, (void)value, (void)data;
	return 0;
}

static inline bool told(const struct ends *ends, int code, const char *text)
{
	for (int i = 0; i < ends->failed; i++)
		if (atoi(ends->messages[i]) == code && strstr(ends->messages[i], text))
			return true;
	return false;
}
