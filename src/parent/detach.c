/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/sort.h"
#include "base/time.h"
#include "core/account.h"
#include "core/control.h"
#include "core/ids.h"
#include "core/log.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"
#include "core/wait.h"
#include "parent/adopt.h"
#include "parent/connection-state.h"
#include "parent/gate.h"
#include "parent/join.h"
#include "parent/meeting.h"
#include "parent/title.h"

/* What is kept from ramet_detach() until the parent is gone. */
struct rmt_detach {
	ramet_router *router;
	struct rmt_listener *listener; /* not open yet; NULL: it was there, and is */
	char *name;
	bool said;              /* DETACHED is on its way */
	struct rmt_timer timer; /* for calls to end; then for the parent to close */
};

/* --- leaving ------------------------------------------------------------------------------ */

/* The leader of a group cannot make a session (setsid(2)): joins that of a process made for this. */
static void leave_group(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		return;
	setpgid(pid, pid);
	setpgid(0, pid);
	setsid();
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What the end of a terminal, or of whoever has started us, would do to us. */
static void leave_session(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int fd;

	sigaction(SIGHUP, &ignore, NULL);
	if (setsid() >= 0)
		return;
	if (getsid(0) != getpid()) {
		leave_group();
		return;
	}
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return;
	ioctl(fd, TIOCNOTTY);
	close(fd);
}

/* Nobody reads what is printed, and no pipe to a former parent stays open. */
static void leave_output(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (null > 2)
		close(null);
}

/* --- being a root ------------------------------------------------------------------------- */

/* What lies below is this tree's, by ranges of its own. */
static void own_what_is_below(ramet_router *router)
{
	struct rmt_region own;

	if (rmt_region_own(router, &own) < 0)
		return;
	free(router->ids.blocks);
	router->ids.blocks = own.ranges;
	router->ids.block_count = own.count;
}

static int by_first(const void *a, const void *b)
{
	const uint32_t *one = a, *other = b;

	return (one[0] > other[0]) - (one[0] < other[0]);
}

/* All ids that are neither ours nor reached through a stream. */
static int everybody_else(const ramet_router *router, struct rmt_region *ret_others)
{
	struct rmt_region known = RMT_REGION_INIT, others = RMT_REGION_INIT;
	uint64_t next = 1;
	int r = rmt_region_own(router, &known);

	for (size_t i = 0; i < router->route_count && r == 0; i++)
		r = rmt_region_add(&known, router->routes[i].first, router->routes[i].last);
	if (r == 0)
		rmt_sort(known.ranges, known.count, sizeof(*known.ranges), by_first);
	for (size_t i = 0; i < known.count && r == 0; i++) {
		if (known.ranges[i][0] > next)
			r = rmt_region_add(&others, (uint32_t)next, known.ranges[i][0] - 1);
		next = RMT_MAX(next, (uint64_t)known.ranges[i][1] + 1);
	}
	if (r == 0 && next <= UINT32_MAX)
		r = rmt_region_add(&others, (uint32_t)next, UINT32_MAX);
	rmt_region_done(&known);
	if (r < 0)
		rmt_region_done(&others);
	else
		*ret_others = others;
	return r;
}

static void become_root(ramet_router *router, struct rmt_detach *detach, const char *text)
{
	struct rmt_region others = RMT_REGION_INIT;
	struct rmt_list *node, *following;
	int r = 0;

	own_what_is_below(router);
	/* The array stays as it is: who has commanded here is known (join.c). */
	router->parent_count = 0;
	router->detaching = false;
	rmt_list_each(&router->children, node, following)
		RMT_CONTAINER(node, struct rmt_peer, child)->kept = true;
	if (everybody_else(router, &others) == 0)
		rmt_peers_lost(router, (const uint32_t(*)[2])others.ranges, others.count,
			       "this context has detached itself", NULL);
	rmt_region_done(&others);
	rmt_adoptions_done(router);
	rmt_ids_settle(router);
	leave_output();
	rmt_title_detached(detach->name);
	if (detach->listener)
		r = rmt_listener_open(detach->listener);
	rmt_log(router, RMT_LOG_SELF, RAMET_LOG_INFO, "detached as '%s' (%s)", detach->name, text);
	/* Nobody would ever reach it. */
	if (r < 0)
		rmt_router_end(router, router->shutdown_timeout);
	rmt_wait_changed(router);
}

/* --- on the way --------------------------------------------------------------------------- */

static void say(struct rmt_detach *detach)
{
	ramet_router *router = detach->router;
	struct rmt_region own;
	struct rmt_buffer out = RMT_BUFFER_INIT;

	if (detach->said || !router->uplink || router->uplink->failed)
		return;
	detach->said = true;
	rmt_loop_timer_start(&router->loop, &detach->timer, rmt_after(RMT_SHUTDOWN_CHILD_MS));
	if (rmt_region_own(router, &own) < 0)
		return; /* the parent finds us gone */
	rmt_detached_encode(detach->name, &own, &out);
	rmt_region_done(&own);
	rmt_control_behind(router->uplink, &out);
}

/* Calls that do not end, or a parent that does not close, are not waited for. */
static void too_long(struct rmt_timer *timer)
{
	struct rmt_detach *detach = RMT_CONTAINER(timer, struct rmt_detach, timer);
	struct rmt_stream *uplink = detach->router->uplink;

	if (!detach->said)
		say(detach);
	else if (uplink)
		rmt_stream_fail(uplink, "it did not let go");
}

void rmt_detach_done(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;

	if (!parent || !parent->detach)
		return;
	rmt_loop_timer_stop(&router->loop, &parent->detach->timer);
	free(parent->detach->name);
	free(parent->detach);
	parent->detach = NULL;
}

void rmt_detaching(ramet_router *router, const char *text)
{
	struct rmt_parent *parent = router->hooks_data;

	if (!text) {
		say(parent->detach);
		return;
	}
	become_root(router, parent->detach, text);
	rmt_detach_done(router);
}

static int detach_router(ramet_router *router, const char *name, ramet_error *error)
{
	struct rmt_parent *parent = rmt_parent_of(router);
	struct rmt_detach *detach;
	int r = 0;

	if (router->state != RMT_ROUTER_RUNNING)
		return rmt_error_set(error, ESHUTDOWN, "this context is ending");
	if (router->detaching)
		return rmt_error_set(error, EALREADY, "this context is about to detach itself");
	if (rmt_router_is_root(router) || !router->uplink)
		return rmt_error_set(error, EINVAL, "this context has no parent");
	detach = parent ? calloc(1, sizeof(*detach)) : NULL;
	if (!detach || !(detach->name = strdup(name)))
		r = rmt_error_set(error, ENOMEM, "out of memory");
	if (r == 0 && !rmt_listener_find(&parent->listeners, name))
		r = rmt_listener_new(router, name, NULL, &detach->listener, error);
	if (r == 0) {
		detach->router = router;
		detach->timer.expired = too_long;
		r = rmt_loop_timer_start(&router->loop, &detach->timer,
					 rmt_after(RMT_SHUTDOWN_CHILD_MS));
		if (r < 0) {
			rmt_error_set(error, r, "out of memory");
			if (detach->listener)
				rmt_listener_free(detach->listener);
		}
	}
	if (r < 0) {
		if (detach)
			free(detach->name);
		free(detach);
		return r;
	}
	parent->detach = detach;
	router->detaching = true;
	leave_session();
	/* Else the last of them does so when it ends. */
	if (rmt_list_empty(&router->execution.running))
		say(detach);
	return 0;
}

/* --- the parents' side -------------------------------------------------------------------- */

/* The process of a context that has detached itself goes on, and is none of ours but for its end. A
 * tool that waits for it has nothing to do any more; it must not say anything to it either. Those that
 * guard their command would: they wait for as long as it lives. */
static void let_go(struct rmt_connection *connection)
{
	struct rmt_process *process = connection->process;
	struct rmt_parent *parent = connection->router->hooks_data;

	if (!process)
		return;
	rmt_process_hush(process);
	if (connection->method->command && !connection->method->guards &&
	    process->pid != connection->peer->pid) {
		rmt_process_kill_now(process);
		return;
	}
	connection->process = NULL;
	connection->peer->process = NULL;
	rmt_process_release(process, &parent->released);
}

static void forward_up(ramet_router *router, const char *name, const struct rmt_region *region)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	if (!router->uplink || router->uplink->failed)
		return;
	rmt_detached_encode(name, region, &out);
	rmt_control_send(router, router->uplink->peer->id, &out);
}

