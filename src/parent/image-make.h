/* SPDX-License-Identifier: BSD-3-Clause */
/* From a file to an image: read, stripped, digested, compressed. */
#pragma once

#include "parent/image.h"

/* For a machine as uname -m names it; NULL: whatever it is for. Takes the time of gzip -9. Errors:
 * those of open(2) and read(2), -ENOEXEC, -ENOMEM; the error says which file. */
int rmt_image_make(const char *path, const char *machine, struct rmt_image *ret_image,
		   ramet_error *error);
void rmt_image_done(struct rmt_image *image);
