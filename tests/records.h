/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the log records of a router, for tests that wait for one. What a sanitizer says in a child is a record, too,
 * and fails the test in the end.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include <ramet.h>

struct record {
	enum ramet_log_level level;
	int64_t time;
	char *context, *source, *text;
	char fields[256]; /* " name=value ..." */
};

struct records {
	pthread_mutex_t lock;
	pthread_cond_t added;
	struct record *items;
	size_t count;
};

void records_init(struct records *records);

/* Ends the test if a sanitizer has spoken. After the router's end. */
void records_done(struct records *records);

/* The sink; data is the struct records. */
void records_sink(const ramet_log_record *record, void *data);

/*
 * Waits for a record of this context and source, at or behind index `from`, whose text contains `text`; each may be
 * NULL for any. Returns its index, or fails the test.
 */
size_t records_wait(struct records *records, size_t from, const char *context, const char *source,
		    const char *text);

/* How many there are by now of this source (NULL: any) whose text contains `text`. */
size_t records_count(struct records *records, const char *source, const char *text);

/* A router that keeps its records; options may be NULL. */
ramet_router *records_router(struct records *records, const ramet_router_options *options);
