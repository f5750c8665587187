/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What leaves a process first: control before calls and small results before bulk, also when a thread of it is in the
 * middle of a bulk send. The neighbour is a socket that nobody reads until all are at their places.
 */
#include <pthread.h>
#include <sys/socket.h>

#include "core/control.h"
#include "core/flow.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/stream.h"
#include "fixture.h"
#include "records.h"
#include "wire/input.h"

#define NEIGHBOUR 77
#define BULK 600000

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

static ramet_router *router;
static struct records records;
static ramet_context *context;
static ramet_sender *sender;
static int fds[2];
static size_t stuffed; /* bytes that fill the socket, so that not a part of a frame goes */

static void neighbour_lost(struct rmt_stream *stream, const char *reason)
{
	(void)reason; /* which goes with the stream */
	rmt_child_lost(stream->peer, "it has closed");
}

static void fill_socket(void)
{
	static const char zeros[4096];
	ssize_t n;

	stuffed = 0;
	for (size_t size = sizeof(zeros); size > 0; size /= 2)
		while ((n = send(fds[0], zeros, size, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
			stuffed += (size_t)n;
}

static void open_tree(void)
{
	struct rmt_stream *stream = NULL;
	struct rmt_peer *peer;

	router = records_router(&records, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	rmt_lock(router);
	peer = rmt_peer_get(router, NEIGHBOUR);
	assert_non_null(peer);
	assert_int_equal(rmt_stream_new(router, fds[0], fds[0], &stream), 0);
	fill_socket(); /* whose size the stream has set */
	stream->peer = peer;
	stream->lost = neighbour_lost;
	peer->stream = stream;
	assert_int_equal(rmt_route_add(router, NEIGHBOUR, NEIGHBOUR, stream), 0);
	context = rmt_context_take(peer);
	sender = rmt_sender_new(router, NEIGHBOUR, 5000, false);
	rmt_unlock(router);
	assert_non_null(sender);
}

static void close_tree(void)
{
	close(fds[1]);
	ramet_context_unref(context);
	ramet_sender_unref(sender);
	ramet_router_unref(router);
	records_done(&records);
}

static void *send_bulk(void *argument)
{
	void *data = calloc(1, BULK);
	int r = ramet_send_bytes(argument, (ramet_bytes){data, BULK});

	free(data);
	return (void *)(intptr_t)r;
}

static void read_all(void *data, size_t size)
{
	char *at = data;

	while (size > 0) {
		ssize_t n = read(fds[1], at, size);

		assert_true(n > 0);
		at += n;
		size -= (size_t)n;
	}
}

static struct rmt_frame read_frame(void)
{
	static unsigned char header[RMT_FRAME_HEADER_SIZE], payload[RMT_FRAME_PAYLOAD_MAX];
	struct rmt_frame frame;

	read_all(header, sizeof(header));
	assert_int_equal(rmt_frame_decode(header, &frame), 0);
	read_all(payload, frame.length);
	return frame;
}

static void skip_stuffing(void)
{
	static char zeros[4096];

	for (size_t left = stuffed; left > 0;) {
		size_t size = left < sizeof(zeros) ? left : sizeof(zeros);

		read_all(zeros, size);
		left -= size;
	}
}

static void calls_and_small_results_do_not_wait_for_a_bulk_send(void **state)
{
	struct rmt_frame result = {.destination = NEIGHBOUR, .handle = 6000}, frame;
	ramet_receiver *calls[20];
	pthread_t thread;
	size_t bulk;
	void *r;

	(void)state;
	open_tree();
	assert_int_equal(pthread_create(&thread, NULL, send_bulk, sender), 0);
	fixture_wait_threads_sleep();
	/* All of its first frame waits, which was more than a call would wait behind. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(nothing_start(context, &calls[i], NULL), 0);
	rmt_lock(router);
	assert_int_equal(rmt_send_frame(router, &result, "\xf6", 1, false), 0);
	rmt_control_credit(router, router->id, NEIGHBOUR, 7000, 1);
	rmt_unlock(router);

	skip_stuffing();
	frame = read_frame();
	assert_int_equal(frame.handle, 5000);
	assert_int_equal(frame.total, BULK);
	bulk = frame.length;
	assert_int_equal(read_frame().handle, RMT_HANDLE_CONTROL);
	for (int i = 0, results = 0; i < 21; i++) {
		frame = read_frame();
		results += frame.handle == 6000;
		assert_true(frame.handle == RMT_HANDLE_CALL || frame.handle == 6000);
		assert_in_range(results, i == 20, 1);
	}
	while (bulk < BULK) {
		frame = read_frame();
		assert_int_equal(frame.handle, 5000);
		assert_int_equal(frame.total, bulk);
		bulk += frame.length;
	}
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	for (int i = 0; i < 20; i++)
		ramet_receiver_unref(calls[i]);
	close_tree();
}

/* A result of more than one frame is sent as the values of a stream are: it makes way, too. */
static void large_results_are_bulk(void **state)
{
	struct rmt_frame small = {.handle = 6000, .length = 100, .total = 100};
	struct rmt_frame large = {.flags = RMT_FRAME_COUNTED | RMT_FRAME_MORE,
				  .handle = 6000,
				  .length = RMT_FRAME_PAYLOAD_MAX,
				  .total = 1 << 20};
	struct rmt_frame call = {
		.flags = RMT_FRAME_COUNTED, .handle = RMT_HANDLE_CALL, .length = 100, .total = 100};

	(void)state;
	assert_int_equal(rmt_output_class(&small), RMT_CLASS_CALL);
	assert_int_equal(rmt_output_class(&call), RMT_CLASS_CALL);
	assert_int_equal(rmt_output_class(&large), RMT_CLASS_BULK);
}

/* Calls are bounded by their own credit instead: a window of them waits here at most. */
static void calls_to_who_reads_nothing_stop_after_their_window(void **state)
{
	static char text[1000];
	ramet_call_options options = {.timeout = 50};
	ramet_context *limited = NULL;
	ramet_value *argument, *arguments;
	size_t sent = 0;
	int r;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	argument = ramet_value_new_str(text);
	arguments = ramet_value_new_array(&argument, 1);
	open_tree();
	assert_int_equal(ramet_context_with(context, &options, &limited), 0);
	do {
		r = ramet_invoke_post(limited, "nothing", arguments, NULL);
		sent += r == 0;
	} while (r == 0);
	assert_int_equal(r, -ETIMEDOUT);
	assert_in_range(sent * sizeof(text), RMT_CALL_WINDOW / 2, RMT_CALL_WINDOW);
	ramet_context_unref(limited);
	ramet_value_unref(argument);
	ramet_value_unref(arguments);
	close_tree();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(calls_and_small_results_do_not_wait_for_a_bulk_send),
		FIXTURE_TEST(large_results_are_bulk),
		FIXTURE_TEST(calls_to_who_reads_nothing_stop_after_their_window),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
