/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of this program, by name. Written by ramet_init() before there is a second thread,
 * read afterwards. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ramet.h"

/* The library's own functions, which are not the program's, begin with this. */
#define RMT_SERVICE_PREFIX "rmt_"

/* Tells the library which functions there are: [begin, end) is the program's table. 0, -EEXIST (two
 * of one name, which *ret_twice is), -ENOMEM. */
int rmt_functions_set(const struct ramet_function *const *begin,
		      const struct ramet_function *const *end, const char **ret_twice);

const struct ramet_function *rmt_function_find(const char *name, size_t size);

/* What makes two executables the same program: the names and types of their functions. */
uint64_t rmt_program_identity(void);
