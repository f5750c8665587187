/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/exec-plan.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "parent/password.h"

/* Where execvp(3) looks when there is no PATH. */
#define DEFAULT_PATH "/usr/local/bin:/bin:/usr/bin"

/* For the strings of one entry of passwd(5); beyond what any has. */
#define ENTRY_SIZE 65536

extern char **environ;

/* --- the environment ------------------------------------------------------------------------ */

/* Takes a text over; NULL is none for lack of memory. */
static int keep(struct rmt_exec_plan *plan, char *text)
{
	char **grown = text ? realloc(plan->texts, (plan->text_count + 1) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	plan->texts = grown;
	plan->texts[plan->text_count++] = text;
	return 0;
}

static char **find(char **env, const char *name, size_t size)
{
	for (; *env; env++)
		if (strncmp(*env, name, size) == 0 && (*env)[size] == '=')
			break;
	return env;
}

/* There is room for it. "NAME" alone takes the variable out. */
static void set(struct rmt_exec_plan *plan, char *text)
{
	size_t size = strcspn(text, "=");
	char **at = find(plan->env, text, size);
	bool there = *at != NULL;

	if (text[size]) {
		*at = text;
		if (!there)
			at[1] = NULL;
	} else if (there) {
		char **last = at;

		while (last[1])
			last++;
		*at = *last;
		*last = NULL;
	}
}

static int set_new(struct rmt_exec_plan *plan, const char *name, const char *value)
{
	char *text = rmt_format_new("%s=%s", name, value);
	int r = keep(plan, text);

	if (r == 0)
		set(plan, text);
	return r;
}

/* Those that are the user's own: HOME, SHELL, USER, LOGNAME; and TERM. */
#define OWN_VARIABLES 5

static int make_env(struct rmt_exec_plan *plan, const rmt_exec_spec *spec,
		    const struct passwd *entry, ramet_error *error)
{
	char **inherited = NULL, *const * from;
	size_t count = 0;
	int r = 0;

	/* Without what must stay with this process. */
	if (rmt_password_environment(&inherited) < 0)
		return rmt_error_set(error, ENOMEM, "out of memory");
	from = inherited ? inherited : environ;
	while (!(spec->flags & RMT_EXEC_CLEAR_ENV) && from && from[count])
		count++;
	plan->env = calloc(count + spec->env.count + OWN_VARIABLES + 1, sizeof(*plan->env));
	if (plan->env)
		memcpy(plan->env, from, count * sizeof(*plan->env));
	else
		r = -ENOMEM;
	free(inherited);
	if (r == 0 && entry) {
		r = set_new(plan, "HOME", entry->pw_dir);
		if (r == 0)
			r = set_new(plan, "SHELL", *entry->pw_shell ? entry->pw_shell : "/bin/sh");
		if (r == 0)
			r = set_new(plan, "USER", entry->pw_name);
		if (r == 0)
			r = set_new(plan, "LOGNAME", entry->pw_name);
	}
	if (r == 0 && spec->term)
		r = set_new(plan, "TERM", spec->term);
	if (r < 0)
		return rmt_error_set(error, ENOMEM, "out of memory");
	for (size_t i = 0; i < spec->env.count; i++) {
		const char *text = spec->env.items[i];

		if (!text || !*text || *text == '=')
			return rmt_error_set(error, EINVAL,
					     "env: a variable is written NAME=VALUE, or NAME");
		set(plan, (char *)(uintptr_t)text);
	}
	return 0;
}

/* --- the user --------------------------------------------------------------------------------- */

static bool is_number(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9' || number > UINT32_MAX)
			return false;
		number = number * 10 + (uint64_t)(*at - '0');
	}
	*ret_number = number;
	return *text && number < UINT32_MAX;
}

