/* SPDX-License-Identifier: BSD-3-Clause */
/* Connecting: sets, nesting, reuse, names, keys; and how long contexts live. */
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/router.h"
#include "fixture.h"
#include "records.h"

/* --- functions -------------------------------------------------------------------------------------- */

static ramet_context *held;

RAMET_FUNCTION(i64, process_id)
{
	return getpid();
}

RAMET_FUNCTION(str, working_directory)
{
	return getcwd(ramet_call_alloc(call, 4096), 4096);
}

RAMET_FUNCTION(str, variable, (str, name))
{
	return getenv(name);
}

RAMET_FUNCTION(i32, niceness)
{
	return getpriority(PRIO_PROCESS, 0);
}

RAMET_FUNCTION(i32, file_mask)
{
	mode_t mask = umask(0);

	umask(mask);
	return (int32_t)mask;
}

/* Connects, and holds what it gets until it is told otherwise. */
RAMET_FUNCTION(context, hold, (str, path))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_connect(ramet_call_router(call), path, &held, &error) < 0) {
		ramet_fail_error(call, &error);
		return NULL;
	}
	return held;
}

RAMET_FUNCTION(none, let_go)
{
	ramet_context_unref(held);
	held = NULL;
}

/* What this context may not end: its parent, itself. */
RAMET_FUNCTION(i32, end_parent)
{
	return ramet_context_shutdown(ramet_router_parent(ramet_call_router(call)), 100, NULL);
}

RAMET_FUNCTION(i32, end_self)
{
	return ramet_context_shutdown(ramet_router_self(ramet_call_router(call)), 100, NULL);
}

RAMET_FUNCTION(none, look_at_caller)
{
	if (!ramet_context_alive(ramet_call_caller(call)))
		ramet_fail(call, EIO, "the caller is gone");
}

RAMET_FUNCTION(i32, count_children)
{
	int32_t count = 0;

	while (ramet_router_child(ramet_call_router(call), (size_t)count))
		count++;
	return count;
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;

static void open_tree(void)
{
	router = records_router(&records, NULL);
}

static void close_tree(void)
{
	ramet_router_unref(router);
	records_done(&records);
}

static ramet_group *connect_all(const char *paths)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;

	if (ramet_connect_all(router, paths, &group, &error) < 0)
		fail_msg("%s: %s", paths, error.message);
	return group;
}

static int64_t pid_of(ramet_context *context)
{
	int64_t pid = 0;

	assert_int_equal(process_id_call(context, &pid, NULL), 0);
	assert_int_equal(pid, ramet_context_pid(context));
	return pid;
}

/* --- sets ------------------------------------------------------------------------------------------- */

