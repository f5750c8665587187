/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small messages in one direction over one stream: values through a sender, calls whose result
 * nobody wants, and calls that do not wait for each other. The time runs until the other side has
 * counted them all. Raw is a socketpair with a write for each 64 bytes, and one for each 64 of
 * them; the peer is ZeroMQ over ipc (peer-zeromq, if it was built), in the same rounds.
 *
 * The scheduler likes to keep two processes that wake each other on one core, where they cannot
 * work at the same time. The second table shows the two with a core each; ZeroMQ, whose threads do
 * the work, is left to the scheduler in both.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define BATCH 64
#define WINDOW 1000 /* calls on their way at the same time */

static const char payload[BENCH_SMALL * BATCH];
static ramet_receiver *sink;
static int64_t taken;

RAMET_FUNCTION(sender, open_sink)
{
	if (!sink && ramet_receiver_new(ramet_call_router(call), &sink) < 0) {
		ramet_fail(call, ENOMEM, "no receiver");
		return NULL;
	}
	return ramet_receiver_sender(sink);
}

RAMET_FUNCTION(i64, drain, (i64, count))
{
	ramet_error error = RAMET_ERROR_INIT;

	for (int64_t i = 0; i < count; i++) {
		ramet_value *value;

		if (ramet_receive(sink, -1, &value, &error) <= 0) {
			ramet_fail_error(call, &error);
			return i;
		}
		ramet_value_unref(value);
	}
	return count;
}

RAMET_FUNCTION(none, produce, (sender, out), (i64, count))
{
	(void)call;
	for (int64_t i = 0; i < count; i++)
		if (ramet_send_bytes(out, (ramet_bytes){payload, BENCH_SMALL}) < 0)
			break;
	ramet_sender_close(out);
}

RAMET_FUNCTION(none, take, (bytes, message))
{
	(void)call;
	taken += message.size == BENCH_SMALL;
}

RAMET_FUNCTION(i64, take_count)
{
	int64_t count = taken;

	(void)call;
	taken = 0;
	return count;
}

static bool to_core(int64_t core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

/* The thread that runs functions, which is the one that takes messages. */
RAMET_FUNCTION(none, settle, (i64, core))
{
	if (!to_core(core))
		ramet_fail(call, errno, "no core %d here", (int)core);
}

static double per_second(size_t count, int64_t start)
{
	return (double)count * 1e9 / (double)(bench_now() - start);
}

/* --- the ways of sending ------------------------------------------------------------------- */

static double to_child(ramet_context *child, ramet_sender *out, size_t count)
{
	ramet_receiver *draining;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start, got;

	bench_check(drain_start(child, (int64_t)count, &draining, &error), "drain", &error);
	start = bench_now();
	for (size_t i = 0; i < count; i++)
		bench_check(ramet_send_bytes(out, (ramet_bytes){payload, BENCH_SMALL}), "send",
			    NULL);
	bench_check(drain_finish(draining, -1, &got, &error), "drain", &error);
	ramet_receiver_unref(draining);
	return per_second(count, start);
}

static double from_child(ramet_router *router, ramet_context *child, size_t count)
{
	ramet_receiver *in, *producing;
	ramet_value *value;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now();
	size_t got = 0;

	bench_check(ramet_receiver_new(router, &in), "receiver", NULL);
	bench_check(
		produce_start(child, ramet_receiver_sender(in), (int64_t)count, &producing, &error),
		"produce", &error);
	while (ramet_receive(in, -1, &value, &error) > 0) {
		ramet_value_unref(value);
		got++;
	}
	if (got != count)
		bench_die("%zu of %zu messages arrived", got, count);
	ramet_receiver_unref(in);
	ramet_receiver_unref(producing);
	return per_second(count, start);
}

static double posts(ramet_context *child, size_t count)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now(), got;

	for (size_t i = 0; i < count; i++)
		bench_check(take_post(child, (ramet_bytes){payload, BENCH_SMALL}, &error), "post",
			    &error);
	bench_check(take_count_call(child, &got, &error), "count", &error);
	if ((size_t)got != count)
		bench_die("%zu of %zu posts arrived", (size_t)got, count);
	return per_second(count, start);
}

static double pipelined(ramet_context *child, size_t count)
{
	static ramet_receiver *waiting[WINDOW];
	ramet_error error = RAMET_ERROR_INIT;
	int64_t start = bench_now(), result;

	for (size_t i = 0; i < count + WINDOW; i++) {
		ramet_receiver **slot = &waiting[i % WINDOW];

		if (*slot) {
			bench_check(take_count_finish(*slot, -1, &result, &error), "call", &error);
			ramet_receiver_unref(*slot);
			*slot = NULL;
		}
		if (i < count)
			bench_check(take_count_start(child, slot, &error), "call", &error);
	}
	return per_second(count, start);
}

