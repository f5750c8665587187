/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/thread.h"
#include "base/time.h"
#include "core/account.h"
#include "core/capture.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"

/* Records for the sink between two looks at what else there is to do: a call then waits no longer
 * than these take. */
#define BATCH 64

/* At most as often as this it is said how many records were dropped. */
#define NOTICE_US 1000000

static const struct {
	enum ramet_log_level level;
	const char *name;
} levels[RMT_LOG_LEVELS] = {
	{RAMET_LOG_ERROR, "error"}, {RAMET_LOG_WARNING, "warning"}, {RAMET_LOG_INFO, "info"},
	{RAMET_LOG_DEBUG, "debug"}, {RAMET_LOG_IO, "io"},
};

enum ramet_log_level rmt_log_level_parse(const char *text)
{
	for (size_t i = 0; i < RMT_COUNT(levels); i++)
		if (strcasecmp(text, levels[i].name) == 0)
			return levels[i].level;
	return *text >= '1' && *text <= '8' && !text[1] ? (enum ramet_log_level)(*text - '0') : 0;
}

const char *rmt_log_level_name(enum ramet_log_level level)
{
	for (size_t i = 0; i < RMT_COUNT(levels); i++)
		if (levels[i].level == level)
			return levels[i].name;
	return "notice";
}

RMT_PUBLIC enum ramet_log_level ramet_log_level(void)
{
	const char *text = getenv("RAMET_LOG_LEVEL");
	enum ramet_log_level level = text ? rmt_log_level_parse(text) : 0;

	return level ? level : RAMET_LOG_INFO;
}

/* --- what may be recorded ------------------------------------------------------------------- */

/* Errors and warnings may use the last quarter, too. */
static bool is_urgent(enum ramet_log_level level)
{
	return level <= RAMET_LOG_WARNING;
}

/* A bucket of RMT_LOG_BURST_S seconds' worth of records: `empty_at` is when all that was taken will have
 * flowed back. */
bool rmt_log_take_token(struct rmt_log_limit *limit, uint32_t rate, enum ramet_log_level level)
{
	int64_t size = RMT_LOG_BURST_S * 1000000000ll, now = rmt_now() * 1000;
	int64_t from = RMT_MAX(limit->empty_at, now), one = 1000000000ll / rate;

	if (from + one - now > (is_urgent(level) ? size : size / 4 * 3))
		return false;
	limit->empty_at = from + one;
	return true;
}

void rmt_log_drop(ramet_router *router, struct rmt_log_limit *limit, enum ramet_log_level level)
{
	struct rmt_logging *logging = &router->logging;
	size_t i = 0;

	while (i + 1 < RMT_LOG_LEVELS && levels[i].level < level)
		i++;
	limit->dropped[i]++;
	logging->dropped++;
	if (logging->notice.index == 0)
		rmt_loop_timer_start(&router->loop, &logging->notice, rmt_now() + NOTICE_US);
}

static bool has_credit(const ramet_router *router, enum ramet_log_level level, size_t size)
{
	size_t in_flight = router->logging.in_flight;
	size_t window = is_urgent(level) ? RMT_LOG_WINDOW : RMT_LOG_WINDOW / 4 * 3;

	return in_flight == 0 || in_flight + size <= window;
}

/* False: there is no credit for it now. */
static bool send(ramet_router *router, const ramet_log_record *record)
{
	struct rmt_logging *logging = &router->logging;
	struct rmt_frame frame = {.handle = RMT_HANDLE_LOG, .flags = RMT_FRAME_COUNTED};
	unsigned char memory[512];
	struct rmt_buffer out;
	bool room = true;

	rmt_buffer_init(&out, memory, sizeof(memory));
	rmt_log_record_encode(record, &out);
	if (out.error == 0 && router->uplink && !router->uplink->failed &&
	    out.size <= RMT_FRAME_PAYLOAD_MAX) {
		room = has_credit(router, record->level, out.size);
		if (room) {
			logging->in_flight += out.size;
			logging->sent++;
			rmt_send_frame(router, &frame, out.data, out.size, true);
		}
	}
	rmt_buffer_done(&out);
	return room;
}

