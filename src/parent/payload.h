/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes to a first stage once it is ready: the announcement, the image, and the welcome behind
 * it. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "parent/image.h"
#include "parent/stage.h"

/* The image was compressed once; the welcome, which differs each time, is a member of its own (RFC
 * 1952: the members' contents follow each other). */
void rmt_payload_append(const struct rmt_image *image, bool gzip, bool cksum,
			const struct rmt_buffer *welcome, struct rmt_buffer *out);