/* All of it lies behind that stream, and what leaves from there does so within bounds. */
static bool lies_there(const ramet_router *router, const struct rmt_stream *stream,
		       const struct rmt_region *region)
{
	for (size_t i = 0; i < region->count; i++)
		if (!rmt_route_leads(router, region->ranges[i][0], region->ranges[i][1], stream))
			return false;
	return region->count > 0 && stream->account->detached + region->count <= RMT_DETACHED_MAX;
}

void rmt_detached_arrived(ramet_router *router, struct rmt_stream *stream,
			  struct rmt_cbor_reader *reader)
{
	struct rmt_cbor_reader whole = *reader;
	struct rmt_region region;
	const char *data;
	uint64_t items;
	size_t size;
	char *name;

	if (stream->guest || stream->joined) {
		rmt_guest_left(stream);
		return;
	}
	whole.position = 0;
	if (stream == router->uplink || rmt_cbor_read_array(&whole, &items) < 0 || items < 2 ||
	    rmt_cbor_read_str(reader, &data, &size) < 0 || !data || size > NAME_MAX ||
	    rmt_region_read(reader, items - 2, &region) < 0)
		return;
	name = rmt_text_new(data, size);
	if (name && !lies_there(router, stream, &region))
		rmt_misbehaved(router,
			       "%s says that contexts have detached themselves, and may not",
			       rmt_peer_name(stream->peer));
	else if (name) {
		stream->account->detached += (uint32_t)region.count;
		rmt_region_cut(router, &region);
		forward_up(router, name, &region);
		if (rmt_region_has(&region, stream->peer->id)) {
			struct rmt_connection *connection = stream->data;

			connection->detached = true;
			let_go(connection);
			rmt_stream_fail(stream, "detached as '%s'", name);
		}
	}
	free(name);
	rmt_region_done(&region);
}

/* --- the public face, behind the gate ----------------------------------------------------- */

int rmt_detach(ramet_router *router, const char *name, ramet_error *error)
{
	int r;

	rmt_lock(router);
	rmt_router_hold(router);
	r = detach_router(router, name, error);
	rmt_router_release(router);
	return r;
}
