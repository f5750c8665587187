/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/format.h"
#include "base/printable.h"
#include "base/write.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"
#include "wire/cbor.h"

#define RECORD_ITEMS 6

/* Longest text of a record that the library or ramet_log() makes. */
#define TEXT_MAX 4096

static const struct {
	enum ramet_log_level level;
	const char *name;
} levels[] = {
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

RMT_PUBLIC enum ramet_log_level ramet_log_level(void)
{
	const char *text = getenv("RAMET_LOG_LEVEL");
	enum ramet_log_level level = text ? rmt_log_level_parse(text) : 0;

	return level ? level : RAMET_LOG_INFO;
}

/* Nothing that others have said, be it their name, must move the cursor of whoever reads it. */
static size_t put_printable(char *line, size_t used, size_t size, const char *text)
{
	for (size_t left = strlen(text), taken; left > 0 && used + 5 < size; left -= taken) {
		size_t whole = *text == '\t' ? 1 : rmt_printable(text, left);

		if (whole == 0)
			used += rmt_format(line + used, 5, "\\x%02x", (unsigned char)*text);
		else
			memcpy(line + used, text, whole);
		used += whole;
		taken = RMT_MAX(whole, 1u);
		text += taken;
	}
	return used;
}

static const char *level_name(enum ramet_log_level level)
{
	for (size_t i = 0; i < RMT_COUNT(levels); i++)
		if (levels[i].level == level)
			return levels[i].name;
	return "notice";
}

RMT_PUBLIC void ramet_log_to_stderr(const ramet_log_record *record, void *data)
{
	const char *const texts[] = {level_name(record->level),
				     " ",
				     record->context,
				     *record->context ? " " : "",
				     record->source,
				     ": ",
				     record->text};
	char line[TEXT_MAX * 2];
	size_t used = 0;

	(void)data;
	for (size_t i = 0; i < RMT_COUNT(texts); i++)
		used = put_printable(line, used, sizeof(line) - 1, texts[i]);
	line[used++] = '\n';
	rmt_write_all(STDERR_FILENO, line, used);
}

/* One that waits for the sink; its texts follow. */
struct entry {
	struct rmt_list node; /* in router->log_waiting */
	ramet_log_record record;
	char text[];
};

/*
 * The sink is called without the lock, and whoever has something to say is in the middle of its work,
 * which nobody else may see half done. So records wait until the loop has nothing else in hand. One
 * thread at a time delivers, in order.
 */
void rmt_log_flush(ramet_router *router)
{
	if (router->log_flushing)
		return;
	router->log_flushing = true;
	while (!rmt_list_empty(&router->log_waiting)) {
		struct entry *entry = rmt_list_first(&router->log_waiting, struct entry, node);

		rmt_list_remove(&entry->node);
		rmt_unlock(router);
		router->log(&entry->record, router->log_data);
		free(entry);
		rmt_lock(router);
	}
	router->log_flushing = false;
	pthread_cond_broadcast(&router->log_flushed);
}

/* While another thread delivers, the loop waits: it would go on to read what children have to say, which
 * is more than the sink can take. */
static void flush_run(struct rmt_deferred *deferred)
{
	ramet_router *router = RMT_CONTAINER(deferred, ramet_router, log_deferred);

	while (router->log_flushing)
		pthread_cond_wait(&router->log_flushed, &router->lock);
	rmt_log_flush(router);
}

void rmt_log_init(ramet_router *router)
{
	pthread_cond_init(&router->log_flushed, NULL);
	rmt_list_init(&router->log_waiting);
	rmt_list_init(&router->log_deferred.node);
	router->log_deferred.run = flush_run;
}

static const char *append(char **at, const char *text)
{
	const char *begin = *at;

	*at = stpcpy(*at, text) + 1;
	return begin;
}

static void emit(ramet_router *router, const ramet_log_record *record)
{
	struct entry *entry;
	char *at;

	if (!router->log)
		return;
	entry = malloc(sizeof(*entry) + strlen(record->context) + strlen(record->source) +
		       strlen(record->text) + 3);
	if (!entry)
		return;
	at = entry->text;
	entry->record = *record;
	entry->record.context = append(&at, record->context);
	entry->record.source = append(&at, record->source);
	entry->record.text = append(&at, record->text);
	rmt_list_init(&entry->node);
	rmt_list_append(&router->log_waiting, &entry->node);
	rmt_loop_defer(&router->loop, &router->log_deferred);
}

static void send_up(ramet_router *router, const ramet_log_record *record)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_cbor_put_array(&out, RECORD_ITEMS);
	rmt_cbor_put_uint(&out, RMT_OP_LOG);
	rmt_cbor_put_uint(&out, (unsigned)record->level);
	rmt_cbor_put_int(&out, record->time);
	rmt_cbor_put_str(&out, record->context);
	rmt_cbor_put_str(&out, record->source);
	rmt_cbor_put_str(&out, record->text);
	rmt_send_control(router, 0, &out);
}

