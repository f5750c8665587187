/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/macro.h"
#include "fixture.h"
#include "parent/path.h"

/* What a path means, in one line: METHOD|TARGET|#INDEX|KEY=VALUE...|*COUNT, hops separated by a space. */
static void describe(const struct rmt_path *path, char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < path->count; i++) {
		const struct rmt_hop *hop = &path->hops[i];

		used += (size_t)snprintf(text + used, size - used, "%s%s|%s|#%u|", i ? " " : "",
					 hop->method, hop->target ? hop->target : "-", hop->index);
		for (size_t k = 0; k < hop->key_count; k++)
			used += (size_t)snprintf(text + used, size - used, "%s%s=%s", k ? "," : "",
						 hop->keys[k].name, hop->keys[k].value);
		used += (size_t)snprintf(text + used, size - used, "|*%u", hop->count);
	}
}

/* From memory of that size: there is no NUL behind it. */
static int parse(const char *text, struct rmt_path *path, ramet_error *error)
{
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, size);
	r = rmt_path_parse(copy, size, path, error);
	free(copy);
	return r;
}

static void path_good_is_understood(void **state)
{
	static const struct {
		const char *text, *meaning;
	} cases[] = {
		{"local", "local|-|#0||*1"},
		{"local/fork", "local|-|#0||*1 fork|-|#0||*1"},
		{"ssh:alice@db1:2222/sudo:postgres",
		 "ssh|alice@db1:2222|#0||*1 sudo|postgres|#0||*1"},
		{"local*4", "local|-|#0||*4"},
		{"local#3", "local|-|#3||*1"},
		{"local#0", "local|-|#0||*1"},
		{"local?nice=5", "local|-|#0|nice=5|*1"},
		{"local?nice=5&umask=022*3", "local|-|#0|nice=5,umask=022|*3"},
		{"local#2?env.A=b=c", "local|-|#2|env.A=b=c|*1"},
		{"ssh:web#7?cwd=%2Ftmp/local", "ssh|web|#7|cwd=/tmp|*1 local|-|#0||*1"},
		{"unix:%2Frun%2Fuser%2F1000%2framet", "unix|/run/user/1000/ramet|#0||*1"},
		{"ssh:a%2Ab%23c%3Fd%25e%26f%3Dg%2C", "ssh|a*b#c?d%e&f=g,|#0||*1"},
		{"ssh:", "ssh||#0||*1"},
		{"ssh:a=b&c", "ssh|a=b&c|#0||*1"},
		{"local?env.A=", "local|-|#0|env.A=|*1"},
		{"local?env.A=%e4%F6", "local|-|#0|env.A=\xe4\xf6|*1"},
		{"local*1", "local|-|#0||*1"},
		{"local*100000", "local|-|#0||*100000"},
		{"local#100000", "local|-|#100000||*1"},
		{"lo%63al", "local|-|#0||*1"},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		ramet_error error = RAMET_ERROR_INIT;
		struct rmt_path path;
		char text[256];

		assert_int_equal(parse(cases[i].text, &path, &error), 0);
		describe(&path, text, sizeof(text));
		assert_string_equal(text, cases[i].meaning);
		rmt_path_done(&path);
	}
}

