/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/time.h"
#include "core/control.h"
#include "core/function.h"
#include "core/log.h"
#include "core/peer.h"
#include "core/stream.h"
#include "core/wait.h"
#include "parent/connection-state.h"
#include "parent/gate.h"
#include "parent/meeting.h"

/* How long a guest may take until it has joined. */
#define HANDSHAKE_MS 10000

/* Guests that have not joined yet: who connects and says nothing must not keep others out for long,
 * nor make us hold more than this. */
#define PENDING_MAX 64

/* Without descriptors or memory for another one: how long nobody is accepted. */
#define PAUSE_US 100000

/* As many variables as a child takes (core/child.c). */
#define ENV_MAX 256

struct rmt_listener {
	struct rmt_list node; /* in parent->listeners */
	ramet_router *router;
	char *name;
	enum ramet_join authority;
	bool refuse_root;
	int idle; /* ms; 0: never */
	struct rmt_bound bound;
	struct rmt_source source;
	bool watched;
	struct rmt_timer pause, idling;
	struct rmt_list guests;
	unsigned pending;
};

struct guest {
	struct rmt_list node; /* in listener->guests */
	struct rmt_listener *listener;
	struct rmt_stream *stream;
	struct rmt_timer deadline;
	bool welcomed, joined;
	uint32_t parent; /* its own id, as it says in its first message */
	pid_t pid;
	uid_t uid;
	uint32_t chain[RMT_TREE_DEPTH_MAX];
};

/* --- accepting ---------------------------------------------------------------------------- */

static void watch(struct rmt_listener *listener, bool wanted)
{
	struct rmt_loop *loop = &listener->router->loop;

	if (wanted && !listener->watched && listener->bound.fd >= 0) {
		if (rmt_loop_add(loop, &listener->source) == 0)
			listener->watched = true;
		else
			rmt_loop_timer_start(loop, &listener->pause, rmt_now() + PAUSE_US);
	} else if (!wanted && listener->watched) {
		rmt_loop_remove(loop, &listener->source);
		listener->watched = false;
	}
}

static void pause_over(struct rmt_timer *timer)
{
	struct rmt_listener *listener = RMT_CONTAINER(timer, struct rmt_listener, pause);

	watch(listener, listener->pending < PENDING_MAX);
}

static void idled(struct rmt_timer *timer)
{
	struct rmt_listener *listener = RMT_CONTAINER(timer, struct rmt_listener, idling);
	ramet_router *router = listener->router;

	rmt_log(router, RMT_LOG_SELF, RAMET_LOG_INFO, "nobody has joined '%s' for %d ms: it ends",
		listener->name, listener->idle);
	rmt_router_end(router, router->shutdown_timeout);
}

static void count_idle(struct rmt_listener *listener)
{
	struct rmt_loop *loop = &listener->router->loop;

	if (listener->idle > 0 && rmt_list_empty(&listener->guests))
		rmt_loop_timer_start(loop, &listener->idling, rmt_after(listener->idle));
	else
		rmt_loop_timer_stop(loop, &listener->idling);
}

static void guest_free(struct guest *guest)
{
	struct rmt_listener *listener = guest->listener;

	if (!guest->joined)
		listener->pending--;
	rmt_loop_timer_stop(&listener->router->loop, &guest->deadline);
	rmt_list_remove(&guest->node);
	free(guest);
	count_idle(listener);
	/* A descriptor is free. */
	watch(listener, listener->pending < PENDING_MAX);
}

static void guest_lost(struct rmt_stream *stream, const char *reason)
{
	struct guest *guest = stream->data;
	ramet_router *router = stream->router;
	struct rmt_peer *peer = stream->peer;

	rmt_log(router, RMT_LOG_SELF, RAMET_LOG_DEBUG,
		"process %d of user %u is no guest any more: %s", (int)guest->pid,
		(unsigned)guest->uid, reason);
	stream->chain_count = 0;
	if (peer && peer->stream == stream) {
		char *text = strdup(reason); /* it belongs to the stream */

		rmt_child_lost(peer, text ? text : "out of memory");
		free(text);
	} else {
		rmt_stream_free(stream);
	}
	guest_free(guest);
	rmt_wait_changed(router);
}

static void too_slow(struct rmt_timer *timer)
{
	struct guest *guest = RMT_CONTAINER(timer, struct guest, deadline);

	rmt_stream_fail(guest->stream, "it did not join within %d ms", HANDSHAKE_MS);
}

