/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels, for what is built on them: nothing here blocks but rmt_channel_send().
 *
 * On the wire a channel is frames over an AF_UNIX stream of this machine: a head of 16 bytes in the
 * machine's own byte order, then so many bytes. Both processes have the same architecture's idea of
 * an integer, and usually the same memory, so there is nothing to negotiate. The tag of a value is
 * free for who builds on channels (an index, say); channels themselves send 0.
 *
 * An exchange puts rmt_channel_fd(), with rmt_channel_events(), and rmt_channel_pidfd() into its
 * epoll descriptor. When one of them is ready, it calls rmt_channel_flush(), then
 * rmt_channel_take() until that says RMT_ARRIVAL_NONE. What was taken from the descriptor and not
 * returned is not seen there, so taking must go on to NONE before anybody waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/chunk.h"
#include "base/list.h"
#include "parent/socket.h"
#include "ramet.h"

#define RMT_CHANNEL_MAGIC 0x5243u /* "CR" */

/* What is gathered is written when there are so many bytes. */
#define RMT_CHANNEL_CORK 32768u

enum rmt_channel_kind {
	RMT_CHANNEL_VALUE = 1, /* CBOR, or bytes (RMT_CHANNEL_RAW) */
	RMT_CHANNEL_FAILURE,   /* a code of 4 bytes, then text */
	RMT_CHANNEL_END,       /* nothing more comes; what is then cut off was not wanted */
	RMT_CHANNEL_ACK,       /* the oldest value that wanted it was taken */
	RMT_CHANNEL_HELLO,     /* who listens has accepted */
};

enum {
	RMT_CHANNEL_RAW = 1,    /* the payload is a byte string */
	RMT_CHANNEL_CONFIRM = 2 /* an ACK is wanted when it is taken */
};

struct rmt_channel_head {
	uint16_t magic;
	uint8_t kind, flags;
	uint32_t tag;
	uint64_t size; /* of what follows */
};

/* Of what comes. */
enum rmt_arrival {
	RMT_ARRIVAL_NONE,    /* nothing whole is there now */
	RMT_ARRIVAL_VALUE,   /* *ret_value, *ret_tag */
	RMT_ARRIVAL_FAILURE, /* the other side has failed with error->code, and goes on */
	RMT_ARRIVAL_END,     /* nothing more will come, and all is well */
	RMT_ARRIVAL_LOST,    /* nothing more will come: error says why */
};

/* --- receiving ---------------------------------------------------------------------------- */

/* The next thing that has arrived, which is thereby confirmed. END and LOST come again each time.
 * A channel whose other side has gone without an END says NONE for as long as the status of its
 * process is not known: wait for the pidfd then (or, without one, look again). */
enum rmt_arrival rmt_channel_take(ramet_channel *channel, ramet_value **ret_value,
				  uint32_t *ret_tag, ramet_error *error);

/* END or LOST was said. */
bool rmt_channel_is_over(const ramet_channel *channel);

/* --- sending ------------------------------------------------------------------------------ */

/* Puts a value behind what waits to be written, and writes what can be written unless the channel
 * is corked. 0, -EPIPE, -EINVAL, -ENOMEM (nothing was sent then). */
int rmt_channel_post(ramet_channel *channel, uint32_t tag, const ramet_value *value);

/* The same for a frame of any kind. */
int rmt_channel_post_frame(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
			   uint32_t tag, const void *data, size_t size);

/* The same for a failure; code has either sign. */
int rmt_channel_post_failure(ramet_channel *channel, uint32_t tag, int code, const char *text);

/* From now on small sends, also those of the public functions, are gathered until the channel is
 * uncorked (which writes them, without blocking), drained, flushed, or there are RMT_CHANNEL_CORK
 * bytes of them.
 * 0 or -EPIPE. */
int rmt_channel_cork(ramet_channel *channel, bool corked);

/* From now on the public functions put what they send there (NULL: send it again), and receive
 * nothing: what comes is for whoever gathers. */
struct rmt_results_writer;
void rmt_channel_gather(ramet_channel *channel, struct rmt_results_writer *writer);

/* Writes what waits: 0, all; 1, there is more, when the descriptor takes it; -EPIPE. */
int rmt_channel_flush(ramet_channel *channel);

/* Writes what waits, and waits while it must: until that point in time, see base/time.h. 0,
 * -ETIMEDOUT, -EPIPE. What arrives meanwhile is kept. */
int rmt_channel_drain(ramet_channel *channel, int64_t until);

/* Bytes that wait to be written. */
size_t rmt_channel_unsent(const ramet_channel *channel);

/* Tells the other side that nothing more comes. */
int rmt_channel_post_end(ramet_channel *channel);

/* --- descriptors and processes ------------------------------------------------------------ */

/* What to poll(2) its descriptor for: POLLIN, and POLLOUT while something waits; 0 when it is over
 * and nothing does. */
short rmt_channel_events(const ramet_channel *channel);

/* Readable when the process has ended; -1: there is none, or the kernel has no such thing. */
int rmt_channel_pidfd(const ramet_channel *channel);

/* Whether a process of ours belongs to the channel. */
bool rmt_channel_has_process(const ramet_channel *channel);

/* 1: it has ended, and *ret_status is as waitpid(2) has it; 0: it goes on; -ECHILD: nobody knows
 * (no process of ours, or somebody else has waited for it). Reaps it, and can be asked again. */
int rmt_channel_reap(ramet_channel *channel, int *ret_status);

/* Gives back the descriptors and the memory of one that is over, whose process has been reaped: who keeps
 * thousands of these would run out of them. It still tells how it has ended. */
void rmt_channel_release(ramet_channel *channel);

/* Frees a channel, without a word to the other side but the end (if there is room), and without
 * waiting. The process must have been reaped, or be nobody's concern: see rmt_channel_orphan(). */
void rmt_channel_free(ramet_channel *channel);

/* How a process has ended: "was killed by SIGKILL", "ended with status 3". */
void rmt_status_describe(int status, char *text, size_t size);

/*
 * fork(2) for everything in this layer: the copy's pid, 0 in the copy, -EBUSY (threads), -EAGAIN
 * and others. In the copy the library's descriptors are closed but for `keep` (-1: none), what was
 * on stdout is forgotten, and the channels of the parent answer -EBADF.
 */
pid_t rmt_parallel_fork(int keep);

/* Ends a copy: the channel is closed, stdout is flushed, and the status is 0, or 1 if it has sent
 * a failure. Handlers of atexit(3), which are the parent's, are not run. */
_Noreturn void rmt_channel_exit(ramet_channel *channel);
