/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/function.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/type.h"

struct rmt_function_entry {
	struct rmt_table_node node;
	const struct ramet_function *function;
};

/* Of the process: a program has one set of functions, whichever routers it has. */
static struct rmt_function_set program;
static uint64_t identity;

static uint64_t name_key(const char *name, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
	return hash;
}

void rmt_function_set_done(struct rmt_function_set *set)
{
	rmt_table_done(&set->by_name);
	free(set->entries);
}

int rmt_function_set_fill(struct rmt_function_set *set, const struct ramet_function *const *begin,
			  const struct ramet_function *const *end, const char **ret_twice)
{
	size_t count = begin ? (size_t)(end - begin) : 0, used = 0;

	set->entries = calloc(count ? count : 1, sizeof(*set->entries));
	if (!set->entries)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct ramet_function *function = begin[i];
		size_t size;

		/* Some linkers leave holes between the tables of object files. */
		if (!function)
			continue;
		size = strlen(function->name);
		if (rmt_function_set_find(set, function->name, size)) {
			*ret_twice = function->name;
			return -EEXIST;
		}
		set->entries[used].function = function;
		rmt_table_add(&set->by_name, &set->entries[used++].node,
			      name_key(function->name, size));
	}
	return 0;
}

int rmt_functions_set(const struct ramet_function *const *begin,
		      const struct ramet_function *const *end, const char **ret_twice)
{
	int r;

	rmt_function_set_done(&program);
	program = (struct rmt_function_set){0};
	r = rmt_function_set_fill(&program, begin, end, ret_twice);
	identity = 0;
	/* A sum does not depend on the order in which the linker put them. */
	for (; r == 0 && begin && begin < end; begin++)
		if (*begin)
			identity += rmt_function_signature(*begin);
	return r;
}

struct rmt_function_set *rmt_function_sets(void)
{
	return &program;
}

const struct ramet_function *rmt_function_set_find(const struct rmt_function_set *set,
						   const char *name, size_t size)
{
	struct rmt_table_node *node = rmt_table_find(&set->by_name, name_key(name, size));

	for (; node; node = rmt_table_find_next(node)) {
		const struct ramet_function *function =
			RMT_CONTAINER(node, struct rmt_function_entry, node)->function;

		if (strlen(function->name) == size && memcmp(function->name, name, size) == 0)
			return function;
	}
	return NULL;
}

const struct ramet_function *rmt_function_find(const char *name, size_t size)
{
	const struct rmt_function_set *set = &program;
	const struct ramet_function *function;

	do
		function = rmt_function_set_find(set, name, size);
	while (!function && (set = atomic_load_explicit(&set->next, memory_order_acquire)));
	return function;
}

uint64_t rmt_program_identity(void)
{
	return identity;
}