void rmt_log_queue(ramet_router *router, struct rmt_log_entry *entry)
{
	rmt_list_append(&router->logging.waiting, &entry->node);
	if (entry->through == 0)
		router->logging.held += entry->size;
	rmt_loop_defer(&router->loop, &router->logging.deliver);
}

/* What waits here for the sink, for credit, or for the place in the tree. */
static void keep(ramet_router *router, const ramet_log_record *record, bool own)
{
	struct rmt_log_entry *entry = rmt_log_entry_new(record);

	if (!entry) {
		rmt_log_drop(router, &router->logging.own, record->level);
		return;
	}
	entry->own_context = own;
	rmt_log_queue(router, entry);
}

enum kind { RECORD, LINE, NOTICE };

static void put_up(ramet_router *router, const ramet_log_record *record, enum kind kind)
{
	struct rmt_logging *logging = &router->logging;

	/* Lines stay in order; what is dropped has none. */
	if ((kind != LINE || rmt_list_empty(&logging->waiting)) && send(router, record))
		return;
	if (kind == LINE)
		keep(router, record, false);
	else
		rmt_log_drop(router, &logging->own, record->level);
}

static void put(ramet_router *router, ramet_log_record *record, enum kind kind)
{
	struct rmt_logging *logging = &router->logging;
	bool own = !record->context, frames = record->level >= RAMET_LOG_IO;
	bool root = rmt_router_is_root(router);
	struct timespec now;

	if (router->state == RMT_ROUTER_ENDED)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	record->time = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	if (own)
		record->context = router->path ? router->path : "";
	rmt_log_file_write(router, record);
	/* Frames are for a sink here; others' are not ours before we know our place. */
	if (!router->log && (frames || (root && !logging->early)))
		return;
	if (kind == RECORD && !frames &&
	    !rmt_log_take_token(&logging->own, logging->rate, record->level))
		rmt_log_drop(router, &logging->own, record->level);
	else if (!root)
		put_up(router, record, kind);
	else if (kind == RECORD && logging->held > RMT_LOG_HELD_MAX)
		rmt_log_drop(router, &logging->own, record->level);
	else
		keep(router, record, own && logging->early);
}

/* --- how many were dropped ------------------------------------------------------------------- */

static uint64_t count_dropped(const struct rmt_log_limit *limit)
{
	uint64_t count = 0;

	for (size_t i = 0; i < RMT_LOG_LEVELS; i++)
		count += limit->dropped[i];
	return count;
}

/* Says it if that can be said now. */
static void notice(ramet_router *router, struct rmt_log_limit *limit, const char *below)
{
	ramet_log_field fields[RMT_LOG_LEVELS];
	char text[256];
	uint64_t count = count_dropped(limit);
	ramet_log_record record = {
		.level = RAMET_LOG_WARNING,
		.source = RMT_LOG_SELF,
		.text = text,
		.fields = fields,
	};

	if (count == 0)
		return;
	if (router->log_level >= RAMET_LOG_WARNING) {
		rmt_format(text, sizeof(text), "%llu records%s%s were dropped",
			   (unsigned long long)count, below ? " from below " : "",
			   below ? below : "");
		for (size_t i = 0; i < RMT_LOG_LEVELS; i++)
			if (limit->dropped[i] > 0)
				fields[record.field_count++] = (ramet_log_field){
					levels[i].name, NULL, (int64_t)limit->dropped[i]};
		if (!rmt_router_is_root(router) &&
		    !has_credit(router, record.level, sizeof(text) * 2)) {
			rmt_loop_timer_start(&router->loop, &router->logging.notice,
					     rmt_now() + NOTICE_US);
			return;
		}
		put(router, &record, NOTICE);
	}
	memset(limit->dropped, 0, sizeof(limit->dropped));
}

static void notices(ramet_router *router)
{
	struct rmt_list *node, *following;

	notice(router, &router->logging.own, NULL);
	rmt_list_each(&router->streams, node, following) {
		struct rmt_stream *stream = RMT_CONTAINER(node, struct rmt_stream, node);

		if (stream->peer)
			notice(router, &stream->log_limit, rmt_peer_name(stream->peer));
	}
}

void rmt_log_child_lost(struct rmt_stream *stream)
{
	if (stream->peer)
		notice(stream->router, &stream->log_limit, rmt_peer_name(stream->peer));
}

