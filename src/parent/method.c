/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of methods, and what all of them check. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "parent/method.h"
#include "parent/setup.h"

static const struct rmt_method *const methods[] = {&rmt_method_local, &rmt_method_fork};

int rmt_method_find(const struct rmt_hop *hop, const struct rmt_method **ret_method,
		    ramet_error *error)
{
	const struct rmt_method *method = NULL;
	int r;

	for (size_t i = 0; i < RMT_COUNT(methods); i++)
		if (strcmp(methods[i]->name, hop->method) == 0)
			method = methods[i];
	if (!method)
		return rmt_error_set(error, EPROTONOSUPPORT,
				     "hop '%s': there is no method '%s' (there are local and fork)",
				     hop->text, hop->method);
	for (size_t i = 0; i < hop->key_count; i++)
		if (!rmt_setup_has_key(hop->keys[i].name))
			return rmt_error_set(error, EINVAL,
					     "hop '%s': there is no key '%s' (there are cwd, "
					     "env.NAME, name, nice and umask)",
					     hop->text, hop->keys[i].name);
	if (method->target == RMT_TARGET_NONE && hop->target)
		return rmt_error_set(error, EINVAL, "hop '%s': %s takes no target", hop->text,
				     method->name);
	r = rmt_setup_check(hop, error);
	if (r == 0 && method->check)
		r = method->check(hop, error);
	if (r == 0)
		*ret_method = method;
	return r;
}
