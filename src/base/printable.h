/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of others that come to a terminal: what it would obey must not reach it. */
#pragma once

#include <stddef.h>

/* The bytes of the character that begins here, if a terminal would only show it; 0: it would obey
 * it, or it is no UTF-8. There is at least one byte left. */
size_t rmt_printable(const void *at, size_t left);

/* Replaces, in place, what is not printable by '?'. */
void rmt_make_printable(char *text);
