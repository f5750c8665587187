/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a process's control group is, by what /proc says; and what is no hierarchy at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/group.h"

#define PROC "22 28 0:21 / /proc rw,nosuid shared:14 - proc proc rw\n"
#define V1 "33 31 0:30 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n"

static void check(const char *groups, const char *mounts, const char *expected)
{
	char *directory = NULL;
	int r = rmt_group_locate(groups, mounts, &directory);

	assert_int_equal(r, expected ? 0 : -ENOENT);
	if (expected)
		assert_string_equal(directory, expected);
	else
		assert_null(directory);
	free(directory);
}

static void a_group_is_found_below_the_mount_point(void **state)
{
	(void)state;
	check("0::/user.slice/a.scope\n",
	      PROC "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
	      "/sys/fs/cgroup/user.slice/a.scope");
	check("0::/\n", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n" PROC,
	      "/sys/fs/cgroup");
}

static void a_hybrid_hierarchy_is_one(void **state)
{
	(void)state;
	check("9:name=systemd:/x\n8:pids:/y\n0::/z\n",
	      V1 "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
	      "/sys/fs/cgroup/unified/z");
}

static void a_mount_of_a_part_has_what_is_below_it(void **state)
{
	const char *mounts = "35 24 0:30 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";

	(void)state;
	check("0::/docker/abc\n", mounts, "/sys/fs/cgroup");
	check("0::/docker/abc/d\n", mounts, "/sys/fs/cgroup/d");
	check("0::/docker/abcd\n", mounts, NULL);
	check("0::/docker\n", mounts, NULL);
	check("0::/docker/abcd\n",
	      "35 24 0:30 /docker/abc /a rw - cgroup2 c rw\n36 24 0:30 / /b rw - cgroup2 c rw\n",
	      "/b/docker/abcd");
}

static void what_is_outside_of_the_namespace_is_not_found(void **state)
{
	(void)state;
	check("0::/../other\n", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", NULL);
}

static void names_with_blanks_are_read(void **state)
{
	(void)state;
	check("0::/a b\n", "35 24 0:30 /a\\040b /c\\011d\\134e rw - cgroup2 cgroup rw\n",
	      "/c\td\\e");
}

static void without_a_hierarchy_there_is_none(void **state)
{
	(void)state;
	check("", "", NULL);
	check("0::/\n", "", NULL);
	check("0::/\n", PROC V1, NULL);
	check("8:pids:/y\n", V1 "41 31 0:38 / /unified rw - cgroup2 cgroup2 rw\n", NULL);
	check("0::/\n", " - cgroup2 x\n- cgroup2\n\n1 2 3 - cgroup2 \n", NULL);
	check("0:", "41 31 0:38 / /unified rw - cgroup2 cgroup2 rw\n", NULL);
}

static void an_ordinary_directory_is_no_group(void **state)
{
	char directory[] = "/tmp/ramet-test-group-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/ramet-1-1", directory);
	assert_int_equal(rmt_group_make(path), -ENOENT);
	assert_int_equal(rmdir(directory), 0); /* nothing is left in it */
	assert_int_equal(rmt_group_make(path), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_is_found_below_the_mount_point),
		cmocka_unit_test(a_hybrid_hierarchy_is_one),
		cmocka_unit_test(a_mount_of_a_part_has_what_is_below_it),
		cmocka_unit_test(what_is_outside_of_the_namespace_is_not_found),
		cmocka_unit_test(names_with_blanks_are_read),
		cmocka_unit_test(without_a_hierarchy_there_is_none),
		cmocka_unit_test(an_ordinary_directory_is_no_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
