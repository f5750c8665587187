/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-channel.h: processes by fork(2), and channels to them; no router is needed. <ramet.h>
 * includes this file at its end; programs include <ramet.h>.
 *
 *	static void square(ramet_channel *channel, void *data)
 *	{
 *		int64_t number = *(int64_t *)data;      // memory of the parent, as it was at the fork
 *
 *		ramet_channel_send_i64(channel, number * number);
 *	}
 *
 *	if (ramet_start(square, &number, &channel) == 0 &&
 *	    ramet_channel_receive(channel, -1, &value, &error) == 1) {
 *		printf("%lld\n", (long long)ramet_value_i64(value));
 *		ramet_value_unref(value);
 *	}
 *	ramet_channel_close(channel);                   // waits for the process, too
 *
 * A channel goes both ways and carries values, in order, of any size that memory allows; contexts
 * and senders cannot pass, as they belong to a router. It is used by one thread at a time.
 *
 * THE COPY. A process that is forked has the memory of its parent as it was, one thread, and of the
 * library's descriptors only its own end of its channel: nothing keeps the channels of its siblings
 * open. What the parent had written to stdout and not flushed is the parent's to write. Routers of
 * the parent do not work there. A program that has threads of its own, besides those of the
 * library, is refused with -EBUSY, since locks that they hold would stay locked in the copy for
 * ever: ramet_fork_with_threads().
 */
#ifndef RAMET_CHANNEL_H
#define RAMET_CHANNEL_H

#include "ramet.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ramet_channel ramet_channel;

/* What a started process does. When it returns, its channel is closed and the process ends with
 * status 0, or 1 when it has failed (ramet_channel_fail()); stdout is flushed, handlers of
 * atexit(3) are the parent's and are not called. exit(3) in it works as usual. */
typedef void ramet_channel_function(ramet_channel *channel, void *data);

/*
 * fork(2), with a channel between the two processes. Returns the process id of the copy in the
 * parent and 0 in the copy; each gets its end, which it closes.
 * Errors: -EBUSY (threads), -EAGAIN and others of fork(2), -EMFILE and others of socketpair(2).
 */
int ramet_create(ramet_channel **ret_channel);

/*
 * Runs a function in a copy of this process. `data` is the parent's memory as it is at this moment.
 * 0; the copy never returns from here. Errors: as for ramet_create().
 */
int ramet_start(ramet_channel_function *function, void *data, ramet_channel **ret_channel);

/* Whether copies are made although the program has threads of its own, whose locks are then as they
 * were: between that and its end the copy should do only what signal-safety(7) allows, or what the
 * program knows to be safe. For the whole process; at first they are not. */
void ramet_fork_with_threads(bool allowed);

/*
 * Sends one value. Blocks while the other side is behind; what arrives meanwhile is kept for
 * ramet_channel_receive(), up to 16 MiB and the value that has begun, so that two sides may well
 * send at once.
 * Errors: -EPIPE (the other side has closed or is gone), -EINVAL (NULL, or a value that holds a
 * context or sender), -ETIMEDOUT (see ramet_channel_set_timeout(): the value was not sent; if a
 * part of it was, the channel sends no more: -EPIPE), -ENOTCONN (nobody has connected in that
 * time, see ramet_channel_listen()), -EMFILE and others of accept(2) (there too: the value was not
 * sent). SIGPIPE is never raised.
 */
int ramet_channel_send_boolean(ramet_channel *channel, bool value);
int ramet_channel_send_i64(ramet_channel *channel, int64_t value);
int ramet_channel_send_f64(ramet_channel *channel, double value);
int ramet_channel_send_str(ramet_channel *channel, const char *value);
int ramet_channel_send_bytes(ramet_channel *channel, ramet_bytes value);
int ramet_channel_send_value(ramet_channel *channel, const ramet_value *value);

/* Sends a failure: ramet_channel_receive() over there returns -code and the text as its error. The
 * format is that of ramet_fail(). In a started process its exit status becomes 1. Errors: as for
 * sending. */
int ramet_channel_fail(ramet_channel *channel, int code, const char *format, ...)
#if defined(__GNUC__)
	__attribute__((format(printf, 3, 4)))
#endif
	;

/*
 * Takes the next value: 1. Or 0: the other side has closed its end, and all was taken.
 * Errors: what the other side has failed with (the channel stays usable); -ETIMEDOUT; -ECONNRESET
 * (the process ended without closing its end and not with exit status 0, or in the middle of a
 * value: the message says how; what it had sent was delivered before. A process that closes the
 * descriptor itself and goes on is given a second to end), -ENOMEM (for a value: the channel is
 * closed then); -EBADMSG (what arrived is not what a channel sends; it is closed then), -EBADF (a
 * channel of the parent, in a copy). Blocks for at most timeout milliseconds (-1: for ever).
 */
int ramet_channel_receive(ramet_channel *channel, int timeout, ramet_value **ret_value,
			  ramet_error *error);

/* How long a send may block, ms; -1, the beginning, for ever. */
void ramet_channel_set_timeout(ramet_channel *channel, int timeout);

