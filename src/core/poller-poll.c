/* SPDX-License-Identifier: BSD-3-Clause */
/* poll(2), for systems without anything better. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/poller.h"

struct poll_poller {
	struct rmt_source **sources; /* parallel to fds; NULL: removed during a wait */
	struct pollfd *fds;
	size_t count, capacity;
	/* A wait works on copies, because others may change the set (and move the arrays)
	 * meanwhile. */
	struct rmt_source **waiting_sources;
	struct pollfd *waiting_fds;
	size_t waiting_count, waiting_capacity;
};

static int poll_new(void **ret_poller)
{
	struct poll_poller *poller = calloc(1, sizeof(*poller));

	if (!poller)
		return -ENOMEM;
	*ret_poller = poller;
	return 0;
}

static void poll_free(void *p)
{
	struct poll_poller *poller = p;

	free(poller->sources);
	free(poller->fds);
	free(poller->waiting_sources);
	free(poller->waiting_fds);
	free(poller);
}

static short wanted(const struct rmt_source *source)
{
	return (short)((source->events & RMT_READABLE ? POLLIN : 0) |
		       (source->events & RMT_WRITABLE ? POLLOUT : 0));
}

static int grow(struct rmt_source ***sources, struct pollfd **fds, size_t *capacity,
		size_t wanted_capacity)
{
	struct rmt_source **new_sources;
	struct pollfd *new_fds;

	if (wanted_capacity <= *capacity)
		return 0;
	wanted_capacity = wanted_capacity < 16 ? 16 : wanted_capacity * 2;
	new_sources = realloc(*sources, wanted_capacity * sizeof(**sources));
	if (!new_sources)
		return -ENOMEM;
	*sources = new_sources;
	new_fds = realloc(*fds, wanted_capacity * sizeof(**fds));
	if (!new_fds)
		return -ENOMEM;
	*fds = new_fds;
	*capacity = wanted_capacity;
	return 0;
}

static int poll_add(void *p, struct rmt_source *source)
{
	struct poll_poller *poller = p;

	if (grow(&poller->sources, &poller->fds, &poller->capacity, poller->count + 1) < 0)
		return -ENOMEM;
	poller->sources[poller->count] = source;
	poller->fds[poller->count++] = (struct pollfd){.fd = source->fd, .events = wanted(source)};
	return 0;
}

static void poll_modify(void *p, struct rmt_source *source)
{
	struct poll_poller *poller = p;

	for (size_t i = 0; i < poller->count; i++)
		if (poller->sources[i] == source)
			poller->fds[i].events = wanted(source);
}

static void poll_remove(void *p, struct rmt_source *source)
{
	struct poll_poller *poller = p;

	for (size_t i = 0; i < poller->count; i++) {
		if (poller->sources[i] == source) {
			poller->count--;
			poller->sources[i] = poller->sources[poller->count];
			poller->fds[i] = poller->fds[poller->count];
			break;
		}
	}
	for (size_t i = 0; i < poller->waiting_count; i++)
		if (poller->waiting_sources[i] == source)
			poller->waiting_sources[i] = NULL;
}

static int poll_wait(void *p, struct rmt_mutex *lock, int timeout, struct rmt_ready *ready, int max)
{
	struct poll_poller *poller = p;
	int n, count = 0;

	if (grow(&poller->waiting_sources, &poller->waiting_fds, &poller->waiting_capacity,
		 poller->count) < 0)
		return -ENOMEM;
	if (poller->count > 0) {
		memcpy(poller->waiting_sources, poller->sources,
		       poller->count * sizeof(*poller->sources));
		memcpy(poller->waiting_fds, poller->fds, poller->count * sizeof(*poller->fds));
	}
	poller->waiting_count = poller->count;
	rmt_mutex_unlock(lock);
	n = poll(poller->waiting_fds, poller->waiting_count, timeout);
	rmt_mutex_lock(lock);
	for (size_t i = 0; n > 0 && i < poller->waiting_count && count < max; i++) {
		short got = poller->waiting_fds[i].revents;

		if (!got)
			continue;
		n--;
		if (!poller->waiting_sources[i])
			continue;
		ready[count].source = poller->waiting_sources[i];
		ready[count].events = got & (POLLIN | POLLHUP | POLLERR | POLLNVAL) ? RMT_READABLE
										    : 0;
		if (got & POLLOUT)
			ready[count].events |= RMT_WRITABLE;
		count++;
	}
	poller->waiting_count = 0;
	return count;
}

const struct rmt_poller_type rmt_poller_poll = {
	.name = "poll",
	.new = poll_new,
	.free = poll_free,
	.add = poll_add,
	.modify = poll_modify,
	.remove = poll_remove,
	.wait = poll_wait,
	.live = false,
};
