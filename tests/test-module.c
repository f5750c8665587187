/* SPDX-License-Identifier: BSD-3-Clause */
/* Modules (ramet-module.h): who may have them, how they get there, what is refused. */
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "core/fetch.h"
#include "core/message.h"
#include "fixture.h"
#include "parent/connection-state.h"

static char directory[] = "/tmp/ramet-test-module-XXXXXX";

/* --- what children do ---------------------------------------------------------------------------- */

RAMET_FUNCTION(i64, taken)
{
	return 1;
}

static ramet_value *one_argument(const char *text)
{
	ramet_value *value = ramet_value_new_str(text), *list;

	list = value ? ramet_value_new_array(&value, 1) : NULL;
	ramet_value_unref(value);
	return list;
}

/* From where it runs, in the same context. */
RAMET_CONCURRENT_FUNCTION(value, call_here, (str, function), (str, text))
{
	ramet_context *self = ramet_router_self(ramet_call_router(call));
	ramet_value *arguments = one_argument(text), *result = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_invoke(self, function, arguments, &result, &error) < 0)
		ramet_fail_error(call, &error);
	ramet_value_unref(arguments);
	return result;
}

/* A context in the middle allows a module for those below it. */
RAMET_FUNCTION(none, allow_here, (str, name), (str, file))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_module_allow(ramet_call_router(call), name, file, &error) < 0)
		ramet_fail_error(call, &error);
}

/* --- conveniences -------------------------------------------------------------------------------- */

static const char *built(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s.so", getenv("RAMET_TEST_MODULES"), name);
	return path;
}

/* A file that begins as the module greet does. */
static const char *made(const char *name, size_t size, size_t change_at, const char *change,
			size_t change_size)
{
	static char path[512];
	int in = open(built("module-greet"), O_RDONLY | O_CLOEXEC), out;
	struct stat status;
	char *data;

	assert_true(in >= 0);
	assert_int_equal(fstat(in, &status), 0);
	data = calloc(1, (size_t)status.st_size);
	assert_int_equal(read(in, data, (size_t)status.st_size), status.st_size);
	if (change)
		memcpy(data + change_at, change, change_size);
	snprintf(path, sizeof(path), "%s/%s.so", directory, name);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(out >= 0);
	assert_true(write(out, data, (size_t)status.st_size) == status.st_size);
	assert_int_equal(ftruncate(out, (off_t)(size ? size : (size_t)status.st_size)), 0);
	close(in);
	close(out);
	free(data);
	return path;
}

static ramet_router *router_with(const char *name, const char *file)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 5000);
	ramet_error error = RAMET_ERROR_INIT;

	if (name && ramet_module_allow(router, name, file, &error) < 0)
		fail_msg("%s: %s", name, error.message);
	return router;
}

static void load(ramet_context *context, const char *name)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_module_load(context, name, &error) < 0)
		fail_msg("%s: %s", name, error.message);
}

/* Calls greet_hello and checks who answers: the count says how often that was. */
static void greet(ramet_context *context, int64_t count)
{
	ramet_value *arguments = one_argument("you"), *value = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_invoke(context, "greet_hello", arguments, &value, &error) < 0)
		fail_msg("greet_hello: %s", error.message);
	assert_int_equal(ramet_value_count(value), 3);
	assert_string_equal(ramet_value_str(ramet_value_item(value, 0)), "hello, you");
	assert_int_equal(ramet_value_i64(ramet_value_item(value, 1)), ramet_context_pid(context));
	assert_int_equal(ramet_value_i64(ramet_value_item(value, 2)), count);
	ramet_value_unref(value);
	ramet_value_unref(arguments);
}

static void check_requests(ramet_router *router, uint64_t names, uint64_t contents)
{
	struct rmt_modules *modules = &rmt_parent_of(router)->modules;

	rmt_lock(router);
	assert_int_equal(modules->names, names);
	assert_int_equal(modules->contents, contents);
	rmt_unlock(router);
}

/* --- how they get there -------------------------------------------------------------------------- */

