/* SPDX-License-Identifier: BSD-3-Clause */
/* The descriptors between a parent and a child that it starts. */
#pragma once

#include "ramet.h"

/* A socket for frames (0), and a pipe each for the child's standard output (1) and error (2):
 * ours[i] and theirs[i] are the two ends. On failure none is open. */
int rmt_channels_open(int ours[3], int theirs[3], ramet_error *error);

/* Three pipes: to the child's standard input (0), from its standard output (1) and error (2). A socket
 * would be cut where SELinux confines the child to another domain, and be taken by bash for a sign of
 * rshd, which makes it read a start-up file. */
int rmt_channels_open_pipes(int ours[3], int theirs[3], ramet_error *error);

/* Closes those that are not negative. */
void rmt_channels_close(const int fds[3]);
