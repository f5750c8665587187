/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/crew.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/time.h"

#define EVENTS_MAX 64

/* Without pidfds: how often to look whether a process has ended. */
#define LOOK_US 5000

/* What an event says besides the member, which is aligned. */
#define OF_PROCESS 1u

int rmt_crew_init(struct rmt_crew *crew)
{
	struct epoll_event nothing = {.events = 0};
	int r = 0;

	*crew = (struct rmt_crew){.owner = getpid(), .signal = -1};
	rmt_list_init(&crew->members);
	rmt_list_init(&crew->ready);
	crew->epoll = rmt_descriptor_own_above(epoll_create1(EPOLL_CLOEXEC));
	if (crew->epoll >= 0)
		crew->signal = rmt_descriptor_own_above(eventfd(1, EFD_CLOEXEC));
	if (crew->signal < 0 || epoll_ctl(crew->epoll, EPOLL_CTL_ADD, crew->signal, &nothing) < 0)
		r = -errno;
	if (r < 0)
		rmt_crew_done(crew);
	return r;
}

void rmt_crew_done(struct rmt_crew *crew)
{
	/* The copy of a process has closed them, and may have something else by these numbers. */
	if (crew->owner != getpid())
		return;
	rmt_descriptor_close(crew->signal);
	rmt_descriptor_close(crew->epoll);
}

void rmt_crew_signal(struct rmt_crew *crew, bool waiting)
{
	struct epoll_event event = {.events = 0};

	waiting |= !rmt_list_empty(&crew->ready);
	if (waiting == crew->signalled)
		return;
	if (waiting)
		event.events = EPOLLIN;
	if (epoll_ctl(crew->epoll, EPOLL_CTL_MOD, crew->signal, &event) == 0)
		crew->signalled = waiting;
}

/* --- members ------------------------------------------------------------------------------ */