void rmt_log_text(ramet_router *router, const char *context, const char *source,
		  enum ramet_log_level level, const char *text, size_t size)
{
	struct timespec now;
	ramet_log_record record;
	char *copy;

	if (level > router->log_level || router->state == RMT_ROUTER_ENDED ||
	    (rmt_router_is_root(router) && !router->log))
		return;
	copy = malloc(size + 1);
	if (!copy)
		return;
	/* A NUL in what a child printed would hide the rest of its line. */
	for (size_t i = 0; i < size; i++)
		copy[i] = text[i] ? text[i] : '?';
	copy[size] = '\0';
	clock_gettime(CLOCK_REALTIME, &now);
	record = (ramet_log_record){
		.level = level,
		.time = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000,
		.context = context ? context : router->path,
		.source = source,
		.text = copy,
	};
	if (rmt_router_is_root(router))
		emit(router, &record);
	else
		send_up(router, &record);
	free(copy);
}

static void logv(ramet_router *router, const char *source, enum ramet_log_level level,
		 const char *format, va_list arguments)
{
	char text[TEXT_MAX];
	size_t size;

	if (level > router->log_level)
		return;
	size = rmt_formatv(text, sizeof(text), format, arguments);
	rmt_log_text(router, NULL, source, level, text, RMT_MIN(size, sizeof(text) - 1));
}

void rmt_log(ramet_router *router, const char *source, enum ramet_log_level level,
	     const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	logv(router, source, level, format, arguments);
	va_end(arguments);
}

RMT_PUBLIC void ramet_log(ramet_router *router, enum ramet_log_level level, const char *source,
			  const char *format, ...)
{
	va_list arguments;

	rmt_lock(router);
	va_start(arguments, format);
	logv(router, source, level, format, arguments);
	va_end(arguments);
	rmt_log_flush(router);
	rmt_unlock(router);
}

static char *read_string(struct rmt_cbor_reader *reader)
{
	const char *data;
	size_t size;

	if (rmt_cbor_read_str(reader, &data, &size) < 0 || !data)
		return NULL;
	return strndup(data, size);
}

void rmt_log_arrived(ramet_router *router, const struct rmt_stream *stream,
		     const unsigned char *data, size_t size)
{
	struct rmt_cbor_reader reader;
	char *context = NULL, *source = NULL, *text = NULL;
	uint64_t count, operation;
	uint32_t level;
	int64_t time;

	if (!router->log)
		return;
	rmt_cbor_reader_init(&reader, data, size);
	if (rmt_cbor_read_array(&reader, &count) < 0 || count != RECORD_ITEMS ||
	    rmt_cbor_read_u64(&reader, &operation) < 0 || rmt_cbor_read_u32(&reader, &level) < 0 ||
	    rmt_cbor_read_i64(&reader, &time) < 0)
		return;
	context = read_string(&reader);
	source = context ? read_string(&reader) : NULL;
	text = source ? read_string(&reader) : NULL;
	if (text && stream && !rmt_peer_path_covers(stream->peer, context))
		rmt_misbehaved(router,
			       "dropped a log record that claims to come from '%.64s', but came "
			       "from %s",
			       context, rmt_peer_name(stream->peer));
	else if (text && level <= (uint32_t)router->log_level)
		emit(router, &(ramet_log_record){level, time, context, source, text});
	free(context);
	free(source);
	free(text);
}
