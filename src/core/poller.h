/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for descriptors, behind one small interface. Level-triggered. All functions are called
 * with the router's lock held; wait releases it while it waits, and others may change the set
 * meanwhile.
 */
#pragma once

#include "base/lock.h"

enum rmt_events {
	RMT_READABLE = 1 << 0, /* also: an end or an error, which the next read will tell */
	RMT_WRITABLE = 1 << 1,
};

/* A descriptor of interest, embedded in what it belongs to. */
struct rmt_source {
	int fd;
	unsigned events; /* wanted; 0: an end or error is still reported, as readable */
	void (*ready)(struct rmt_source *source, unsigned events);
};

struct rmt_ready {
	struct rmt_source *source; /* NULL: was removed meanwhile */
	unsigned events;
};

struct rmt_poller_type {
	const char *name;
	int (*new)(void **ret_poller);
	void (*free)(void *poller);
	int (*add)(void *poller, struct rmt_source *source);
	void (*modify)(void *poller, struct rmt_source *source); /* source->events has changed */
	void (*remove)(void *poller, struct rmt_source *source);
	/* Waits at most timeout ms (-1: for ever), fills at most max, returns how many; 0 on
	 * time-out and on a signal. Sources that were removed during the wait are not returned. */
	int (*wait)(void *poller, struct rmt_mutex *lock, int timeout, struct rmt_ready *ready,
		    int max);
	/* A change of the set takes effect on a wait that is under way. */
	_Bool live;
};

extern const struct rmt_poller_type rmt_poller_epoll, rmt_poller_poll;
