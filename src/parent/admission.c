/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/admission.h"

#include <sys/random.h>

#include "base/limits.h"
#include "base/macro.h"

/* Between two attempts: doubled each time, up to the latter. */
#define AWAY_FIRST_US 50000
#define AWAY_LAST_US 1600000

void rmt_admission_init(struct rmt_admission *admission)
{
	*admission = (struct rmt_admission){.crowded_limit = RMT_CROWDED_FIRST};
	rmt_list_init(&admission->waiting);
}

static bool may_go(const struct rmt_admission *admission, const struct rmt_ticket *ticket)
{
	return admission->open < RMT_CONNECT_LIMIT &&
	       (!ticket->crowded || admission->open_crowded < admission->crowded_limit);
}

/* A turn may end at once, which frees the ticket and calls us again. So the list is looked at anew
 * each time, and by the first of the calls alone: thousands that fail one after the other would not
 * fit on a stack one in the other. */
static void serve(struct rmt_admission *admission)
{
	struct rmt_list *node, *following;

	if (admission->serving)
		return;
	admission->serving = true;
	rmt_list_each(&admission->waiting, node, following) {
		struct rmt_ticket *ticket = RMT_CONTAINER(node, struct rmt_ticket, node);

		if (!may_go(admission, ticket))
			continue;
		rmt_list_remove(&ticket->node);
		ticket->open = true;
		admission->open++;
		admission->open_crowded += ticket->crowded;
		ticket->turn(ticket);
		following = admission->waiting.next;
	}
	admission->serving = false;
}

void rmt_admission_enter(struct rmt_admission *admission, struct rmt_ticket *ticket)
{
	rmt_list_append(&admission->waiting, &ticket->node);
	serve(admission);
}

void rmt_admission_passed(struct rmt_admission *admission, struct rmt_ticket *ticket)
{
	if (!ticket->open || !ticket->crowded)
		return;
	ticket->crowded = false;
	admission->open_crowded--;
	if (admission->crowded_limit < RMT_CONNECT_LIMIT)
		admission->crowded_limit++;
	serve(admission);
}

void rmt_admission_leave(struct rmt_admission *admission, struct rmt_ticket *ticket)
{
	rmt_list_remove(&ticket->node);
	if (!ticket->open)
		return;
	ticket->open = false;
	admission->open--;
	admission->open_crowded -= ticket->crowded;
	serve(admission);
}

int64_t rmt_admission_refused(struct rmt_admission *admission, struct rmt_ticket *ticket)
{
	int64_t away = AWAY_FIRST_US;
	uint32_t random = 0;

	admission->crowded_limit = RMT_MAX(admission->crowded_limit / 2, RMT_CROWDED_LEAST);
	for (unsigned i = 0; i < ticket->refusals && away < AWAY_LAST_US; i++)
		away *= 2;
	ticket->refusals++;
	/* Those that were refused together do not come back together. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = 0;
	return away / 2 + random % away;
}
