/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files of the system, as a whole. */
#pragma once

/* The file's contents with a NUL behind them, for the caller to free. Negative: errno of open(2) or
 * read(2), -ENOMEM. Blocks as the file system does. */
int rmt_text_read(const char *path, char **ret_text);
