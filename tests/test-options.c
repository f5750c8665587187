/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of hops become text, which means the same again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "parent/keys.h"
#include "parent/method.h"
#include "parent/options.h"
#include "parent/path.h"

static void check_append(char **path, const ramet_hop_options *options, const char *expected)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_path_append(path, options, &error) < 0)
		fail_msg("%s", error.message);
	assert_string_equal(*path, expected);
}

static void path_append_chains_hops(void **state)
{
	ramet_hop_options ssh = RAMET_HOP_OPTIONS_INIT, sudo = RAMET_HOP_OPTIONS_INIT,
			  local = RAMET_HOP_OPTIONS_INIT;
	char *path = NULL;

	(void)state;
	ssh.method = "ssh";
	ssh.target = "db1";
	ssh.username = "alice";
	ssh.port = 2222;
	ssh.compression = RAMET_NO;
	ssh.identities_only = RAMET_YES;
	ssh.index = 3;
	check_append(&path, &ssh,
		     "ssh:db1#3?username=alice&port=2222&identities_only=yes&compression=no");
	sudo.method = "sudo";
	check_append(&path, &sudo,
		     "ssh:db1#3?username=alice&port=2222&identities_only=yes&compression=no/sudo");
	ramet_free(path);
	path = strdup("fork");
	local.method = "local";
	local.nice = -5;
	local.count = 4;
	check_append(&path, &local, "fork/local?nice=-5*4");
	ramet_free(path);
}

static void path_append_escapes_what_means_something(void **state)
{
	static const char *const env[] = {"A=x=y&z", "B%=", "C=/?*#,\n\x7f[1-2]", NULL};
	ramet_hop_options options = RAMET_HOP_OPTIONS_INIT;
	struct rmt_path parsed;
	char *path = NULL;

	(void)state;
	options.method = "exec";
	options.target = "env 'a/b?c*d#e&f=g%h,i' [1-3]";
	options.cwd = "/srv/[1]";
	options.env = env;
	assert_int_equal(ramet_path_append(&path, &options, NULL), 0);
	assert_int_equal(rmt_path_parse(path, strlen(path), &parsed, NULL), 0);
	assert_int_equal(parsed.count, 1);
	assert_int_equal(parsed.hops[0].member_count, 0);
	assert_int_equal(rmt_path_size(path), strlen(path));
	assert_string_equal(parsed.hops[0].target, options.target);
	assert_string_equal(rmt_hop_key(&parsed.hops[0], "cwd"), "/srv/[1]");
	assert_string_equal(rmt_hop_key(&parsed.hops[0], "env.A"), "x=y&z");
	assert_string_equal(rmt_hop_key(&parsed.hops[0], "env.B%"), "");
	assert_string_equal(rmt_hop_key(&parsed.hops[0], "env.C"), "/?*#,\n\x7f[1-2]");
	rmt_path_done(&parsed);
	ramet_free(path);
}

/* A text that the key may hold. */
static const char *good_value(const char *values, char *text, size_t size)
{
	size_t length = values ? strcspn(values, "|- ") : 0;

	if (!values)
		return "env:X";
	assert_true(length < size);
	memcpy(text, values, length);
	text[length] = '\0';
	return strcmp(text, "0") == 0 ? "1" : text;
}

static void set_member(ramet_hop_options *options, const struct rmt_option *option,
		       const char *value)
{
	void *member = (char *)options + option->offset;

	if (option->kind == RMT_OPTION_TEXT)
		*(const char **)member = value;
	else if (option->kind == RMT_OPTION_NUMBER)
		*(int *)member = atoi(value);
	else
		*(enum ramet_flag *)member = RAMET_YES;
}

static const struct rmt_option *find_option(const char *key, size_t size)
{
	for (size_t i = 0; i < rmt_option_count; i++)
		if (strlen(rmt_options[i].key) == size &&
		    memcmp(rmt_options[i].key, key, size) == 0)
			return &rmt_options[i];
	fail_msg("no option for the key %.*s", (int)size, key);
	return NULL;
}

