/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A compressed image at the end of the file of a program: the gzip member, its size in four bytes,
 * little-endian, and "\nrametz\n". Loaders do not look there; strip(1) takes it away. What is there is
 * believed only when it is a compressed form of the image that the file gives.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "ramet.h"

/* Appends it to the file. */
void rmt_image_pack(const struct rmt_buffer *member, struct rmt_buffer *file);

/* True, and *ret_member points into the file, if there is one. */
bool rmt_image_packed(const unsigned char *file, size_t size, ramet_bytes *ret_member);
