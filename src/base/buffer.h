/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A growable byte buffer with a sticky error: appending never needs a check, the end of the work
 * does.
 *
 *	struct rmt_buffer buffer = RMT_BUFFER_INIT;
 *	rmt_buffer_append(&buffer, data, size);
 *	rmt_buffer_printf(&buffer, "%d", 42);
 *	if (buffer.error < 0)
 *		...
 *	rmt_buffer_done(&buffer);
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rmt_buffer {
	unsigned char *data;
	size_t size;
	size_t capacity;
	int error;     /* the first failure, -ENOMEM; nothing is appended after it */
	bool borrowed; /* data is the caller's memory */
};

#define RMT_BUFFER_INIT              \
	{                            \
		NULL, 0, 0, 0, false \
	}

/* Begins in memory of the caller's, and moves to the heap when that is full. */
void rmt_buffer_init(struct rmt_buffer *buffer, void *memory, size_t size);

/* Frees the memory; the buffer is then as new. */
void rmt_buffer_done(struct rmt_buffer *buffer);

/* Forgets the content and the error, keeps the memory. */
void rmt_buffer_reset(struct rmt_buffer *buffer);

/* Makes room for size more bytes and returns where they go (the caller adds to buffer->size what it
 * wrote), or NULL once the buffer has failed. */
unsigned char *rmt_buffer_reserve(struct rmt_buffer *buffer, size_t size);

void rmt_buffer_append(struct rmt_buffer *buffer, const void *data, size_t size);
void rmt_buffer_append_byte(struct rmt_buffer *buffer, unsigned char byte);
void rmt_buffer_printf(struct rmt_buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void rmt_buffer_vprintf(struct rmt_buffer *buffer, const char *format, va_list arguments);

/* The content as a string (NUL-terminated, owned by the caller, who frees it), the buffer is then
 * empty; NULL when the buffer has failed, which it is then still, without memory. */
char *rmt_buffer_steal_string(struct rmt_buffer *buffer);
