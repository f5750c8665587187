/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets in the file system at which contexts wait for a parent. */
#pragma once

#include <stdbool.h>
#include <sys/un.h>

#include "ramet.h"

/* -ENAMETOOLONG and an error, or 0. */
int rmt_socket_address(const char *path, struct sockaddr_un *ret_address, ramet_error *error);

/* Whether the other end was made by this process's user, or by root. */
bool rmt_socket_is_trusted(int fd);
