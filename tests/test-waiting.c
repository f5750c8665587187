/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits here, or is kept by the program, holds about its own size: not what came with it. */
#include "base/chunk.h"
#include "core/router.h"
#include "fixture.h"

#define COUNT 64
#define SIZE 200

/* One is read into, others are shared with what has just come. */
#define CHUNKS_MAX 4

/* As much as ends a chunk, so that what comes next is in another. */
#define FILLINGS 3
#define FILLING 60000

static size_t chunks_of(ramet_router *router)
{
	size_t chunks, bytes;

	rmt_chunk_pool_used(router->chunks, &chunks, &bytes);
	return chunks;
}

static unsigned char data[SIZE];

/* --- in the child ------------------------------------------------------------------------------- */

/* A call for each value: each comes alone. */
RAMET_FUNCTION(i32, send_bytes, (sender, to))
{
	(void)call;
	return ramet_send_bytes(to, (ramet_bytes){data, sizeof(data)});
}

RAMET_FUNCTION(i32, send_text, (sender, to))
{
	char text[SIZE];

	(void)call;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return ramet_send_str(to, text);
}

RAMET_FUNCTION(bytes, answer)
{
	(void)call;
	return (ramet_bytes){data, sizeof(data)};
}

/* Fills chunks of both sides. */
RAMET_CONCURRENT_FUNCTION(bytes, fill, (bytes, it))
{
	(void)call;
	return it;
}

/* Until somebody sends something. */
RAMET_FUNCTION(u64, wait_here, (sender, begun))
{
	ramet_receiver *end = NULL;
	ramet_value *value = NULL, *sender;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_receiver_new(ramet_call_router(call), &end) < 0)
		return 0;
	sender = ramet_value_new_sender(ramet_receiver_sender(end));
	if (ramet_send_value(begun, sender) == 0 && ramet_receive(end, -1, &value, &error) > 0)
		ramet_value_unref(value);
	ramet_value_unref(sender);
	ramet_receiver_unref(end);
	ramet_error_clear(&error);
	return 1;
}

RAMET_FUNCTION(u64, take_argument, (bytes, it))
{
	(void)call;
	return it.size;
}

RAMET_CONCURRENT_FUNCTION(u64, chunks_there)
{
	return chunks_of(ramet_call_router(call));
}

/* --- here --------------------------------------------------------------------------------------- */

static ramet_router *router;
static ramet_context *context;
static ramet_receiver *receivers[COUNT];
static ramet_value *values[COUNT];

static void open_tree(void)
{
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	context = fixture_connect(router, "local");
}

static void fill_chunks(void)
{
	static unsigned char filling[FILLING];
	ramet_error error = RAMET_ERROR_INIT;
	ramet_bytes bytes;

	for (size_t i = 0; i < FILLINGS; i++) {
		assert_int_equal(
			fill_call(context, (ramet_bytes){filling, sizeof(filling)}, &bytes, &error),
			0);
		ramet_free(bytes.data);
	}
}

static void close_tree(void)
{
	for (size_t i = 0; i < COUNT; i++) {
		ramet_value_unref(values[i]);
		ramet_receiver_unref(receivers[i]);
		values[i] = NULL;
		receivers[i] = NULL;
	}
	ramet_context_unref(context);
	ramet_router_unref(router);
}

/* One value waits in each receiver; then each is kept. */
static void check_stream(int (*send)(ramet_context *, ramet_sender *, int32_t *, ramet_error *))
{
	ramet_error error = RAMET_ERROR_INIT;

	open_tree();
	for (size_t i = 0; i < COUNT; i++) {
		int32_t r = -1;

		assert_int_equal(ramet_receiver_new(router, &receivers[i]), 0);
		assert_int_equal(send(context, ramet_receiver_sender(receivers[i]), &r, &error), 0);
		assert_int_equal(r, 0);
		fill_chunks();
	}
	assert_in_range(chunks_of(router), 0, CHUNKS_MAX);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(ramet_receive(receivers[i], SOON, &values[i], &error), 1);
	assert_in_range(chunks_of(router), 0, CHUNKS_MAX);
	close_tree();
}

static void small_values_hold_no_chunks(void **state)
{
	(void)state;
	check_stream(send_bytes_call);
	check_stream(send_text_call);
}

static void small_results_hold_no_chunks(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	open_tree();
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(answer_start(context, &receivers[i], &error), 0);
		fill_chunks();
	}
	assert_in_range(chunks_of(router), 0, CHUNKS_MAX);
	for (size_t i = 0; i < COUNT; i++) {
		ramet_bytes bytes = {NULL, 0};

		assert_int_equal(answer_finish(receivers[i], SOON, &bytes, &error), 0);
		assert_int_equal(bytes.size, SIZE);
		ramet_free(bytes.data);
	}
	close_tree();
}

static void small_calls_that_wait_hold_no_chunks(void **state)
{
	ramet_receiver *waits = NULL, *begun = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *end = NULL;
	uint64_t number = 0;

	(void)state;
	open_tree();
	assert_int_equal(ramet_receiver_new(router, &begun), 0);
	assert_int_equal(wait_here_start(context, ramet_receiver_sender(begun), &waits, &error), 0);
	assert_int_equal(ramet_receive(begun, SOON, &end, &error), 1);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(take_argument_start(context, (ramet_bytes){data, sizeof(data)},
						     &receivers[i], &error),
				 0);
		fill_chunks();
	}
	assert_int_equal(chunks_there_call(context, &number, &error), 0);
	assert_in_range(number, 0, CHUNKS_MAX);
	assert_int_equal(ramet_send_i64(ramet_value_sender(end), 1), 0);
	assert_int_equal(wait_here_finish(waits, SOON, &number, &error), 0);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(take_argument_finish(receivers[i], SOON, &number, &error), 0);
		assert_int_equal(number, SIZE);
	}
	ramet_value_unref(end);
	ramet_receiver_unref(waits);
	ramet_receiver_unref(begun);
	close_tree();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(small_values_hold_no_chunks),
		FIXTURE_TEST(small_results_hold_no_chunks),
		FIXTURE_TEST(small_calls_that_wait_hold_no_chunks),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