static void notice_run(struct rmt_timer *timer)
{
	notices(RMT_CONTAINER(timer, ramet_router, logging.notice));
}

/* --- the queue ---------------------------------------------------------------------------- */

bool rmt_log_is_full(const ramet_router *router)
{
	const struct rmt_logging *logging = &router->logging;

	return rmt_router_is_root(router) ? logging->held >= RMT_LOG_WINDOW
					  : !rmt_list_empty(&logging->waiting);
}

void rmt_log_pause(ramet_router *router, struct rmt_capture *capture)
{
	rmt_list_append(&router->logging.paused, &capture->paused);
}

/* Each in turn reads once, or as often as there is room. */
static void resume_captures(ramet_router *router)
{
	struct rmt_logging *logging = &router->logging;
	struct rmt_list now;

	rmt_list_init(&now);
	rmt_list_move(&now, &logging->paused);
	while (!rmt_list_empty(&now)) {
		struct rmt_capture *capture = rmt_list_first(&now, struct rmt_capture, paused);

		rmt_list_remove(&capture->paused);
		rmt_capture_resume(capture);
	}
}

static struct rmt_log_entry *take(ramet_router *router)
{
	struct rmt_logging *logging = &router->logging;
	struct rmt_log_entry *entry = rmt_list_first(&logging->waiting, struct rmt_log_entry, node);
	struct rmt_peer *child;

	rmt_list_remove(&entry->node);
	if (entry->through == 0) {
		logging->held -= entry->size;
		return entry;
	}
	child = rmt_peer_find(router, entry->through);
	if (child && child->stream)
		child->stream->log_held -= RMT_MIN(entry->size, child->stream->log_held);
	return entry;
}

/* Its source may send as much again. */
void rmt_log_grant(ramet_router *router, uint32_t source, size_t owed)
{
	struct rmt_message message = {
		.frame = {.flags = RMT_FRAME_COUNTED, .source = source, .handle = RMT_HANDLE_LOG},
		.owed = owed,
	};

	rmt_inflow_consumed(router, NULL, &message);
}

/*
 * The sink is called without the lock, and whoever has something to say is in the middle of its work,
 * which nobody else may see half done. So records wait until the loop has nothing else in hand. One
 * thread at a time delivers, in order.
 */
static void deliver(ramet_router *router, size_t most)
{
	struct rmt_logging *logging = &router->logging;

	if (logging->delivering)
		return;
	logging->delivering = true;
	for (; most > 0 && !rmt_list_empty(&logging->waiting); most--) {
		struct rmt_log_entry *entry = take(router);

		/* A tree that was left alone has no sink. */
		if (router->log) {
			rmt_unlock(router);
			rmt_fork_hold();
			router->log(&entry->record, router->log_data);
			rmt_fork_allow();
			rmt_lock(router);
		}
		if (entry->through != 0)
			rmt_log_grant(router, entry->source, entry->owed);
		free(entry);
	}
	logging->delivering = false;
	if (!rmt_list_empty(&logging->waiting) && router->state != RMT_ROUTER_ENDED)
		rmt_loop_defer(&router->loop, &logging->deliver);
	if (!rmt_list_empty(&logging->paused) && !rmt_log_is_full(router))
		resume_captures(router);
}

static void send_waiting(ramet_router *router)
{
	struct rmt_logging *logging = &router->logging;

	while (!rmt_list_empty(&logging->waiting)) {
		struct rmt_log_entry *entry = rmt_list_first(&logging->waiting,
							     struct rmt_log_entry, node);

		if (entry->own_context)
			entry->record.context = router->path;
		if (!send(router, &entry->record))
			return;
		free(take(router));
	}
	resume_captures(router);
}

static void deliver_run(struct rmt_deferred *deferred)
{
	ramet_router *router = RMT_CONTAINER(deferred, ramet_router, logging.deliver);

	if (rmt_router_is_root(router))
		deliver(router, BATCH);
	else
		send_waiting(router);
}

void rmt_log_flush(ramet_router *router)
{
	size_t count = 0;

	/* Others may go on to add as fast as this delivers. */
	for (struct rmt_list *node = router->logging.waiting.next; node != &router->logging.waiting;
	     node = node->next)
		count++;
	if (rmt_router_is_root(router) && !router->logging.early)
		deliver(router, count);
}

