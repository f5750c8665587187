/* SPDX-License-Identifier: BSD-3-Clause */
/* Intrusive doubly linked lists with a head that is a node too: what is linked anywhere can leave
 * without knowing which list it is in. */
#pragma once

#include <stdbool.h>

#include "base/macro.h"

struct rmt_list {
	struct rmt_list *next, *previous;
};

static inline void rmt_list_init(struct rmt_list *list)
{
	list->next = list->previous = list;
}

static inline bool rmt_list_empty(const struct rmt_list *list)
{
	return list->next == list;
}

static inline void rmt_list_append(struct rmt_list *list, struct rmt_list *node)
{
	node->next = list;
	node->previous = list->previous;
	list->previous->next = node;
	list->previous = node;
}

/* A node that is in no list may be removed too, if it was initialised. */
static inline void rmt_list_remove(struct rmt_list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	rmt_list_init(node);
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void rmt_list_move(struct rmt_list *to, struct rmt_list *from)
{
	if (rmt_list_empty(from))
		return;
	from->next->previous = to->previous;
	to->previous->next = from->next;
	from->previous->next = to;
	to->previous = from->previous;
	rmt_list_init(from);
}

#define rmt_list_first(list, type, member) RMT_CONTAINER((list)->next, type, member)

/* The body may remove the current node, and no other. */
#define rmt_list_each(list, node, following)                              \
	for (node = (list)->next, following = node->next; node != (list); \
	     node = following, following = node->next)
