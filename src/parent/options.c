/* SPDX-License-Identifier: BSD-3-Clause */
/* ramet_path_append(): from a structure to the text of a path. */
#include "parent/options.h"
#include "parent/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "parent/gate.h"
#include "parent/method.h"
#include "parent/path.h"

/* What means something in a target, or a value; brackets could be a range. */
#define SPECIAL "/?*#&=%,[]"

#define MEMBER(kind, member)                                                    \
	{                                                                       \
#member, offsetof(ramet_hop_options, member), RMT_OPTION_##kind \
	}

const struct rmt_option rmt_options[] = {
	MEMBER(TEXT, name),
	MEMBER(TEXT, cwd),
	MEMBER(NUMBER, nice),
	MEMBER(TEXT, umask),
	MEMBER(NUMBER, connect_timeout),
	MEMBER(TEXT, remote_name),
	MEMBER(TEXT, tool),
	MEMBER(TEXT, args),
	MEMBER(TEXT, exec_args),
	MEMBER(TEXT, shell),
	MEMBER(TEXT, dir),
	MEMBER(TEXT, image),
	MEMBER(TEXT, tty),
	MEMBER(TEXT, password),
	MEMBER(TEXT, password_prompt),
	MEMBER(TEXT, incorrect_prompts),
	MEMBER(TEXT, username),
	MEMBER(TEXT, groups),
	MEMBER(TEXT, uid),
	MEMBER(TEXT, gid),
	MEMBER(NUMBER, port),
	MEMBER(TEXT, identity_file),
	MEMBER(FLAG, identities_only),
	MEMBER(TEXT, config_file),
	MEMBER(TEXT, check_host_keys),
	MEMBER(FLAG, compression),
	MEMBER(FLAG, keepalive_enabled),
	MEMBER(NUMBER, keepalive_interval),
	MEMBER(NUMBER, keepalive_count),
	MEMBER(NUMBER, debug_level),
	MEMBER(FLAG, preserve_env),
	MEMBER(FLAG, set_home),
	MEMBER(FLAG, login),
	MEMBER(TEXT, selinux_role),
	MEMBER(TEXT, selinux_type),
	MEMBER(FLAG, run),
	{"namespace", offsetof(ramet_hop_options, kube_namespace), RMT_OPTION_TEXT},
	MEMBER(TEXT, container),
	MEMBER(TEXT, kind),
	MEMBER(TEXT, kind_tool),
	MEMBER(TEXT, jobid),
	MEMBER(TEXT, nodelist),
	MEMBER(TEXT, partition),
	MEMBER(TEXT, as),
};

const size_t rmt_option_count = RMT_COUNT(rmt_options);

static void begin_key(struct rmt_buffer *out, bool *first, const char *key)
{
	rmt_buffer_append_byte(out, *first ? '?' : '&');
	*first = false;
	rmt_buffer_append(out, key, strlen(key));
}

static void put_option(struct rmt_buffer *out, bool *first, const struct rmt_option *option,
		       const ramet_hop_options *options)
{
	const void *member = (const char *)options + option->offset;
	const char *text = option->kind == RMT_OPTION_TEXT ? *(const char *const *)member : NULL;
	int number = option->kind == RMT_OPTION_TEXT ? 0 : *(const int *)member;

	if (!text && number == 0)
		return;
	begin_key(out, first, option->key);
	rmt_buffer_append_byte(out, '=');
	if (option->kind == RMT_OPTION_NUMBER)
		rmt_buffer_printf(out, "%d", number);
	else
		rmt_path_escape(out, text ? text : number == RAMET_YES ? "yes" : "no", SPECIAL);
}

/* "NAME=VALUE" as env.NAME=VALUE. */
static int put_env(struct rmt_buffer *out, bool *first, const char *pair, ramet_error *error)
{
	const char *equals = strchr(pair, '=');

	if (!equals)
		return rmt_error_set(error, EINVAL, "env: '%s' is not NAME=VALUE", pair);
	begin_key(out, first, "env.");
	for (const char *at = pair; at < equals; at++)
		rmt_path_escape(out, (const char[]){*at, 0}, SPECIAL);
	rmt_buffer_append_byte(out, '=');
	rmt_path_escape(out, equals + 1, SPECIAL);
	return 0;
}

static int put_hop(struct rmt_buffer *out, const ramet_hop_options *options, ramet_error *error)
{
	bool first = true;
	int r = 0;

	rmt_path_escape(out, options->method, SPECIAL ":");
	if (options->target) {
		rmt_buffer_append_byte(out, ':');
		rmt_path_escape(out, options->target, SPECIAL);
	}
	if (options->index > 0)
		rmt_buffer_printf(out, "#%u", options->index);
	for (size_t i = 0; i < rmt_option_count; i++)
		put_option(out, &first, &rmt_options[i], options);
	for (size_t i = 0; options->env && options->env[i] && r == 0; i++)
		r = put_env(out, &first, options->env[i], error);
	if (options->count > 0)
		rmt_buffer_printf(out, "*%u", options->count);
	return r;
}

/* The last hop makes sense to its method. */
static int check_last(const char *text, ramet_error *error)
{
	const struct rmt_method *method;
	struct rmt_path path;
	int r = rmt_path_parse(text, strlen(text), &path, error);

	if (r < 0)
		return r;
	r = rmt_method_find(&path.hops[path.count - 1], &method, error);
	rmt_path_done(&path);
	return r;
}

int rmt_path_append(char **path, const ramet_hop_options *options, ramet_error *error)
{
	ramet_hop_options all = RAMET_HOP_OPTIONS_INIT;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *text;
	int r;

	if (options->size < sizeof(options->size))
		return rmt_error_set(error, EINVAL, "options without their size");
	memcpy(&all, options, RMT_MIN(options->size, sizeof(all)));
	if (!all.method || !*all.method)
		return rmt_error_set(error, EINVAL, "options without a method");
	if (*path && **path)
		rmt_buffer_printf(&out, "%s/", *path);
	r = put_hop(&out, &all, error);
	text = rmt_buffer_steal_string(&out);
	if (r == 0 && !text)
		r = rmt_error_set(error, ENOMEM, "out of memory");
	if (r == 0)
		r = check_last(text, error);
	if (r < 0) {
		free(text);
		return r;
	}
	free(*path);
	*path = text;
	return 0;
}
