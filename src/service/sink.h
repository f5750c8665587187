/* SPDX-License-Identifier: BSD-3-Clause */
/* The writing end of a transfer: what is in the stream becomes files. Records in a wrong order are
 * -EPROTO; names that lead elsewhere, too. */
#pragma once

#include "service/directory.h"
#include "service/hash.h"
#include "service/place.h"
#include "service/store.h"
#include "service/transfer.h"

/* A directory that is being filled. */
struct rmt_sink_level {
	int fd;
	rmt_file_item item;
};

struct rmt_sink {
	ramet_call *call;
	uint64_t flags;
	const char *path;
	struct rmt_place place;
	struct rmt_spot spot; /* of path */

	struct rmt_sink_level *levels;
	unsigned depth;
	bool done, began; /* the one thing that was asked for */

	/* what was announced, and what of it is here already */
	rmt_file_items items;
	rmt_file_answer *answers;
	unsigned char digests[RMT_FILE_BATCH][RMT_HASH_SIZE];
	size_t next; /* whose body comes */

	/* the file that is being written */
	bool open;
	bool ignored; /* its bytes are not wanted */
	struct rmt_store store;
	struct rmt_hash hash;
	uint64_t position;

	struct rmt_owners owners;
	rmt_file_taken taken;
	char hash_text[RMT_HASH_TEXT_SIZE];
	char *at;   /* the name of what failed */
	char *more; /* and more about it, or NULL */
};

int rmt_sink_init(struct rmt_sink *sink, ramet_call *call, const char *path, uint64_t flags);

/* Removes what is not complete. */
void rmt_sink_done(struct rmt_sink *sink);

int rmt_sink_bytes(struct rmt_sink *sink, const void *data, size_t size);

/* Takes the items out of the record. 1: there are answers, one for each item. */
int rmt_sink_record(struct rmt_sink *sink, rmt_file_record *record);