static void set_has_all_contexts_in_the_order_of_the_text(void **state)
{
	static const struct {
		const char *text;
		const char *paths[8];
	} cases[] = {
		{"local", {"local"}},
		{"local*3", {"local", "local#1", "local#2"}},
		{"fork,local", {"fork", "local"}},
		{"local*2/fork*3",
		 {"local/fork", "local/fork#1", "local/fork#2", "local#1/fork", "local#1/fork#1",
		  "local#1/fork#2"}},
		{"fork#5,local*2,fork/fork", {"fork#5", "local", "local#1", "fork/fork"}},
		{"local,local", {"local", "local"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ramet_group *group;
		size_t size = 0;

		open_tree();
		group = connect_all(cases[i].text);
		for (; cases[i].paths[size]; size++) {
			ramet_context *context = ramet_group_get(group, size);

			assert_string_equal(ramet_context_path(context), cases[i].paths[size]);
			assert_true(pid_of(context) > 0);
			assert_true(ramet_context_alive(context));
		}
		assert_int_equal(ramet_group_size(group), size);
		assert_null(ramet_group_get(group, size));
		ramet_group_unref(group);
		close_tree();
	}
}

static void hop_that_is_there_is_used_again(void **state)
{
	ramet_context *first, *again, *indexed, *other, *below;
	ramet_group *group;

	(void)state;
	open_tree();
	first = fixture_connect(router, "local");
	again = fixture_connect(router, "local");
	indexed = fixture_connect(router, "local#0");
	other = fixture_connect(router, "local?env.X=1");
	assert_int_equal(ramet_context_id(first), ramet_context_id(again));
	assert_int_equal(ramet_context_id(first), ramet_context_id(indexed));
	assert_int_not_equal(ramet_context_id(first), ramet_context_id(other));
	group = connect_all("local*3");
	assert_int_equal(ramet_context_id(ramet_group_get(group, 0)), ramet_context_id(first));
	below = fixture_connect(router, "local#2/fork");
	ramet_group_unref(group);
	/* The one above it lives on, and is found again. */
	again = (ramet_context_unref(again), fixture_connect(router, "local#2/fork"));
	assert_int_equal(ramet_context_id(again), ramet_context_id(below));
	ramet_context_unref(first);
	ramet_context_unref(again);
	ramet_context_unref(indexed);
	ramet_context_unref(other);
	ramet_context_unref(below);
	close_tree();
}

static void set_that_fails_leaves_nothing_behind(void **state)
{
	static const char *const sets[] = {"local*3,nosuch",
					   "local,fork?cwd=%2Fnonexistent",
					   "local*2/fork?nice=99",
					   "local/fork?umask=9",
					   "local,",
					   ",local",
					   "local*3,local*x"};

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_group *group = NULL;

		open_tree();
		assert_true(ramet_connect_all(router, sets[i], &group, &error) < 0);
		assert_null(group);
		assert_non_null(error.message);
		assert_non_null(error.where);
		ramet_error_clear(&error);
		close_tree();
	}
}

static void path_that_makes_no_sense_is_refused(void **state)
{
	static const struct {
		const char *path;
		int code;
		const char *text, *where;
	} cases[] = {
		{"nosuch", -EPROTONOSUPPORT, "nosuch", ""},
		{"local/nosuch", -EPROTONOSUPPORT, "nosuch", "local"},
		{"local*2", -EINVAL, "several contexts", ""},
		{"local:target", -EINVAL, "no target", ""},
		{"fork:x", -EINVAL, "no target", ""},
		{"local?colour=red", -EINVAL, "colour", ""},
		{"local/fork?colour=red", -EINVAL, "colour", "local"},
		{"local?nice=20", -EINVAL, "nice=20", ""},
		{"local?nice=x", -EINVAL, "nice=x", ""},
		{"local?nice=", -EINVAL, "nice=", ""},
		{"local?umask=8", -EINVAL, "umask=8", ""},
		{"local?umask=1000", -EINVAL, "umask=1000", ""},
		{"local?cwd=", -EINVAL, "cwd=", ""},
		{"local?name=", -EINVAL, "name=", ""},
		{"local?name=a%2Fb", -EINVAL, "name=a/b", ""},
		{"local?env.=1", -EINVAL, "variable", ""},
		{"local?cwd=%2Fnonexistent", -ENOENT, "cwd=/nonexistent", ""},
		{"local/local?cwd=%2Fnonexistent", -ENOENT, "cwd=/nonexistent", "local"},
	};

	(void)state;
	open_tree();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_context *context = NULL;

		if (ramet_connect(router, cases[i].path, &context, &error) == 0)
			fail_msg("%s was accepted", cases[i].path);
		assert_string_equal(error.where, cases[i].where);
		fixture_check_error(&error, cases[i].code, cases[i].text, NULL);
		assert_null(context);
	}
	close_tree();
}

/* --- keys ------------------------------------------------------------------------------------------- */

static void keys_are_done_before_the_first_call(void **state)
{
	static const char *const methods[] = {"local", "fork", "local/local", "local/fork"};

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		ramet_context *context;
		const char *text = NULL;
		char path[128];
		int32_t number = -1;

		open_tree();
		snprintf(path, sizeof(path),
			 "%s?cwd=%%2Fproc&env.RAMET_TEST_A=b%%3Dc&env.RAMET_TEST_B=&nice=5&umask="
			 "027",
			 methods[i]);
		context = fixture_connect(router, path);
		assert_int_equal(working_directory_call(context, &text, NULL), 0);
		assert_string_equal(text, "/proc");
		ramet_free(text);
		assert_int_equal(variable_call(context, "RAMET_TEST_A", &text, NULL), 0);
		assert_string_equal(text, "b=c");
		ramet_free(text);
		assert_int_equal(variable_call(context, "RAMET_TEST_B", &text, NULL), 0);
		assert_string_equal(text, "");
		ramet_free(text);
		assert_int_equal(variable_call(context, "RAMET_TEST_C", &text, NULL), 0);
		assert_null(text);
		assert_int_equal(niceness_call(context, &number, NULL), 0);
		assert_int_equal(number, getpriority(PRIO_PROCESS, 0) + 5);
		assert_int_equal(file_mask_call(context, &number, NULL), 0);
		assert_int_equal(number, 027);
		/* The keys are not shown. */
		assert_string_equal(ramet_context_path(context), methods[i]);
		ramet_context_unref(context);
		close_tree();
	}
	assert_null(getenv("RAMET_TEST_A"));
}

