/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A context that turns against the others once it has said hello: the test program itself, on raw descriptors.
 * hostile_child() is called by main() before anything else; hostile_order() says what children that are started from
 * now on do, NULL: they are contexts again. Each attack ends with a log record "NAME is over", and its process with the
 * stream, or with SHUTDOWN.
 */
#pragma once

#include <stdint.h>

void hostile_child(int argc, char **argv);

/* What `victim` and `handle` are depends on the attack. */
void hostile_order(const char *attack, uint32_t victim, uint32_t handle);