/* --- the handshake ------------------------------------------------------------------------ */

static void answer(struct guest *guest, struct rmt_buffer *out)
{
	ramet_router *router = guest->stream->router;
	struct rmt_frame frame = {
		.length = (uint32_t)out->size,
		.destination = guest->parent,
		.source = router->id,
		.authority = router->id,
		.handle = RMT_HANDLE_CONTROL,
		.total = (uint32_t)out->size,
	};

	if (out->error < 0 || out->size > RMT_FRAME_PAYLOAD_MAX)
		rmt_stream_fail(guest->stream, "there is no memory for it");
	else
		rmt_stream_send(guest->stream, &frame, out->data, NULL, false);
	rmt_buffer_done(out);
}

static void refuse(struct guest *guest, int code, const char *text)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_refuse_encode(code, text, &out);
	answer(guest, &out);
}

static int welcomed(struct guest *guest, const struct rmt_arrival *arrival)
{
	ramet_router *router = guest->stream->router;
	struct rmt_tree_hello tree = {
		.hello = {.program = rmt_program_identity(), .pid = (uint32_t)getpid()},
		.id = router->id,
	};
	struct rmt_text env[ENV_MAX];
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_welcome welcome;
	struct utsname system;
	char machine[sizeof(system.sysname) + sizeof(system.machine) + 2] = "";
	int r = rmt_welcome_decode(arrival->payload, arrival->frame.length, env, ENV_MAX, &welcome);

	if (r < 0)
		return r;
	guest->parent = welcome.parents[welcome.parent_count - 1];
	if (welcome.program != rmt_program_identity()) {
		refuse(guest, EPROTO,
		       "this is another program, or another version of it: the names or types of "
		       "its functions differ");
		return 0;
	}
	if (rmt_region_own(router, &tree.region) < 0) {
		refuse(guest, ENOMEM, "out of memory");
		return 0;
	}
	if (uname(&system) == 0) {
		rmt_format(machine, sizeof(machine), "%s %s", system.sysname, system.machine);
		tree.hello.machine = (struct rmt_text){machine, strlen(machine)};
		tree.hello.host = (struct rmt_text){system.nodename, strlen(system.nodename)};
	}
	rmt_tree_hello_encode(&tree, &out);
	rmt_region_done(&tree.region);
	guest->welcomed = true;
	answer(guest, &out);
	return 0;
}

/* Who has commanded here in former times must not come back as somebody who may not. */
static bool was_obeyed(const ramet_router *router, const struct rmt_region *region)
{
	for (size_t i = 0; i < RMT_TREE_DEPTH_MAX; i++)
		if (router->parents[i] != 0 && rmt_region_has(region, router->parents[i]))
			return true;
	return false;
}

/* What our root has drawn, and others have of it, lies about what we know of it. */
static bool may_be_ours(const ramet_router *router, const struct rmt_region *region)
{
	for (size_t i = 0; i < router->parent_count; i++) {
		uint32_t first = router->parents[i] & ~(RMT_REGION_IDS - 1);

		for (size_t j = 0; j < region->count; j++)
			if (region->ranges[j][0] <= first + (RMT_REGION_IDS - 1) &&
			    region->ranges[j][1] >= first)
				return true;
	}
	return false;
}

static int admit(struct guest *guest, const struct rmt_join *join)
{
	struct rmt_stream *stream = guest->stream;
	ramet_router *router = stream->router;
	uint32_t id = join->chain[join->chain_count - 1];
	struct rmt_peer *peer;
	char text[64];
	int r;

	if (guest->listener->authority == RAMET_JOIN_OWN && was_obeyed(router, &join->region))
		return -EPERM;
	r = may_be_ours(router, &join->region) ? -EEXIST
					       : rmt_region_route(router, &join->region, stream);
	if (r < 0)
		return r;
	peer = rmt_peer_get(router, id);
	if (!peer) {
		rmt_region_unroute(router, &join->region);
		return -ENOMEM;
	}
	rmt_format(text, sizeof(text), "process %d of user %u", (int)guest->pid,
		   (unsigned)guest->uid);
	rmt_peer_describe(peer, text, strlen(text), (int)guest->pid);
	peer->stream = stream;
	stream->peer = peer;
	stream->guest = true;
	if (guest->listener->authority == RAMET_JOIN_FULL) {
		memcpy(guest->chain, join->chain, join->chain_count * sizeof(*join->chain));
		stream->chain = guest->chain;
		stream->chain_count = join->chain_count;
	}
	return 0;
}

