/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tools that are scripts of a test, for contexts over the method exec and its relatives. What they can use:
 *	$1 to $3	the shell, -c, the first stage
 *	say TEXT	prints it behind the marker of the first stage
 *	ready		says that it is ready, without any tools
 *	take		reads what is announced, and the image
 *	tell		lets reach_wait() return; in it, the script waits until it is killed or its input ends
 */
#pragma once

#include <ramet.h>

/* In a directory that lives as long as the group of tests: its set-up and teardown. */
int reach_begin(void **state);
int reach_end(void **state);

/* Makes `body` the tool of that name, and returns "METHOD:" with the tool's path as target, or, when the method has a
 * `?`, behind that. Good until the next call. */
const char *reach_path(const char *method, const char *name, const char *body, const char *keys);

/* Until the script has got to its `tell`. */
void reach_wait(void);
