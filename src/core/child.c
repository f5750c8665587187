/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/thread.h"
#include "base/time.h"
#include "core/broker.h"
#include "core/capture.h"
#include "core/execute.h"
#include "core/function.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/stdio.h"
#include "core/stream.h"
#include "core/wait.h"
#include "wire/handshake.h"

/* Variables that one hop may set. */
#define ENV_MAX 256

/* What the child waits for at first. One for the process: it is a child once. */
static struct child {
	ramet_router *router;
	const struct rmt_parent_hooks *hooks;
	bool welcome;                 /* the handshake is done */
	int refused;                  /* or was refused by us: why, negative */
	struct rmt_timer last;        /* the program does not return: the process ends with it */
	struct rmt_capture output[2]; /* what this process prints, when nobody else reads it */
} child;

/* --- the handshake ------------------------------------------------------------------------ */

static void send_first(struct rmt_stream *stream, uint32_t id, uint32_t parent,
		       const struct rmt_buffer *out)
{
	struct rmt_frame frame = {
		.length = (uint32_t)out->size,
		.destination = parent,
		.source = id,
		.authority = id,
		.handle = RMT_HANDLE_CONTROL,
		.total = (uint32_t)out->size,
	};

	if (out->error == 0)
		rmt_stream_send(stream, &frame, out->data, NULL, false);
	else
		rmt_stream_fail(stream, "out of memory"); /* the parent need not wait */
}

/* Where the variable with the name of that one is, or belongs. */
static char **place_of(char **variables, const char *pair, size_t name)
{
	while (*variables && strncmp(*variables, pair, name + 1) != 0)
		variables++;
	return variables;
}

/* The process has begun: it has no other threads yet, and what comes into its environment stays there.
 * setenv(3) keeps account of what it may free, and all of that would travel. */
