/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll(7). */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "core/poller.h"

#define EPOLL_BATCH 32

struct epoll_poller {
	int fd;
	/* Removals while a wait is under way: the kernel may have handed out the event already.
	 * When there were too many to note, the batch is dropped: being level-triggered, it is told
	 * again. */
	struct rmt_source *removed[EPOLL_BATCH];
	unsigned removed_count;
	bool waiting;
};

static int epoll_new(void **ret_poller)
{
	struct epoll_poller *poller = calloc(1, sizeof(*poller));

	if (!poller)
		return -ENOMEM;
	poller->fd = rmt_descriptor_own(epoll_create1(EPOLL_CLOEXEC));
	if (poller->fd < 0) {
		int r = -errno;

		free(poller);
		return r;
	}
	*ret_poller = poller;
	return 0;
}

static void epoll_free(void *p)
{
	struct epoll_poller *poller = p;

	rmt_descriptor_close(poller->fd);
	free(poller);
}

static struct epoll_event wanted(struct rmt_source *source)
{
	return (struct epoll_event){
		.events = (source->events & RMT_READABLE ? EPOLLIN : 0) |
			  (source->events & RMT_WRITABLE ? EPOLLOUT : 0),
		.data.ptr = source,
	};
}

static int epoll_add(void *p, struct rmt_source *source)
{
	struct epoll_poller *poller = p;
	struct epoll_event event = wanted(source);

	return epoll_ctl(poller->fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

static void epoll_modify(void *p, struct rmt_source *source)
{
	struct epoll_poller *poller = p;
	struct epoll_event event = wanted(source);

	epoll_ctl(poller->fd, EPOLL_CTL_MOD, source->fd, &event);
}

static void epoll_remove(void *p, struct rmt_source *source)
{
	struct epoll_poller *poller = p;

	epoll_ctl(poller->fd, EPOLL_CTL_DEL, source->fd, &(struct epoll_event){0});
	if (!poller->waiting)
		return;
	if (poller->removed_count < EPOLL_BATCH)
		poller->removed[poller->removed_count] = source;
	poller->removed_count++;
}

static bool was_removed(const struct epoll_poller *poller, const struct rmt_source *source)
{
	if (poller->removed_count > EPOLL_BATCH)
		return true;
	for (unsigned i = 0; i < poller->removed_count; i++)
		if (poller->removed[i] == source)
			return true;
	return false;
}

static int epoll_wait_(void *p, struct rmt_mutex *lock, int timeout, struct rmt_ready *ready,
		       int max)
{
	struct epoll_poller *poller = p;
	struct epoll_event events[EPOLL_BATCH];
	int n, count = 0;

	poller->waiting = true;
	rmt_mutex_unlock(lock);
	n = epoll_wait(poller->fd, events, max < EPOLL_BATCH ? max : EPOLL_BATCH, timeout);
	rmt_mutex_lock(lock);
	poller->waiting = false;
	for (int i = 0; i < n; i++) {
		struct rmt_source *source = events[i].data.ptr;

		if (poller->removed_count != 0 && was_removed(poller, source))
			continue;
		ready[count].source = source;
		ready[count].events = events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)
					      ? RMT_READABLE
					      : 0;
		if (events[i].events & EPOLLOUT)
			ready[count].events |= RMT_WRITABLE;
		count++;
	}
	poller->removed_count = 0;
	return count;
}

const struct rmt_poller_type rmt_poller_epoll = {
	.name = "epoll",
	.new = epoll_new,
	.free = epoll_free,
	.add = epoll_add,
	.modify = epoll_modify,
	.remove = epoll_remove,
	.wait = epoll_wait_,
	.live = 1,
};