static void path_bad_is_refused_at_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t place;
		const char *what;
	} cases[] = {
		{"", 1, "a method is expected"},
		{"/local", 1, "a method is expected"},
		{"local/", 7, "a method is expected"},
		{"local//fork", 7, "a method is expected"},
		{":target", 1, "a method is expected"},
		{"*4", 1, "a method is expected"},
		{"local*", 7, "a count is expected"},
		{"local*0", 7, "a count is expected"},
		{"local*x", 7, "a count is expected"},
		{"local*-1", 7, "a count is expected"},
		{"local*100001", 7, "a count is expected"},
		{"local*99999999999999999999", 7, "a count is expected"},
		{"local*4x", 8, "'/' or the end"},
		{"local*4?nice=1", 8, "'/' or the end"},
		{"local#", 7, "an index is expected"},
		{"local#100001", 7, "an index is expected"},
		{"local#x", 7, "an index is expected"},
		{"local#1*2", 9, "an index or a count, not both"},
		{"local?nice=1#2", 13, "'/' or the end"},
		{"local?", 7, "KEY=VALUE"},
		{"local?nice", 11, "KEY=VALUE"},
		{"local?=5", 7, "KEY=VALUE"},
		{"local?nice=1&", 14, "KEY=VALUE"},
		{"local?nice=1&nice=2", 19, "twice"},
		{"local&x", 6, "'/' or the end"},
		{"local=x", 6, "'/' or the end"},
		{"ssh:%", 5, "two hexadecimal digits"},
		{"ssh:%2", 5, "two hexadecimal digits"},
		{"ssh:%2g", 5, "two hexadecimal digits"},
		{"ssh:%g2", 5, "two hexadecimal digits"},
		{"ssh:a%00b", 6, "not 00"},
		{"local?cwd=%", 11, "two hexadecimal digits"},
		{"local/fork*2/local*x", 20, "a count is expected"},
		{"ssh:n[]", 6, "a range is expected"},
		{"ssh:n[3-1]", 6, "a range is expected"},
		{"ssh:n[1,]", 6, "a range is expected"},
		{"ssh:n[,1]", 6, "a range is expected"},
		{"ssh:n[1--2]", 6, "a range is expected"},
		{"ssh:n[-1]", 6, "a range is expected"},
		{"ssh:n[1-2-3]", 6, "a range is expected"},
		{"ssh:n[1]x[a]", 10, "a range is expected"},
		{"ssh:n[a-b]#1", 6, "written %5B"},
		{"ssh:n[1", 6, "a range is expected"},
		{"ssh:n[1234567890]", 6, "a range is expected"},
		{"ssh:n[1-100001]", 6, "a range is expected"},
		{"ssh:n[1-60000,1-60000]", 6, "a range is expected"},
		{"ssh:[1][1][1][1][1][1][1][1][1]", 29, "too many ranges"},
		{"local/ssh:[1-9][1-20000]", 16, "too many contexts"},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		ramet_error error = RAMET_ERROR_INIT;
		struct rmt_path path;
		char place[128];

		snprintf(place, sizeof(place), "path '%s', character %zu: ", cases[i].text,
			 cases[i].place);
		if (parse(cases[i].text, &path, &error) != -EINVAL)
			fail_msg("'%s' was accepted", cases[i].text);
		if (strncmp(error.message, place, strlen(place)) != 0 ||
		    !strstr(error.message, cases[i].what))
			fail_msg("expected '%s%s', got '%s'", place, cases[i].what, error.message);
		ramet_error_clear(&error);
	}
}

static void path_with_ranges_has_members(void **state)
{
	static const struct {
		const char *text, *members;
	} cases[] = {
		{"ssh:node[1-3]", "ssh:node1 ssh:node2 ssh:node3"},
		{"ssh:node[08-11,3]", "ssh:node08 ssh:node09 ssh:node10 ssh:node11 ssh:node3"},
		{"ssh:[1,02]x[3-4].org", "ssh:1x3.org ssh:1x4.org ssh:02x3.org ssh:02x4.org"},
		{"ssh:n[7]", "ssh:n7"},
		{"ssh:n[0-2]", "ssh:n0 ssh:n1 ssh:n2"},
		{"ssh:n[1-2]#5?nice=1", "ssh:n1?nice=1#5 ssh:n2?nice=1#5"},
		{"ssh:n[1-2]?name=a%2Cb*3", "ssh:n1?name=a%2Cb*3 ssh:n2?name=a%2Cb*3"},
		{"ssh:%2F[1-2]%3A", "ssh:%2F1%3A ssh:%2F2%3A"},
		{"ssh:[::1]", ""},
		{"ssh:u@[fe80::1]:22", ""},
		{"ssh:u[1-2]@[fe80::1]:22", "ssh:u1@[fe80::1]:22 ssh:u2@[fe80::1]:22"},
		{"ssh:%5B1-3]", ""},
		{"local?env.A=[1-3]", ""},
		{"ssh", ""},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		struct rmt_path path;
		char text[256] = "";
		size_t used = 0;

		assert_int_equal(parse(cases[i].text, &path, NULL), 0);
		assert_int_equal(path.count, 1);
		for (size_t k = 0; k < path.hops[0].member_count; k++) {
			const struct rmt_hop *hop = &path.hops[0].members[k];

			assert_null(hop->members);
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 k ? " " : "", hop->text);
			if (hop->index > 0)
				used += (size_t)snprintf(text + used, sizeof(text) - used, "#%u",
							 hop->index);
			if (hop->count > 1)
				used += (size_t)snprintf(text + used, sizeof(text) - used, "*%u",
							 hop->count);
		}
		assert_string_equal(text, cases[i].members);
		rmt_path_done(&path);
	}
}

