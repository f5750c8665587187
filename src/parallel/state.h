/* SPDX-License-Identifier: BSD-3-Clause */
/* What a channel is, for the files that make it: channel.c, input.c, output.c, process.c,
 * background.c. */
#pragma once

#include "parallel/channel.h"

/* Small frames are read ahead together; larger payloads go straight to their own memory. */
#define RMT_CHANNEL_AHEAD 65536u

/* What is kept for receiving while a send waits; a value that has begun may go beyond. */
#define RMT_CHANNEL_KEPT (16u << 20)

/* Memory for what is announced comes as it arrives: so much at first, then twice as much each
 * time. */
#define RMT_CHANNEL_FIRST (1u << 20)

/* What is kept for later ones: of each, of all, and how many. The results of a map wait for those before them,
 * which are another worker's. */
#define RMT_CHANNEL_SPARE (2u << 20)
#define RMT_CHANNEL_SPARE_ALL (32u << 20)
#define RMT_CHANNEL_SPARES 32u

struct rmt_arrived {
	struct rmt_list node; /* in the channel's list of what is kept */
	enum rmt_arrival what;
	bool confirm;
	uint32_t tag;
	size_t size;
	ramet_value *value;
	ramet_error error;
};

struct rmt_background; /* the listening side: background.c */

struct ramet_channel {
	struct rmt_list node; /* of those with a process, see process.c */
	unsigned generation;  /* of copies: that of another one is not usable here */
	int fd;
	int timeout; /* of sends, ms */
	bool acknowledged;

	pid_t pid; /* 0: not known */
	int pidfd;
	bool own;   /* it is our child, */
	bool ended; /* and has ended: */
	int status; /* of waitpid(2), or -ECHILD */

	/* What comes. */
	unsigned char *ahead;
	size_t ahead_begin, ahead_end;
	bool dry;    /* the last read got less than it could have */
	bool headed; /* head is that of the frame that comes now, whose bytes are not there yet */
	struct rmt_channel_head head;
	struct rmt_chunk *large; /* where they go, if they are many */
	size_t large_size;
	/* those of the last ones, for the next; values may still be in them */
	struct rmt_chunk *spares[RMT_CHANNEL_SPARES];
	size_t spare_size;    /* bytes in them */
	size_t next_spare;    /* which gives way when there is no place */
	bool hung_up;         /* there is nothing more to read */
	int64_t patience;     /* until when its process may take to end then; 0: it has not begun */
	enum rmt_arrival end; /* NONE, END or LOST */
	ramet_error loss;
	struct rmt_list kept; /* struct rmt_arrived */
	size_t kept_size;
	uint64_t confirmed;
	bool greeted;

	/* What goes. */
	struct rmt_buffer out;
	size_t out_begin;
	uint64_t to_confirm;
	bool corked;
	bool cut;    /* a part of a frame was sent, and never will the rest be */
	bool failed; /* a failure was sent */
	bool closing;

	struct rmt_background *background;
	struct rmt_results_writer *gather; /* sends go there */
};

/* --- channel.c ---------------------------------------------------------------------------- */

/* Takes over the descriptors, which are the library's. NULL: no memory. */
ramet_channel *rmt_channel_new(int fd);

/* Back to the beginning: another one is to be at the other end. */
void rmt_channel_disconnect(ramet_channel *channel);

/* --- input.c ------------------------------------------------------------------------------ */

/* Keeps what arrives, while it may. */
void rmt_channel_absorb(ramet_channel *channel);
bool rmt_channel_may_absorb(const ramet_channel *channel);
/* What is kept, though not taken yet: two sides that wait for each other's confirmation would wait
 * for ever. */
void rmt_channel_confirm_kept(ramet_channel *channel);
void rmt_channel_input_done(ramet_channel *channel);

/* Nothing more will come: memory that was kept for it goes. */
void rmt_channel_input_spare_nothing(ramet_channel *channel);

/* --- output.c ----------------------------------------------------------------------------- */

/* Blocks as ramet_channel_send_value() does. */
int rmt_channel_send(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
		     const void *data, size_t size, int64_t until);
int rmt_channel_send_encoded(ramet_channel *channel, const ramet_value *value, int64_t until);
int rmt_channel_await_confirmation(ramet_channel *channel, int64_t until);

/* Whether it holds no context and no sender. */
bool rmt_value_is_plain(const ramet_value *value);

/* The bytes of a failure. 0 or -ENOMEM. */
int rmt_channel_encode_failure(int code, const char *text, struct rmt_buffer *out);

/* --- process.c ---------------------------------------------------------------------------- */

/* That of this process. */
extern unsigned rmt_channel_generation;

/* Waits for events of the descriptor or the end of the process. 0 (something may have happened),
 * -ETIMEDOUT. */
int rmt_channel_wait(ramet_channel *channel, short events, int64_t until);

void rmt_channel_process_begin(ramet_channel *channel, pid_t pid);
void rmt_channel_process_done(ramet_channel *channel);

/* A pidfd, which is the library's; -1. */
int rmt_pidfd_open(pid_t pid);

/* --- background.c ------------------------------------------------------------------------- */

/* Of channels that listen. */
int rmt_background_send(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
			const void *data, size_t size);
int rmt_background_receive(ramet_channel *channel, int64_t until, ramet_value **ret_value,
			   ramet_error *error);
void rmt_background_done(ramet_channel *channel);
