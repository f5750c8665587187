/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptors that belong to the library. They are close-on-exec, but a child that is forked and
 * does not exec would inherit them: streams of its siblings would stay open because of it. So they
 * are noted here, and closed in such a child, whichever thread or router they belong to.
 */
#pragma once

#include <stdbool.h>
#include <sys/uio.h>

/* Notes a descriptor as ours; returns it. Negative ones pass. */
int rmt_descriptor_own(int fd);

/* The same for one that may have got the number of a standard stream, which the program has closed: it is
 * moved above these, as what the program, or a child, then takes for its own would be ours. A negative one,
 * or a negative result, is as of fcntl(2): errno says why, and nothing is left open. */
int rmt_descriptor_own_above(int fd);

/* Both of a pair. 0 or a negative errno, and both are closed. */
int rmt_descriptors_own_above(int fds[2]);

/* Closes one that is ours. Negative ones are fine. */
void rmt_descriptor_close(int fd);

/* writev(2) to what is no socket, without SIGPIPE: there is no MSG_NOSIGNAL for pipes and terminals,
 * and what the program does with the signal is its own affair. */
ssize_t rmt_descriptor_write(int fd, const struct iovec *pieces, int count);

/* Around fork(2). In the child all of ours are closed, but not 0, 1 and 2, which are its own by
 * then, nor `keep` (-1: none), which stays ours. */
void rmt_descriptors_before_fork(void);
void rmt_descriptors_after_fork(bool in_child, int keep);
