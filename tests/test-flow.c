/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow control: what a slow reader does to its writers, and to those in between. */
#include "base/limits.h"
#include "core/flow.h"
#include "core/router.h"
#include "fixture.h"
#include "records.h"

#define END_SOON 60000

/* --- functions -------------------------------------------------------------------------------------- */

static ramet_sender *kept; /* a sender that outlives its call */

RAMET_FUNCTION(none, keep_sender, (sender, to))
{
	kept = ramet_sender_ref(to);
}

RAMET_FUNCTION(none, drop_sender)
{
	ramet_sender_unref(kept);
	kept = NULL;
}

RAMET_FUNCTION(i64, send_one, (i64, number), (i32, timeout))
{
	ramet_sender_set_timeout(kept, timeout);
	return ramet_send_i64(kept, number);
}

/* Sends until it is stopped: what it could send, bytes. */
RAMET_FUNCTION(i64, send_until_full, (u64, size), (u64, most), (i32, timeout))
{
	void *data = calloc(1, size);
	uint64_t sent = 0;

	ramet_sender_set_timeout(kept, timeout);
	while (sent < most && ramet_send_bytes(kept, (ramet_bytes){data, size}) == 0)
		sent += size;
	free(data);
	return (int64_t)sent;
}

RAMET_FUNCTION(u64, resident_peak)
{
	char line[128];
	uint64_t kib = 0;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %lu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* The same while the main thread is busy. */
RAMET_CONCURRENT_FUNCTION(u64, resident_peak_beside)
{
	return resident_peak(call);
}

static ramet_receiver *served;

RAMET_FUNCTION(sender, serve)
{
	if (ramet_receiver_new(ramet_call_router(call), &served) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(served);
}

/* A value for each tick of a millisecond, from a reader that could be faster; bytes. */
static uint64_t take_slowly(ramet_router *of, ramet_receiver *from, uint64_t most)
{
	ramet_receiver *ticks = NULL;
	uint64_t got = 0;

	if (ramet_receiver_new_timer(of, 0, 1, &ticks) < 0)
		return 0;
	while (got < most) {
		ramet_value *value = NULL, *tick = NULL;

		if (ramet_receive(ticks, END_SOON, &tick, NULL) != 1 ||
		    ramet_receive(from, END_SOON, &value, NULL) != 1)
			break;
		got += ramet_value_bytes(value).size;
		ramet_value_unref(value);
		ramet_value_unref(tick);
	}
	ramet_receiver_unref(ticks);
	return got;
}

RAMET_FUNCTION(u64, take_served_slowly, (u64, most))
{
	uint64_t got = take_slowly(ramet_call_router(call), served, most);

	ramet_receiver_unref(served);
	return got;
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;
static ramet_receiver *receiver;

static void open_tree(bool siblings)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.allow_siblings = siblings;
	router = records_router(&records, &options);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
}

static void close_tree(void)
{
	ramet_receiver_unref(receiver);
	ramet_router_unref(router);
	records_done(&records);
}

static ramet_sender *to(void)
{
	return ramet_receiver_sender(receiver);
}

static void assert_end(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int r = ramet_receive(receiver, END_SOON, &value, &error);

	if (r < 0)
		fail_msg("%s", error.message);
	assert_int_equal(r, 0);
	assert_null(value);
	/* And it stays at its end. */
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), 0);
	assert_true(ramet_receiver_done(receiver));
}

static const char *const paths[] = {NULL, "local", "fork", "local/local", "fork/local/fork"};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

static ramet_context *reach(size_t i)
{
	return paths[i] ? fixture_connect(router, paths[i])
			: ramet_context_ref(ramet_router_self(router));
}

/* --- flow control ----------------------------------------------------------------------------------- */