static int joins(struct guest *guest, const struct rmt_arrival *arrival)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_join join;
	int r = rmt_join_decode(arrival->payload, arrival->frame.length, &join);

	if (r < 0)
		return r;
	r = admit(guest, &join);
	guest->parent = join.chain[join.chain_count - 1];
	rmt_region_done(&join.region);
	if (r < 0) {
		refuse(guest, r,
		       r == -EEXIST   ? "some of the ids of that tree are known here"
		       : r == -EDQUOT ? "that tree has more ids than the quota here allows"
		       : r == -EPERM
			       ? "it has commanded here before, and is to have no authority now"
			       : rmt_strerror(r));
		return 0;
	}
	guest->joined = true;
	guest->listener->pending--;
	guest->stream->frame = NULL;
	rmt_loop_timer_stop(&guest->stream->router->loop, &guest->deadline);
	watch(guest->listener, true);
	rmt_log(guest->stream->router, RMT_LOG_SELF, RAMET_LOG_DEBUG,
		"process %d of user %u is a guest", (int)guest->pid, (unsigned)guest->uid);
	rmt_joined_encode(&out);
	answer(guest, &out);
	return 0;
}

static int first_frame(struct rmt_stream *stream, const struct rmt_arrival *arrival)
{
	struct guest *guest = stream->data;

	if (arrival->frame.handle != RMT_HANDLE_CONTROL)
		return -EBADMSG;
	if (stream->router->state != RMT_ROUTER_RUNNING)
		return -ESHUTDOWN;
	return guest->welcomed ? joins(guest, arrival) : welcomed(guest, arrival);
}

static bool may_join(const struct rmt_listener *listener, int fd, pid_t *ret_pid, uid_t *ret_uid)
{
	return rmt_socket_peer(fd, ret_pid, ret_uid) == 0 &&
	       (*ret_uid == geteuid() || (*ret_uid == 0 && !listener->refuse_root));
}

static void accepted(struct rmt_listener *listener, int fd)
{
	ramet_router *router = listener->router;
	struct guest *guest = NULL;
	pid_t pid = 0;
	uid_t uid = 0;

	if (!may_join(listener, fd, &pid, &uid))
		rmt_log(router, RMT_LOG_SELF, RAMET_LOG_WARNING,
			"process %d of user %u was not let in at '%s'", (int)pid, (unsigned)uid,
			listener->name);
	else
		guest = calloc(1, sizeof(*guest));
	if (!guest || rmt_stream_new(router, fd, fd, &guest->stream) < 0) {
		free(guest);
		rmt_descriptor_close(fd);
		return;
	}
	guest->listener = listener;
	guest->pid = pid;
	guest->uid = uid;
	guest->deadline.expired = too_slow;
	guest->stream->guest = true;
	guest->stream->frame = first_frame;
	guest->stream->lost = guest_lost;
	guest->stream->data = guest;
	rmt_list_append(&listener->guests, &guest->node);
	listener->pending++;
	count_idle(listener);
	if (rmt_loop_timer_start(&router->loop, &guest->deadline, rmt_after(HANDSHAKE_MS)) < 0)
		rmt_stream_fail(guest->stream, "out of memory");
}

static void ready(struct rmt_source *source, unsigned events)
{
	struct rmt_listener *listener = RMT_CONTAINER(source, struct rmt_listener, source);
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		accepted(listener, rmt_descriptor_own(fd));
		if (listener->pending >= PENDING_MAX)
			watch(listener, false);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		watch(listener, false);
		rmt_loop_timer_start(&listener->router->loop, &listener->pause,
				     rmt_now() + PAUSE_US);
	}
}

/* --- listeners ---------------------------------------------------------------------------- */

int rmt_listener_new(ramet_router *router, const char *name, const ramet_listen_options *options,
		     struct rmt_listener **ret_listener, ramet_error *error)
{
	ramet_listen_options all = RAMET_LISTEN_OPTIONS_INIT;
	struct rmt_parent *parent = rmt_parent_of(router);
	struct rmt_listener *listener;
	struct sockaddr_un address;
	int r;

