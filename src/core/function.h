/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of this program, by name. Written by ramet_init() before there is a second thread, read
 * afterwards; those of modules come behind them, one set after the other, and stay. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"
#include "ramet.h"

/* The library's own functions, which are not the program's, begin with this. */
#define RMT_SERVICE_PREFIX "rmt_"

/* Tells the library which functions there are: [begin, end) is the program's table. 0, -EEXIST (two
 * of one name, which *ret_twice is), -ENOMEM. */
int rmt_functions_set(const struct ramet_function *const *begin,
		      const struct ramet_function *const *end, const char **ret_twice);

/* A set that does not change any more. */
struct rmt_function_set {
	struct rmt_table by_name;
	struct rmt_function_entry *entries;
	const char *module; /* NULL: the program */
	_Atomic(struct rmt_function_set *) next;
};

/* As rmt_functions_set(), into a zeroed set. */
int rmt_function_set_fill(struct rmt_function_set *set, const struct ramet_function *const *begin,
			  const struct ramet_function *const *end, const char **ret_twice);
void rmt_function_set_done(struct rmt_function_set *set);

/* The sets that there are, the program's first. To one of them another one is added by storing it as
 * the next of the last, by one thread at a time. */
struct rmt_function_set *rmt_function_sets(void);
const struct ramet_function *rmt_function_set_find(const struct rmt_function_set *set,
						   const char *name, size_t size);

const struct ramet_function *rmt_function_find(const char *name, size_t size);

/* What makes two executables the same program: the names and types of their functions. */
uint64_t rmt_program_identity(void);
