/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every test ends by counting what its process still has: descriptors, children, threads.
 *
 *	cmocka_unit_test_setup_teardown(some_test, leftovers_setup, leftovers_teardown)
 */
#pragma once

#include <stddef.h>

int leftovers_setup(void **state);
int leftovers_teardown(void **state);

/* For the setup and teardown of others. */
void leftovers_begin(void);
void leftovers_check(void);

/* Open descriptors and threads of this process. */
size_t count_descriptors(void);
size_t count_threads(void);

#define TEST(name) cmocka_unit_test_setup_teardown(name, leftovers_setup, leftovers_teardown)
