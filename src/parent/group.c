/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/group.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/macro.h"

struct ramet_group {
	atomic_uint references;
	size_t size;
	ramet_context *contexts[];
};

ramet_group *rmt_group_new(size_t size)
{
	ramet_group *group = calloc(1, sizeof(*group) + size * sizeof(*group->contexts));

	if (group) {
		atomic_init(&group->references, 1);
		group->size = size;
	}
	return group;
}

void rmt_group_put(ramet_group *group, size_t index, ramet_context *context)
{
	group->contexts[index] = context;
}

RMT_PUBLIC size_t ramet_group_size(const ramet_group *group)
{
	return group->size;
}

RMT_PUBLIC ramet_context *ramet_group_get(const ramet_group *group, size_t index)
{
	return index < group->size ? group->contexts[index] : NULL;
}

RMT_PUBLIC void ramet_group_keep(ramet_group *group)
{
	for (size_t i = 0; i < group->size; i++)
		ramet_context_keep(group->contexts[i]);
}

RMT_PUBLIC ramet_group *ramet_group_ref(ramet_group *group)
{
	atomic_fetch_add_explicit(&group->references, 1, memory_order_relaxed);
	return group;
}

RMT_PUBLIC void ramet_group_unref(ramet_group *group)
{
	if (!group || atomic_fetch_sub_explicit(&group->references, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < group->size; i++)
		ramet_context_unref(group->contexts[i]);
	free(group);
}
