/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets in the file system at which contexts wait for others: where they are, and who has them. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#include "ramet.h"

/* -ENAMETOOLONG and an error, or 0. */
int rmt_socket_address(const char *path, struct sockaddr_un *ret_address, ramet_error *error);

/* Who is at the other end: 0 or a negative errno. */
int rmt_socket_peer(int fd, pid_t *ret_pid, uid_t *ret_uid);

/* Whether the other end was made by this process's user, or by root. */
bool rmt_socket_is_trusted(int fd);

/*
 * A name without a slash stands for a socket in a directory of the user's own: "ramet" in
 * $XDG_RUNTIME_DIR, and where there is no such directory, /tmp/ramet-UID. Who looks for one looks in
 * both, and in /run/user/UID, which the variable usually means: choice counts them.
 */
enum { RMT_SOCKET_CHOICES = 3 };
int rmt_socket_find(const char *name, unsigned choice, struct sockaddr_un *ret_address,
		    ramet_error *error);

/* Where a listener puts it: makes the directory. Refuses (-EPERM) one in which others can write, or
 * that is theirs. */
int rmt_socket_place(const char *name, struct sockaddr_un *ret_address, ramet_error *error);

/* A socket that is listened at. It is ours as long as we hold the lock of the file beside it, which
 * ends with us: of two who begin at the same time one is refused, and what a killed one has left is
 * replaced. */
#define RMT_LOCK_SUFFIX ".lock"

struct rmt_bound {
	int fd, lock; /* -1: none */
	struct sockaddr_un address;
	struct stat made; /* the socket's file */
};

#define RMT_BOUND_INIT                \
	{                             \
		.fd = -1, .lock = -1, \
	}

/* Binds and listens: only this user can connect. 0, -EADDRINUSE and others of bind(2), and an
 * error. */
int rmt_socket_bind(const struct sockaddr_un *address, struct rmt_bound *ret_bound,
		    ramet_error *error);

/* Closes it and removes its files, if they are still ours. Fine for RMT_BOUND_INIT. */
void rmt_socket_unbind(struct rmt_bound *bound);
