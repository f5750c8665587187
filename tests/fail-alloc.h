/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that runs out at a chosen moment. A program that links with FAIL_ALLOC_ARGUMENTS of tests/meson.build has its
 * own and the library's allocations go through here; those inside of libc do not.
 */
#pragma once

#include <stdbool.h>

/* The n-th allocation from now on fails, of all threads, and so do the `count - 1` behind it. */
void fail_alloc_at(unsigned n, unsigned count);

/* No more failures. True when there was one since fail_alloc_at(). */
bool fail_alloc_end(void);

/* In a child: fails as the environment (FAIL_ALLOC=n) says. */
void fail_alloc_child(void);
