/* SPDX-License-Identifier: BSD-3-Clause */
#include "records.h"

#include <time.h>

#include "fixture.h"

/* More than any test has. They stay where they are, so that one can be looked at while others come. */
#define RECORDS_MAX 32768

static const char *const alarms[] = {"WARNING: ThreadSanitizer", "ERROR: AddressSanitizer",
				     "ERROR: LeakSanitizer", "runtime error:"};

void records_init(struct records *records)
{
	pthread_condattr_t attributes;

	*records = (struct records){.items = calloc(RECORDS_MAX, sizeof(struct record))};
	assert_non_null(records->items);
	pthread_mutex_init(&records->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&records->added, &attributes);
	pthread_condattr_destroy(&attributes);
}

void records_done(struct records *records)
{
	size_t alarmed = records->count;

	for (size_t i = 0; i < records->count; i++) {
		struct record *record = &records->items[i];

		for (size_t k = 0; k < sizeof(alarms) / sizeof(*alarms); k++)
			if (alarmed == records->count && strstr(record->text, alarms[k]))
				alarmed = i;
		if (i >= alarmed)
			print_error("# %s %s: %s\n", record->context, record->source, record->text);
		free(record->context);
		free(record->source);
		free(record->text);
	}
	free(records->items);
	pthread_cond_destroy(&records->added);
	pthread_mutex_destroy(&records->lock);
	if (alarmed < records->count)
		fail_msg("a sanitizer complained in a child");
}

void records_sink(const ramet_log_record *record, void *data)
{
	struct records *records = data;
	struct record *added;

	pthread_mutex_lock(&records->lock);
	if (records->count == RECORDS_MAX)
		abort();
	added = &records->items[records->count++];
	*added = (struct record){
		record->level,          record->time,         strdup(record->context),
		strdup(record->source), strdup(record->text), "",
	};
	for (size_t i = 0; i < record->field_count; i++) {
		const ramet_log_field *field = &record->fields[i];
		size_t used = strlen(added->fields), left = sizeof(added->fields) - used;

		if (field->text)
			snprintf(added->fields + used, left, " %s=%s", field->name, field->text);
		else
			snprintf(added->fields + used, left, " %s=%lld", field->name,
				 (long long)field->number);
	}
	pthread_cond_broadcast(&records->added);
	pthread_mutex_unlock(&records->lock);
}

static int matches(const struct record *record, const char *context, const char *source,
		   const char *text)
{
	return (!context || strcmp(record->context, context) == 0) &&
	       (!source || strcmp(record->source, source) == 0) &&
	       (!text || strstr(record->text, text));
}

size_t records_wait(struct records *records, size_t from, const char *context, const char *source,
		    const char *text)
{
	struct timespec until;
	size_t found = SIZE_MAX;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SOON / 1000;
	pthread_mutex_lock(&records->lock);
	for (size_t i = from; found == SIZE_MAX && r == 0;) {
		for (; i < records->count && found == SIZE_MAX; i++)
			if (matches(&records->items[i], context, source, text))
				found = i;
		if (found == SIZE_MAX)
			r = pthread_cond_timedwait(&records->added, &records->lock, &until);
	}
	for (size_t i = from; found == SIZE_MAX && i < records->count; i++)
		print_error("# %s %s: %s\n", records->items[i].context, records->items[i].source,
			    records->items[i].text);
	pthread_mutex_unlock(&records->lock);
	if (found == SIZE_MAX)
		fail_msg("no record of %s from %s: %s", context ? context : "any",
			 source ? source : "any", text ? text : "any");
	return found;
}

size_t records_count(struct records *records, const char *source, const char *text)
{
	size_t count = 0;

	pthread_mutex_lock(&records->lock);
	for (size_t i = 0; i < records->count; i++)
		count += matches(&records->items[i], NULL, source, text);
	pthread_mutex_unlock(&records->lock);
	return count;
}

ramet_router *records_router(struct records *records, const ramet_router_options *options)
{
	ramet_router_options all = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	if (options)
		all = *options;
	records_init(records);
	all.log = records_sink;
	all.log_data = records;
	assert_int_equal(ramet_router_new(&all, &router), 0);
	return router;
}
