/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

/* Writes everything, whatever the descriptor's mode. Blocks. */
int rmt_write_all(int fd, const void *data, size_t size);
