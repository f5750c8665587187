/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Somebody to whom bytes are charged while they wait in a queue. The queue holds a reference for each
 * entry; whoever defines the charge learns when an entry has left, and frees it with the last one.
 */
#pragma once

#include <stddef.h>

struct rmt_charge {
	unsigned references;
	size_t bytes;
	void (*less)(struct rmt_charge *charge); /* an entry and its reference have gone */
};

static inline void rmt_charge_add(struct rmt_charge *charge, size_t bytes)
{
	charge->references++;
	charge->bytes += bytes;
}

static inline void rmt_charge_drop(struct rmt_charge *charge, size_t bytes)
{
	charge->references--;
	charge->bytes -= bytes;
	charge->less(charge);
}
