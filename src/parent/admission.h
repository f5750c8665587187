/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many tools may be on their way at the same time. Each costs processes and descriptors here, so
 * there is a limit for all; servers that many of them meet have limits of their own (sshd_config(5),
 * MaxStartups: some are refused when ten wait for authentication, all when a hundred do), which is
 * found out by being refused: the limit for such tools is halved then, and grows again with each that
 * comes through.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct rmt_admission {
	/* struct rmt_ticket, first come, first served; the crowded ones in the second */
	struct rmt_list waiting[2];
	uint64_t entered;
	unsigned open, open_crowded;
	unsigned crowded_limit;
	bool serving, closed;
};

/* One that wants to go. */
struct rmt_ticket {
	struct rmt_list node;
	uint64_t number; /* of its entry */
	bool crowded;
	bool open;
	unsigned refusals;
	void (*turn)(struct rmt_ticket *ticket); /* it may go; the ticket is open */
};

void rmt_admission_init(struct rmt_admission *admission);

/* turn is called now or later. */
void rmt_admission_enter(struct rmt_admission *admission, struct rmt_ticket *ticket);

/* It came through, or not, or does not want to go any more. Others may get their turn now. Fine for
 * one that never entered. */
void rmt_admission_leave(struct rmt_admission *admission, struct rmt_ticket *ticket);

/* Nobody gets a turn any more. */
void rmt_admission_close(struct rmt_admission *admission);

/* A crowded one has passed the point at which it could have been refused. */
void rmt_admission_passed(struct rmt_admission *admission, struct rmt_ticket *ticket);

/* It has left because it was refused: how long to stay away, in microseconds. */
int64_t rmt_admission_refused(struct rmt_admission *admission, struct rmt_ticket *ticket);
