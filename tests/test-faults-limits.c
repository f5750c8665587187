/* SPDX-License-Identifier: BSD-3-Clause */
/* A master that may not open more descriptors. */
#include <sys/resource.h>

#include "fixture.h"

RAMET_FUNCTION(i64, square, (i64, number))
{
	return number * number;
}

/* Of its own descriptors. */
RAMET_FUNCTION(none, allow_descriptors, (i64, most))
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		ramet_fail(call, errno, "getrlimit");
	limit.rlim_cur = (rlim_t)most;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		ramet_fail(call, errno, "setrlimit");
}

static void check_square(ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	if (square_call(context, 7, &result, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(result, 49);
}

static int highest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void check_exhausted(enum ramet_poller poller, const char *method, int spare)
{
	ramet_router *router = fixture_router(poller, 0);
	ramet_context *contexts[64] = {NULL};
	ramet_error error = RAMET_ERROR_INIT;
	struct rlimit before, limit;
	char path[32];
	int count = 0, r = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	contexts[count++] = fixture_connect(router, "local?name=first");
	limit = before;
	limit.rlim_cur = (rlim_t)(highest_fd() + spare);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (count < 64) {
		snprintf(path, sizeof(path), "%s#%d", method, count);
		r = ramet_connect(router, path, &contexts[count], &error);
		if (r < 0)
			break;
		count++;
	}
	assert_true(count < 64);
	assert_null(contexts[count]);
	fixture_check_error(&error, -EMFILE, path, NULL);
	/* Those that are there work, and can end. */
	for (int i = 0; i < count; i++)
		check_square(contexts[i]);
	if (count > 1) {
		count--;
		assert_int_equal(ramet_context_shutdown(contexts[count], -1, &error), 0);
		ramet_context_unref(contexts[count]);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	snprintf(path, sizeof(path), "%s#%d", method, count);
	contexts[count++] = fixture_connect(router, path);
	for (int i = 0; i < count; i++) {
		check_square(contexts[i]);
		ramet_context_unref(contexts[i]);
	}
	ramet_router_unref(router);
}

/* Wherever exactly they run out. */
static void master_out_of_descriptors_connect_fails_others_work(void **state)
{
	(void)state;
	for (int spare = 0; spare < 20; spare++) {
		check_exhausted(RAMET_POLLER_EPOLL, "local", spare);
		check_exhausted(RAMET_POLLER_EPOLL, "fork", spare);
	}
	for (int spare = 0; spare < 10; spare++)
		check_exhausted(RAMET_POLLER_POLL, "local", spare);
}

static void master_out_of_descriptors_set_fails_as_a_whole(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *first = fixture_connect(router, "local?name=first");
	ramet_error error = RAMET_ERROR_INIT;
	struct rlimit before, limit;
	ramet_group *group = NULL;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)(highest_fd() + 30);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(ramet_connect_all(router, "local*50", &group, &error), -EMFILE);
	assert_null(group);
	fixture_check_error(&error, -EMFILE, "local", "open", NULL);
	check_square(first);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(ramet_connect_all(router, "local*50", &group, &error), 0);
	check_square(ramet_group_get(group, 49));
	ramet_group_unref(group);
	ramet_context_unref(first);
	ramet_router_unref(router);
}

static void child_out_of_descriptors_error_comes_from_it(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *child = fixture_connect(router, "local"), *below = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(allow_descriptors_call(child, 10, &error), 0);
	assert_int_equal(ramet_connect(router, "local/local*1", &below, &error), -EMFILE);
	assert_string_equal(error.where, "local");
	fixture_check_error(&error, -EMFILE, "local/local", NULL);
	check_square(child);
	assert_int_equal(allow_descriptors_call(child, 100, &error), 0);
	below = fixture_connect(router, "local/local");
	check_square(below);
	ramet_context_unref(below);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void router_new_out_of_descriptors_fails(void **state)
{
	struct rlimit before, limit;
	ramet_router *router = NULL;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	for (int spare = 0; spare < 2; spare++) {
		limit.rlim_cur = (rlim_t)(highest_fd() + spare);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(ramet_router_new(NULL, &router), -EMFILE);
		assert_null(router);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(ramet_router_new(NULL, &router), 0);
	ramet_router_unref(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(router_new_out_of_descriptors_fails),
		FIXTURE_TEST(master_out_of_descriptors_connect_fails_others_work),
		FIXTURE_TEST(master_out_of_descriptors_set_fails_as_a_whole),
		FIXTURE_TEST(child_out_of_descriptors_error_comes_from_it),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
