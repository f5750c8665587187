/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/route.h"

/* Kept in router->allowed, the last said first. */
struct rule {
	struct rmt_list node;
	enum ramet_policy policy;
	bool prefix;
	size_t size;
	char name[];
};

bool rmt_policy_admits(const ramet_router *router, enum ramet_policy policy, uint32_t source,
		       uint32_t authority)
{
	if (policy == RAMET_POLICY_ANY || source == router->id)
		return true;
	if (policy == RAMET_POLICY_GIVEN)
		return false;
	return rmt_router_obeys(router, authority) ||
	       (policy == RAMET_POLICY_CHILDREN && rmt_route_below(router, authority));
}

bool rmt_policy_calls(const ramet_router *router, uint32_t source, uint32_t authority)
{
	if (rmt_router_obeys(router, authority))
		return true;
	for (struct rmt_list *node = router->allowed.next; node != &router->allowed;
	     node = node->next)
		if (rmt_policy_admits(router, RMT_CONTAINER(node, struct rule, node)->policy,
				      source, authority))
			return true;
	return false;
}

bool rmt_policy_calls_function(const ramet_router *router, const char *name, size_t size,
			       uint32_t source, uint32_t authority)
{
	for (struct rmt_list *node = router->allowed.next; node != &router->allowed;
	     node = node->next) {
		const struct rule *rule = RMT_CONTAINER(node, struct rule, node);

		if ((rule->prefix ? size >= rule->size : size == rule->size) &&
		    memcmp(rule->name, name, rule->size) == 0)
			return rmt_policy_admits(router, rule->policy, source, authority);
	}
	return rmt_policy_admits(router, RAMET_POLICY_PARENTS, source, authority);
}

static void rule_free(struct rule *rule)
{
	rmt_list_remove(&rule->node);
	free(rule);
}

/* The same words again replace what they said before. */
static void forget(ramet_router *router, const struct rule *rule)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->allowed, node, following) {
		struct rule *other = RMT_CONTAINER(node, struct rule, node);

		if (other->size == rule->size && other->prefix == rule->prefix &&
		    memcmp(other->name, rule->name, rule->size) == 0)
			rule_free(other);
	}
}

void rmt_policy_done(ramet_router *router)
{
	while (!rmt_list_empty(&router->allowed))
		rule_free(rmt_list_first(&router->allowed, struct rule, node));
}

RMT_PUBLIC int ramet_function_allow(ramet_router *router, const char *function,
				    enum ramet_policy policy)
{
	size_t size = strlen(function);
	bool prefix = size > 0 && function[size - 1] == '*';
	struct rule *rule;

	size -= prefix;
	if (size > RMT_FUNCTION_NAME_MAX || (size == 0 && !prefix) || memchr(function, '*', size) ||
	    policy == RAMET_POLICY_GIVEN || policy > RAMET_POLICY_ANY)
		return -EINVAL;
	rule = malloc(sizeof(*rule) + size + 1);
	if (!rule)
		return -ENOMEM;
	*rule = (struct rule){
		.policy = policy == RAMET_POLICY_DEFAULT ? RAMET_POLICY_PARENTS : policy,
		.prefix = prefix,
		.size = size,
	};
	memcpy(rule->name, function, size);
	rmt_lock(router);
	forget(router, rule);
	/* A list's first is what follows its head. */
	rmt_list_append(router->allowed.next, &rule->node);
	rmt_unlock(router);
	return 0;
}
