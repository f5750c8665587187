/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes between a running command and the readers and writers of its streams, driven by the loop.
 * Nothing is read from a pipe that could not be sent at once, and nothing is taken from a receiver
 * before the pipe has taken what came before: so the pipes and the credit of the flows are all the
 * memory there is, and who does not read makes the other side wait. The lock is held in all of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/flow.h"
#include "core/loop.h"
#include "core/router.h"

/* Everything that a pipe or a terminal gives goes to a sender. */
struct rmt_outlet {
	ramet_router *router;
	struct rmt_source source; /* fd -1: closed */
	bool watched;             /* it is in the loop */
	bool terminal;
	ramet_sender *sender;
	struct rmt_flow_turn turn;
	size_t left;            /* bytes that are still of interest */
	struct rmt_timer quiet; /* of a terminal whose command has ended */
	void (*closed)(struct rmt_outlet *outlet);
	void *closed_data;
};

/* Begins to read `fd`, which is non-blocking and one of ours; takes both, on success and on failure.
 * router, terminal and closed are set by the caller. closed() is called once, perhaps at once. */
void rmt_outlet_open(struct rmt_outlet *outlet, int fd, ramet_sender *sender);

/* The command has ended: what it has written until now is still read, then closed() is called. What
 * others write, who hold the other end, is not. */
void rmt_outlet_finish(struct rmt_outlet *outlet);

/* Closes it now; closed() is called if it was not. */
void rmt_outlet_close(struct rmt_outlet *outlet);

/* Whatever a receiver gets goes to a pipe or a terminal. */
struct rmt_inlet {
	ramet_router *router;
	struct rmt_source source; /* fd -1: closed */
	bool watched;
	bool terminal;
	bool line_begun; /* the last byte was no end of a line */
	ramet_receiver *receiver;
	struct rmt_deferred arrived;
	ramet_value *value; /* what is being written */
	size_t written;     /* of it */
};

/* The same for the writing end. */
void rmt_inlet_open(struct rmt_inlet *inlet, int fd, ramet_receiver *receiver);
void rmt_inlet_close(struct rmt_inlet *inlet);