static void path_with_ranges_has_at_most_so_many_members(void **state)
{
	static const char most[] = "ssh:[1-100000]", product[] = "ssh:[1-1000]/ssh:x[1-10][1-11]";
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_path path;

	(void)state;
	assert_int_equal(parse(most, &path, &error), 0);
	assert_int_equal(path.hops[0].member_count, 100000);
	assert_string_equal(path.hops[0].members[99999].target, "100000");
	rmt_path_done(&path);
	assert_int_equal(parse(product, &path, &error), -EINVAL);
	assert_non_null(strstr(error.message, "too many contexts"));
	ramet_error_clear(&error);
	assert_int_equal(parse("ssh:[1-1000]/ssh:x[1-10][1-10]", &path, &error), 0);
	assert_int_equal(path.hops[0].member_count, 1000);
	assert_int_equal(path.hops[1].member_count, 100);
	rmt_path_done(&path);
}

static void path_of_several_ends_at_a_comma_outside_of_ranges(void **state)
{
	static const struct {
		const char *text;
		size_t size;
	} cases[] = {
		{"", 0},
		{"local", 5},
		{"local,fork", 5},
		{"ssh:n[1,2],local", 10},
		{"ssh:n[1,2]/x[3-4,5]", 19},
		{"ssh:n[a,b]", 7},
		{"ssh:n[1,2", 7},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++)
		assert_int_equal(rmt_path_size(cases[i].text), cases[i].size);
}

static void path_with_a_nul_is_refused(void **state)
{
	static const char text[] = {'l', 'o', 'c', 'a', 'l', '\0', 'x'};
	struct rmt_path path;

	(void)state;
	assert_int_equal(rmt_path_parse(text, sizeof(text), &path, NULL), -EINVAL);
}

static void path_as_deep_as_a_tree_is_the_limit(void **state)
{
	char text[(RMT_TREE_DEPTH_MAX + 1) * 6 + 1] = "";
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_path path;

	(void)state;
	for (unsigned i = 0; i < RMT_TREE_DEPTH_MAX; i++)
		strcat(text, i ? "/local" : "local");
	assert_int_equal(parse(text, &path, &error), 0);
	assert_int_equal(path.count, RMT_TREE_DEPTH_MAX);
	rmt_path_done(&path);
	strcat(text, "/fork");
	assert_int_equal(parse(text, &path, &error), -EINVAL);
	assert_non_null(strstr(error.message, "more hops"));
	ramet_error_clear(&error);
}

/* The text of a hop, sent to another context and parsed there, means the same, without index and count. */
static void hop_text_parsed_again_is_the_same_hop(void **state)
{
	static const char *const texts[] = {
		"local",
		"ssh:a%2Fb@c:22?cwd=%2Ftmp&env.A=b=c",
		"fork?nice=5&name=x",
		"ssh:?env.X=",
		"ssh:%25%2f",
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(texts); i++) {
		struct rmt_hop first, again;

		assert_int_equal(rmt_hop_parse(texts[i], strlen(texts[i]), &first, NULL), 0);
		assert_string_equal(first.text, texts[i]);
		assert_int_equal(rmt_hop_parse(first.text, strlen(first.text), &again, NULL), 0);
		assert_string_equal(again.text, first.text);
		assert_string_equal(again.method, first.method);
		assert_int_equal(!again.target, !first.target);
		if (first.target)
			assert_string_equal(again.target, first.target);
		assert_int_equal(again.key_count, first.key_count);
		for (size_t k = 0; k < first.key_count; k++) {
			assert_string_equal(again.keys[k].name, first.keys[k].name);
			assert_string_equal(again.keys[k].value, first.keys[k].value);
		}
		rmt_hop_done(&first);
		rmt_hop_done(&again);
	}
}

