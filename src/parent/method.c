/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of methods, and what all of them check. */
#include "parent/method.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "parent/keys.h"
#include "parent/password.h"
#include "parent/setup.h"

static const struct rmt_method *const methods[] = {&rmt_method_local,   &rmt_method_fork,
						   &rmt_method_ssh,     &rmt_method_sudo,
						   &rmt_method_nsenter, &rmt_method_unix};

const struct rmt_method *rmt_method_get(size_t index)
{
	if (index < RMT_COUNT(methods))
		return methods[index];
	index -= RMT_COUNT(methods);
	return index < rmt_tool_method_count ? &rmt_tool_methods[index] : NULL;
}

const struct rmt_method *rmt_method_named(const char *name)
{
	const struct rmt_method *method;

	for (size_t i = 0; (method = rmt_method_get(i)); i++)
		if (strcmp(method->name, name) == 0)
			return method;
	return NULL;
}

static int refuse_method(const struct rmt_hop *hop, ramet_error *error)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	const struct rmt_method *method;
	int r;

	for (size_t i = 0; (method = rmt_method_get(i)); i++)
		rmt_buffer_printf(&out, "%s%s", i ? ", " : "", method->name);
	r = rmt_error_set(error, EPROTONOSUPPORT,
			  "hop '%s': there is no method '%s' (there are %.*s)", hop->text,
			  hop->method, (int)out.size, (const char *)out.data);
	rmt_buffer_done(&out);
	return r;
}

static int check_key(const struct rmt_hop *hop, const struct rmt_method *method,
		     const struct rmt_key *key, ramet_error *error)
{
	const char *own = method->keys ? method->keys : "";
	const char *tool = method->command ? RMT_TOOL_KEYS : "", *values = NULL;

	if (rmt_setup_has_key(key->name))
		return 0;
	if (!rmt_keys_have(own, key->name, &values) && !rmt_keys_have(tool, key->name, &values) &&
	    !rmt_keys_have(RMT_METHOD_KEYS, key->name, &values))
		return rmt_error_set(
			error, EINVAL,
			"hop '%s': there is no key '%s' (%s has %s%s%s%s" RMT_METHOD_KEYS
			" cwd env.NAME name nice umask)",
			hop->text, key->name, method->name, own, *own ? " " : "", tool,
			*tool ? " " : "");
	return rmt_keys_check(key, values, error);
}

/* What would be taken for an option by a tool, or for more than a word by a shell. */
static int check_words(const struct rmt_hop *hop, ramet_error *error)
{
	static const char *const split[] = {"args", "exec_args"};
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_./+-";
	const char *user = rmt_hop_key(hop, "username"), *shell = rmt_hop_shell(hop);
	const char *name = rmt_hop_key(hop, "remote_name");

	if ((hop->target && *hop->target == '-') || (user && *user == '-'))
		return rmt_error_set(error, EINVAL, "'%s' begins with '-'",
				     user && *user == '-' ? user : hop->target);
	if (*shell == '-' || shell[strspn(shell, harmless)])
		return rmt_error_set(error, EINVAL,
				     "shell=%s: letters, digits and _ . / + - are expected", shell);
	if (name && strpbrk(name, "/\\"))
		return rmt_error_set(error, EINVAL, "remote_name=%s: it has a slash", name);
	for (size_t i = 0; i < RMT_COUNT(split); i++) {
		const char *words = rmt_hop_key(hop, split[i]);

		if (words && rmt_command_add_words(NULL, words) < 0)
			return rmt_error_set(error, EINVAL, "%s=%s: a quote is open", split[i],
					     words);
	}
	return 0;
}

static int check_target(const struct rmt_hop *hop, const struct rmt_method *method,
			ramet_error *error)
{
	if (method->target == RMT_TARGET_NONE && hop->target)
		return rmt_error_set(error, EINVAL, "hop '%s': %s takes no target", hop->text,
				     method->name);
	if (hop->target ? !*hop->target : method->target == RMT_TARGET_REQUIRED)
		return rmt_error_set(error, EINVAL, "hop '%s': a target is expected: %s:TARGET",
				     hop->text, method->name);
	return 0;
}

int rmt_method_find(const struct rmt_hop *hop, const struct rmt_method **ret_method,
		    ramet_error *error)
{
	const struct rmt_method *method = rmt_method_named(hop->method);
	int r;

	if (!method)
		return refuse_method(hop, error);
	r = check_target(hop, method, error);
	for (size_t i = 0; i < hop->key_count && r == 0; i++)
		r = check_key(hop, method, &hop->keys[i], error);
	if (r == 0)
		r = rmt_setup_check(hop, error);
	if (r == 0)
		r = check_words(hop, error);
	if (r == 0 && rmt_hop_key(hop, "password"))
		r = rmt_password_check(hop, error);
	if (r == 0 && method->check)
		r = method->check(hop, error);
	if (r == 0)
		*ret_method = method;
	return r;
}
