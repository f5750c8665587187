/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A writer that could be fast and a reader that takes 1 MB/s, in both directions at once between this
 * process and one two hops away; meanwhile calls go over the same streams. What counts is what each
 * process has held in memory at most, and how long the calls took (raw: 64 bytes through a chain of
 * processes, in turns with them). At scale 1 a gigabyte goes in each
 * direction, which takes 18 minutes.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PIECE (64 * 1024)
#define RATE 1000000 /* bytes/s of a reader */
#define TICK_MS 10   /* between two looks of a reader at what it may take */
#define CALL_EVERY 5 /* ms */
#define MEBIBYTE 1048576.0

static char data[PIECE];
static ramet_receiver *sink;

/* Takes values as the clock allows; how many bytes. */
static int64_t take_slowly(ramet_router *router, ramet_receiver *from, int64_t bytes,
			   ramet_error *error)
{
	ramet_receiver *ticks = NULL;
	ramet_value *value = NULL;
	int64_t got = 0, allowed = 0;

	if (ramet_receiver_new_timer(router, TICK_MS, TICK_MS, &ticks) < 0)
		return -1;
	while (got < bytes) {
		if (allowed < PIECE) {
			if (ramet_receive(ticks, -1, &value, error) <= 0)
				break;
			allowed += ramet_value_i64(value) * (RATE / 1000 * TICK_MS);
		} else {
			if (ramet_receive(from, -1, &value, error) <= 0)
				break;
			allowed -= PIECE;
			got += (int64_t)ramet_value_bytes(value).size;
		}
		ramet_value_unref(value);
	}
	ramet_receiver_unref(ticks);
	return got;
}

static int write_all(ramet_sender *to, int64_t bytes)
{
	int r = 0;

	for (int64_t sent = 0; r == 0 && sent < bytes; sent += PIECE)
		r = ramet_send_bytes(to, (ramet_bytes){data, PIECE});
	return r;
}

/* --- over there ---------------------------------------------------------------------------- */

RAMET_FUNCTION(sender, open_sink)
{
	if (ramet_receiver_new(ramet_call_router(call), &sink) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(sink);
}

RAMET_CONCURRENT_FUNCTION(i64, drain, (i64, bytes))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t got = take_slowly(ramet_call_router(call), sink, bytes, &error);

	if (error.code < 0)
		ramet_fail_error(call, &error);
	ramet_receiver_unref(sink);
	return got;
}

RAMET_CONCURRENT_FUNCTION(none, produce, (sender, to), (i64, bytes))
{
	if (write_all(to, bytes) < 0)
		ramet_fail(call, EIO, "the reader is gone");
}

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

static int64_t own_peak(void)
{
	char line[128];
	long kib = 0;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

RAMET_FUNCTION(i64, peak)
{
	(void)call;
	return own_peak();
}

/* --- here ---------------------------------------------------------------------------------- */

struct reading {
	ramet_router *router;
	ramet_receiver *from;
	int64_t bytes, got;
};

static void *read_here(void *argument)
{
	struct reading *reading = argument;
	ramet_error error = RAMET_ERROR_INIT;

	reading->got = take_slowly(reading->router, reading->from, reading->bytes, &error);
	if (reading->got != reading->bytes)
		bench_die("bytes are missing: %s", error.message ? error.message : "the end");
	return NULL;
}

struct writing {
	ramet_sender *to;
	int64_t bytes;
};

static void *write_here(void *argument)
{
	struct writing *writing = argument;

	bench_check(write_all(writing->to, writing->bytes), "write", NULL);
	return NULL;
}

/* A raw process behind another one: what two hops cost on this machine, in its present mood. */
static void relay(int fd)
{
	char message[BENCH_SMALL];
	struct bench_raw next;

	bench_raw_start(&next, bench_raw_echo);
	while (bench_read_all(fd, message, sizeof(message))) {
		bench_write_all(next.fd, message, sizeof(message));
		bench_read_all(next.fd, message, sizeof(message));
		bench_write_all(fd, message, sizeof(message));
	}
	bench_raw_stop(&next);
}

/* A call every few milliseconds until both transfers are done, each beside a raw exchange. */
static void call_meanwhile(ramet_router *router, ramet_context *inner, ramet_receiver *const *calls,
			   const struct bench_raw *raw, struct bench_samples *samples,
			   struct bench_samples *raws)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *ticks = NULL;
	ramet_value *value = NULL;

	bench_check(ramet_receiver_new_timer(router, CALL_EVERY, CALL_EVERY, &ticks), "timer",
		    NULL);
	while (!ramet_receiver_done(calls[0]) || !ramet_receiver_done(calls[1])) {
		int64_t start;

		bench_check(ramet_receive(ticks, -1, &value, &error), "timer", &error);
		ramet_value_unref(value);
		start = bench_now();
		bench_check(nothing_call(inner, &error), "call", &error);
		bench_add(samples, (double)(bench_now() - start));
		bench_check(ramet_receive(ticks, -1, &value, &error), "timer", &error);
		ramet_value_unref(value);
		start = bench_now();
		bench_raw_ping(raw);
		bench_add(raws, (double)(bench_now() - start));
	}
	ramet_receiver_unref(ticks);
}