static void receive_bytes(uint64_t expected)
{
	uint64_t got = 0;

	while (got < expected) {
		ramet_value *value = NULL;

		assert_int_equal(ramet_receive(receiver, END_SOON, &value, NULL), 1);
		got += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	assert_int_equal(got, expected);
}

/* All that goes without the reader: what does not go within a moment may go in the next. */
static uint64_t fill(ramet_context *context, uint64_t size)
{
	uint64_t all = 0;
	int64_t sent;

	do {
		assert_int_equal(send_until_full_call(context, size, 64 << 20, 20, &sent, NULL), 0);
		all += (uint64_t)sent;
	} while (sent > 0 || all < RMT_FLOW_WINDOW / 2);
	return all;
}

/* 64 MiB to a reader that takes nothing: a window goes, and when the reader takes it, another. */
static void writer_is_stopped_after_a_window(void **state)
{
	static const uint64_t sizes[] = {100, 10000, 65536, 100000};

	(void)state;
	for (size_t i = 1; i < PATHS; i++) {
		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
			ramet_context *context;

			open_tree(false);
			context = reach(i);
			assert_int_equal(keep_sender_call(context, to(), NULL), 0);
			for (int round = 0; round < 2; round++) {
				uint64_t sent = fill(context, sizes[k]);

				assert_in_range(sent, RMT_FLOW_WINDOW / 2,
						RMT_FLOW_WINDOW + sizes[k]);
				receive_bytes(sent);
			}
			assert_int_equal(drop_sender_call(context, NULL), 0);
			assert_end();
			ramet_context_unref(context);
			close_tree();
		}
	}
}

