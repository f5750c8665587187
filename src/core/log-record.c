/* SPDX-License-Identifier: BSD-3-Clause */
/* Records on the wire, and in memory of their own. */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "wire/cbor.h"

#define RECORD_ITEMS 6

static const char *append(char **at, const char *text)
{
	const char *begin = *at;

	*at = stpcpy(*at, text) + 1;
	return begin;
}

struct rmt_log_entry *rmt_log_entry_new(const ramet_log_record *record)
{
	size_t count = record->field_count;
	size_t size = sizeof(struct rmt_log_entry) + count * sizeof(ramet_log_field) +
		      strlen(record->context) + strlen(record->source) + strlen(record->text) + 3;
	struct rmt_log_entry *entry;
	ramet_log_field *fields;
	char *at;

	for (size_t i = 0; i < count; i++)
		size += strlen(record->fields[i].name) + 1 +
			(record->fields[i].text ? strlen(record->fields[i].text) + 1 : 0);
	entry = malloc(size);
	if (!entry)
		return NULL;
	*entry = (struct rmt_log_entry){.record = *record, .size = size};
	rmt_list_init(&entry->node);
	fields = (ramet_log_field *)(entry + 1);
	at = (char *)(fields + count);
	entry->record.context = append(&at, record->context);
	entry->record.source = append(&at, record->source);
	entry->record.text = append(&at, record->text);
	entry->record.fields = fields;
	for (size_t i = 0; i < count; i++) {
		fields[i] = record->fields[i];
		fields[i].name = append(&at, fields[i].name);
		if (fields[i].text)
			fields[i].text = append(&at, fields[i].text);
	}
	return entry;
}

void rmt_log_record_encode(const ramet_log_record *record, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, RECORD_ITEMS);
	rmt_cbor_put_uint(out, (unsigned)record->level);
	rmt_cbor_put_int(out, record->time);
	rmt_cbor_put_str(out, record->context);
	rmt_cbor_put_str(out, record->source);
	rmt_cbor_put_str(out, record->text);
	rmt_cbor_put_array(out, 2 * record->field_count);
	for (size_t i = 0; i < record->field_count; i++) {
		rmt_cbor_put_str(out, record->fields[i].name);
		if (record->fields[i].text)
			rmt_cbor_put_str(out, record->fields[i].text);
		else
			rmt_cbor_put_int(out, record->fields[i].number);
	}
}

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

static enum ramet_log_level read_level(struct rmt_cbor_reader *reader)
{
	uint64_t items;
	uint32_t level;

	if (rmt_cbor_read_array(reader, &items) < 0 || items != RECORD_ITEMS ||
	    rmt_cbor_read_u32(reader, &level) < 0 || level >= RAMET_LOG_IO)
		return 0;
	return (enum ramet_log_level)level;
}

enum ramet_log_level rmt_log_record_level(const void *data, size_t size)
{
	struct rmt_cbor_reader reader;

	rmt_cbor_reader_init(&reader, data, size);
	return read_level(&reader);
}

static struct rmt_log_entry *decode(struct rmt_cbor_reader *reader, struct texts *texts)
{
	ramet_log_field fields[RMT_LOG_FIELDS_MAX];
	ramet_log_record record = {.level = read_level(reader), .fields = fields};
	uint64_t pairs;

	if (record.level == 0 || rmt_cbor_read_i64(reader, &record.time) < 0)
		return NULL;
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
