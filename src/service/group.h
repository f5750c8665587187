/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A control group for each command (cgroups(7), version 2), below the one that the context is in: what
 * forks in it stays in it, whoever its parent is. The kernel kills all that is in it at once, and by
 * somebody who is no ancestor, too: so the context can do it when the guard was killed.
 *
 * It is no more than a name for the family: no controller is switched on, no other group is changed.
 * Where there is none to be had (no such file system, no permission, a kernel before 5.14, which has
 * no cgroup.kill) there is just none; the guard does what it can without.
 *
 * A group is a directory, and this is its descriptor. group.c is part of what guards run: it calls
 * what is async-signal-safe (signal-safety(7)), and has no memory but the stack's. group-find.c is
 * for the context.
 */
#pragma once

#include <stdbool.h>

/* For how long a group is waited for whose processes the kernel does not let go. */
#define RMT_GROUP_GIVE_UP_US 2000000

/*
 * Where a group of a command's own would be: "ramet-PID-N" in the group of this process, PID being its
 * own. For the caller to free. Does not make it. -ENOENT: there is no hierarchy of version 2, or this
 * process is in a part of it that it does not see; others as of rmt_text_read(). Reads files of /proc.
 */
int rmt_group_find(char **ret_path);

/* The directory of a process's group, for the caller to free: what /proc/PID/cgroup and mountinfo say
 * (cgroups(7), proc(5)). -ENOENT: none, -ENOMEM. */
int rmt_group_locate(const char *groups, const char *mounts, char **ret_directory);

/* Makes the group; its descriptor, close-on-exec, or a negative errno: those of mkdir(2), -ENOENT where
 * there is no cgroup.kill. */
int rmt_group_make(const char *path);

/* One that was made, as another process knows it. */
int rmt_group_open(const char *path);

/* Takes this process into the group. Where that is not allowed it stays where it is. */
void rmt_group_enter(int group);

/* Kills all that is in it or below. */
void rmt_group_kill(int group);

/* Kills it, waits until it is empty, and removes it with what is below it. Blocks for as long as the
 * kernel takes, RMT_GROUP_GIVE_UP_US at most; what still stays then is left. */
void rmt_group_end(int group, const char *path);

/* Removes it. Processes that are left in it go on, in the group that it is in. One stays that has groups
 * below it with processes: these belong to others. */
void rmt_group_release(int group, const char *path);