#if !SANITIZED
static void memory_stays_bounded_while_a_reader_is_slow(void **state)
{
	ramet_context *outer, *inner;
	uint64_t before[2], after[2];
	int64_t sent;

	(void)state;
	open_tree(false);
	outer = fixture_connect(router, "local");
	inner = fixture_connect(router, "local/local");
	assert_int_equal(resident_peak_call(outer, &before[0], NULL), 0);
	assert_int_equal(resident_peak_call(inner, &before[1], NULL), 0);
	assert_true(before[0] > 0 && before[1] > 0);
	assert_int_equal(keep_sender_call(inner, to(), NULL), 0);
	for (int round = 0; round < 64; round++) {
		assert_int_equal(send_until_full_call(inner, 65536, 4 << 20, 1, &sent, NULL), 0);
		receive_bytes((uint64_t)sent);
	}
	assert_int_equal(resident_peak_call(outer, &after[0], NULL), 0);
	assert_int_equal(resident_peak_call(inner, &after[1], NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_true(after[i] - before[i] < 8 << 10);
	assert_int_equal(drop_sender_call(inner, NULL), 0);
	ramet_context_unref(outer);
	ramet_context_unref(inner);
	close_tree();
}

/* Far more than any of them may hold, through two hops to a reader that is slow; calls go on meanwhile. */
#define SLOW_BYTES (64 << 20)

static void check_peaks(ramet_context *outer, ramet_context *inner)
{
	uint64_t kib = 0;
	ramet_context *self = ramet_router_self(router), *all[] = {self, outer, inner};

	for (int i = 0; i < 3; i++) {
		assert_int_equal(resident_peak_beside_call(all[i], &kib, NULL), 0);
		assert_in_range(kib, 1, 32 << 10);
	}
}

static void slow_reader_here_lets_no_process_grow(void **state)
{
	ramet_context *outer, *inner;
	ramet_receiver *call = NULL;
	int64_t sent = 0;

	(void)state;
	open_tree(false);
	outer = fixture_connect(router, "local");
	inner = fixture_connect(router, "local/local");
	assert_int_equal(keep_sender_call(inner, to(), NULL), 0);
	assert_int_equal(send_until_full_start(inner, 65536, SLOW_BYTES, -1, &call, NULL), 0);
	for (int part = 0; part < 16; part++) {
		assert_int_equal(take_slowly(router, receiver, SLOW_BYTES / 16), SLOW_BYTES / 16);
		check_peaks(outer, inner);
	}
	assert_int_equal(send_until_full_finish(call, END_SOON, &sent, NULL), 0);
	assert_int_equal(sent, SLOW_BYTES);
	ramet_receiver_unref(call);
	assert_int_equal(drop_sender_call(inner, NULL), 0);
	assert_end();
	ramet_context_unref(outer);
	ramet_context_unref(inner);
	close_tree();
}

static void slow_reader_two_hops_away_lets_no_process_grow(void **state)
{
	static const char zeros[65536];
	ramet_context *outer, *inner;
	ramet_receiver *call = NULL;
	ramet_sender *sender = NULL;
	uint64_t got = 0;

	(void)state;
	open_tree(false);
	outer = fixture_connect(router, "local");
	inner = fixture_connect(router, "local/local");
	assert_int_equal(serve_call(inner, &sender, NULL), 0);
	assert_int_equal(take_served_slowly_start(inner, SLOW_BYTES, &call, NULL), 0);
	for (int i = 0; i < SLOW_BYTES >> 16; i++) {
		assert_int_equal(ramet_send_bytes(sender, (ramet_bytes){zeros, sizeof(zeros)}), 0);
		if (i % 64 == 0)
			check_peaks(outer, inner);
	}
	assert_int_equal(take_served_slowly_finish(call, END_SOON, &got, NULL), 0);
	assert_int_equal(got, SLOW_BYTES);
	check_peaks(outer, inner);
	ramet_receiver_unref(call);
	ramet_sender_unref(sender);
	ramet_context_unref(outer);
	ramet_context_unref(inner);
	close_tree();
}
#endif

/* Each call has a sender of its own, to the same reader: they share what may be on its way. */
RAMET_FUNCTION(i64, send_what_goes, (sender, to), (i32, timeout))
{
	static const char zeros[10000];
	int64_t sent = 0;

	ramet_sender_set_timeout(to, timeout);
	while (ramet_send_bytes(to, (ramet_bytes){zeros, sizeof(zeros)}) == 0)
		sent += sizeof(zeros);
	return sent;
}

/* Flows to streams that contexts still know of, when all was consumed or nobody reads. */
RAMET_FUNCTION(i64, count_flows)
{
	ramet_router *here = ramet_call_router(call);
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *node;
	int64_t count = 0;

	rmt_lock(here);
	for (node = rmt_table_walk(&here->flows, &walk); node;
	     node = rmt_table_walk(&here->flows, &walk))
		count += RMT_CONTAINER(node, struct rmt_flow, node)->handle != RMT_HANDLE_CALL;
	rmt_unlock(here);
	return count;
}

static void writer_that_comes_again_has_no_new_window(void **state)
{
	(void)state;
	for (size_t i = 1; i < PATHS; i++) {
		for (int closed = 0; closed < 2; closed++) {
			int64_t sent, all = 0, flows = -1;
			ramet_context *context;

			open_tree(false);
			context = reach(i);
			for (int round = 0; round < 4; round++) {
				assert_int_equal(
					send_what_goes_call(context, to(), 30, &sent, NULL), 0);
				all += sent;
				assert_in_range(all, RMT_FLOW_WINDOW / 2, RMT_FLOW_WINDOW);
			}
			if (closed) {
				ramet_receiver_close(receiver);
			} else {
				receive_bytes((uint64_t)all);
				assert_end();
			}
			assert_int_equal(count_flows_call(context, &flows, NULL), 0);
			assert_int_equal(flows, 0);
			ramet_context_unref(context);
			close_tree();
		}
	}
}

static void message_larger_than_the_window_arrives(void **state)
{
	const uint64_t size = 5 * RMT_FLOW_WINDOW + 12345;

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_receiver *call = NULL;
		ramet_context *context;
		int64_t sent = 0;

		open_tree(false);
		context = reach(i);
		assert_int_equal(keep_sender_call(context, to(), NULL), 0);
		assert_int_equal(send_until_full_start(context, size, 3 * size, -1, &call, NULL),
				 0);
		receive_bytes(3 * size);
		assert_int_equal(send_until_full_finish(call, END_SOON, &sent, NULL), 0);
		assert_int_equal(sent, 3 * size);
		ramet_receiver_unref(call);
		assert_int_equal(drop_sender_call(context, NULL), 0);
		assert_end();
		ramet_context_unref(context);
		close_tree();
	}
}

static void send_that_does_not_wait_says_so(void **state)
{
	ramet_context *context;
	int64_t r;

	(void)state;
	open_tree(false);
	context = fixture_connect(router, "local");
	assert_int_equal(keep_sender_call(context, to(), NULL), 0);
	fill(context, 1000);
	do
		assert_int_equal(send_one_call(context, 1, 0, &r, NULL), 0);
	while (r == 0);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(send_one_call(context, 1, 10, &r, NULL), 0);
	assert_int_equal(r, -ETIMEDOUT);
	assert_int_equal(drop_sender_call(context, NULL), 0);
	ramet_context_unref(context);
	close_tree();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(writer_is_stopped_after_a_window),
#if !SANITIZED /* whose own memory would be counted, too */
		FIXTURE_TEST(memory_stays_bounded_while_a_reader_is_slow),
		FIXTURE_TEST(slow_reader_here_lets_no_process_grow),
		FIXTURE_TEST(slow_reader_two_hops_away_lets_no_process_grow),
#endif
		FIXTURE_TEST(writer_that_comes_again_has_no_new_window),
		FIXTURE_TEST(message_larger_than_the_window_arrives),
		FIXTURE_TEST(send_that_does_not_wait_says_so),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