static int find_groups(struct rmt_exec_plan *plan, const struct passwd *entry)
{
	int count = 64, room;

	do {
		gid_t *grown = realloc(plan->groups, (size_t)count * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		plan->groups = grown;
		room = count;
	} while (getgrouplist(entry->pw_name, entry->pw_gid, plan->groups, &count) < 0 &&
		 count > room);
	plan->user = (struct rmt_guard_user){.uid = entry->pw_uid,
					     .gid = entry->pw_gid,
					     .groups = plan->groups,
					     .group_count = (size_t)count};
	return 0;
}

/* A number need not be in any table, and is then a user without groups. */
static int find_user(struct rmt_exec_plan *plan, const char *user, char *strings,
		     struct passwd *entry, ramet_error *error)
{
	struct passwd *found = NULL;
	uint64_t number;
	int r;

	if (is_number(user, &number))
		r = getpwuid_r((uid_t)number, entry, strings, ENTRY_SIZE, &found);
	else
		r = getpwnam_r(user, entry, strings, ENTRY_SIZE, &found);
	if (!found && is_number(user, &number))
		*entry = (struct passwd){.pw_name = (char *)(uintptr_t)user,
					 .pw_uid = (uid_t)number,
					 .pw_gid = (gid_t)number,
					 .pw_dir = (char *)(uintptr_t) "/",
					 .pw_shell = (char *)(uintptr_t) ""};
	else if (!found)
		return rmt_error_set(error, ESRCH, "there is no user '%s'%s%s", user,
				     r != 0 ? ": " : "", r != 0 ? rmt_strerror(r) : "");
	/* Who has no privileges need none to stay the same. */
	plan->switches = geteuid() == 0 || entry->pw_uid != geteuid();
	return find_groups(plan, entry) < 0 ? rmt_error_set(error, ENOMEM, "out of memory") : 0;
}

/* --- the file --------------------------------------------------------------------------------- */

static int make_files(struct rmt_exec_plan *plan, const char *name)
{
	const char *path, *at;
	char **variable;
	size_t count = 2, size, used = 0;

	variable = find(plan->env, "PATH", 4);
	path = *variable ? *variable + strlen("PATH=") : DEFAULT_PATH;
	for (at = path; *at; at++)
		count += *at == ':';
	plan->files = calloc(count, sizeof(*plan->files));
	if (!plan->files)
		return -ENOMEM;
	if (!*name || strchr(name, '/')) {
		plan->files[0] = (char *)(uintptr_t)name;
		return 0;
	}
	for (at = path;; at += size + 1) {
		size = strcspn(at, ":");
		/* An empty entry is the working directory. */
		plan->files[used] = rmt_format_new("%.*s%s%s", (int)size, at, size ? "/" : "./",
						   name);
		if (keep(plan, plan->files[used]) < 0)
			return -ENOMEM;
		used++;
		if (!at[size])
			return 0;
	}
}

static int make_argv(struct rmt_exec_plan *plan, const rmt_exec_spec *spec, ramet_error *error)
{
	if (spec->argv.count == 0)
		return rmt_error_set(error, EINVAL, "there is no command");
	plan->argv = calloc(spec->argv.count + 1, sizeof(*plan->argv));
	if (!plan->argv)
		return rmt_error_set(error, ENOMEM, "out of memory");
	for (size_t i = 0; i < spec->argv.count; i++) {
		if (!spec->argv.items[i])
			return rmt_error_set(error, EINVAL, "an argument is missing");
		plan->argv[i] = (char *)(uintptr_t)spec->argv.items[i];
	}
	return 0;
}

int rmt_exec_plan_make(struct rmt_exec_plan *plan, const rmt_exec_spec *spec, ramet_error *error)
{
	char *strings = spec->user ? malloc(ENTRY_SIZE) : NULL;
	struct passwd entry;
	int r;

	*plan = (struct rmt_exec_plan){0};
	r = make_argv(plan, spec, error);
	if (r == 0 && spec->user)
		r = strings ? find_user(plan, spec->user, strings, &entry, error)
			    : rmt_error_set(error, ENOMEM, "out of memory");
	if (r == 0)
		r = make_env(plan, spec, spec->user ? &entry : NULL, error);
	if (r == 0 && make_files(plan, plan->argv[0]) < 0)
		r = rmt_error_set(error, ENOMEM, "out of memory");
	free(strings);
	if (r < 0)
		rmt_exec_plan_done(plan);
	return r;
}

void rmt_exec_plan_done(struct rmt_exec_plan *plan)
{
	for (size_t i = 0; i < plan->text_count; i++)
		free(plan->texts[i]);
	free(plan->texts);
	free(plan->argv);
	free(plan->env);
	free(plan->files);
	free(plan->groups);
	*plan = (struct rmt_exec_plan){0};
}