static int setup_env(const struct rmt_setup *setup, char *text, size_t text_size)
{
	size_t count = 0;
	char **variables;

	if (setup->env_count == 0)
		return 0;
	while (environ && environ[count])
		count++;
	variables = calloc(count + setup->env_count + 1, sizeof(*variables));
	if (!variables) {
		rmt_format(text, text_size, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		variables[i] = environ[i];
	environ = variables;
	for (size_t i = 0; i < setup->env_count; i++) {
		char *pair = strndup(setup->env[i].data, setup->env[i].size);
		const char *equals = pair ? memchr(pair, '=', strlen(pair)) : NULL;

		if (!equals || equals == pair) {
			free(pair);
			rmt_format(text, text_size, "env: no NAME=VALUE");
			return -EINVAL;
		}
		*place_of(variables, pair, (size_t)(equals - pair)) = pair;
	}
	return 0;
}

/* The keys of the path. On failure `text` says which and why. */
static int setup(const struct rmt_setup *setup, char *text, size_t text_size)
{
	char *cwd;
	int r;

	if (setup->umask >= 0)
		umask((mode_t)setup->umask);
	if (setup->nice != 0) {
		errno = 0;
		if (nice(setup->nice) == -1 && errno != 0) {
			r = -errno;
			rmt_format(text, text_size, "nice=%d: %s", setup->nice, rmt_strerror(r));
			return r;
		}
	}
	if (setup->cwd.data) {
		cwd = strndup(setup->cwd.data, setup->cwd.size);
		if (!cwd || chdir(cwd) < 0) {
			r = cwd ? -errno : -ENOMEM;
			rmt_format(text, text_size, "cwd=%s: %s", cwd ? cwd : "?", rmt_strerror(r));
			free(cwd);
			return r;
		}
		free(cwd);
	}
	return setup_env(setup, text, text_size);
}

static void say_hello(struct rmt_stream *stream, uint32_t parent)
{
	ramet_router *router = stream->router;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_hello hello = {.program = rmt_program_identity(), .pid = (uint32_t)getpid()};
	struct utsname system;
	char machine[sizeof(system.sysname) + sizeof(system.machine) + 2] = "";

	if (uname(&system) == 0) {
		rmt_format(machine, sizeof(machine), "%s %s", system.sysname, system.machine);
		hello.machine = (struct rmt_text){machine, strlen(machine)};
		hello.host = (struct rmt_text){system.nodename, strlen(system.nodename)};
	}
	rmt_hello_encode(&hello, &out);
	send_first(stream, router->id, parent, &out);
	rmt_buffer_done(&out);
}

static void refuse(struct rmt_stream *stream, const struct rmt_welcome *welcome, int code,
		   const char *text)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	child.refused = code;
	rmt_refuse_encode(code, text, &out);
	send_first(stream, welcome->id, welcome->parents[welcome->parent_count - 1], &out);
	rmt_buffer_done(&out);
}

/* Takes the place in the tree that the parent gives. */
static int take_place(struct rmt_stream *stream, const struct rmt_welcome *welcome)
{
	ramet_router *router = stream->router;
	const char *path = welcome->path.data, *slash = memrchr(path, '/', welcome->path.size);
	struct rmt_peer *parent;
	int r = rmt_router_identify(router, welcome->id, path, welcome->path.size);

	if (r < 0)
		return r;
	router->is_child = true;
	router->parent_count = welcome->parent_count;
	memcpy(router->parents, welcome->parents, sizeof(router->parents));
	router->message_size_max = welcome->message_size_max;
	router->connect_timeout = welcome->connect_timeout;
	router->shutdown_timeout = RMT_SHUTDOWN_CHILD_MS;
	router->allow_siblings = welcome->allow_siblings;
	router->quota = (struct rmt_quota){
		.bytes = welcome->quota_bytes,
		.unread = welcome->quota_unread,
		.flows = welcome->quota_flows,
		.contexts = welcome->quota_contexts,
	};
	router->log_level = (enum ramet_log_level)welcome->log_level;
	router->logging.rate = welcome->log_rate;
	router->logging.directory = welcome->log_directory.data
					    ? strndup(welcome->log_directory.data,
						      welcome->log_directory.size)
					    : NULL;
	parent = rmt_peer_get(router, welcome->parents[welcome->parent_count - 1]);
	if (!parent)
		return -ENOMEM;
	rmt_peer_describe(parent, path, slash ? (size_t)(slash - path) : 0, getppid());
	parent->stream = stream;
	stream->peer = parent;
	router->uplink = stream;
	router->heartbeat_interval = welcome->heartbeat_interval;
	router->heartbeat_misses = welcome->heartbeat_misses;
	rmt_heartbeat_begin(router);
	return 0;
}

/* 0, also when it was refused; negative: it makes no sense. */
static int take_welcome(struct rmt_stream *stream, const void *data, size_t size)
{
	struct rmt_text env[ENV_MAX];
	struct rmt_welcome welcome;
	char text[512] = "";
	int r;

	r = rmt_welcome_decode(data, size, env, ENV_MAX, &welcome);
	if (r < 0)
		return r;
	if (welcome.program != rmt_program_identity()) {
		refuse(stream, &welcome, EPROTO,
		       "this is another program, or another version of it: the names or types of "
		       "its functions differ");
		return 0;
	}
	r = setup(&welcome.setup, text, sizeof(text));
	if (r == 0)
		r = take_place(stream, &welcome);
	if (r < 0) {
		refuse(stream, &welcome, r, *text ? text : rmt_strerror(r));
		return 0;
	}
	say_hello(stream, welcome.parents[welcome.parent_count - 1]);
	/* The first message is the hello. */
	rmt_log_begin(stream->router);
	stream->frame = NULL;
	child.welcome = true;
	return 0;
}

static int welcome_frame(struct rmt_stream *stream, const struct rmt_arrival *arrival)
{
	return take_welcome(stream, arrival->payload, arrival->frame.length);
}

/* --- the end ------------------------------------------------------------------------------ */

/* The program's function does not return, or children do not end: enough. */
static void last_resort(struct rmt_timer *timer)
{
	ramet_router *router = child.router;
	struct rmt_list *node, *following;

	(void)timer;
	rmt_list_each(&router->children, node, following)
		child.hooks->kill(RMT_CONTAINER(node, struct rmt_peer, child));
	_exit(EXIT_FAILURE);
}

void rmt_child_ending(ramet_router *router)
{
	if (!router->is_child || child.last.index != 0)
		return;
	child.last.expired = last_resort;
	/* Children are killed at end_by; the kernel gets a moment to end them. */
	if (rmt_loop_timer_start(&router->loop, &child.last, router->end_by + 500000) < 0)
		last_resort(&child.last);
}

static void uplink_lost(struct rmt_stream *stream, const char *reason)
{
	ramet_router *router = stream->router;
	struct rmt_peer *parent = stream->peer;
	uint32_t everybody[1][2] = {{0, UINT32_MAX}};
	char *text = strdup(reason); /* it belongs to the stream */

	router->uplink = NULL;
	rmt_log_uplink_lost(router);
	if (parent)
		parent->stream = NULL;
	rmt_stream_free(stream);
	if (!child.welcome) {
		free(text);
		child.refused = -ECONNRESET;
		rmt_wait_changed(router);
		return;
	}
	if (router->detaching && router->state == RMT_ROUTER_RUNNING) {
		child.hooks->detaching(router, text ? text : "");
		free(text);
		return;
	}
	/* With the parent goes everybody who is reached through it; our own children end, too. */
	rmt_router_end(router, RMT_SHUTDOWN_CHILD_MS);
	rmt_peers_lost(router, (const uint32_t(*)[2])everybody, 1,
		       text ? text : "its parent is gone", NULL);
	free(text);
}

ramet_router *rmt_child_router(void)
{
	return child.router;
}

static bool has_begun(void *argument)
{
	(void)argument;
	return child.welcome || child.refused < 0;
}

static bool has_written(void *argument)
{
	struct rmt_stream *stream = argument;

	return stream->failed || rmt_stream_idle(stream);
}

/* --- the life ----------------------------------------------------------------------------- */

/* Standard input is the stream to the parent at first; functions of the program find an empty one.
 */
static int take_stdin(int fd)
{
	int stream = fcntl(fd, F_DUPFD_CLOEXEC, 3), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (stream < 0)
		return -errno;
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	} else {
		close(STDIN_FILENO);
	}
	return stream;
}