static void name_is_shown_in_the_place_of_the_method(void **state)
{
	ramet_context *context, *below;
	ramet_group *group;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local?name=db");
	below = fixture_connect(router, "local?name=db/fork");
	assert_string_equal(ramet_context_path(context), "db");
	assert_string_equal(ramet_context_path(below), "db/fork");
	group = connect_all("fork?name=w*2");
	assert_string_equal(ramet_context_path(ramet_group_get(group, 1)), "w#1");
	ramet_group_unref(group);
	ramet_context_unref(context);
	ramet_context_unref(below);
	close_tree();
}

/* --- lives ------------------------------------------------------------------------------------------ */

static void context_ends_with_its_last_handle(void **state)
{
	static const char *const paths[] = {"local", "fork", "local/local", "fork/local/fork"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		ramet_context *context, *second, *again;
		int64_t first_pid;
		int pidfd;

		open_tree();
		context = fixture_connect(router, paths[i]);
		second = ramet_context_ref(context);
		first_pid = pid_of(context);
		pidfd = fixture_pidfd((int)first_pid);
		ramet_context_unref(context);
		assert_int_equal(pid_of(second), first_pid);
		ramet_context_unref(second);
		fixture_wait_end(pidfd);
		again = fixture_connect(router, paths[i]);
		assert_int_not_equal(pid_of(again), first_pid);
		ramet_context_unref(again);
		close_tree();
	}
}

static void context_that_is_kept_lives_until_the_router_ends(void **state)
{
	ramet_context *context, *again;
	ramet_group *group;
	int64_t pid;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/local");
	pid = pid_of(context);
	ramet_context_keep(context);
	ramet_context_unref(context);
	again = fixture_connect(router, "local/local");
	assert_int_equal(pid_of(again), pid);
	ramet_context_unref(again);
	group = connect_all("fork*2");
	ramet_group_keep(group);
	pid = pid_of(ramet_group_get(group, 1));
	ramet_group_unref(group);
	again = fixture_connect(router, "fork#1");
	assert_int_equal(pid_of(again), pid);
	ramet_context_unref(again);
	close_tree();
}

/* A context that both its parent and the master hold ends when both have let go. */
static void context_with_two_holders_ends_with_the_last(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		ramet_context *parent, *mine, *theirs = NULL;
		int32_t children = -1;
		int pidfd;

		open_tree();
		parent = fixture_connect(router, "local");
		mine = fixture_connect(router, "local/fork");
		assert_int_equal(hold_call(parent, "fork", &theirs, NULL), 0);
		assert_int_equal(ramet_context_id(theirs), ramet_context_id(mine));
		pidfd = fixture_pidfd(ramet_context_pid(mine));
		ramet_context_unref(theirs);
		if (order == 0)
			assert_int_equal(let_go_call(parent, NULL), 0);
		else
			ramet_context_unref(mine);
		/* Its parent has heard of it when it answers. */
		assert_int_equal(count_children_call(parent, &children, NULL), 0);
		assert_int_equal(children, 1);
		if (order == 0)
			ramet_context_unref(mine);
		else
			assert_int_equal(let_go_call(parent, NULL), 0);
		fixture_wait_end(pidfd);
		ramet_context_unref(parent);
		close_tree();
	}
}

