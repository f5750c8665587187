/* SPDX-License-Identifier: BSD-3-Clause */
/* How many children a process has, by what the kernel says. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Of the calling thread; those that have ended and were not waited for are among them. */
static inline int children_count(void)
{
	char path[64], text[8192];
	ssize_t size;
	int fd, count = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	if (size < 0)
		return -1;
	for (ssize_t i = 0; i < size; i++)
		count += text[i] == ' ';
	return count;
}