	if (options) {
		if (options->size < sizeof(options->size) || options->idle < 0 ||
		    options->authority > RAMET_JOIN_OWN)
			return rmt_error_set(error, EINVAL, "the options make no sense");
		memcpy(&all, options, RMT_MIN(options->size, sizeof(all)));
	}
	r = rmt_socket_place(name, &address, error);
	if (r < 0)
		return r;
	listener = parent ? calloc(1, sizeof(*listener)) : NULL;
	if (!listener || !(listener->name = strdup(name))) {
		free(listener);
		return rmt_error_set(error, ENOMEM, "out of memory");
	}
	r = rmt_socket_bind(&address, &listener->bound, error);
	if (r < 0) {
		free(listener->name);
		free(listener);
		return r;
	}
	listener->router = router;
	listener->authority = all.authority;
	listener->refuse_root = all.refuse_root;
	listener->idle = all.idle;
	listener->source = (struct rmt_source){
		.fd = listener->bound.fd, .events = RMT_READABLE, .ready = ready};
	listener->pause.expired = pause_over;
	listener->idling.expired = idled;
	rmt_list_init(&listener->guests);
	rmt_list_append(&parent->listeners, &listener->node);
	*ret_listener = listener;
	return 0;
}

int rmt_listener_open(struct rmt_listener *listener)
{
	int r = rmt_loop_add(&listener->router->loop, &listener->source);

	listener->watched = r == 0;
	if (r == 0)
		count_idle(listener);
	return r;
}

static void listener_close(struct rmt_listener *listener)
{
	struct rmt_loop *loop = &listener->router->loop;

	watch(listener, false);
	rmt_loop_timer_stop(loop, &listener->pause);
	rmt_loop_timer_stop(loop, &listener->idling);
	listener->idle = 0;
	rmt_socket_unbind(&listener->bound);
}

/* Its guests' streams are gone, or are freed by whoever calls this. */
void rmt_listener_free(struct rmt_listener *listener)
{
	listener_close(listener);
	while (!rmt_list_empty(&listener->guests))
		guest_free(rmt_list_first(&listener->guests, struct guest, node));
	rmt_list_remove(&listener->node);
	free(listener->name);
	free(listener);
}

struct rmt_listener *rmt_listener_find(struct rmt_list *listeners, const char *name)
{
	struct rmt_list *node, *following;

	rmt_list_each(listeners, node, following) {
		struct rmt_listener *listener = RMT_CONTAINER(node, struct rmt_listener, node);

		if (strcmp(listener->name, name) == 0)
			return listener;
	}
	return NULL;
}

void rmt_listeners_close(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;
	struct rmt_list *node, *following;

	if (!parent)
		return;
	rmt_list_each(&parent->listeners, node, following)
		listener_close(RMT_CONTAINER(node, struct rmt_listener, node));
}

void rmt_listeners_done(ramet_router *router)
{
	struct rmt_parent *parent = router->hooks_data;

	while (parent && !rmt_list_empty(&parent->listeners))
		rmt_listener_free(rmt_list_first(&parent->listeners, struct rmt_listener, node));
}

/* --- guests ------------------------------------------------------------------------------- */

void rmt_guests_told(ramet_router *router, uint32_t first, uint32_t last)
{
	uint32_t range[1][2] = {{first, last}};
	struct rmt_region region = {range, 1};
	struct rmt_list *node, *following;

	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);
		struct rmt_buffer out = RMT_BUFFER_INIT;

		if (!stream->guest || !stream->peer || stream->failed)
			continue;
		rmt_adopt_encode(&region, &out);
		rmt_control_send(router, stream->peer->id, &out);
	}
}

void rmt_guest_left(struct rmt_stream *stream)
{
	rmt_stream_fail(stream, stream->guest ? "it has left" : "the tree has ended");
}

/* --- the public face, behind the gate ----------------------------------------------------- */

int rmt_router_listen(ramet_router *router, const char *name, const ramet_listen_options *options,
		      ramet_error *error)
{
	struct rmt_listener *listener;
	int r;

	rmt_lock(router);
	rmt_router_hold(router);
	if (router->state != RMT_ROUTER_RUNNING)
		r = rmt_error_set(error, ESHUTDOWN, "the router is ending");
	else
		r = rmt_listener_new(router, name, options, &listener, error);
	if (r == 0) {
		r = rmt_listener_open(listener);
		if (r < 0) {
			rmt_error_set(error, r, "'%s': %s", name, rmt_strerror(r));
			rmt_listener_free(listener);
		}
	}
	rmt_router_release(router);
	return r;
}
