/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descendants of a process, by /proc/PID/task/TID/children (proc(5)). Part of what guards run:
 * async-signal-safe, no memory but the stack's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/format.h"
#include "service/entries.h"
#include "service/guard.h"

struct family {
	pid_t pids[RMT_FAMILY_MAX];
	size_t count;
};

static void add(struct family *family, pid_t pid)
{
	if (pid > 0 && family->count < RMT_FAMILY_MAX)
		family->pids[family->count++] = pid;
}

/* "12 345 ", perhaps in pieces. */
static void add_children(struct family *family, pid_t pid, const char *thread)
{
	char text[2048];
	pid_t number = 0;
	ssize_t n;
	int fd;

	rmt_format(text, sizeof(text), "/proc/%d/task/%.20s/children", (int)pid, thread);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				number = number * 10 + (text[i] - '0');
				continue;
			}
			add(family, number);
			number = 0;
		}
	}
	add(family, number);
	close(fd);
}

/* Every thread has children of its own. */
static void add_children_of(struct family *family, pid_t pid)
{
	_Alignas(struct rmt_entry) char names[2048];
	char path[48];
	long n;
	int fd;

	rmt_format(path, sizeof(path), "/proc/%d/task", (int)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((n = syscall(SYS_getdents64, fd, names, sizeof(names))) > 0) {
		for (long at = 0; at < n;) {
			const struct rmt_entry *entry = (const struct rmt_entry *)(names + at);

			if (entry->name[0] != '.')
				add_children(family, pid, entry->name);
			at += entry->size;
		}
	}
	close(fd);
}

unsigned rmt_family_signal(int signal)
{
	struct family family = {.count = 0};
	unsigned reached = 0;

	add_children_of(&family, getpid());
	for (size_t i = 0; i < family.count; i++)
		add_children_of(&family, family.pids[i]);
	for (size_t i = 0; i < family.count; i++) {
		reached += kill(family.pids[i], signal) == 0;
		/* A stopped process acts upon it once it goes on. */
		if (signal == SIGTERM)
			kill(family.pids[i], SIGCONT);
	}
	return reached;
}
