/* SPDX-License-Identifier: BSD-3-Clause */
/* Records that arrive from below: cold, see parent/gate.h. */
#include <stdlib.h>
#include <string.h>

#include "core/account.h"
#include "core/log.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"
#include "wire/cbor.h"

#define RECORD_ITEMS 6

/* --- on the wire --------------------------------------------------------------------------- */

/* Strings of CBOR have no NUL. */
struct texts {
	char *copy[3 + 2 * RMT_LOG_FIELDS_MAX];
	size_t count;
};

static const char *read_string(struct rmt_cbor_reader *reader, struct texts *texts)
{
	const char *data;
	char *copy;
	size_t size;

	if (rmt_cbor_read_str(reader, &data, &size) < 0 || !data)
		return NULL;
	copy = malloc(size + 1);
	if (copy) {
		memcpy(copy, data, size);
		copy[size] = '\0';
	}
	return texts->copy[texts->count++] = copy;
}

static int read_field(struct rmt_cbor_reader *reader, struct texts *texts, ramet_log_field *field)
{
	size_t at;

	*field = (ramet_log_field){.name = read_string(reader, texts)};
	at = reader->position;
	if (!field->name || rmt_cbor_read_i64(reader, &field->number) == 0)
		return field->name ? 0 : -1;
	reader->position = at;
	field->text = read_string(reader, texts);
	return field->text ? 0 : -1;
}

static struct rmt_log_entry *decode(struct rmt_cbor_reader *reader, struct texts *texts)
{
	ramet_log_field fields[RMT_LOG_FIELDS_MAX];
	ramet_log_record record = {.fields = fields};
	uint64_t items, pairs;
	uint32_t level;

	if (rmt_cbor_read_array(reader, &items) < 0 || items != RECORD_ITEMS ||
	    rmt_cbor_read_u32(reader, &level) < 0 || level == 0 || level >= RAMET_LOG_IO ||
	    rmt_cbor_read_i64(reader, &record.time) < 0)
		return NULL;
	record.level = (enum ramet_log_level)level;
	record.context = read_string(reader, texts);
	record.source = record.context ? read_string(reader, texts) : NULL;
	record.text = record.source ? read_string(reader, texts) : NULL;
	if (!record.text || rmt_cbor_read_array(reader, &pairs) < 0 || pairs % 2 != 0 ||
	    pairs / 2 > RMT_LOG_FIELDS_MAX)
		return NULL;
	for (; record.field_count < pairs / 2; record.field_count++)
		if (read_field(reader, texts, &fields[record.field_count]) < 0)
			return NULL;
	return reader->position == reader->size ? rmt_log_entry_new(&record) : NULL;
}

struct rmt_log_entry *rmt_log_record_decode(const void *data, size_t size)
{
	struct texts texts = {.count = 0};
	struct rmt_cbor_reader reader;
	struct rmt_log_entry *entry;

	rmt_cbor_reader_init(&reader, data, size);
	entry = decode(&reader, &texts);
	while (texts.count > 0)
		free(texts.copy[--texts.count]);
	return entry;
}

/* --- arriving ----------------------------------------------------------------------------- */

static bool is_output(const ramet_log_record *record)
{
	return strcmp(record->source, "stdout") == 0 || strcmp(record->source, "stderr") == 0;
}

/* Lines of output are bounded by credit and by what may be held: they cannot be sent again. */
static bool is_welcome(ramet_router *router, struct rmt_stream *stream,
		       const struct rmt_log_entry *entry)
{
	if (stream->log_held > RMT_LOG_HELD_MAX)
		return false;
	return is_output(&entry->record) ||
	       rmt_log_take_token(&stream->log_limit, router->logging.rate * RMT_LOG_STREAM_RATES,
				  entry->record.level);
}

void rmt_log_arrived(ramet_router *router, struct rmt_stream *stream, struct rmt_message *message)
{
	struct rmt_log_entry *entry = NULL;

	if (router->log && stream && stream->peer)
		entry = rmt_log_record_decode(message->data, message->size);
	rmt_account_settle(message);
	rmt_chunk_unref(message->chunk);
	if (entry && !rmt_peer_path_covers(stream->peer, entry->record.context)) {
		rmt_misbehaved(router,
			       "dropped a log record that claims to come from '%.64s', but came "
			       "from %s",
			       entry->record.context, rmt_peer_name(stream->peer));
		free(entry);
		entry = NULL;
	}
	if (entry && !is_welcome(router, stream, entry)) {
		rmt_log_drop(router, &stream->log_limit, entry->record.level);
		free(entry);
		entry = NULL;
	}
	if (!entry) {
		rmt_log_grant(router, message->frame.source, message->owed);
		return;
	}
	entry->through = stream->peer->id;
	entry->source = message->frame.source;
	entry->owed = message->owed;
	stream->log_held += entry->size;
	rmt_log_queue(router, entry);
}