/*
 * Makes each send return only when ramet_channel_receive() over there has returned the value:
 * nothing is lost when a process ends right after. Both sides may, even at once: a side that waits
 * for its own confirmation gives it for what it keeps for receiving. Within the time-out:
 * -ETIMEDOUT then means that it was sent and not confirmed.
 */
void ramet_channel_set_acknowledged(ramet_channel *channel, bool acknowledged);

/* For poll(2): readable when something has arrived that ramet_channel_receive() has not read yet.
 * What it has read and not returned is not seen there: ask ramet_channel_pending() first. -1:
 * nobody is connected. Others must not read, write or close it. */
int ramet_channel_fd(const ramet_channel *channel);

/* True when ramet_channel_receive() would return without looking at the descriptor. */
bool ramet_channel_pending(const ramet_channel *channel);

/* The process at the other end; 0: not known, or the parent of a copy. */
int ramet_channel_pid(const ramet_channel *channel);

/* Sends a signal to the process at the other end, through its pidfd where there are such: never to
 * another one that has got its number. Errors: -ESRCH (it has ended, or is not known), -EPERM. */
int ramet_channel_kill(ramet_channel *channel, int signal);

/*
 * Waits until the process that was started with this channel has ended. *ret_status is as
 * waitpid(2) has it: WIFEXITED() and so on. The channel stays open: what was sent can be received
 * still.
 * Errors: -ETIMEDOUT; -ECHILD (no process of ours, or somebody else has waited for it: a handler,
 * or SIGCHLD is ignored). Blocks.
 */
int ramet_channel_wait(ramet_channel *channel, int timeout, int *ret_status);

/*
 * Closes this end and frees it. The other side gets what was sent, then the end. Where the channel
 * was made by ramet_create() or ramet_start() in this process, waits until the other process has
 * ended, and returns its status as waitpid(2) has it: 0 when all is well, -ECHILD when nobody
 * knows. Else 0. NULL is fine. Blocks for as long as the process goes on: to be sure of its end,
 * ramet_channel_kill() it before, or ask ramet_channel_wait().
 */
int ramet_channel_close(ramet_channel *channel);

/* Waits for all processes of channels that this process holds. 0, or -ETIMEDOUT. Their channels
 * stay open. Processes in the background are not among them. Blocks. */
int ramet_wait_all(int timeout);

/* How many processors this process may run on: those of sched_getaffinity(2). At least 1. */
int ramet_cores(void);

/* --- In the background ----------------------------------------------------------------------
 *
 * A computation that outlives the program which began it, and another program, or another run of
 * the same, that comes for the results. They meet at an address: a path, which contains "/", or a
 * name, for a socket in the private directory of ramet_router_listen(). Only the same user and
 * root get in (the kernel tells who it is, unix(7)).
 *
 * A channel that listens has one other side at a time. When that goes, the next one is waited for:
 * a value that was sent and not taken (these channels always acknowledge) is sent to the next one,
 * so that each value is taken at least once. At the end of the listening side the socket is
 * removed.
 */

typedef struct ramet_background_options {
	/* sizeof(ramet_background_options): tells the library which members there are */
	size_t size;
	/* ms that it waits for somebody to take a value; then sends fail with -ENOTCONN. 0: a day;
	 * -1: for ever */
	int wait;
	const char *
		output; /* a file that standard output and error are appended to; NULL: /dev/null */
} ramet_background_options;

/* RAMET_BACKGROUND_OPTIONS_INIT: what options begin with; all others are then the defaults. */
#ifdef __cplusplus
#define RAMET_BACKGROUND_OPTIONS_INIT            \
	{                                        \
		sizeof(ramet_background_options) \
	}
#else
#define RAMET_BACKGROUND_OPTIONS_INIT                    \
	{                                                \
		.size = sizeof(ramet_background_options) \
	}
#endif

/*
 * ramet_start() for a process that goes on when this one ends: in a session of its own, without
 * terminal, in the directory "/", called "ramet-background ADDRESS" in lists of processes. Its
 * channel listens at the address when this returns. It ends when the function returns, or is told
 * to by a signal. options may be NULL.
 * Errors: -EADDRINUSE (somebody listens there), -EINVAL, -ENAMETOOLONG, and others of socket(2),
 * bind(2), fork(2), -EBUSY (threads).
 */
int ramet_start_background(const char *address, ramet_channel_function *function, void *data,
			   const ramet_background_options *options, int *ret_pid,
			   ramet_error *error);

/* Listens at an address itself. Errors: as above. */
int ramet_channel_listen(const char *address, ramet_channel **ret_channel, ramet_error *error);

/*
 * Connects to a channel that listens. Waits while another one is connected to it, or its process
 * neither sends nor receives, for at most timeout milliseconds. ramet_channel_pid() tells who
 * listens; this channel acknowledges, too.
 * Errors: -ENOENT, -ECONNREFUSED (nobody listens there), -EPERM (not the same user), -ETIMEDOUT,
 * -EPROTO. Blocks.
 */
int ramet_channel_connect(const char *address, int timeout, ramet_channel **ret_channel,
			  ramet_error *error);

#ifdef __cplusplus
}
#endif

#endif
