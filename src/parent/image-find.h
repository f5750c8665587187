/* SPDX-License-Identifier: BSD-3-Clause */
/* Which file the image for a machine is made from. */
#pragma once

#include "ramet.h"

/* The file that this process runs. Borrowed for ever. */
const char *rmt_image_own_file(void);

/* For a machine as uname -sm names it. *ret_path is the caller's. `file`: what the user says it is,
 * or NULL. -ENOENT, with an error that says what was looked for; -ENOMEM. */
int rmt_image_find(const char *machine, const char *file, char **ret_path, ramet_error *error);
