/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users, as /etc/passwd and /etc/group know them (passwd(5), group(5)). The C library's own functions
 * bring stdio with them, which must not travel; and what other sources there are (nsswitch.conf(5)) a
 * static program does not know.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct rmt_user {
	char *name, *home, *shell;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* gid first */
	size_t group_count;
	char *table; /* where the strings are */
};

/* By name, or by number; a number need not be in any table, and is then a user without a home, in the
 * group of the same number. 0, -ESRCH, -ENOMEM or what open(2) and read(2) say. */
int rmt_user_find(const char *name, struct rmt_user *ret_user);

/* Frees what it holds; fine for a zeroed one. */
void rmt_user_done(struct rmt_user *user);
