/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/route.h"

/* --- functions ---------------------------------------------------------------------------- */

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

/* --- receivers ---------------------------------------------------------------------------- */

/* A dead letter comes from some router on the way, and in the name of whom was asked. */
static bool may_answer(const ramet_receiver *receiver, const struct rmt_frame *frame)
{
	uint32_t respondent = receiver->respondent->id;

	return frame->source == respondent ||
	       ((frame->flags & RMT_FRAME_ERROR) && frame->authority == respondent);
}

/* Holds a sender: more were given to it than it has closed. */
static bool holds_sender(const ramet_receiver *receiver, uint32_t source)
{
	const struct rmt_inflow *inflow = receiver->recent;

	if (!inflow || inflow->peer->id != source)
		inflow = rmt_inflow_find(receiver->router, source, (uint32_t)receiver->node.key);
	return inflow && inflow->given > inflow->ended;
}

/* Whom the policy lets in needs no sender, and says once that nothing more will come. (This context
 * itself does so with its own sender, see sender.c: what it got from others may be a forged one.) */
static bool may_end(const ramet_receiver *receiver, const struct rmt_frame *frame)
{
	const struct rmt_inflow *inflow = rmt_inflow_find(receiver->router, frame->source,
							  frame->handle);

	return (!inflow || inflow->ended == 0) && frame->source != receiver->router->id &&
	       rmt_policy_admits(receiver->router, receiver->policy, frame->source,
				 frame->authority);
}

bool rmt_receiver_may_give(const ramet_receiver *receiver, const struct rmt_frame *frame)
{
	if (holds_sender(receiver, frame->source) ||
	    rmt_policy_admits(receiver->router, receiver->policy, frame->source, frame->authority))
		return true;
	rmt_misbehaved(receiver->router,
		       "context %u passed on a sender to handle %llu that it does not have",
		       frame->source, (unsigned long long)receiver->node.key);
	return false;
}

bool rmt_receiver_admits(ramet_receiver *receiver, const struct rmt_frame *frame)
{
	ramet_router *router = receiver->router;
	bool counted = frame->flags & RMT_FRAME_COUNTED;

	if (receiver->result) {
		/* A result that does not fit one frame is charged to its flow. */
		if (may_answer(receiver, frame) &&
		    (counted || !(frame->flags & (RMT_FRAME_MORE | RMT_FRAME_CONTINUES)) ||
		     (frame->flags & RMT_FRAME_ABORT)))
			return true;
		rmt_misbehaved(router, "dropped an answer of context %u to what %s was asked",
			       frame->source, rmt_peer_name(receiver->respondent));
		return false;
	}
	if (frame->flags & RMT_FRAME_END) {
		if (holds_sender(receiver, frame->source) || may_end(receiver, frame))
			return true;
	} else if (frame->flags & RMT_FRAME_ABORT) {
		/* Also behind the end: what another thread was sending when this side closed. */
		if (rmt_inflow_find(router, frame->source, frame->handle))
			return true;
	} else if (counted && !(frame->flags & RMT_FRAME_ERROR) &&
		   (holds_sender(receiver, frame->source) ||
		    rmt_policy_admits(router, receiver->policy, frame->source, frame->authority))) {
		return true;
	}
	rmt_misbehaved(router,
		       "refused what context %u sent to handle %u, to which it has no sender",
		       frame->source, frame->handle);
	rmt_dead_letter(router, frame, EPERM, "context %u has no sender to this receiver",
			frame->source);
	return false;
}