static void load_local_functions_can_be_called(void **state)
{
	ramet_router *router = router_with("greet", built("module-greet"));
	ramet_context *context = fixture_connect(router, "local");
	ramet_value *code = ramet_value_new_i64(EDOM), *list = ramet_value_new_array(&code, 1);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(ramet_invoke(context, "greet_fail", list, NULL, &error), -ENOSYS);
	ramet_error_clear(&error);
	load(context, "greet");
	greet(context, 1);
	assert_int_equal(ramet_invoke(context, "greet_fail", list, NULL, &error), -EDOM);
	fixture_check_error(&error, -EDOM, "this is not polite", NULL);
	/* What is there is not asked for again. */
	load(context, "greet");
	greet(context, 2);
	check_requests(router, 1, 1);
	ramet_value_unref(list);
	ramet_value_unref(code);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void load_two_hops_function_called_from_there(void **state)
{
	ramet_router *router = router_with("greet", built("module-greet"));
	ramet_context *context = fixture_connect(router, "local/local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	(void)state;
	load(context, "greet");
	greet(context, 1);
	if (call_here_call(context, "greet_hello", "me", &value, &error) < 0)
		fail_msg("%s", error.message);
	assert_string_equal(ramet_value_str(ramet_value_item(value, 0)), "hello, me");
	assert_int_equal(ramet_value_i64(ramet_value_item(value, 2)), 2);
	ramet_value_unref(value);
	check_requests(router, 1, 1);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void load_twenty_at_once_crosses_first_link_once(void **state)
{
	ramet_router *router = router_with("greet", made("big", 1 << 20, 0, NULL, 0));
	ramet_receiver *receivers[20] = {NULL};
	ramet_value *name = one_argument("greet");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;

	(void)state;
	if (ramet_connect_all(router, "local/local*20", &group, &error) < 0)
		fail_msg("%s", error.message);
	for (size_t i = 0; i < RMT_COUNT(receivers); i++)
		assert_int_equal(ramet_invoke_start(ramet_group_get(group, i), "rmt_module_load",
						    name, &receivers[i], &error),
				 0);
	for (size_t i = 0; i < RMT_COUNT(receivers); i++) {
		if (ramet_invoke_finish(receivers[i], SOON, NULL, &error) < 0)
			fail_msg("%zu: %s", i, error.message);
		ramet_receiver_unref(receivers[i]);
		greet(ramet_group_get(group, i), 1);
	}
	check_requests(router, 1, 1);
	ramet_value_unref(name);
	ramet_group_unref(group);
	ramet_router_unref(router);
}

static void load_unknown_name_is_remembered_until_something_is_allowed(void **state)
{
	ramet_router *router = router_with(NULL, NULL);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *group = NULL;

	(void)state;
	if (ramet_connect_all(router, "local/local*3", &group, &error) < 0)
		fail_msg("%s", error.message);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ramet_module_load(ramet_group_get(group, i), "greet", &error),
				 -ENOENT);
		fixture_check_error(&error, -ENOENT, "greet", "not allowed", NULL);
	}
	check_requests(router, 1, 0);
	assert_int_equal(ramet_module_allow(router, "greet", built("module-greet"), &error), 0);
	for (size_t i = 0; i < 3; i++)
		load(ramet_group_get(group, i), "greet");
	check_requests(router, 2, 1);
	/* Taken back, it is not to be had, but stays where it is. */
	assert_int_equal(ramet_module_allow(router, "greet", NULL, &error), 0);
	load(ramet_group_get(group, 0), "greet");
	greet(ramet_group_get(group, 0), 1);
	ramet_group_unref(group);
	ramet_router_unref(router);
}

static void load_from_directory_finds_files_by_name(void **state)
{
	ramet_router *router = router_with(NULL, NULL);
	ramet_context *context = fixture_connect(router, "local/local"), *other;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	unlink(made("late", 0, 0, NULL, 0));
	assert_int_equal(ramet_module_allow_directory(router, "/nowhere", &error), -ENOENT);
	ramet_error_clear(&error);
	assert_int_equal(ramet_module_allow_directory(router, directory, &error), 0);
	assert_int_equal(ramet_module_load(context, "late", &error), -ENOENT);
	ramet_error_clear(&error);
	made("late", 0, 0, NULL, 0);
	/* It was not there, and nobody has said anything since. */
	assert_int_equal(ramet_module_load(context, "late", &error), -ENOENT);
	ramet_error_clear(&error);
	assert_int_equal(ramet_module_allow_directory(router, directory, &error), 0);
	load(context, "late");
	greet(context, 1);
	/* The content that was promised is the one that is given. */
	unlink(made("late", 0, 0, NULL, 0));
	other = fixture_connect(router, "local#2");
	load(other, "late");
	ramet_context_unref(other);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void load_allowed_in_the_middle_never_asks_above(void **state)
{
	ramet_router *router = router_with(NULL, NULL);
	ramet_context *hop = fixture_connect(router, "local");
	ramet_context *context = fixture_connect(router, "local/local");
	ramet_context *beside = fixture_connect(router, "local#2");
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(ramet_module_load(context, "greet", &error), -ENOENT);
	ramet_error_clear(&error);
	check_requests(router, 1, 0);
	assert_int_equal(allow_here_call(hop, "greet", built("module-greet"), &error), 0);
	load(context, "greet");
	greet(context, 1);
	check_requests(router, 1, 0);
	/* Nobody else has it because of that. */
	assert_int_equal(ramet_module_load(beside, "greet", &error), -ENOENT);
	ramet_error_clear(&error);
	ramet_context_unref(beside);
	ramet_context_unref(context);
	ramet_context_unref(hop);
	ramet_router_unref(router);
}

static void load_hop_is_killed_call_fails(void **state)
{
	ramet_router *router = router_with("greet", made("big", RMT_MODULE_SIZE_MAX, 0, NULL, 0));
	ramet_context *hop = fixture_connect(router, "local");
	ramet_context *context = fixture_connect(router, "local/local");
	struct rmt_modules *modules = &rmt_parent_of(router)->modules;
	ramet_value *name = one_argument("greet");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL;
	int64_t until = fixture_now() + SOON;
	bool begun = false;

	(void)state;
	fixture_allow_orphans();
	assert_int_equal(ramet_invoke_start(context, "rmt_module_load", name, &receiver, &error),
			 0);
	while (!begun) {
		assert_true(fixture_now() < until);
		sched_yield();
		rmt_lock(router);
		begun = modules->contents > 0;
		rmt_unlock(router);
	}
	kill(ramet_context_pid(hop), SIGKILL);
	assert_int_equal(ramet_invoke_finish(receiver, SOON, NULL, &error), -ECONNRESET);
	ramet_error_clear(&error);
	ramet_value_unref(name);
	ramet_receiver_unref(receiver);
	ramet_context_unref(context);
	ramet_context_unref(hop);
	ramet_router_unref(router);
}

/* --- what is refused ----------------------------------------------------------------------------- */

static void load_bad_names_are_refused(void **state)
{
	static const char *const names[] = {
		"",
		"../greet",
		"a/b",
		"greet.so",
		".",
		"a b",
		"gr\xc3\xbc\xc3\x9f",
		"a:b",
		"a234567890123456789012345678901234567890123456789",
	};
	ramet_router *router = router_with(NULL, NULL);
	ramet_context *context = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(names); i++) {
		assert_int_equal(ramet_module_load(context, names[i], &error), -EINVAL);
		fixture_check_error(&error, -EINVAL, "is no name of a module", NULL);
		assert_int_equal(
			ramet_module_allow(router, names[i], built("module-greet"), &error),
			-EINVAL);
		fixture_check_error(&error, -EINVAL, "is no name of a module", NULL);
	}
	check_requests(router, 0, 0);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void allow_bad_files_are_refused(void **state)
{
	ramet_router *router = router_with(NULL, NULL);
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(ramet_module_allow(router, "x", "/nowhere/x.so", &error), -ENOENT);
	fixture_check_error(&error, -ENOENT, "'x'", "/nowhere/x.so", NULL);
	assert_int_equal(ramet_module_allow(router, "x", "/tmp", &error), -EINVAL);
	fixture_check_error(&error, -EINVAL, "it is no file", NULL);
	assert_int_equal(ramet_module_allow(router, "x",
					    made("huge", RMT_MODULE_SIZE_MAX + 1, 0, NULL, 0),
					    &error),
			 -EFBIG);
	ramet_error_clear(&error);
	ramet_router_unref(router);
}

/* EM_AARCH64 on any other machine, and the other way round. */
static const char *other_machine(const char **ret_name)
{
	uint16_t machine;
	int fd = open(built("module-greet"), O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, &machine, sizeof(machine), 18), sizeof(machine));
	close(fd);
	*ret_name = machine == EM_AARCH64 ? "x86_64" : "aarch64";
	machine = machine == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
	return made("other", 0, 18, (const char *)&machine, sizeof(machine));
}

static void load_broken_modules_are_refused_with_the_reason(void **state)
{
	const char *machine, *other = other_machine(&machine);
	ramet_router *router = router_with("other", other);
	ramet_context *context = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;
	const struct {
		const char *name, *file;
		int code;
		const char *words;
	} broken[] = {
		{"other", NULL, -ENOEXEC, machine},
		{"text", made("text", 0, 0, "#!/bin/sh\n", 10), -ENOEXEC, "no shared object"},
		{"short", made("short", 3000, 0, NULL, 0), -ENOEXEC, "no shared object"},
		{"tiny", made("tiny", 1, 0, NULL, 0), -ENOEXEC, "no shared object"},
		{"undefined", built("module-undefined"), -ELIBACC, "nobody_has_this"},
		{"plain", built("module-plain"), -ENOEXEC, "RAMET_MODULE"},
		{"service", built("module-service"), -EEXIST, "rmt_module_load"},
		{"program", built("module-program"), -EEXIST, "'taken', which the program has"},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(broken); i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s.so", directory, broken[i].name);
		if (broken[i].file && access(path, R_OK) < 0)
			snprintf(path, sizeof(path), "%s/module-%s.so",
				 getenv("RAMET_TEST_MODULES"), broken[i].name);
		if (broken[i].file && ramet_module_allow(router, broken[i].name, path, &error) < 0)
			fail_msg("%s", error.message);
		assert_int_equal(ramet_module_load(context, broken[i].name, &error),
				 broken[i].code);
		fixture_check_error(&error, broken[i].code, broken[i].name, broken[i].words, NULL);
	}
	/* None of them has left anything in the way. */
	assert_int_equal(ramet_module_allow(router, "greet", built("module-greet"), &error), 0);
	load(context, "greet");
	greet(context, 1);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void load_function_name_is_taken_both_modules_are_named(void **state)
{
	ramet_router *router = router_with("greet", built("module-greet"));
	ramet_context *context = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(ramet_module_allow(router, "rude", built("module-rude"), &error), 0);
	load(context, "greet");
	assert_int_equal(ramet_module_load(context, "rude", &error), -EEXIST);
	fixture_check_error(&error, -EEXIST, "'rude'", "'greet_hello'", "'greet'", NULL);
	greet(context, 1);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

/* --- a parent that lies -------------------------------------------------------------------------- */

static struct {
	const char *digest;
	const char *content;
	unsigned asked;
} lie;

static void lying_image(ramet_router *router, uint32_t requester, uint32_t reply,
			enum rmt_part part, const char *name, size_t size, uint64_t offset)
{
	const char *text = memchr(name, ':', size) ? lie.content : lie.digest;

	assert_int_equal(part, RMT_PART_MODULE);
	lie.asked++;
	rmt_fetch_answer(router, requester, reply, text, strlen(text), offset);
}

static void check_lie(const char *path, const char *digest, const char *content, const char *words)
{
	ramet_router *router = router_with(NULL, NULL);
	struct rmt_parent_hooks hooks = *router->hooks;
	ramet_context *context = fixture_connect(router, path);
	ramet_error error = RAMET_ERROR_INIT;

	hooks.image = lying_image;
	lie.digest = digest;
	lie.content = content;
	lie.asked = 0;
	rmt_lock(router);
	router->hooks = &hooks;
	rmt_unlock(router);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(ramet_module_load(context, "greet", &error), -EPROTO);
		fixture_check_error(&error, -EPROTO, "greet", words, NULL);
		/* What is wrong is not kept. */
		assert_true(lie.asked > i);
	}
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static void load_what_comes_is_something_else_is_refused(void **state)
{
	static const char digest[] =
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

	(void)state;
	check_lie("local", digest, "not nothing", "something else");
	check_lie("local/local", digest, "not nothing", "something else");
}

static void load_digest_is_none_is_refused(void **state)
{
	ramet_router *router = router_with(NULL, NULL);
	struct rmt_parent_hooks hooks = *router->hooks;
	ramet_context *context = fixture_connect(router, "local");
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	hooks.image = lying_image;
	lie.digest = "e3b0c44298fc1c14";
	rmt_lock(router);
	router->hooks = &hooks;
	rmt_unlock(router);
	assert_int_equal(ramet_module_load(context, "greet", &error), -EPROTO);
	fixture_check_error(&error, -EPROTO, "greet", "no SHA-256", NULL);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

/* --- in this process, from here on --------------------------------------------------------------- */

static void load_into_master_copies_have_it(void **state)
{
	ramet_router *router = router_with("greet", built("module-greet"));
	ramet_context *self = ramet_router_self(router), *context;

	(void)state;
	load(self, "greet");
	greet(self, 1);
	context = fixture_connect(router, "fork");
	greet(context, 2);
	load(context, "greet");
	check_requests(router, 0, 0);
	ramet_context_unref(context);
	ramet_router_unref(router);
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int end(void **state)
{
	static const char *const names[] = {"big",  "late",  "huge", "other",
					    "text", "short", "tiny"};
	char path[512];

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s.so", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(load_local_functions_can_be_called),
		FIXTURE_TEST(load_two_hops_function_called_from_there),
		FIXTURE_TEST(load_twenty_at_once_crosses_first_link_once),
		FIXTURE_TEST(load_unknown_name_is_remembered_until_something_is_allowed),
		FIXTURE_TEST(load_from_directory_finds_files_by_name),
		FIXTURE_TEST(load_allowed_in_the_middle_never_asks_above),
		FIXTURE_TEST(load_hop_is_killed_call_fails),
		FIXTURE_TEST(load_bad_names_are_refused),
		FIXTURE_TEST(allow_bad_files_are_refused),
		FIXTURE_TEST(load_broken_modules_are_refused_with_the_reason),
		FIXTURE_TEST(load_function_name_is_taken_both_modules_are_named),
		FIXTURE_TEST(load_what_comes_is_something_else_is_refused),
		FIXTURE_TEST(load_digest_is_none_is_refused),
		FIXTURE_TEST(load_into_master_copies_have_it),
	};

	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, begin, end);
}
