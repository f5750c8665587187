/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/time.h"
#include "core/function.h"
#include "core/wait.h"
#include "parent/digest.h"
#include "parent/module.h"

/* A module of this process, for ever. */
struct loaded {
	struct rmt_function_set functions;
	char name[];
};

/* Guarded by rmt_modules_lock(). */
static unsigned attempts;

/* --- getting it ----------------------------------------------------------------------------- */

struct want {
	struct rmt_shelf_wanted wanted;
	bool done;
	struct rmt_buffer bytes;
	ramet_error error;
};

static void want_done(struct rmt_shelf_wanted *wanted, const void *data, size_t size,
		      const ramet_error *error)
{
	struct want *want = RMT_CONTAINER(wanted, struct want, wanted);

	want->done = true;
	if (data)
		rmt_buffer_append(&want->bytes, data, size);
	else
		rmt_error_set_at(&want->error, error->code ? error->code : ENOMEM,
				 error->where ? error->where : "", "%s",
				 error->message ? error->message : "out of memory");
}

static bool is_done(void *argument)
{
	return ((struct want *)argument)->done;
}

/* Waits for what `part` stands for: see rmt_module_want(). */
static int get(ramet_router *router, const char *part, struct rmt_buffer *ret_bytes,
	       ramet_error *error)
{
	struct want want = {
		.wanted.done = want_done, .bytes = RMT_BUFFER_INIT, .error = RAMET_ERROR_INIT};
	int r;

	rmt_lock(router);
	rmt_module_want(router, part, &want.wanted);
	r = rmt_wait(router, is_done, &want, RMT_NEVER);
	rmt_shelf_forget(&want.wanted);
	rmt_unlock(router);
	if (r < 0)
		rmt_error_set(error, r, "the router has ended");
	else if (want.error.code)
		r = rmt_error_move(error, &want.error);
	else if (want.bytes.error < 0)
		r = rmt_error_set(error, ENOMEM, "out of memory");
	else
		*ret_bytes = want.bytes;
	if (r < 0)
		rmt_buffer_done(&want.bytes);
	return r;
}

static int get_module(ramet_router *router, const char *name, struct rmt_buffer *ret_bytes,
		      ramet_error *error)
{
	char part[RMT_PART_NAME_MAX + 1], text[65];
	struct rmt_buffer digest;
	struct rmt_sha256 sha;
	int r = get(router, name, &digest, error);

	if (r < 0)
		return r;
	if (digest.size == 64)
		rmt_format(part, sizeof(part), "%s:%.64s", name, (const char *)digest.data);
	else
		r = rmt_error_set(error, EPROTO, "what came for '%s' is no SHA-256", name);
	rmt_buffer_done(&digest);
	if (r == 0)
		r = get(router, part, ret_bytes, error);
	if (r < 0)
		return r;
	rmt_sha256_init(&sha);
	rmt_sha256_update(&sha, ret_bytes->data, ret_bytes->size);
	rmt_sha256_text(&sha, text);
	if (strcmp(text, rmt_module_digest(part)) == 0)
		return 0;
	rmt_buffer_done(ret_bytes);
	return rmt_error_set(error, EPROTO, "what came for '%s' is something else", name);
}

/* --- having it ------------------------------------------------------------------------------ */

static struct rmt_function_set *next_set(const struct rmt_function_set *set)
{
	return atomic_load_explicit(&set->next, memory_order_acquire);
}

static bool is_loaded(const char *name)
{
	struct rmt_function_set *set = rmt_function_sets();

	while ((set = next_set(set)))
		if (strcmp(set->module, name) == 0)
			return true;
	return false;
}

/* Names that are taken are refused: which function of a name is called must not depend on who came
 * first. */
static int check_names(const struct ramet_module *module, const char *name, ramet_error *error)
{
	for (const struct ramet_function *const *at = module->begin; at && at < module->end; at++) {
		struct rmt_function_set *set = rmt_function_sets();
		size_t size = *at ? strlen((*at)->name) : 0;

		if (size == 0)
			continue;
		if (strncmp((*at)->name, RMT_SERVICE_PREFIX, strlen(RMT_SERVICE_PREFIX)) == 0)
			return rmt_error_set(error, EEXIST,
					     "module '%s' defines '%s', and names that begin with "
					     "'" RMT_SERVICE_PREFIX "' are the library's",
					     name, (*at)->name);
		for (; set; set = next_set(set)) {
			if (!rmt_function_set_find(set, (*at)->name, size))
				continue;
			if (!set->module)
				return rmt_error_set(error, EEXIST,
						     "module '%s' defines '%s', which the program "
						     "has itself",
						     name, (*at)->name);
			return rmt_error_set(error, EEXIST,
					     "module '%s' defines '%s', which is a function of "
					     "module '%s'",
					     name, (*at)->name, set->module);
		}
	}
	return 0;
}

static int add(const struct ramet_module *module, const char *name, ramet_error *error)
{
	struct rmt_function_set *last = rmt_function_sets(), *next;
	size_t size = strlen(name) + 1;
	struct loaded *loaded;
	const char *twice = "";
	int r = check_names(module, name, error);

	if (r < 0)
		return r;
	loaded = calloc(1, sizeof(*loaded) + size);
	if (!loaded)
		return rmt_error_set(error, ENOMEM, "out of memory");
	memcpy(loaded->name, name, size);
	loaded->functions.module = loaded->name;
	r = rmt_function_set_fill(&loaded->functions, module->begin, module->end, &twice);
	if (r < 0) {
		rmt_function_set_done(&loaded->functions);
		free(loaded);
		return r == -EEXIST ? rmt_error_set(error, r, "module '%s' defines '%s' twice",
						    name, twice)
				    : rmt_error_set(error, r, "out of memory");
	}
	while ((next = next_set(last)))
		last = next;
	atomic_store_explicit(&last->next, &loaded->functions, memory_order_release);
	return 0;
}

/* With the lock of modules. */
static int load(const char *name, const struct rmt_buffer *bytes, ramet_error *error)
{
	const struct ramet_module *module;
	void *handle;
	int r;

	if (is_loaded(name))
		return 0;
	if (attempts >= RMT_MODULES_TRIED_MAX)
		return rmt_error_set(error, ENFILE, "this process has tried to load %u modules",
				     RMT_MODULES_TRIED_MAX);
	r = rmt_module_open(name, bytes, attempts++, &module, &handle, error);
	if (r < 0)
		return r;
	r = add(module, name, error);
	if (r < 0)
		rmt_module_close(handle);
	return r;
}

static int get_and_load(ramet_router *router, const char *name, ramet_error *error)
{
	struct rmt_buffer bytes;
	bool there;
	int r = rmt_module_check_name(name, error);

	if (r == 0)
		r = rmt_module_possible(error);
	if (r < 0)
		return r;
	rmt_modules_lock();
	there = is_loaded(name);
	rmt_modules_unlock();
	if (there)
		return 0;
	r = get_module(router, name, &bytes, error);
	if (r < 0)
		return r;
	rmt_modules_lock();
	r = load(name, &bytes, error);
	rmt_modules_unlock();
	rmt_buffer_done(&bytes);
	return r;
}

/* A worker's: to wait for something from above must not keep calls from being executed. */
RAMET_DEFINE_CONCURRENT(none, rmt_module_load, (str, name))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (get_and_load(ramet_call_router(call), name ? name : "", &error) < 0)
		ramet_fail_error(call, &error);
}
