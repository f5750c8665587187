/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log records: from every context to the master, whose sink gets them.
 *
 * A record is a message to RMT_HANDLE_LOG of the master, on a flow with a window of its own, and is
 * never waited for: what finds no credit, or exceeds the rate of its context, is dropped and counted,
 * and a record says how many those were. Lines of output are not dropped: while they find no credit
 * their pipe is not read (capture.h), which slows down who writes them. The last quarter of the
 * window and of the rate is for errors and warnings.
 *
 * The master believes no source: what arrives through one child, and waits for the sink, is bounded
 * there, and its rate once more. Credit is granted when the sink has had the record.
 *
 * Files: log.c (limits, the queue, the sink), log-record.c (on the wire and in memory), log-text.c (as a line),
 * log-file.c (a file for each process), log-frame.c (frames).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/message.h"
#include "core/router.h"

/* The library speaks for itself. */
#define RMT_LOG_SELF "ramet"

/* Longest text of a record that the library or ramet_log() makes. */
#define RMT_LOG_TEXT_MAX 4096

struct rmt_capture;

/* For a new router. */
void rmt_log_init(ramet_router *router);
void rmt_log_options(ramet_router *router, const ramet_router_options *options);

/* The router has its place in the tree: what was recorded before goes where it belongs. */
void rmt_log_begin(ramet_router *router);

/* The router is about to end: how many records were dropped is said now. */
void rmt_log_finish(ramet_router *router);

/* True while records wait for credit that may still come. */
bool rmt_log_waits(const ramet_router *router);

/* The router has ended. */
void rmt_log_done(ramet_router *router);

/* Gives the sink what waits for it now: the lock is given up meanwhile. */
void rmt_log_flush(ramet_router *router);

/* A record of this context. The lock is held. */
void rmt_log(ramet_router *router, const char *source, enum ramet_log_level level,
	     const char *format, ...) RMT_PRINTF(4, 5);

/* The same with fields (fewer, if that is too much). */
void rmt_log_fields(ramet_router *router, const char *source, enum ramet_log_level level,
		    const char *text, const ramet_log_field *fields, size_t count);

/* A record of another context (what its tool says), or of this one with context NULL. text need not
 * end with a NUL. */
void rmt_log_text(ramet_router *router, const char *context, const char *source,
		  enum ramet_log_level level, const char *text, size_t size);

/* The same for a line of output, which is not dropped: its reader has to heed rmt_log_is_full(). */
void rmt_log_line(ramet_router *router, const char *context, const char *source, const char *text,
		  size_t size);

/* No more lines of output should be read now. */
bool rmt_log_is_full(const ramet_router *router);

/* To be read again, by rmt_capture_resume(), when there is room. */
void rmt_log_pause(ramet_router *router, struct rmt_capture *capture);

/* A message to RMT_HANDLE_LOG has arrived in the master. Takes its chunk. */
void rmt_log_arrived(ramet_router *router, struct rmt_stream *stream, struct rmt_message *message);

/* It was more than its source may send, or than may come through that child: it is counted. */
void rmt_log_refused(ramet_router *router, struct rmt_stream *stream, const void *data,
		     size_t size);

/* The stream of a child is about to go: how many records from below it were dropped is said now. */
void rmt_log_child_lost(struct rmt_stream *stream);

/* The master has granted credit. */
void rmt_log_credit(ramet_router *router, uint64_t bytes);

/* What is on its way will not arrive. */
void rmt_log_uplink_lost(ramet_router *router);

/* What is recorded from now on, here and below. */
void rmt_log_set_level(ramet_router *router, enum ramet_log_level level);

/* A frame was "sent", "received" or "forwarded". */
void rmt_log_frame(const struct rmt_stream *stream, const char *what,
		   const struct rmt_frame *frame);

/* That costs a comparison when nobody looks. */
static inline bool rmt_log_shows_frames(const ramet_router *router)
{
	return __builtin_expect(router->log_level >= RAMET_LOG_IO, false);
}

/* "error", "warning", "info", "debug", "io", or a number; 0 for anything else. */
enum ramet_log_level rmt_log_level_parse(const char *text);

const char *rmt_log_level_name(enum ramet_log_level level);

/* --- between the files ------------------------------------------------------------------------- */

/* A record in memory of its own; its texts follow. */
struct rmt_log_entry {
	struct rmt_list node; /* in router->logging.waiting */
	ramet_log_record record;
	size_t size;      /* of all this */
	bool own_context; /* record.context is to be this context's path, which was not known */
	uint32_t through; /* the child through which it came; 0: it was made here */
	uint32_t source;  /* who gets `owed` bytes of credit for it */
	size_t owed;
};

/* A copy. NULL: out of memory. */
struct rmt_log_entry *rmt_log_entry_new(const ramet_log_record *record);

void rmt_log_record_encode(const ramet_log_record *record, struct rmt_buffer *out);

/* 0: it makes no sense. */
enum ramet_log_level rmt_log_record_level(const void *data, size_t size);

/* NULL: it makes no sense, or there is no memory. */
struct rmt_log_entry *rmt_log_record_decode(const void *data, size_t size);

/* Puts a line for people into memory of the caller's, with its newline; returns its size, which is
 * cut to fit. With `when` the time comes first. */
size_t rmt_log_record_print(const ramet_log_record *record, bool when, char *line, size_t size);

/* As much as rmt_log_record_print() ever needs. */
#define RMT_LOG_LINE_MAX ((size_t)RMT_LOG_TEXT_MAX * 3)

/* Opens the file of this process in router->logging.directory, if there is one. 0 or a negative
 * errno; ret_why then says what was wrong. */
int rmt_log_file_open(ramet_router *router, const char **ret_why);
void rmt_log_file_write(ramet_router *router, const ramet_log_record *record);

/* False: it is one too many. */
bool rmt_log_take_token(struct rmt_log_limit *limit, uint32_t rate, enum ramet_log_level level);
void rmt_log_drop(ramet_router *router, struct rmt_log_limit *limit, enum ramet_log_level level);
void rmt_log_queue(ramet_router *router, struct rmt_log_entry *entry);

/* Its source may send as much again. */
void rmt_log_grant(ramet_router *router, uint32_t source, size_t owed);