static int watch(struct rmt_member *member, int operation, int fd, uint32_t events, unsigned what)
{
	struct epoll_event event = {.events = events, .data.u64 = (uintptr_t)member | what};

	return epoll_ctl(member->crew->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

static void unwatch(struct rmt_member *member, int *fd)
{
	if (*fd >= 0)
		watch(member, EPOLL_CTL_DEL, *fd, 0, 0);
	*fd = -1;
}

void rmt_member_watch(struct rmt_member *member)
{
	uint32_t events = EPOLLIN;

	if (!member->crew || member->fd < 0)
		return;
	if (rmt_channel_unsent(member->channel) > 0)
		events |= EPOLLOUT;
	if (events != member->events && watch(member, EPOLL_CTL_MOD, member->fd, events, 0) == 0)
		member->events = events;
}

int rmt_crew_add(struct rmt_crew *crew, struct rmt_member *member, ramet_channel *channel)
{
	bool has_process = rmt_channel_has_process(channel);
	int r;

	if (crew->owner != getpid())
		return -EBADF;
	*member = (struct rmt_member){
		.crew = crew,
		.channel = channel,
		.fd = ramet_channel_fd(channel),
		.pidfd = has_process ? rmt_channel_pidfd(channel) : -1,
		.events = EPOLLIN,
		.reaped = !has_process,
		.status = -1,
	};
	rmt_list_init(&member->ready);
	r = member->fd < 0 ? -ENOTCONN : watch(member, EPOLL_CTL_ADD, member->fd, EPOLLIN, 0);
	if (r == 0 && member->pidfd >= 0) {
		r = watch(member, EPOLL_CTL_ADD, member->pidfd, EPOLLIN, OF_PROCESS);
		if (r < 0)
			unwatch(member, &member->fd);
	}
	if (r < 0) {
		member->crew = NULL;
		member->channel = NULL;
		return r;
	}
	rmt_list_append(&crew->members, &member->node);
	crew->count++;
	crew->unwatched += has_process && member->pidfd < 0;
	/* What it has read already is seen in no descriptor. */
	if (ramet_channel_pending(channel))
		rmt_list_append(&crew->ready, &member->ready);
	rmt_member_watch(member);
	return 0;
}

void rmt_crew_remove(struct rmt_member *member)
{
	struct rmt_crew *crew = member->crew;

	if (!crew)
		return;
	if (crew->owner == getpid()) {
		crew->unwatched -= !member->reaped && member->pidfd < 0;
		unwatch(member, &member->fd);
		unwatch(member, &member->pidfd);
	}
	rmt_list_remove(&member->node);
	rmt_list_remove(&member->ready);
	crew->count--;
	member->crew = NULL;
}

/* --- waiting ------------------------------------------------------------------------------ */

static void reap(struct rmt_member *member)
{
	int status, r;

	if (member->reaped)
		return;
	r = rmt_channel_reap(member->channel, &status);
	if (r == 0)
		return;
	member->reaped = true;
	member->status = r == 1 ? status : -1;
	if (member->pidfd < 0)
		member->crew->unwatched--;
	unwatch(member, &member->pidfd);
}

void rmt_member_again(struct rmt_member *member)
{
	if (rmt_list_empty(&member->ready))
		rmt_list_append(&member->crew->ready, &member->ready);
}

static void look_for_ends(struct rmt_crew *crew)
{
	struct rmt_list *node, *following;

	rmt_list_each(&crew->members, node, following) {
		struct rmt_member *member = RMT_CONTAINER(node, struct rmt_member, node);

		if (member->pidfd >= 0 || member->reaped)
			continue;
		reap(member);
		if (member->reaped)
			rmt_member_again(member);
	}
}

static void note(const struct epoll_event *event)
{
	struct rmt_member *member = (struct rmt_member *)(uintptr_t)(event->data.u64 &
								     ~UINT64_C(1));

	if (!member)
		return;
	if (event->data.u64 & OF_PROCESS) {
		reap(member);
	} else {
		if (event->events & EPOLLOUT) {
			rmt_channel_flush(member->channel);
			rmt_member_watch(member);
		}
	}
	rmt_member_again(member);
}

static int count_ready(const struct rmt_crew *crew)
{
	int count = 0;

	for (const struct rmt_list *node = crew->ready.next; node != &crew->ready;
	     node = node->next)
		count++;
	return count;
}

int rmt_crew_wait(struct rmt_crew *crew, int64_t until)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t now, look;
	int n;

	if (crew->owner != getpid())
		return -EBADF;
	rmt_crew_signal(crew, false);
	if (!rmt_list_empty(&crew->ready))
		until = 0;
	do {
		now = until > 0 ? rmt_now() : 0;
		look = crew->unwatched > 0 ? RMT_MIN(until, now + LOOK_US) : until;
		n = epoll_wait(crew->epoll, events, EVENTS_MAX, rmt_poll_timeout(look, now));
		for (int i = 0; i < n; i++)
			note(&events[i]);
		if (crew->unwatched > 0)
			look_for_ends(crew);
	} while (rmt_list_empty(&crew->ready) && now < until);
	return count_ready(crew);
}

struct rmt_member *rmt_crew_next(struct rmt_crew *crew)
{
	struct rmt_member *member;

	if (rmt_list_empty(&crew->ready))
		return NULL;
	member = rmt_list_first(&crew->ready, struct rmt_member, ready);
	rmt_list_remove(&member->ready);
	return member;
}

/* The process has gone and left its end to somebody else. */
static enum rmt_arrival left_behind(const struct rmt_member *member, ramet_error *error)
{
	char text[80];

	if (member->status <= 0)
		return RMT_ARRIVAL_END;
	rmt_status_describe(member->status, text, sizeof(text));
	rmt_error_set(error, ECONNRESET, "process %d %s", ramet_channel_pid(member->channel), text);
	return RMT_ARRIVAL_LOST;
}

enum rmt_arrival rmt_member_take(struct rmt_member *member, ramet_value **ret_value,
				 uint32_t *ret_tag, ramet_error *error)
{
	/* Before it is asked for what had come until then. */
	bool had_gone = member->reaped && rmt_channel_has_process(member->channel);
	enum rmt_arrival arrival;

	if (member->ended)
		return RMT_ARRIVAL_NONE;
	arrival = rmt_channel_take(member->channel, ret_value, ret_tag, error);
	if (arrival == RMT_ARRIVAL_VALUE || arrival == RMT_ARRIVAL_FAILURE)
		return arrival;
	if (arrival == RMT_ARRIVAL_NONE && had_gone)
		arrival = left_behind(member, error);
	if (arrival != RMT_ARRIVAL_NONE)
		member->ended = true;
	/* A descriptor that has hung up, as the channel has seen, would be ready for ever. */
	if (member->ended || !(rmt_channel_events(member->channel) & POLLIN))
		unwatch(member, &member->fd);
	return arrival;
}

/* --- sending, and the end ----------------------------------------------------------------- */

int rmt_member_post(struct rmt_member *member, uint32_t tag, const void *data, size_t size)
{
	int r = rmt_channel_post_frame(member->channel, RMT_CHANNEL_VALUE, RMT_CHANNEL_RAW, tag,
				       data, size);

	rmt_member_watch(member);
	return r;
}

void rmt_member_finish(struct rmt_member *member)
{
	rmt_channel_post_end(member->channel);
	rmt_member_watch(member);
}

void rmt_member_kill(struct rmt_member *member)
{
	if (!member->reaped)
		ramet_channel_kill(member->channel, SIGKILL);
}

void rmt_member_close(struct rmt_member *member)
{
	rmt_crew_remove(member);
	ramet_channel_close(member->channel);
	member->channel = NULL;
}
