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
	rmt_list_init(&admission->waiting[0]);
	rmt_list_init(&admission->waiting[1]);
}

static struct rmt_ticket *first(const struct rmt_list *waiting)
{
	return rmt_list_empty(waiting) ? NULL : rmt_list_first(waiting, struct rmt_ticket, node);
}

/* Who may go: NULL, nobody. */
static struct rmt_ticket *next(const struct rmt_admission *admission)
{
	struct rmt_ticket *ticket, *crowded = NULL;

	if (admission->closed || admission->open >= RMT_CONNECT_LIMIT)
		return NULL;
	ticket = first(&admission->waiting[0]);
	if (admission->open_crowded < admission->crowded_limit)
		crowded = first(&admission->waiting[1]);
	return !ticket || (crowded && crowded->number < ticket->number) ? crowded : ticket;
}

/* A turn may end at once and call us again, as may thousands of them: they are served here, and not
 * from within. */
static void serve(struct rmt_admission *admission)
{
	struct rmt_ticket *ticket;

	if (admission->serving)
		return;
	admission->serving = true;
	while ((ticket = next(admission))) {
		rmt_list_remove(&ticket->node);
		ticket->open = true;
		admission->open++;
		admission->open_crowded += ticket->crowded;
		ticket->turn(ticket);
	}
	admission->serving = false;
}

void rmt_admission_close(struct rmt_admission *admission)
{
	admission->closed = true;
}

void rmt_admission_enter(struct rmt_admission *admission, struct rmt_ticket *ticket)
{
	ticket->number = admission->entered++;
	rmt_list_append(&admission->waiting[ticket->crowded], &ticket->node);
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
