/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels and the processes behind them, many of them in one epoll(7) set: exchanges and maps wait there.
 *
 * A member is here until its channel has come to its end and its process has been waited for, whichever is
 * first. A process that has ended ends its channel as well, when what it had sent is read: somebody whom it
 * has left behind may hold the other end still.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "parallel/channel.h"

struct rmt_crew {
	int epoll;
	int owner; /* the process that it belongs to: its copies must leave it alone */
	struct rmt_list members;
	struct rmt_list ready; /* with something to do, found by the last wait */
	unsigned count;
	unsigned unwatched; /* of these have no pidfd */
	int signal; /* an eventfd(2) that is always readable, and in the set when something waits */
	bool signalled;
};

struct rmt_member {
	struct rmt_crew *crew; /* NULL: it is in none */
	struct rmt_list node;  /* in members */
	struct rmt_list ready; /* in ready, or in none */
	ramet_channel *channel;
	int fd, pidfd;   /* in the set, or -1 */
	uint32_t events; /* that fd is in the set for */
	bool ended;      /* the channel: nothing more comes */
	bool reaped;     /* the process, or there is none */
	int status;      /* as waitpid(2) has it; -1: nobody knows */
};

/* -EMFILE and others of epoll_create1(2). */
int rmt_crew_init(struct rmt_crew *crew);

/* There are no members left. */
void rmt_crew_done(struct rmt_crew *crew);

/* Puts a channel into the set, which stays the caller's. 0; -ENOTCONN, when nobody is connected to it; -EBADF,
 * as below; or a negative errno of epoll_ctl(2). */
int rmt_crew_add(struct rmt_crew *crew, struct rmt_member *member, ramet_channel *channel);

/* Takes it out again. Fine for one that is in no crew. */
void rmt_crew_remove(struct rmt_member *member);

/* Waits until then (of rmt_now()) for members to have something to do, and puts these into `ready`. How
 * many there are; 0: it was too long; -EBADF: the crew belongs to the parent of this process. */
int rmt_crew_wait(struct rmt_crew *crew, int64_t until);

/* Makes the set readable for as long as there is something to do that its descriptors do not show: members
 * in `ready`, and what the caller has. */
void rmt_crew_signal(struct rmt_crew *crew, bool waiting);

/* The next one of these, which is then in the list no more; NULL: there are none. */
struct rmt_member *rmt_crew_next(struct rmt_crew *crew);

/* The next thing that has come. NONE: that is all for now. END and LOST come once: member->ended. To be
 * asked until it says one of the three. */
enum rmt_arrival rmt_member_take(struct rmt_member *member, ramet_value **ret_value,
				 uint32_t *ret_tag, ramet_error *error);

/* The caller has not asked until then, and wants to be called again. */
void rmt_member_again(struct rmt_member *member);

/* Sends bytes without waiting: what the socket does not take is sent when it has room. 0, -EPIPE, -ENOMEM. */
int rmt_member_post(struct rmt_member *member, uint32_t tag, const void *data, size_t size);

/* Something was sent to the channel by others: its set may have to ask for room. */
void rmt_member_watch(struct rmt_member *member);

/* Nothing more will be sent: the other side sees the end behind what it was sent. */
void rmt_member_finish(struct rmt_member *member);

/* Kills the process, if there is one. */
void rmt_member_kill(struct rmt_member *member);

/* Takes it out of its crew and closes the channel, after its process has ended: waits for that. */
void rmt_member_close(struct rmt_member *member);

/* Both are over. */
static inline bool rmt_member_over(const struct rmt_member *member)
{
	return member->ended && member->reaped;
}
