/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/chain.h"

#include <stdlib.h>

#include "base/error.h"
#include "core/account.h"

/* Kept in execution.chains. */
struct failed_chain {
	struct rmt_table_node node; /* by (caller, chain) */
	ramet_error failure;
	struct rmt_account *account; /* of the caller; NULL: it lies above */
};

static struct failed_chain *find(ramet_router *router, uint32_t caller, uint32_t chain)
{
	struct rmt_table_node *node = rmt_table_find(&router->execution.chains,
						     rmt_key(caller, chain));

	return node ? RMT_CONTAINER(node, struct failed_chain, node) : NULL;
}

static void chain_free(ramet_router *router, struct failed_chain *chain)
{
	rmt_table_remove(&router->execution.chains, &chain->node);
	ramet_error_clear(&chain->failure);
	if (chain->account)
		chain->account->chains--;
	rmt_account_unref(chain->account);
	free(chain);
}

/* Calls of the chain that wait will not run. If the one that failed waits itself, those before it are none of its
 * business. */
static void refuse(const ramet_call *call, const struct rmt_list *list, const ramet_error *failure)
{
	bool behind = call->state != RMT_CALL_QUEUED;

	for (struct rmt_list *node = list->next; node != list; node = node->next) {
		ramet_call *other = RMT_CONTAINER(node, ramet_call, node);

		if (other == call)
			behind = true;
		else if (behind && other->chain == call->chain && !other->failure.code &&
			 other->message.frame.source == call->message.frame.source)
			rmt_error_set_at(&other->failure, failure->code,
					 failure->where ? failure->where : "", "%s",
					 failure->message ? failure->message : "out of memory");
	}
}

void rmt_chain_fail(ramet_call *call, int code, const char *where, const char *text)
{
	ramet_router *router = call->router;
	struct failed_chain *chain;

	if (call->chain == 0 || call->lost || find(router, call->message.frame.source, call->chain))
		return;
	chain = calloc(1, sizeof(*chain));
	if (!chain)
		return;
	rmt_error_set_at(&chain->failure, code, where, "%s", text);
	chain->account = rmt_account_ref(rmt_account_of(router, call->message.frame.source));
	if (chain->account)
		chain->account->chains++;
	rmt_table_add(&router->execution.chains, &chain->node,
		      rmt_key(call->message.frame.source, call->chain));
	refuse(call, &router->execution.serial, &chain->failure);
	refuse(call, &router->execution.concurrent, &chain->failure);
}

bool rmt_chain_has_room(ramet_router *router, uint32_t caller, uint32_t chain)
{
	const struct rmt_account *account = chain ? rmt_account_of(router, caller) : NULL;

	return !account || account->chains < RMT_CHAINS_MAX || find(router, caller, chain);
}

void rmt_chain_reset(ramet_router *router, uint32_t caller, uint32_t chain)
{
	struct failed_chain *failed = find(router, caller, chain);

	if (failed)
		chain_free(router, failed);
}

const ramet_error *rmt_chain_failure(ramet_router *router, uint32_t caller, uint32_t chain)
{
	struct failed_chain *failed = chain != 0 ? find(router, caller, chain) : NULL;

	return failed ? &failed->failure : NULL;
}

void rmt_chains_forget(ramet_router *router, uint32_t caller)
{
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *entry;

	while ((entry = rmt_table_walk(&router->execution.chains, &walk)))
		if (entry->key >> 32 == caller)
			chain_free(router, RMT_CONTAINER(entry, struct failed_chain, node));
}

void rmt_chains_done(ramet_router *router)
{
	struct rmt_table_walk walk = {0};
	struct rmt_table_node *entry;

	while ((entry = rmt_table_walk(&router->execution.chains, &walk)))
		chain_free(router, RMT_CONTAINER(entry, struct failed_chain, node));
	rmt_table_done(&router->execution.chains);
}
