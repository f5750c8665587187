/* SPDX-License-Identifier: BSD-3-Clause */
#include "leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A thread that was not joined is listed for a moment after its last instruction. */
#define THREADS_END_S 10

static size_t descriptors_before, threads_before;

static size_t count_entries(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

size_t count_descriptors(void)
{
	return count_entries("/proc/self/fd") - 1; /* the directory's own */
}

size_t count_threads(void)
{
	return count_entries("/proc/self/task");
}

static void show_descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char link[64], target[PATH_MAX];
		ssize_t size;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		size = readlink(link, target, sizeof(target) - 1);
		if (size >= 0)
			print_error("descriptor %d: %.*s\n", fd, (int)size, target);
	}
}

void leftovers_begin(void)
{
	descriptors_before = count_descriptors();
	threads_before = count_threads();
}

void leftovers_check(void)
{
	time_t end = time(NULL) + THREADS_END_S;
	pid_t pid = waitpid(-1, NULL, WNOHANG);
	int error = errno;

	if (pid != -1)
		print_error("a child is left: %d\n", (int)pid);
	assert_int_equal(pid, -1);
	assert_int_equal(error, ECHILD);
	while (count_threads() > threads_before && time(NULL) < end)
		sched_yield();
	assert_int_equal(count_threads(), threads_before);
	if (count_descriptors() != descriptors_before)
		show_descriptors();
	assert_int_equal(count_descriptors(), descriptors_before);
}

int leftovers_setup(void **state)
{
	(void)state;
	leftovers_begin();
	return 0;
}

int leftovers_teardown(void **state)
{
	(void)state;
	leftovers_check();
	return 0;
}
