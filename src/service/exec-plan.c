/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/exec-plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "parent/password.h"

/* Where execvp(3) looks when there is no PATH. */
#define DEFAULT_PATH "/usr/local/bin:/bin:/usr/bin"

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

/* HOME, SHELL, USER, LOGNAME; and TERM. */
#define OWN_VARIABLES 5

static int set_user(struct rmt_exec_plan *plan, const struct rmt_user *user)
{
	int r = set_new(plan, "HOME", user->home);

	if (r == 0)
		r = set_new(plan, "SHELL", *user->shell ? user->shell : "/bin/sh");
	if (r == 0)
		r = set_new(plan, "USER", user->name);
	return r < 0 ? r : set_new(plan, "LOGNAME", user->name);
}

static int make_env(struct rmt_exec_plan *plan, const rmt_exec_spec *spec, ramet_error *error)
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
	if (r == 0 && spec->user)
		r = set_user(plan, &plan->user);
	if (r == 0 && spec->terminal.term)
		r = set_new(plan, "TERM", spec->terminal.term);
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

static int find_user(struct rmt_exec_plan *plan, const char *name, ramet_error *error)
{
	int r = rmt_user_find(name, &plan->user);

	if (r == -ESRCH)
		return rmt_error_set(error, r, "there is no user '%s'", name);
	if (r < 0)
		return rmt_error_set(error, r, "the user '%s': %s", name, rmt_strerror(r));
	plan->become = (struct rmt_guard_user){.uid = plan->user.uid,
					       .gid = plan->user.gid,
					       .groups = plan->user.groups,
					       .group_count = plan->user.group_count};
	/* Who has no privileges need none to stay the same. */
	plan->switches = geteuid() == 0 || plan->user.uid != geteuid();
	return 0;
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

static int make_limits(struct rmt_exec_plan *plan, const rmt_exec_limits *limits,
		       ramet_error *error)
{
	plan->limits = calloc(limits->count + 1, sizeof(*plan->limits));
	if (!plan->limits)
		return rmt_error_set(error, ENOMEM, "out of memory");
	for (size_t i = 0; i < limits->count; i++)
		plan->limits[i] = (struct rmt_guard_limit){
			limits->items[i].resource, {limits->items[i].soft, limits->items[i].hard}};
	return 0;
}

int rmt_exec_plan_make(struct rmt_exec_plan *plan, const rmt_exec_spec *spec, ramet_error *error)
{
	int r;

	*plan = (struct rmt_exec_plan){0};
	r = make_argv(plan, spec, error);
	if (r == 0 && spec->user)
		r = find_user(plan, spec->user, error);
	if (r == 0)
		r = make_env(plan, spec, error);
	if (r == 0)
		r = make_limits(plan, &spec->limits, error);
	if (r == 0 && make_files(plan, plan->argv[0]) < 0)
		r = rmt_error_set(error, ENOMEM, "out of memory");
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
	free(plan->limits);
	rmt_user_done(&plan->user);
	*plan = (struct rmt_exec_plan){0};
}

/* --- why not ---------------------------------------------------------------------------------- */

static const char *limit_name(int resource)
{
	static const char names[][11] = {
		[RLIMIT_CPU] = "CPU",           [RLIMIT_FSIZE] = "FSIZE",
		[RLIMIT_DATA] = "DATA",         [RLIMIT_STACK] = "STACK",
		[RLIMIT_CORE] = "CORE",         [RLIMIT_RSS] = "RSS",
		[RLIMIT_NPROC] = "NPROC",       [RLIMIT_NOFILE] = "NOFILE",
		[RLIMIT_MEMLOCK] = "MEMLOCK",   [RLIMIT_AS] = "AS",
		[RLIMIT_LOCKS] = "LOCKS",       [RLIMIT_SIGPENDING] = "SIGPENDING",
		[RLIMIT_MSGQUEUE] = "MSGQUEUE", [RLIMIT_NICE] = "NICE",
		[RLIMIT_RTPRIO] = "RTPRIO",     [RLIMIT_RTTIME] = "RTTIME",
	};

	return resource >= 0 && resource < (int)RMT_COUNT(names) ? names[resource] : "?";
}

static void limit_text(char text[24], uint64_t limit)
{
	if (limit == RAMET_LIMIT_NONE)
		rmt_format(text, 24, "none");
	else
		rmt_format(text, 24, "%llu", (unsigned long long)limit);
}

static int limit_failed(const rmt_exec_limit *limit, int code, ramet_error *error)
{
	char soft[24], hard[24];

	limit_text(soft, limit->soft);
	limit_text(hard, limit->hard);
	return rmt_error_set(error, code, "cannot set RLIMIT_%s (%d) to %s, at most %s: %s",
			     limit_name(limit->resource), (int)limit->resource, soft, hard,
			     rmt_strerror(code));
}

int rmt_exec_plan_failed(const struct rmt_guard_report *report, const rmt_exec_spec *spec,
			 ramet_error *error)
{
	const char *why = rmt_strerror(report->value);

	switch (report->step) {
	case RMT_STEP_TERMINAL:
		return rmt_error_set(error, report->value, "no terminal for the command: %s", why);
	case RMT_STEP_NICE:
		return rmt_error_set(error, report->value, "nice=%d: %s", (int)spec->nice, why);
	case RMT_STEP_LIMIT:
		return limit_failed(&spec->limits.items[report->limit], report->value, error);
	case RMT_STEP_USER:
		return rmt_error_set(error, report->value, "cannot become the user '%s': %s",
				     spec->user, why);
	case RMT_STEP_CWD:
		return rmt_error_set(error, report->value, "cannot enter '%s': %s", spec->cwd, why);
	case RMT_STEP_EXEC:
		return rmt_error_set(error, report->value, "cannot execute '%s': %s",
				     spec->argv.items[0], why);
	case RMT_STEP_PROCESS:
	case RMT_STEP_STDIO:
	default:
		return rmt_error_set(error, report->value, "no process for the command: %s", why);
	}
}
