/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths, as people write them:
 *
 *	PATH := HOP ("/" HOP)*
 *	HOP  := METHOD [":" TARGET] ["#" INDEX] ["?" KEY "=" VALUE ("&" KEY "=" VALUE)*] ["*" COUNT]
 *
 * Targets and values escape "/?*#&=%," by "%" and two hexadecimal digits. A target may have ranges
 * (range.h); brackets with a colon between them are an address instead. Parsing knows nothing of
 * methods.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ramet.h"

struct rmt_key {
	char *name;
	char *value;
};

struct rmt_hop {
	/* as written, without the count and the index: identifies the hop below its parent */
	char *text;
	char *method;
	char *target; /* decoded; NULL: none */
	struct rmt_key *keys;
	size_t key_count;
	uint32_t index; /* of one; the first of `count` otherwise */
	uint32_t count; /* 1 without "*" */
	/* of a target with ranges: a hop for each, without ranges; the last one changes fastest */
	struct rmt_hop *members;
	size_t member_count; /* 0: the hop stands for itself */
};

struct rmt_path {
	struct rmt_hop *hops;
	size_t count;
};

/* -EINVAL with a message that quotes the text and names the place. */
int rmt_path_parse(const char *text, size_t size, struct rmt_path *ret_path, ramet_error *error);
void rmt_path_done(struct rmt_path *path);

/* Bytes of the first path of several: up to a comma that is not in a range, or the end. */
size_t rmt_path_size(const char *text);

/* One hop, as a parent sends it to another context: its target is taken as it is. */
int rmt_hop_parse(const char *text, size_t size, struct rmt_hop *ret_hop, ramet_error *error);
void rmt_hop_done(struct rmt_hop *hop);

/* The value of a key, or NULL. */
const char *rmt_hop_key(const struct rmt_hop *hop, const char *name);

/* What a member of the hop is called in the paths of contexts: its name, or METHOD[:TARGET], escaped
 * where a path would be, with "#INDEX" behind it if that is not 0. malloc'd. */
char *rmt_hop_display(const struct rmt_hop *hop, uint32_t index);

/* Appends text in which the special characters, and those that control terminals, are escaped. */
void rmt_path_escape(struct rmt_buffer *out, const char *text, const char *special);
