/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cold.h"
#include "base/error.h"
#include "base/time.h"
#include "core/account.h"
#include "core/child.h"
#include "core/control.h"
#include "core/execute.h"
#include "core/fetch.h"
#include "core/log.h"
#include "core/message.h"
#include "core/wait.h"
#include "parent/connect.h"
#include "parent/connection.h"
#include "parent/executable.h"
#include "parent/image.h"
#include "parent/managed.h"
#include "parent/wish.h"

#define NO_PART "the part for parents is not here"

/* A control message that came before we can do what it says. */
struct early {
	struct rmt_list node;
	struct rmt_frame frame;
	unsigned char data[];
};

/* One for the process, which is a child once: only children lack the segment. Guarded by the lock of
 * its router. */
static struct {
	bool fetching;
	bool resuming; /* calls are told how the attempt has ended */
	struct rmt_fetch fetch;
	ramet_error error; /* of the last attempt */
	struct rmt_list early;
} gate = {.error = RAMET_ERROR_INIT, .early = {&gate.early, &gate.early}};

bool rmt_gate_is_open(void)
{
	return rmt_cold_is_here();
}

void rmt_gate_begin(const char *argv0)
{
	/* Who fetches the rest was not started by a name that leads anywhere. */
	if (rmt_gate_is_open())
		rmt_executable_set(argv0);
}

/* --- installing ----------------------------------------------------------------------------- */

