/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/function.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/type.h"

/* The tables of the process: a program has one set of functions, whichever routers it has. */
static struct {
	struct rmt_table by_name;
	struct entry {
		struct rmt_table_node node;
		const struct ramet_function *function;
	} * entries;
	uint64_t identity;
} functions;

static uint64_t name_key(const char *name, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
	return hash;
}

int rmt_functions_set(const struct ramet_function *const *begin,
		      const struct ramet_function *const *end, const char **ret_twice)
{
	size_t count = begin ? (size_t)(end - begin) : 0, used = 0;
	struct entry *entries = calloc(count ? count : 1, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	rmt_table_done(&functions.by_name);
	free(functions.entries);
	functions.entries = entries;
	functions.identity = 0;
	for (size_t i = 0; i < count; i++) {
		const struct ramet_function *function = begin[i];
		size_t size;

		/* Some linkers leave holes between the tables of object files. */
		if (!function)
			continue;
		size = strlen(function->name);
		if (rmt_function_find(function->name, size)) {
			*ret_twice = function->name;
			return -EEXIST;
		}
		entries[used].function = function;
		rmt_table_add(&functions.by_name, &entries[used++].node,
			      name_key(function->name, size));
		/* A sum does not depend on the order in which the linker put them. */
		functions.identity += rmt_function_signature(function);
	}
	return 0;
}

const struct ramet_function *rmt_function_find(const char *name, size_t size)
{
	struct rmt_table_node *node = rmt_table_find(&functions.by_name, name_key(name, size));

	for (; node; node = rmt_table_find_next(node)) {
		const struct ramet_function *function =
			RMT_CONTAINER(node, struct entry, node)->function;

		if (strlen(function->name) == size && memcmp(function->name, name, size) == 0)
			return function;
	}
	return NULL;
}

uint64_t rmt_program_identity(void)
{
	return functions.identity;
}
