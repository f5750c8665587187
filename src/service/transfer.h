/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transfers: a source reads, and sends one stream to each of its targets; a node takes such a stream,
 * writes what is in it, and sends it on to targets of its own, or does one of these. Who asked for the
 * transfer starts the nodes from the leaves upwards: each tells it in an event where its stream
 * begins, which is then given to whoever sends there. So data goes only between contexts that may
 * talk to each other. docs/protocol.md has the records.
 */
#pragma once

#include "core/call.h"
#include "ramet.h"

/* What is announced of a file. */
RAMET_STRUCT(rmt_file_item, (str, name), (i32, type), (i32, mode), (u64, size), (i64, mtime),
	     (i64, uid), (i64, gid), (str, user), (str, group), (str, link));
RAMET_ARRAY(rmt_file_items, rmt_file_item);

/* Items that are announced at once. */
#define RMT_FILE_BATCH 64u

/* What is in the stream besides bytes of content, which are messages of their own. */
enum rmt_file_op {
	RMT_FILE_ANNOUNCE = 1, /* items: files and links in the present directory; bodies follow */
	RMT_FILE_ENTER,        /* items: a directory, which is the present one now */
	RMT_FILE_LEAVE,        /* back to the one above */
	RMT_FILE_BODY,         /* of the next file that was announced, from `number` on */
	RMT_FILE_SAME,         /* in place of a body: it is there already */
	RMT_FILE_VANISHED,     /* in place of a body: it is gone */
	RMT_FILE_HOLE,         /* `number` zeros */
	RMT_FILE_END,          /* of a body: number is the size, hash that of all from 0 on */
	RMT_FILE_DONE,         /* of everything */
	RMT_FILE_FAILED,       /* number is an errno, text says what has happened */
};

RAMET_STRUCT(rmt_file_record, (i32, op), (u64, number), (bytes, hash), (str, text),
	     (rmt_file_items, items));

/* What a target has of a file that was announced. */
enum rmt_file_have {
	RMT_FILE_NOTHING,
	RMT_FILE_ALL,  /* no body, please */
	RMT_FILE_PART, /* so many bytes with that hash, which the rest can follow */
	RMT_FILE_WHOLE /* the same of the file itself: it stays as it is, or is replaced */
};
RAMET_STRUCT(rmt_file_answer, (i32, have), (u64, number), (bytes, hash));
RAMET_ARRAY(rmt_file_answers, rmt_file_answer);

/* Besides the public flags: answers are waited for after each announcement. */
#define RMT_FILE_ASKS (UINT64_C(1) << 32)

/* Events for who asked for the transfer: [node, kind, number, number, value]. */
enum rmt_file_event {
	RMT_FILE_READY = 1, /* value: the sender of its stream, of a source: for answers */
	RMT_FILE_PROGRESS,  /* bytes, and of how many */
	RMT_FILE_ANSWERS,   /* value: encoded rmt_file_answers */
	RMT_FILE_DROPPED,   /* the node of that number took nothing for too long */
};

RAMET_ARRAY(rmt_file_senders, sender);
RAMET_ARRAY(rmt_file_numbers, i32);

/* Streams that the same is sent to: the senders, the numbers of the nodes, and the ms after which one
 * that takes nothing is dropped (-1: never). */
RAMET_STRUCT(rmt_file_targets, (rmt_file_senders, senders), (rmt_file_numbers, nodes),
	     (i32, patience));

RAMET_STRUCT(rmt_file_sent, (u64, left));
RAMET_DECLARE(rmt_file_sent, rmt_file_send, (str, path), (u64, flags), (sender, events),
	      (rmt_file_targets, targets));

/* path NULL: nothing is written here. */
RAMET_STRUCT(rmt_file_taken, (u64, bytes), (u64, files), (u64, skipped), (str, hash));
RAMET_DECLARE(rmt_file_taken, rmt_file_take, (str, path), (u64, flags), (i32, node),
	      (sender, events), (rmt_file_targets, targets));

/* --- what both need ------------------------------------------------------------------------- */

/* The targets of a source or a node, while it works. */
struct rmt_fan {
	ramet_call *call;
	ramet_sender *events;
	const rmt_file_targets *targets;
	bool *dead;
	size_t alive;
};

int rmt_fan_init(struct rmt_fan *fan, ramet_call *call, ramet_sender *events,
		 const rmt_file_targets *targets);
void rmt_fan_done(struct rmt_fan *fan);

/* Send to all that are alive, waiting for the slowest. 0; -ECANCELED; -EPIPE: nobody is left. */
int rmt_fan_bytes(struct rmt_fan *fan, const void *data, size_t size);
int rmt_fan_record(struct rmt_fan *fan, const rmt_file_record *record);
int rmt_fan_value(struct rmt_fan *fan, const ramet_value *value);

/* Drops the reference to value, which may be NULL. */
int rmt_event_send(ramet_sender *events, int node, enum rmt_file_event kind, uint64_t first,
		   uint64_t second, ramet_value *value);

/* Takes a record out of a message; rmt_file_record_clear() frees it. -EPROTO: it is none. */
int rmt_record_read(const ramet_value *value, rmt_file_record *ret_record);

/* Waits for the next message, as ramet_receive() does, until the call is cancelled: -ECANCELED. */
int rmt_transfer_receive(ramet_call *call, ramet_receiver *receiver, ramet_value **ret_value,
			 ramet_error *error);