/* One key of one method goes through the text. */
static void try_key(const struct rmt_method *method, const char *list, const char *key)
{
	const struct rmt_option *option = find_option(key, strcspn(key, " ="));
	ramet_hop_options options = RAMET_HOP_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	const char *values, *value, *target[] = {NULL, "1234"};
	struct rmt_path parsed;
	char text[32], *path = NULL;
	int r;

	assert_true(rmt_keys_have(list, option->key, &values));
	value = good_value(values, text, sizeof(text));
	if (strcmp(option->key, "shell") == 0)
		value = "/bin/ash";
	options.method = method->name;
	options.target = target[method->target == RMT_TARGET_REQUIRED];
	set_member(&options, option, value);
	/* sudo understands the words of its args, of which this is none */
	if (strcmp(option->key, "args") == 0)
		options.args = value = "-n";
	r = ramet_path_append(&path, &options, &error);
	if (r < 0)
		fail_msg("%s?%s: %s", method->name, option->key, error.message);
	assert_int_equal(rmt_path_parse(path, strlen(path), &parsed, NULL), 0);
	assert_int_equal(parsed.hops[0].key_count, 1);
	assert_string_equal(rmt_hop_key(&parsed.hops[0], option->key), value);
	rmt_path_done(&parsed);
	ramet_free(path);
}

static size_t try_list(const struct rmt_method *method, const char *list)
{
	size_t count = 0;

	for (const char *key = list; key && *key; count++) {
		try_key(method, list, key);
		key += strcspn(key, " ");
		key += strspn(key, " ");
	}
	return count;
}

static void path_append_has_a_member_for_each_key_of_each_method(void **state)
{
	const struct rmt_method *method;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; (method = rmt_method_get(i)); i++) {
		count += try_list(method, method->keys);
		count += try_list(method, RMT_METHOD_KEYS);
		if (method->command)
			count += try_list(method, RMT_TOOL_KEYS);
	}
	assert_true(count > 150);
}

static void path_append_refuses_what_makes_no_sense(void **state)
{
	static const char *const env[] = {"A", NULL};
	static const ramet_hop_options cases[] = {
		{.size = sizeof(size_t) - 1, .method = "local"},
		{.size = sizeof(ramet_hop_options)},
		{.size = sizeof(ramet_hop_options), .method = ""},
		{.size = sizeof(ramet_hop_options), .method = "ssh"},
		{.size = sizeof(ramet_hop_options), .method = "local", .port = 22},
		{.size = sizeof(ramet_hop_options), .method = "ssh", .target = "h", .port = -1},
		{.size = sizeof(ramet_hop_options), .method = "ssh", .target = "h", .tty = "x"},
		{.size = sizeof(ramet_hop_options), .method = "local", .index = 1, .count = 2},
		{.size = sizeof(ramet_hop_options), .method = "local", .count = 100001},
		{.size = sizeof(ramet_hop_options), .method = "local", .env = env},
		{.size = sizeof(ramet_hop_options), .method = "local", .umask = "9"},
	};
	ramet_hop_options unknown = RAMET_HOP_OPTIONS_INIT;
	char *path = strdup("fork"), *before = path;

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		ramet_error error = RAMET_ERROR_INIT;

		if (ramet_path_append(&path, &cases[i], &error) != -EINVAL)
			fail_msg("case %zu was accepted", i);
		assert_non_null(error.message);
		ramet_error_clear(&error);
	}
	unknown.method = "nowhere:x";
	assert_int_equal(ramet_path_append(&path, &unknown, NULL), -EPROTONOSUPPORT);
	assert_ptr_equal(path, before);
	assert_string_equal(path, "fork");
	free(path);
}

/* A program that was compiled with a shorter structure has no members behind its end. */
static void path_append_reads_no_further_than_the_size(void **state)
{
	ramet_hop_options options = RAMET_HOP_OPTIONS_INIT;
	char *path = NULL;

	(void)state;
	options.size = offsetof(ramet_hop_options, name);
	options.method = "local";
	options.name = (const char *)1;
	options.env = (const char *const *)1;
	check_append(&path, &options, "local");
	ramet_free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_append_chains_hops),
		cmocka_unit_test(path_append_escapes_what_means_something),
		cmocka_unit_test(path_append_has_a_member_for_each_key_of_each_method),
		cmocka_unit_test(path_append_refuses_what_makes_no_sense),
		cmocka_unit_test(path_append_reads_no_further_than_the_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