static void output_line(struct rmt_capture *capture, const char *text, size_t size)
{
	ramet_router *router = capture->router;

	rmt_log_line(router, NULL, capture == &child.output[0] ? "stdout" : "stderr", text, size);
}

static int capture_output(const struct rmt_child_start *start)
{
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		child.output[i] = (struct rmt_capture){
			.router = child.router,
			.source = {.fd = -1},
			.line = output_line,
			.patient = true,
		};
		if (start->capture[i] >= 0)
			r = rmt_capture_open(&child.output[i],
					     rmt_descriptor_own(start->capture[i]));
	}
	return r;
}

/* What is buffered goes into pipes that only this thread can empty now. */
static void finish_output(void)
{
	if (child.output[0].source.fd < 0)
		return;
	rmt_capture_drain(&child.output[0]);
	rmt_stdout_flush();
	for (int i = 0; i < 2; i++) {
		rmt_capture_drain(&child.output[i]);
		rmt_capture_close(&child.output[i]);
	}
}

static int begin(const struct rmt_child_start *start, struct rmt_stream **ret_stream)
{
	ramet_router *router;
	int r = rmt_router_new(&rmt_poller_epoll, child.hooks, &router);

	if (r < 0)
		return r;
	child.router = router;
	router->log_level = RAMET_LOG_DEBUG;
	rmt_lock(router);
	r = rmt_stream_new(router, start->in_fd, start->out_fd, ret_stream);
	if (r == 0)
		r = capture_output(start);
	if (r < 0)
		return r;
	(*ret_stream)->frame = welcome_frame;
	(*ret_stream)->lost = uplink_lost;
	if (start->welcome) {
		r = take_welcome(*ret_stream, start->welcome, start->welcome_size);
		free(start->welcome);
	} else {
		r = rmt_wait(router, has_begun, NULL, rmt_after(RMT_CONNECT_TIMEOUT_MS));
	}
	return r < 0 ? r : child.refused;
}

_Noreturn void rmt_child_main(const struct rmt_child_start *start,
			      const struct rmt_parent_hooks *hooks)
{
	struct rmt_stream *stream = NULL;
	ramet_router *router;
	int r;

	child = (struct child){.hooks = hooks};
	child.output[0].source.fd = child.output[1].source.fd = -1;
	r = begin(start, &stream);
	router = child.router;
	if (r < 0) {
		/* A refusal has to reach the parent, which then closes. */
		if (stream && router && r != -ECONNRESET)
			rmt_wait(router, has_written, stream, rmt_after(RMT_SHUTDOWN_CHILD_MS));
		_exit(EXIT_FAILURE);
	}
	rmt_threads_ours(1);
	router->execution.serial_thread = true; /* this one, whoever reads the calls */
	rmt_broker_start(router);
	if (!start->forked)
		rmt_stdout_by_lines();
	rmt_execute_main(router);
	finish_output();
	rmt_router_finish(router);
	rmt_unlock(router);
	rmt_stdout_flush();
	/* Threads that still run a function would see the program's data destroyed under them. */
	if (start->forked || router->execution.threads > 0)
		_exit(EXIT_SUCCESS);
	exit(EXIT_SUCCESS);
}

_Noreturn void rmt_child_main_socket(bool forked, const struct rmt_parent_hooks *hooks)
{
	struct rmt_child_start start = {.forked = forked, .capture = {-1, -1}};

	start.in_fd = start.out_fd = take_stdin(STDIN_FILENO);
	if (start.in_fd < 0)
		_exit(EXIT_FAILURE);
	rmt_child_main(&start, hooks);
}
