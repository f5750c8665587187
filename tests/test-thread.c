/* SPDX-License-Identifier: BSD-3-Clause */
/* A program with thread-local variables that no thread's stack was meant for. */
#include <semaphore.h>

#include "fixture.h"

/* As much as the largest stack that the library asks for. */
#define LOCAL (2u << 20)

/* What a function may use of it: the headroom is for who called it. */
#define DEEP (1536u << 10)

static _Thread_local volatile unsigned char local[LOCAL];

static int use(void)
{
	volatile unsigned char deep[DEEP];

	memset((void *)local, 1, sizeof(local));
	for (size_t i = DEEP; i >= 4096; i -= 4096)
		deep[i - 1] = local[i - 1];
	return deep[DEEP - 1];
}

RAMET_FUNCTION(i32, use_here)
{
	(void)call;
	return use();
}

RAMET_CONCURRENT_FUNCTION(i32, use_in_a_worker)
{
	(void)call;
	return use();
}

static void threads_have_their_stacks(void **state)
{
	static const char *const paths[] = {"local", "fork", "local/local"};
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		ramet_context *context = fixture_connect(router, paths[i]);
		int32_t number = 0;

		assert_int_equal(use_here_call(context, &number, &error), 0);
		assert_int_equal(number, 1);
		number = 0;
		assert_int_equal(use_in_a_worker_call(context, &number, &error), 0);
		assert_int_equal(number, 1);
		ramet_context_unref(context);
	}
	ramet_router_unref(router);
}

static void hear(ramet_context *context, const ramet_manage_event *event, void *connected)
{
	(void)context;
	if (event->state == RAMET_MANAGE_CONNECTED)
		sem_post(connected);
}

static void lost_context_is_connected_again_by_a_thread(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_manage_options options = RAMET_MANAGE_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context = NULL;
	int32_t number = 0;
	sem_t connected;

	(void)state;
	assert_int_equal(sem_init(&connected, 0, 0), 0);
	options.backoff = 1;
	options.callback = hear;
	options.data = &connected;
	assert_int_equal(ramet_connect_managed(router, "local", &options, &context, &error), 0);
	assert_int_equal(kill(ramet_context_pid(context), SIGKILL), 0);
	assert_int_equal(sem_wait(&connected), 0);
	assert_int_equal(use_here_call(context, &number, &error), 0);
	assert_int_equal(number, 1);
	ramet_context_unref(context);
	ramet_router_unref(router);
	assert_int_equal(sem_destroy(&connected), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(threads_have_their_stacks),
		FIXTURE_TEST(lost_context_is_connected_again_by_a_thread),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