void rmt_log_credit(ramet_router *router, uint64_t bytes)
{
	router->logging.in_flight -= RMT_MIN(bytes, router->logging.in_flight);
	if (!rmt_list_empty(&router->logging.waiting))
		rmt_loop_defer(&router->loop, &router->logging.deliver);
}

void rmt_log_uplink_lost(ramet_router *router)
{
	router->logging.in_flight = 0;
	if (!router->logging.early)
		rmt_loop_defer(&router->loop, &router->logging.deliver);
}

bool rmt_log_waits(const ramet_router *router)
{
	return router->uplink && !router->uplink->failed &&
	       !rmt_list_empty(&router->logging.waiting);
}

void rmt_log_refused(ramet_router *router, struct rmt_stream *stream, const void *data, size_t size)
{
	enum ramet_log_level level = rmt_log_record_level(data, size);

	if (level != 0 && stream)
		rmt_log_drop(router, &stream->log_limit, level);
}

/* --- the beginning and the end ------------------------------------------------------------- */

void rmt_log_init(ramet_router *router)
{
	struct rmt_logging *logging = &router->logging;

	rmt_list_init(&logging->waiting);
	rmt_list_init(&logging->paused);
	rmt_list_init(&logging->deliver.node);
	logging->deliver.run = deliver_run;
	logging->notice.expired = notice_run;
	logging->rate = RMT_LOG_RATE;
	logging->early = true;
	logging->file = -1;
}

void rmt_log_options(ramet_router *router, const ramet_router_options *options)
{
	struct rmt_logging *logging = &router->logging;
	const char *directory = options->log_directory ? options->log_directory
						       : getenv("RAMET_LOG_DIRECTORY");

	router->log_level = options->log_level ? options->log_level : ramet_log_level();
	router->log = options->log;
	router->log_data = options->log_data;
	if (!router->log && getenv("RAMET_LOG_LEVEL"))
		router->log = ramet_log_to_stderr;
	if (options->log_rate > 0)
		logging->rate = RMT_MIN(options->log_rate, RMT_LOG_RATE_MAX);
	if (directory && *directory)
		logging->directory = strdup(directory);
	/* What nobody wants to read need not be sent here either. */
	if (!router->log && !logging->directory)
		router->log_level = 0;
}

void rmt_log_begin(ramet_router *router)
{
	struct rmt_logging *logging = &router->logging;
	const char *why = NULL;
	struct rmt_list before;

	/* What came too early was not filtered yet. */
	rmt_list_init(&before);
	rmt_list_move(&before, &logging->waiting);
	logging->early = false;
	while (!rmt_list_empty(&before)) {
		struct rmt_log_entry *entry = rmt_list_first(&before, struct rmt_log_entry, node);

		rmt_list_remove(&entry->node);
		logging->held -= entry->size;
		if (entry->record.level <= router->log_level)
			rmt_log_queue(router, entry);
		else
			free(entry);
	}
	if (rmt_log_file_open(router, &why) < 0)
		rmt_log(router, RMT_LOG_SELF, RAMET_LOG_WARNING, "no log file in '%s': %s",
			logging->directory, why);
}

void rmt_log_finish(ramet_router *router)
{
	if (!router->logging.early)
		notices(router);
}

void rmt_log_done(ramet_router *router)
{
	struct rmt_logging *logging = &router->logging;

	rmt_log_flush(router);
	while (!rmt_list_empty(&logging->waiting))
		free(take(router));
	rmt_loop_timer_stop(&router->loop, &logging->notice);
	rmt_list_remove(&logging->deliver.node);
	rmt_descriptor_close(logging->file);
	logging->file = -1;
	free(logging->directory);
	logging->directory = NULL;
}

void rmt_log_set_level(ramet_router *router, enum ramet_log_level level)
{
	struct rmt_list *node, *following;

	router->log_level = level;
	/* Those that are on their way are told when they say hello. */
	rmt_list_each(&router->children, node, following)
		rmt_control_level(router, RMT_CONTAINER(node, struct rmt_peer, child)->id, level);
}

