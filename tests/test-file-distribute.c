/* SPDX-License-Identifier: BSD-3-Clause */
/* One file to many contexts: each link once, and what becomes of the others when one is slow or dies. */
#include <sys/stat.h>

#include "core/peer.h"
#include "core/stream.h"
#include "files.h"
#include "fixture.h"

enum { TARGETS = 6, LARGE = SANITIZED ? 30 << 20 : 100 << 20 };

static ramet_router *router;
static ramet_group *group;
static ramet_file_outcome outcomes[TARGETS + 2];

/* Each writes where it works, so that one path is a file for each. */
RAMET_FUNCTION(none, enter, (str, directory))
{
	if (chdir(directory) < 0)
		ramet_fail(call, errno, "chdir");
}

static void plant(const char *paths)
{
	ramet_error error = RAMET_ERROR_INIT;

	files_begin();
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	if (ramet_connect_all(router, paths, &group, &error) < 0)
		fail_msg("%s", error.message);
	for (size_t i = 0; i < ramet_group_size(group); i++) {
		assert_int_equal(mkdir(files_path("%zu", i), 0755), 0);
		assert_int_equal(enter_call(ramet_group_get(group, i), files_path("%zu", i), NULL),
				 0);
	}
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++)
		outcomes[i] = (ramet_file_outcome){.error = RAMET_ERROR_INIT};
}

static void fell(void)
{
	ramet_group_unref(group);
	ramet_router_unref(router);
	files_end();
}

static ramet_file_distribute_options options_for(ramet_context *from)
{
	ramet_file_distribute_options options = RAMET_FILE_DISTRIBUTE_OPTIONS_INIT;

	options.from = from;
	options.from_path = files_path("from");
	options.to = group;
	options.to_path = "to";
	return options;
}

static int distribute(const ramet_file_distribute_options *options)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = ramet_file_distribute(options, outcomes, &error);

	if (r < 0)
		fail_msg("%s", error.message);
	return r;
}

static void check_target(size_t i)
{
	if (outcomes[i].error.code)
		fail_msg("%zu: %s", i, outcomes[i].error.message);
	files_check_same(files_path("from"), files_path("%zu/to", i));
	files_check_names(files_path("%zu", i), "to");
}

static uint64_t sent_to(const ramet_context *child)
{
	uint64_t bytes;

	rmt_lock(router);
	bytes = child->peer->stream->bytes_out;
	rmt_unlock(router);
	return bytes;
}

/* --- the way ---------------------------------------------------------------------------------------- */

static void each_link_is_crossed_once(void **state)
{
	ramet_file_distribute_options options;
	ramet_context *gateway;
	uint64_t before, size = 8 << 20;

	(void)state;
	plant("local/local*6");
	gateway = fixture_connect(router, "local");
	files_make(files_path("from"), size, 1);
	options = options_for(ramet_router_self(router));
	before = sent_to(gateway);
	assert_int_equal(distribute(&options), 0);
	assert_true(sent_to(gateway) - before < size + size / 20);
	for (size_t i = 0; i < TARGETS; i++) {
		check_target(i);
		assert_int_equal(outcomes[i].result.bytes, size);
		assert_int_equal(outcomes[i].result.files, 1);
		assert_string_equal(outcomes[i].result.hash, outcomes[0].result.hash);
	}
	/* Those that have it need it no more. */
	options.flags = RAMET_FILE_SKIP_SAME;
	assert_int_equal(unlink(files_path("3/to")), 0);
	assert_int_equal(distribute(&options), 0);
	for (size_t i = 0; i < TARGETS; i++) {
		check_target(i);
		assert_int_equal(outcomes[i].result.skipped, i != 3);
	}
	ramet_context_unref(gateway);
	fell();
}

/* A gateway that is a target itself, targets at several depths, a source elsewhere, among them. */
static void file_comes_from_anywhere_to_everywhere(void **state)
{
	(void)state;
	plant("local,local/fork,local/fork/local,local#1,local#1/local,local#1/local#1");
	files_make(files_path("from"), 3000001, 1);
	for (size_t from = 0; from <= TARGETS; from++) {
		ramet_file_distribute_options options = options_for(
			from < TARGETS ? ramet_group_get(group, from) : ramet_router_self(router));

		assert_int_equal(distribute(&options), 0);
		for (size_t i = 0; i < TARGETS; i++) {
			check_target(i);
			assert_int_equal(unlink(files_path("%zu/to", i)), 0);
		}
	}
	fell();
}

static void tree_goes_to_all(void **state)
{
	ramet_file_distribute_options options;

	(void)state;
	plant("local/local*6");
	assert_int_equal(mkdir(files_path("from"), 0755), 0);
	for (int i = 0; i < 100; i++)
		files_make(files_path("from/%d", i), (uint64_t)i * 777, (unsigned)i);
	assert_int_equal(symlink("5", files_path("from/link")), 0);
	options = options_for(ramet_router_self(router));
	options.flags = RAMET_FILE_TREE;
	assert_int_equal(distribute(&options), 0);
	for (size_t i = 0; i < TARGETS; i++) {
		assert_int_equal(outcomes[i].result.files, 100);
		for (int k = 0; k < 100; k++)
			files_check_same(files_path("from/%d", k), files_path("%zu/to/%d", i, k));
		assert_int_equal(access(files_path("%zu/to/link", i), F_OK), 0);
	}
	fell();
}

