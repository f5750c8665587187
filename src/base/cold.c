/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/cold.h"

#include <stdatomic.h>

__attribute__((section(".ramet_cold_head"), used, aligned(128)))
const struct rmt_cold_head rmt_cold_head = {.magic = RMT_COLD_MAGIC, .present = 1};

static atomic_bool opened;

bool rmt_cold_is_here(void)
{
	/* The compiler knows what it is in this file, but not in what was made of it. */
	return ((const volatile struct rmt_cold_head *)&rmt_cold_head)->present ||
	       atomic_load_explicit(&opened, memory_order_acquire);
}

void rmt_cold_opened(void)
{
	atomic_store_explicit(&opened, true, memory_order_release);
}

bool rmt_cold_can_use(uintptr_t address)
{
	return address < (uintptr_t)&rmt_cold_head || address >= (uintptr_t)rmt_cold_end ||
	       rmt_cold_is_here();
}