/* Where memory that was written must not become executable, a file that was written may. */
static int map_file(unsigned char *at, size_t size)
{
	int fd = memfd_create("ramet-cold", MFD_CLOEXEC), r = 0;
	size_t written = 0;

	if (fd < 0)
		return -errno;
	while (written < size && r == 0) {
		ssize_t n = write(fd, at + written, size - written);

		if (n >= 0)
			written += (size_t)n;
		else if (errno != EINTR)
			r = -errno;
	}
	if (r == 0 &&
	    mmap(at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		r = -errno;
	close(fd);
	return r;
}

static int install(const struct rmt_buffer *bytes, ramet_error *error)
{
	unsigned char *head = (unsigned char *)(uintptr_t)&rmt_cold_head;
	unsigned char *begin = head + sizeof(rmt_cold_head);
	size_t size = (size_t)((uintptr_t)rmt_cold_end - (uintptr_t)begin);
	size_t page = getauxval(AT_PAGESZ);
	size_t pages = (size + sizeof(rmt_cold_head) + page - 1) & ~(page - 1);
	uint32_t check = rmt_cold_check(bytes->data, bytes->size);
	int r;

	for (size_t i = 0; i < sizeof(rmt_cold_head.check); i++)
		check ^= (uint32_t)rmt_cold_head.check[i] << 8 * i;
	if (bytes->size != size || check != 0)
		return rmt_error_set(error, EPROTO, "the part for parents is not ours");
	memcpy(begin, bytes->data, size);
	r = mprotect(head, pages, PROT_READ | PROT_EXEC) < 0 ? map_file(head, pages) : 0;
	if (r < 0)
		return rmt_error_set(error, r, "the part for parents: %s", rmt_strerror(r));
	__builtin___clear_cache((char *)begin, (char *)begin + size);
	rmt_cold_opened();
	return 0;
}

/* Why it could not be opened. */
static const char *reason(void)
{
	return gate.error.message ? gate.error.message : "out of memory";
}

/* --- fetching ------------------------------------------------------------------------------- */

static void answer_early(ramet_router *router)
{
	while (!rmt_list_empty(&gate.early)) {
		struct early *early = rmt_list_first(&gate.early, struct early, node);

		rmt_list_remove(&early->node);
		if (rmt_gate_is_open())
			rmt_control_parent(router, NULL, &early->frame, early->data);
		else
			rmt_send_failure(router, early->frame.source, early->frame.reply,
					 -gate.error.code, router->path, reason(), false);
		free(early);
	}
}

static void fetched(struct rmt_fetch *fetch)
{
	ramet_router *router = fetch->router;

	if (fetch->error.code)
		rmt_error_set(&gate.error, fetch->error.code, "the part for parents: %s",
			      fetch->error.message ? fetch->error.message : "out of memory");
	else
		install(&fetch->bytes, &gate.error);
	gate.fetching = false;
	rmt_fetch_done(fetch);
	answer_early(router);
	gate.resuming = true;
	rmt_execute_resume(router);
	gate.resuming = false;
	rmt_wait_changed(router);
}

static void begin(ramet_router *router)
{
	int r;

	if (gate.fetching)
		return;
	ramet_error_clear(&gate.error);
	r = rmt_fetch_start(&gate.fetch, router, RMT_PART_COLD, rmt_cold_head.digest, fetched);
	if (r == 0)
		gate.fetching = true;
	else
		rmt_error_set(&gate.error, r, NO_PART);
}

static bool is_settled(void *argument)
{
	(void)argument;
	return !gate.fetching;
}

int rmt_gate_open(ramet_error *error)
{
	ramet_router *router;
	int r = 0;

	if (rmt_gate_is_open())
		return 0;
	router = rmt_child_router();
	if (!router)
		return rmt_error_set(error, ENOTSUP, NO_PART);
	rmt_lock(router);
	rmt_router_hold(router);
	if (!rmt_gate_is_open()) {
		begin(router);
		r = rmt_wait(router, is_settled, NULL, RMT_NEVER);
	}
	if (r < 0)
		rmt_error_set(error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
	else if (!rmt_gate_is_open())
		r = rmt_error_set_at(error, gate.error.code, router->path, "%s", reason());
	rmt_router_release(router);
	return r;
}

/* --- hooks ---------------------------------------------------------------------------------- */

static void hook_control(ramet_router *router, struct rmt_stream *stream,
			 const struct rmt_frame *frame, const unsigned char *data)
{
	struct early *early;

	if (rmt_gate_is_open()) {
		rmt_control_parent(router, stream, frame, data);
		return;
	}
	if (!rmt_control_is_worth(data, frame->length))
		return;
	early = malloc(sizeof(*early) + frame->length);
	if (!early) {
		rmt_answer_lost(router, frame->source, frame->reply);
		return;
	}
	early->frame = *frame;
	memcpy(early->data, data, frame->length);
	rmt_list_append(&gate.early, &early->node);
	begin(router);
	if (!gate.fetching)
		answer_early(router);
}

/* Whoever has children has passed the gate. */
static void hook_log_arrived(ramet_router *router, struct rmt_stream *stream,
			     struct rmt_message *message)
{
	if (rmt_gate_is_open()) {
		rmt_log_arrived(router, stream, message);
		return;
	}
	rmt_account_settle(message);
	rmt_chunk_unref(message->chunk);
}

static int hook_service(ramet_router *router, const char *name, size_t size,
			const struct ramet_function **ret_function, const char **ret_text)
{
	const struct ramet_function *function;

	if (!rmt_gate_is_open()) {
		/* What calls wait for has come to nothing: they do not ask for it again. */
		if (!gate.fetching && gate.resuming) {
			*ret_text = reason();
			return gate.error.code;
		}
		begin(router);
		if (gate.fetching)
			return -EAGAIN;
		*ret_text = reason();
		return gate.error.code;
	}
	function = rmt_service_find(name, size);
	if (!function)
		return -ENOSYS;
	*ret_function = function;
	return 0;
}

static void hook_kill(struct rmt_peer *child)
{
	if (rmt_gate_is_open())
		rmt_connection_hooks.kill(child);
}

static void hook_cancel(ramet_router *router)
{
	if (rmt_gate_is_open()) {
		rmt_connection_hooks.cancel(router);
		return;
	}
	rmt_error_set(&gate.error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
	answer_early(router);
}

static bool hook_busy(ramet_router *router)
{
	return rmt_gate_is_open() && rmt_connection_hooks.busy(router);
}

static void hook_ids_grew(ramet_router *router, uint32_t first, uint32_t last)
{
	if (rmt_gate_is_open())
		rmt_connection_hooks.ids_grew(router, first, last);
}

static void hook_detaching(ramet_router *router, const char *text)
{
	if (rmt_gate_is_open())
		rmt_connection_hooks.detaching(router, text);
}

static void hook_done(ramet_router *router)
{
	if (gate.fetch.router == router) {
		rmt_fetch_done(&gate.fetch);
		gate.fetching = false;
	}
	if (!rmt_gate_is_open())
		return;
	rmt_connection_hooks.done(router);
	rmt_image_serve_done(router);
	rmt_image_router_done(router);
}

/* Those that are cold themselves are only called by what is cold. */
const struct rmt_parent_hooks rmt_parent_hooks = {
	.control = hook_control,
	.log_arrived = hook_log_arrived,
	.connect = rmt_wish_arrived,
	.image = rmt_image_asked,
	.asked = rmt_question_arrived,
	.answered = rmt_wish_answered,
	.service = hook_service,
	.kill = hook_kill,
	.cancel = hook_cancel,
	.busy = hook_busy,
	.ids_ready = rmt_parent_ids_ready,
	.ids_grew = hook_ids_grew,
	.tree = rmt_parent_tree,
	.detaching = hook_detaching,
	.done = hook_done,
};

/* --- the public face ------------------------------------------------------------------------ */

RMT_PUBLIC int ramet_connect(ramet_router *router, const char *path, ramet_context **ret_context,
			     ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_connect(router, path, ret_context, error);
}

RMT_PUBLIC int ramet_connect_all(ramet_router *router, const char *paths, ramet_group **ret_group,
				 ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_connect_all(router, paths, ret_group, error);
}

RMT_PUBLIC int ramet_connect_managed(ramet_router *router, const char *path,
				     const ramet_manage_options *options,
				     ramet_context **ret_context, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_connect_managed(router, path, options, ret_context, error);
}

RMT_PUBLIC int ramet_context_wait_connected(ramet_context *context, int timeout)
{
	int r = rmt_gate_open(NULL);

	return r < 0 ? r : rmt_context_wait_connected(context, timeout);
}

RMT_PUBLIC int ramet_listen(const char *path, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_listen(path, error);
}

RMT_PUBLIC int ramet_router_listen(ramet_router *router, const char *name,
				   const ramet_listen_options *options, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_router_listen(router, name, options, error);
}

RMT_PUBLIC int ramet_detach(ramet_router *router, const char *name, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_detach(router, name, error);
}

RMT_PUBLIC int ramet_path_append(char **path, const ramet_hop_options *options, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_path_append(path, options, error);
}

RMT_PUBLIC int ramet_core_image(ramet_bytes *ret_image, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_core_image(ret_image, error);
}