static void print_peak(const char *what, int64_t bytes)
{
	bench_print(&(struct bench_figure){.what = what,
					   .unit = BENCH_BYTES,
					   .ours = (double)bytes,
					   .at_most = 32 * MEBIBYTE});
}

static void measure(ramet_router *router, ramet_context *outer, ramet_context *inner,
		    const struct bench_raw *raw, int64_t bytes)
{
	struct reading reading = {.router = router, .bytes = bytes};
	struct writing writing = {.bytes = bytes};
	struct bench_samples samples = {0}, raws = {0};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *calls[2];
	pthread_t reader, writer;
	int64_t start = bench_now(), got = 0, there = 0;

	bench_check(ramet_receiver_new(router, &reading.from), "receiver", NULL);
	bench_check(open_sink_call(inner, &writing.to, &error), "sink", &error);
	bench_check(drain_start(inner, bytes, &calls[0], &error), "drain", &error);
	bench_check(
		produce_start(inner, ramet_receiver_sender(reading.from), bytes, &calls[1], &error),
		"produce", &error);
	if (pthread_create(&reader, NULL, read_here, &reading) != 0 ||
	    pthread_create(&writer, NULL, write_here, &writing) != 0)
		bench_die("no thread");
	call_meanwhile(router, inner, calls, raw, &samples, &raws);
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
	bench_check(drain_finish(calls[0], -1, &got, &error), "drain", &error);
	bench_check(produce_finish(calls[1], -1, &error), "produce", &error);
	if (got != bytes)
		bench_die("%lld of %lld bytes arrived", (long long)got, (long long)bytes);

	bench_print(&(struct bench_figure){
		.what = "bytes in each direction", .unit = BENCH_BYTES, .ours = (double)bytes});
	bench_print(&(struct bench_figure){.what = "rate of each reader",
					   .unit = BENCH_THROUGHPUT,
					   .ours = (double)bytes * 1e9 /
						   (double)(bench_now() - start)});
	print_peak("peak resident, this process", own_peak());
	bench_check(peak_call(outer, &there, &error), "peak", &error);
	print_peak("peak resident, the hop", there);
	bench_check(peak_call(inner, &there, &error), "peak", &error);
	print_peak("peak resident, two hops away", there);
	bench_print(&(struct bench_figure){
		.what = "calls meanwhile", .unit = BENCH_PLAIN, .ours = (double)samples.count});
	bench_print(&(struct bench_figure){.what = "call meanwhile, median",
					   .unit = BENCH_TIME,
					   .ours = bench_median(&samples),
					   .raw = bench_median(&raws),
					   .peer = "raw chain"});
	bench_print(&(struct bench_figure){.what = "call meanwhile, 99th percentile",
					   .unit = BENCH_TIME,
					   .ours = bench_quantile(&samples, 0.99),
					   .raw = bench_quantile(&raws, 0.99),
					   .peer = "raw chain",
					   .at_most = 5e6});
	bench_clear(&samples);
	bench_clear(&raws);
	for (int i = 0; i < 2; i++)
		ramet_receiver_unref(calls[i]);
	ramet_sender_unref(writing.to);
	ramet_receiver_unref(reading.from);
}

int main(int argc, char **argv)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *outer, *inner;
	struct bench_raw raw;
	ramet_router *router;
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv,
			    "streams: fast writers, readers of 1 MB/s, two hops, calls");
	memset(data, 1, sizeof(data));
	bench_raw_start(&raw, relay);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	bench_check(ramet_connect(router, "local", &outer, &error), "local", &error);
	bench_check(ramet_connect(router, "local/local", &inner, &error), "local/local", &error);
	measure(router, outer, inner, &raw, (int64_t)bench_scaled(scale, 16384, 64) * PIECE);
	ramet_context_unref(inner);
	ramet_context_unref(outer);
	ramet_router_unref(router);
	bench_raw_stop(&raw);
	return 0;
}
