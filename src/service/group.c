/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/format.h"
#include "base/time.h"
#include "service/entries.h"

/* Groups in groups that are removed: recursion, on the stack of a guard. */
#define DEPTH_MAX 16

/* How often those that are left in a group are looked for: while they fork, there may be new ones. */
#define ROUNDS_MAX 64

static int open_file(int group, const char *name, int flags)
{
	return openat(group, name, flags | O_CLOEXEC);
}

static int write_file(int group, const char *name, const char *text)
{
	int fd = open_file(group, name, O_WRONLY), r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* --- making it ----------------------------------------------------------------------------------- */

int rmt_group_open(const char *path)
{
	int group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return group < 0 ? -errno : group;
}

int rmt_group_make(const char *path)
{
	int group, r = 0;

	if (mkdir(path, 0755) < 0)
		return -errno;
	group = rmt_group_open(path);
	if (group < 0)
		r = group;
	else if (faccessat(group, "cgroup.kill", W_OK, 0) < 0)
		r = -errno;
	if (r == 0)
		return group;
	if (group >= 0)
		close(group);
	rmdir(path);
	return r;
}

void rmt_group_enter(int group)
{
	/* 0 is the writer. Not CLONE_INTO_CGROUP (clone(2)), which there is no vfork(2) with. */
	write_file(group, "cgroup.procs", "0");
}

/* --- removing it --------------------------------------------------------------------------------- */

static void remove_below(int group, int depth)
{
	_Alignas(struct rmt_entry) char names[1024];
	int fd = open_file(group, ".", O_RDONLY | O_DIRECTORY);
	long n;

	if (fd < 0)
		return;
	while ((n = syscall(SYS_getdents64, fd, names, sizeof(names))) > 0) {
		for (long at = 0; at < n;) {
			const struct rmt_entry *entry = (const struct rmt_entry *)(names + at);
			int below = -1;

			at += entry->size;
			if (entry->type != DT_DIR || entry->name[0] == '.')
				continue;
			if (depth > 0)
				below = open_file(group, entry->name, O_RDONLY | O_DIRECTORY);
			if (below >= 0) {
				remove_below(below, depth - 1);
				close(below);
			}
			unlinkat(group, entry->name, AT_REMOVEDIR);
		}
	}
	close(fd);
}

static bool remove_group(int group, const char *path)
{
	if (rmdir(path) == 0 || errno == ENOENT)
		return true;
	remove_below(group, DEPTH_MAX);
	return rmdir(path) == 0;
}

/* --- its processes --------------------------------------------------------------------------------- */

void rmt_group_kill(int group)
{
	write_file(group, "cgroup.kill", "1");
}

/* Reading it again is what makes the next change be told: cgroup.events is "populated 0\nfrozen 0\n",
 * in any order, and POLLPRI when that changes (Documentation/admin-guide/cgroup-v2.rst). */
static bool is_populated(int events)
{
	char text[256];
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return strstr(text, "populated 1") != NULL;
}

void rmt_group_end(int group, const char *path)
{
	struct pollfd change = {.events = POLLPRI};
	int64_t left, give_up = rmt_now() + RMT_GROUP_GIVE_UP_US;

	change.fd = open_file(group, "cgroup.events", O_RDONLY);
	rmt_group_kill(group);
	while (change.fd >= 0 && is_populated(change.fd) && (left = give_up - rmt_now()) > 0)
		poll(&change, 1, (int)(left / 1000) + 1);
	if (change.fd >= 0)
		close(change.fd);
	remove_group(group, path);
}

/* Whether there was any. Processes that are not of our namespace are 0, which would be ourselves. */
static bool move_out(int group)
{
	char text[1024], number[16];
	int from = open_file(group, "cgroup.procs", O_RDONLY);
	bool any = false;
	unsigned pid = 0;
	ssize_t n;

	if (from < 0)
		return false;
	while ((n = read(from, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (unsigned)(text[i] - '0');
				continue;
			}
			rmt_format(number, sizeof(number), "%u", pid);
			if (pid > 0 && write_file(group, "../cgroup.procs", number) == 0)
				any = true;
			pid = 0;
		}
	}
	close(from);
	return any;
}

void rmt_group_release(int group, const char *path)
{
	for (int round = 0; round < ROUNDS_MAX && !remove_group(group, path); round++)
		if (!move_out(group))
			break;
}