RMT_PUBLIC int ramet_context_log_level(ramet_context *context, enum ramet_log_level level,
				       ramet_error *error)
{
	struct rmt_peer *peer = context->peer;
	ramet_router *router = peer->router;
	int r = 0;

	if ((unsigned)level > RAMET_LOG_IO)
		return rmt_error_set(error, EINVAL, "there is no level %u", (unsigned)level);
	rmt_lock(router);
	if (!peer->alive)
		r = rmt_error_set(error, ECONNRESET, "%s is gone: %s", rmt_peer_name(peer),
				  peer->reason ? peer->reason : "out of memory");
	else if (peer == router->self)
		rmt_log_set_level(router, level);
	else if (rmt_route_below(router, peer->id))
		rmt_control_level(router, peer->id, level);
	else
		r = rmt_error_set(error, EPERM, "%s is not below this context",
				  rmt_peer_name(peer));
	rmt_unlock(router);
	return r;
}

/* --- records ------------------------------------------------------------------------------ */

static void put_text(ramet_router *router, const char *context, const char *source,
		     enum ramet_log_level level, const char *text, size_t size, enum kind kind)
{
	ramet_log_record record = {
		.level = level, .context = context, .source = source, .text = text};
	char *copy;

	if (level > router->log_level)
		return;
	copy = malloc(size + 1);
	if (!copy)
		return;
	/* A NUL in what a child printed would hide the rest of its line. */
	for (size_t i = 0; i < size; i++)
		copy[i] = text[i] ? text[i] : '?';
	copy[size] = '\0';
	record.text = copy;
	put(router, &record, kind);
	free(copy);
}

void rmt_log_text(ramet_router *router, const char *context, const char *source,
		  enum ramet_log_level level, const char *text, size_t size)
{
	put_text(router, context, source, level, text, size, RECORD);
}

void rmt_log_line(ramet_router *router, const char *context, const char *source, const char *text,
		  size_t size)
{
	put_text(router, context, source, RAMET_LOG_INFO, text, size, LINE);
}

void rmt_log_fields(ramet_router *router, const char *source, enum ramet_log_level level,
		    const char *text, const ramet_log_field *fields, size_t count)
{
	ramet_log_record record = {.level = level, .source = source, .text = text};
	ramet_log_field copy[RMT_LOG_FIELDS_MAX];
	size_t size = 0;

	if (level > router->log_level)
		return;
	for (; record.field_count < RMT_MIN(count, RMT_LOG_FIELDS_MAX); record.field_count++) {
		const ramet_log_field *field = &fields[record.field_count];

		size += strlen(field->name) + (field->text ? strlen(field->text) : 0);
		if (size > RMT_LOG_FIELDS_SIZE)
			break;
		copy[record.field_count] = *field;
	}
	record.fields = copy;
	put(router, &record, RECORD);
}

void rmt_log(ramet_router *router, const char *source, enum ramet_log_level level,
	     const char *format, ...)
{
	char text[RMT_LOG_TEXT_MAX];
	va_list arguments;

	if (level > router->log_level)
		return;
	va_start(arguments, format);
	rmt_formatv(text, sizeof(text), format, arguments);
	va_end(arguments);
	rmt_log_fields(router, source, level, text, NULL, 0);
}

static void log_public(ramet_router *router, enum ramet_log_level level, const char *source,
		       const ramet_log_field *fields, size_t count, const char *format,
		       va_list arguments)
{
	char text[RMT_LOG_TEXT_MAX];

	rmt_lock(router);
	if (level <= router->log_level && level < RAMET_LOG_IO) {
		rmt_formatv(text, sizeof(text), format, arguments);
		rmt_log_fields(router, source, level, text, fields, count);
		rmt_log_flush(router);
	}
	rmt_unlock(router);
}

RMT_PUBLIC void ramet_log(ramet_router *router, enum ramet_log_level level, const char *source,
			  const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_public(router, level, source, NULL, 0, format, arguments);
	va_end(arguments);
}

RMT_PUBLIC void ramet_log_with(ramet_router *router, enum ramet_log_level level, const char *source,
			       const ramet_log_field *fields, size_t count, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_public(router, level, source, fields, count, format, arguments);
	va_end(arguments);
}
