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
	size_t size = strlen(text) + 1;

	memcpy(*at, text, size);
	*at += size;
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

enum ramet_log_level rmt_log_record_level(const void *data, size_t size)
{
	struct rmt_cbor_reader reader;
	uint64_t items;
	uint32_t level;

	rmt_cbor_reader_init(&reader, data, size);
	if (rmt_cbor_read_array(&reader, &items) < 0 || items != RECORD_ITEMS ||
	    rmt_cbor_read_u32(&reader, &level) < 0 || level >= RAMET_LOG_IO)
		return 0;
	return (enum ramet_log_level)level;
}