static void context_shut_down_is_gone_for_every_handle(void **state)
{
	static const char *const paths[] = {"local", "fork", "local/fork"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_context *context, *second, *below;
		const char *reason = NULL;
		char path[64];
		int64_t pid;

		open_tree();
		context = fixture_connect(router, paths[i]);
		second = fixture_connect(router, paths[i]);
		snprintf(path, sizeof(path), "%s/local", paths[i]);
		below = fixture_connect(router, path);
		ramet_context_keep(context);
		assert_int_equal(ramet_context_wait(context, 0, &reason), 0);
		assert_null(reason);
		assert_int_equal(ramet_context_shutdown(context, -1, &error), 0);
		assert_false(ramet_context_alive(second));
		assert_int_equal(ramet_context_wait(second, 0, &reason), 1);
		assert_non_null(reason);
		assert_int_equal(process_id_call(second, &pid, &error), -ECONNRESET);
		fixture_check_error(&error, -ECONNRESET, paths[i], reason, NULL);
		/* And everything below it. */
		assert_int_equal(ramet_context_wait(below, SOON, &reason), 1);
		assert_int_equal(ramet_context_shutdown(context, -1, NULL), 0);
		ramet_context_unref(context);
		ramet_context_unref(second);
		ramet_context_unref(below);
		close_tree();
	}
}

static void shutdown_of_what_was_not_connected_here_is_refused(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;
	int32_t r = 0;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local");
	assert_int_equal(end_parent_call(context, &r, NULL), 0);
	assert_int_equal(r, -EPERM);
	assert_int_equal(end_self_call(context, &r, NULL), 0);
	assert_int_equal(r, -EPERM);
	assert_int_equal(ramet_context_shutdown(ramet_router_self(router), 100, &error), -EPERM);
	ramet_error_clear(&error);
	assert_true(pid_of(context) > 0);
	ramet_context_unref(context);
	close_tree();
}

/* The caller is mostly the parent, to which nobody holds a handle otherwise. */
static void parent_is_not_ended_with_the_last_handle_to_it(void **state)
{
	ramet_context *context;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local");
	for (int i = 0; i < 3; i++)
		assert_int_equal(look_at_caller_call(context, NULL), 0);
	/* What a child may not say is counted. */
	rmt_lock(router);
	assert_int_equal(router->dropped, 0);
	rmt_unlock(router);
	ramet_context_unref(context);
	close_tree();
}

/* A handle that travelled up holds nothing: what it leads to ends with its own holders. */
static void handle_that_travelled_learns_of_the_end(void **state)
{
	ramet_context *parent, *grandchild = NULL;
	const char *reason = NULL;

	(void)state;
	open_tree();
	parent = fixture_connect(router, "local");
	assert_int_equal(hold_call(parent, "fork", &grandchild, NULL), 0);
	assert_string_equal(ramet_context_path(grandchild), "local/fork");
	assert_true(pid_of(grandchild) > 0);
	assert_int_equal(let_go_call(parent, NULL), 0);
	assert_int_equal(ramet_context_wait(grandchild, SOON, &reason), 1);
	assert_non_null(reason);
	ramet_context_unref(grandchild);
	ramet_context_unref(parent);
	close_tree();
}

static void handles_after_the_router_ended_are_harmless(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context;
	int64_t pid;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local");
	ramet_router_ref(router);
	ramet_router_unref(router);
	assert_true(pid_of(context) > 0);
	ramet_router_unref(router);
	assert_false(ramet_context_alive(context));
	assert_string_equal(ramet_context_path(context), "local");
	assert_true(process_id_call(context, &pid, &error) < 0);
	ramet_error_clear(&error);
	assert_int_equal(ramet_context_wait(context, 0, NULL), 1);
	ramet_context_unref(context);
	records_done(&records);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(set_has_all_contexts_in_the_order_of_the_text),
		FIXTURE_TEST(hop_that_is_there_is_used_again),
		FIXTURE_TEST(set_that_fails_leaves_nothing_behind),
		FIXTURE_TEST(path_that_makes_no_sense_is_refused),
		FIXTURE_TEST(keys_are_done_before_the_first_call),
		FIXTURE_TEST(name_is_shown_in_the_place_of_the_method),
		FIXTURE_TEST(context_ends_with_its_last_handle),
		FIXTURE_TEST(context_that_is_kept_lives_until_the_router_ends),
		FIXTURE_TEST(context_with_two_holders_ends_with_the_last),
		FIXTURE_TEST(context_shut_down_is_gone_for_every_handle),
		FIXTURE_TEST(shutdown_of_what_was_not_connected_here_is_refused),
		FIXTURE_TEST(parent_is_not_ended_with_the_last_handle_to_it),
		FIXTURE_TEST(handle_that_travelled_learns_of_the_end),
		FIXTURE_TEST(handles_after_the_router_ended_are_harmless),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
