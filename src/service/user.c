/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/user.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "service/text.h"

/* The fields of a line, each ended by NUL. */
#define FIELDS_MAX 7

/* Cuts the next line off; those with fewer fields than `least` are none. False: there are no more. */
static bool next_line(char **at, size_t least, char *fields[FIELDS_MAX])
{
	while (**at) {
		char *line = *at, *end = line + strcspn(line, "\n");
		size_t count = 0;

		*at = *end ? end + 1 : end;
		*end = '\0';
		while (line && count < FIELDS_MAX) {
			fields[count++] = line;
			line = strchr(line, ':');
			if (line)
				*line++ = '\0';
		}
		if (count >= least)
			return true;
	}
	return false;
}

static bool is_number(const char *text, uint32_t *ret_number)
{
	uint64_t number = 0;

	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9' || number > UINT32_MAX)
			return false;
		number = number * 10 + (uint64_t)(*at - '0');
	}
	/* The last one stands for none, see setresuid(2). */
	if (!*text || number >= UINT32_MAX)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

static int find_in_table(const char *name, struct rmt_user *user)
{
	uint32_t wanted = 0, uid, gid;
	bool by_number = is_number(name, &wanted);
	char *fields[FIELDS_MAX], *at = user->table;

	while (at && next_line(&at, 7, fields)) {
		if (!is_number(fields[2], &uid) || !is_number(fields[3], &gid) ||
		    (strcmp(fields[0], name) != 0 && !(by_number && uid == wanted)))
			continue;
		user->name = fields[0];
		user->uid = uid;
		user->gid = gid;
		user->home = fields[5];
		user->shell = fields[6];
		return 0;
	}
	return -ESRCH;
}

static bool has_member(const char *members, const char *name)
{
	size_t size;

	for (; *members; members += size + (members[size] == ',')) {
		size = strcspn(members, ",");
		if (size == strlen(name) && memcmp(members, name, size) == 0)
			return true;
	}
	return false;
}

static int add_group(struct rmt_user *user, gid_t gid)
{
	gid_t *grown = realloc(user->groups, (user->group_count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	user->groups = grown;
	user->groups[user->group_count++] = gid;
	return 0;
}

static int find_groups(struct rmt_user *user)
{
	char *table = NULL, *at, *fields[FIELDS_MAX];
	int r = add_group(user, user->gid), q;
	uint32_t gid;

	q = rmt_text_read("/etc/group", &table);
	if (q == -ENOENT)
		return r;
	if (r == 0)
		r = q;
	for (at = table; r == 0 && next_line(&at, 4, fields);)
		if (is_number(fields[2], &gid) && gid != user->gid &&
		    has_member(fields[3], user->name))
			r = add_group(user, gid);
	free(table);
	return r;
}

int rmt_user_find(const char *name, struct rmt_user *ret_user)
{
	struct rmt_user user = {.name = NULL};
	uint32_t number;
	int r = rmt_text_read("/etc/passwd", &user.table);

	if (r == 0 || r == -ENOENT)
		r = find_in_table(name, &user);
	if (r == -ESRCH && is_number(name, &number)) {
		user.name = (char *)(uintptr_t)name;
		user.uid = user.gid = number;
		user.home = (char *)(uintptr_t) "/";
		user.shell = (char *)(uintptr_t) "";
		r = 0;
	}
	if (r == 0)
		r = find_groups(&user);
	if (r == 0)
		*ret_user = user;
	else
		rmt_user_done(&user);
	return r;
}

void rmt_user_done(struct rmt_user *user)
{
	free(user->groups);
	free(user->table);
	*user = (struct rmt_user){.name = NULL};
}
