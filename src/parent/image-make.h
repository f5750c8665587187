/* SPDX-License-Identifier: BSD-3-Clause */
/* From a file to an image: read, stripped, digested, compressed. */
#pragma once

#include "base/buffer.h"
#include "parent/image.h"

/* For a machine as uname -m names it. Takes the time of gzip -9. Errors: those of open(2) and
 * read(2), -ENOEXEC, -ENOMEM; the error says which file. */
int rmt_image_make(const char *path, const char *machine, struct rmt_image *ret_image,
		   ramet_error *error);

/* From what a parent has sent, of which it is plain or the gzip member. Takes the bytes, also on
 * failure. */
int rmt_image_make_from(struct rmt_buffer *bytes, bool gzip, const char *machine,
			struct rmt_image *ret_image, ramet_error *error);
void rmt_image_done(struct rmt_image *image);

/* True when gzip(1) is here. */
bool rmt_gzip_is_there(void);