static void hop_text_has_neither_index_nor_count(void **state)
{
	struct rmt_hop hop;

	(void)state;
	assert_int_equal(rmt_hop_parse("ssh:a#3?nice=1", 14, &hop, NULL), 0);
	assert_string_equal(hop.text, "ssh:a?nice=1");
	rmt_hop_done(&hop);
	assert_int_equal(rmt_hop_parse("ssh:a?nice=1*7", 14, &hop, NULL), 0);
	assert_string_equal(hop.text, "ssh:a?nice=1");
	assert_int_equal(hop.count, 7);
	rmt_hop_done(&hop);
	assert_int_equal(rmt_hop_parse("local/fork", 10, &hop, NULL), -EINVAL);
}

static void hop_display_is_method_and_target_or_name(void **state)
{
	static const struct {
		const char *text;
		uint32_t index;
		const char *display;
	} cases[] = {
		{"local", 0, "local"},
		{"local", 2, "local#2"},
		{"ssh:a", 0, "ssh:a"},
		{"ssh:a?nice=1", 1, "ssh:a#1"},
		{"ssh:a?name=db", 0, "db"},
		{"ssh:a?name=db", 4, "db#4"},
		{"unix:%2Frun%2Fa%23%0A", 1, "unix:%2Frun%2Fa%23%0A#1"},
		{"ssh:u@[::1]:2", 0, "ssh:u@[::1]:2"},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		struct rmt_hop hop;
		char *display;

		assert_int_equal(rmt_hop_parse(cases[i].text, strlen(cases[i].text), &hop, NULL),
				 0);
		display = rmt_hop_display(&hop, cases[i].index);
		assert_string_equal(display, cases[i].display);
		free(display);
		rmt_hop_done(&hop);
	}
}

static void hop_key_is_found_by_name(void **state)
{
	struct rmt_hop hop;

	(void)state;
	assert_int_equal(rmt_hop_parse("local?a=1&b=2", 13, &hop, NULL), 0);
	assert_string_equal(rmt_hop_key(&hop, "a"), "1");
	assert_string_equal(rmt_hop_key(&hop, "b"), "2");
	assert_null(rmt_hop_key(&hop, "c"));
	rmt_hop_done(&hop);
}

/* Random bytes of the grammar's alphabet: refused or accepted, never more than what is there. */
static void path_by_chance_is_parsed_within_its_bytes(void **state)
{
	static const char alphabet[] = "lo:#?=&*/%2,F0 []-\xff";
	uint32_t seed = 7;
	unsigned good = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[24];
		struct rmt_path path;
		size_t size;

		seed = seed * 1664525 + 1013904223;
		size = seed >> 27;
		size = size > 23 ? 23 : size;
		for (size_t k = 0; k < size; k++) {
			seed = seed * 1664525 + 1013904223;
			text[k] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		text[size] = '\0';
		if (parse(text, &path, NULL) == 0) {
			good++;
			rmt_path_done(&path);
		}
	}
	assert_in_range(good, 100, 19000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(path_good_is_understood),
		FIXTURE_TEST(path_bad_is_refused_at_its_place),
		FIXTURE_TEST(path_with_ranges_has_members),
		FIXTURE_TEST(path_with_ranges_has_at_most_so_many_members),
		FIXTURE_TEST(path_of_several_ends_at_a_comma_outside_of_ranges),
		FIXTURE_TEST(path_with_a_nul_is_refused),
		FIXTURE_TEST(path_as_deep_as_a_tree_is_the_limit),
		FIXTURE_TEST(hop_text_parsed_again_is_the_same_hop),
		FIXTURE_TEST(hop_text_has_neither_index_nor_count),
		FIXTURE_TEST(hop_display_is_method_and_target_or_name),
		FIXTURE_TEST(hop_key_is_found_by_name),
		FIXTURE_TEST(path_by_chance_is_parsed_within_its_bytes),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