/* --- the raw side and the peer ------------------------------------------------------------- */

static void swallow(int fd)
{
	static char buffer[64 * 1024];
	ssize_t n;
	char done = 1;

	/* The last message of a round says so. */
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		if (buffer[n - 1] == 'e')
			bench_write_all(fd, &done, 1);
}

static double raw(const struct bench_raw *process, size_t count, size_t at_once)
{
	int64_t start = bench_now();
	char done = 0;

	for (size_t i = 0; i < count; i += at_once)
		bench_write_all(process->fd, payload, BENCH_SMALL * at_once);
	bench_write_all(process->fd, "e", 1);
	bench_read_all(process->fd, &done, 1);
	return per_second(count, start);
}

/* 0 where there is no ZeroMQ. */
static double zeromq(size_t count)
{
	char program[4096], command[4200];
	double rate = 0;
	FILE *output;

	bench_beside(program, sizeof(program), "peer-zeromq");
	if (access(program, X_OK) < 0)
		return 0;
	snprintf(command, sizeof(command), "'%s' %zu", program, count);
	output = popen(command, "r");
	if (!output || fscanf(output, "%lf", &rate) != 1)
		bench_die("peer-zeromq failed");
	pclose(output);
	return rate;
}

/* --- the table ----------------------------------------------------------------------------- */

enum { TO_CHILD, FROM_CHILD, POSTS, PIPELINED, RAW, RAW_BATCH, ZEROMQ, WAYS };

static void print(struct bench_samples *samples, const char *where)
{
	static const char *const names[] = {"messages to a child", "messages from a child",
					    "posts to a child", "calls, 1000 on their way"};
	double peer = bench_median(&samples[ZEROMQ]);
	char what[64];

	for (int i = TO_CHILD; i <= PIPELINED; i++) {
		bool one_way = i != PIPELINED;

		snprintf(what, sizeof(what), "%s%s", names[i], where);
		bench_print(
			&(struct bench_figure){.what = what,
					       .unit = BENCH_RATE,
					       .ours = bench_median(&samples[i]),
					       .raw = one_way ? peer : bench_median(&samples[RAW]),
					       .peer = one_way ? "ZeroMQ" : "write each",
					       .at_least = one_way ? 3e6 : 0,
					       .ratio_at_least = one_way && peer > 0 ? 1 : 0});
	}
	for (int i = TO_CHILD; i <= POSTS; i++) {
		snprintf(what, sizeof(what), "%s, raw%s", names[i], where);
		bench_print(&(struct bench_figure){.what = what,
						   .unit = BENCH_RATE,
						   .ours = bench_median(&samples[i]),
						   .raw = bench_median(&samples[RAW_BATCH]),
						   .peer = "write per 64"});
	}
}

/* `core` is that of the child, the other one ours; -1: as the scheduler wants it. */
static void measure(size_t count, size_t rounds, int core, const char *where)
{
	struct bench_samples samples[WAYS] = {0};
	struct bench_raw process;
	ramet_router *router;
	ramet_context *child;
	ramet_sender *out;
	ramet_error error = RAMET_ERROR_INIT;

	bench_raw_start(&process, swallow);
	bench_check(ramet_router_new(NULL, &router), "router", NULL);
	bench_check(ramet_connect(router, "local", &child, &error), "local", &error);
	bench_check(open_sink_call(child, &out, &error), "sink", &error);
	if (core >= 0)
		bench_check(settle_call(child, core, &error), "core", &error);
	for (size_t i = 0; i < rounds; i++) {
		double peer = zeromq(count);

		if (peer > 0)
			bench_add(&samples[ZEROMQ], peer);
		if (core >= 0)
			to_core(!core);
		bench_add(&samples[TO_CHILD], to_child(child, out, count));
		bench_add(&samples[FROM_CHILD], from_child(router, child, count));
		bench_add(&samples[POSTS], posts(child, count));
		bench_add(&samples[PIPELINED], pipelined(child, count / 10));
		bench_add(&samples[RAW], raw(&process, count, 1));
		bench_add(&samples[RAW_BATCH], raw(&process, count, BATCH));
		if (core >= 0)
			bench_all_cores();
	}
	print(samples, where);
	for (int i = 0; i < WAYS; i++)
		bench_clear(&samples[i]);
	ramet_sender_unref(out);
	ramet_context_unref(child);
	ramet_router_unref(router);
	bench_raw_stop(&process);
}

int main(int argc, char **argv)
{
	size_t count, rounds;
	double scale;

	ramet_init(argc, argv);
	scale = bench_begin(argc, argv, "messages: 64 bytes one way, until all are counted");
	count = bench_scaled(scale, 1000000, 10000) / BATCH * BATCH;
	rounds = bench_scaled(scale, 7, 3);
	measure(count, rounds, -1, "");
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		measure(count, rounds, 1, ", a core each");
	return 0;
}
