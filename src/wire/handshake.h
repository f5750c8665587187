/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first messages on a stream: the parent says WELCOME, the child answers HELLO or REFUSE.
 * Encoded as CBOR control messages; nothing in here touches a descriptor. Strings of a decoded
 * message point into the input and are not NUL-terminated: they come with their size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/limits.h"

struct rmt_text {
	const char *data; /* NULL: absent */
	size_t size;
};

/* What has to be done in a child before its first call. */
struct rmt_setup {
	struct rmt_text cwd;
	int nice;         /* added to what it inherits */
	int umask;        /* -1: unchanged */
	size_t env_count; /* "NAME=VALUE" each */
	const struct rmt_text *env;
};

struct rmt_welcome {
	uint64_t program; /* identity of the parent's program: names and types of its functions */
	uint32_t id;      /* of the child */
	uint32_t parents[RMT_TREE_DEPTH_MAX]; /* from the root down to the parent */
	size_t parent_count;
	struct rmt_text path;
	uint32_t message_size_max;
	int connect_timeout;
	bool allow_siblings;
	int log_level;
	struct rmt_setup setup;
	uint32_t log_rate;             /* records a second */
	struct rmt_text log_directory; /* absent: no files */
	uint32_t heartbeat_interval;   /* ms; 0: none */
	uint32_t heartbeat_misses;
};

struct rmt_hello {
	uint64_t program;
	uint32_t pid;
	struct rmt_text machine; /* "Linux x86_64" */
	struct rmt_text host;
};

void rmt_welcome_encode(const struct rmt_welcome *welcome, struct rmt_buffer *out);

/* env is room for env_max entries, to which welcome->setup.env will point. 0; -EBADMSG; -E2BIG
 * (more entries). */
int rmt_welcome_decode(const void *data, size_t size, struct rmt_text *env, size_t env_max,
		       struct rmt_welcome *ret_welcome);

void rmt_hello_encode(const struct rmt_hello *hello, struct rmt_buffer *out);
void rmt_refuse_encode(int code, const char *text, struct rmt_buffer *out);

/* 1: *ret_hello is filled. 0: the child refused, *ret_code (positive errno) and *ret_text say why.
 * -EBADMSG. */
int rmt_hello_decode(const void *data, size_t size, struct rmt_hello *ret_hello, int *ret_code,
		     struct rmt_text *ret_text);

/* An error on the wire, the payload of frames with RMT_FRAME_ERROR: [errno, where, text]. */
struct rmt_failure {
	int code; /* positive errno */
	struct rmt_text where;
	struct rmt_text text;
};

void rmt_failure_encode(int code, const char *where, const char *text, struct rmt_buffer *out);
int rmt_failure_decode(const void *data, size_t size, struct rmt_failure *ret_failure);
