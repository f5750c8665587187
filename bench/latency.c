/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long calls take while a bulk transfer uses the same stream, in either direction. The peer is
 * the same call over the same stream when it is otherwise idle.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "bench.h"

#define PIECE (64 * 1024)

static char data[PIECE];
static ramet_receiver *sink;
static atomic_bool enough;

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

RAMET_FUNCTION(sender, open_sink)
{
	if (ramet_receiver_new(ramet_call_router(call), &sink) < 0) {
		ramet_fail(call, ENOMEM, "no receiver");
		return NULL;
	}
	return ramet_receiver_sender(sink);
}

static int64_t take_all(ramet_receiver *receiver)
{
	ramet_value *value;
	int64_t got = 0;

	while (ramet_receive(receiver, -1, &value, NULL) > 0) {
		got += (int64_t)ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	return got;
}

/* Beside the calls, which the main thread executes. */
RAMET_CONCURRENT_FUNCTION(i64, drain)
{
	(void)call;
	return take_all(sink);
}

RAMET_CONCURRENT_FUNCTION(none, produce, (sender, out))
{
	(void)call;
	while (ramet_send_bytes(out, (ramet_bytes){data, PIECE}) == 0)
		;
	ramet_sender_close(out);
}

static void *send_data(void *argument)
{
	ramet_sender *out = argument;

	while (!enough)
		bench_check(ramet_send_bytes(out, (ramet_bytes){data, PIECE}), "send", NULL);
	ramet_sender_close(out);
	return NULL;
}

static void *receive_data(void *argument)
{
	ramet_receiver *in = argument;
	ramet_value *value;

	while (!enough && ramet_receive(in, -1, &value, NULL) > 0)
		ramet_value_unref(value);
	ramet_receiver_close(in);
	return NULL;
}

static void sample(ramet_context *child, struct bench_samples *samples, double seconds)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t until = bench_now() + (int64_t)(seconds * 1e9);

	while (bench_now() < until) {
		int64_t start = bench_now();

		bench_check(nothing_call(child, &error), "call", &error);
		bench_add(samples, (double)(bench_now() - start));
	}
}

static void print(const char *what, struct bench_samples *busy, struct bench_samples *idle)
{
	char text[64];

	bench_print(&(struct bench_figure){.what = what,
					   .unit = BENCH_TIME,
					   .ours = bench_median(busy),
					   .raw = bench_median(idle),
					   .peer = "idle",
					   .at_most = 1e6});
	snprintf(text, sizeof(text), "%s, p99", what);
	bench_print(&(struct bench_figure){.what = text,
					   .unit = BENCH_TIME,
					   .ours = bench_quantile(busy, 0.99),
					   .raw = bench_quantile(idle, 0.99),
					   .peer = "idle"});
	bench_clear(busy);
}

static void during_to(ramet_context *child, struct bench_samples *samples, double seconds)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *draining;
	ramet_sender *out;
	pthread_t thread;
	int64_t start, got;

	bench_check(open_sink_call(child, &out, &error), "sink", &error);
	bench_check(drain_start(child, &draining, &error), "drain", &error);
	enough = false;
	start = bench_now();
	pthread_create(&thread, NULL, send_data, out);
	sample(child, samples, seconds);
	enough = true;
	pthread_join(thread, NULL);
	bench_check(drain_finish(draining, -1, &got, &error), "drain", &error);
	bench_print(
		&(struct bench_figure){.what = "the transfer to a child beside it",
				       .unit = BENCH_THROUGHPUT,
				       .ours = (double)got * 1e9 / (double)(bench_now() - start)});
	ramet_receiver_unref(draining);
	ramet_sender_unref(out);
}

static void during_from(ramet_router *router, ramet_context *child, struct bench_samples *samples,
			double seconds)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *in, *producing;
	pthread_t thread;

	bench_check(ramet_receiver_new(router, &in), "receiver", NULL);
	bench_check(produce_start(child, ramet_receiver_sender(in), &producing, &error), "produce",
		    &error);
	enough = false;
	pthread_create(&thread, NULL, receive_data, in);
	sample(child, samples, seconds);
	enough = true;
	pthread_join(thread, NULL);
	bench_check(produce_finish(producing, -1, &error), "produce", &error);
	ramet_receiver_unref(producing);
	ramet_receiver_unref(in);
}

int main(int argc, char **argv)
{
	struct bench_samples idle = {0}, busy = {0};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *child;
	ramet_router *router;
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv, "latency: calls during a bulk transfer on their stream");
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	bench_check(ramet_connect(router, "local", &child, &error), "local", &error);
	sample(child, &idle, 1 * scale);
	during_to(child, &busy, 3 * scale);
	print("call beside bulk to the child", &busy, &idle);
	during_from(router, child, &busy, 3 * scale);
	print("call beside bulk from the child", &busy, &idle);
	bench_clear(&idle);
	ramet_context_unref(child);
	ramet_router_unref(router);
	return 0;
}