/* --- failures --------------------------------------------------------------------------------------- */

static void failure_of_one_is_not_that_of_others(void **state)
{
	ramet_file_distribute_options options;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	plant("local/local*6");
	files_make(files_path("from"), 5000000, 1);
	assert_int_equal(mkdir(files_path("2/to"), 0755), 0);
	options = options_for(ramet_router_self(router));
	assert_int_equal(distribute(&options), 1);
	for (size_t i = 0; i < TARGETS; i++)
		if (i != 2)
			check_target(i);
	fixture_check_error(&outcomes[2].error, -EISDIR, "to", NULL);
	/* Without a source nobody has anything. */
	options.from_path = files_path("none");
	assert_int_equal(ramet_file_distribute(&options, outcomes, &error), -ENOENT);
	fixture_check_error(&error, -ENOENT, "none", NULL);
	fell();
}

static int kill_on_progress(uint64_t bytes, uint64_t total, void *data)
{
	int *pid = data;

	if (bytes > 0 && bytes<total && * pid> 0) {
		assert_int_equal(kill(*pid, SIGKILL), 0);
		*pid = 0;
	}
	return 0;
}

static void target_that_dies_is_dropped(void **state)
{
	ramet_file_distribute_options options;
	int pid;

	(void)state;
	plant("local/local*6");
	files_make(files_path("from"), LARGE, 1);
	pid = ramet_context_pid(ramet_group_get(group, 4));
	options = options_for(ramet_router_self(router));
	options.progress = kill_on_progress;
	options.progress_data = &pid;
	assert_int_equal(distribute(&options), 1);
	assert_int_equal(pid, 0);
	for (size_t i = 0; i < TARGETS; i++)
		if (i != 4)
			check_target(i);
	fixture_check_error(&outcomes[4].error, -ECONNRESET, "gone", NULL);
	files_check_names(files_path("4"), "");
	fell();
}

static int stop_on_progress(uint64_t bytes, uint64_t total, void *data)
{
	int *pid = data;

	if (bytes > 0 && bytes<total && * pid> 0) {
		assert_int_equal(kill(*pid, SIGSTOP), 0);
		*pid = 0;
	}
	return 0;
}

static void target_that_stops_is_dropped_in_time(void **state)
{
	ramet_file_distribute_options options;
	int pid, stopped;

	(void)state;
	plant("local/local*6");
	files_make(files_path("from"), LARGE, 1);
	stopped = pid = ramet_context_pid(ramet_group_get(group, 1));
	options = options_for(ramet_router_self(router));
	options.stall_timeout = 1000;
	options.progress = stop_on_progress;
	options.progress_data = &pid;
	assert_int_equal(distribute(&options), 1);
	assert_int_equal(pid, 0);
	for (size_t i = 0; i < TARGETS; i++)
		if (i != 1)
			check_target(i);
	fixture_check_error(&outcomes[1].error, -ETIMEDOUT, "1000 ms", NULL);
	files_check_names(files_path("1"), "");
	assert_int_equal(kill(stopped, SIGCONT), 0);
	fell();
}

static void gateway_that_dies_takes_those_behind_it(void **state)
{
	ramet_file_distribute_options options;
	ramet_context *gateway;
	int pid, behind;

	(void)state;
	fixture_allow_orphans();
	plant("local/local*2,local#1/local*2");
	gateway = fixture_connect(router, "local");
	files_make(files_path("from"), LARGE, 1);
	pid = ramet_context_pid(gateway);
	behind = fixture_pidfd(ramet_context_pid(ramet_group_get(group, 0)));
	options = options_for(ramet_router_self(router));
	options.progress = kill_on_progress;
	options.progress_data = &pid;
	assert_int_equal(distribute(&options), 2);
	assert_int_equal(pid, 0);
	for (size_t i = 0; i < 2; i++)
		fixture_check_error(&outcomes[i].error, -ECONNRESET, "gone", NULL);
	for (size_t i = 2; i < 4; i++)
		check_target(i);
	fixture_wait_end(behind);
	files_check_names(files_path("0"), "");
	ramet_context_unref(gateway);
	fell();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(each_link_is_crossed_once),
		FIXTURE_TEST(file_comes_from_anywhere_to_everywhere),
		FIXTURE_TEST(tree_goes_to_all),
		FIXTURE_TEST(failure_of_one_is_not_that_of_others),
		FIXTURE_TEST(target_that_dies_is_dropped),
		FIXTURE_TEST(target_that_stops_is_dropped_in_time),
		FIXTURE_TEST(gateway_that_dies_takes_those_behind_it),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
