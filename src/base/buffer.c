/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/format.h"

/* Below this, doubling would only buy a series of tiny reallocations. */
#define CAPACITY_MIN 64u

void rmt_buffer_init(struct rmt_buffer *buffer, void *memory, size_t size)
{
	*buffer = (struct rmt_buffer){.data = memory, .capacity = size, .borrowed = true};
}

void rmt_buffer_done(struct rmt_buffer *buffer)
{
	if (!buffer->borrowed)
		free(buffer->data);
	*buffer = (struct rmt_buffer)RMT_BUFFER_INIT;
}

void rmt_buffer_reset(struct rmt_buffer *buffer)
{
	buffer->size = 0;
	buffer->error = 0;
}

static int grow(struct rmt_buffer *buffer, size_t size)
{
	size_t needed, capacity;
	unsigned char *data;

	if (__builtin_add_overflow(buffer->size, size, &needed))
		return -ENOMEM;
	if (__builtin_mul_overflow(buffer->capacity, 2, &capacity) || capacity < needed)
		capacity = needed;
	if (capacity < CAPACITY_MIN)
		capacity = CAPACITY_MIN;

	data = realloc(buffer->borrowed ? NULL : buffer->data, capacity);
	if (!data)
		return -ENOMEM;
	if (buffer->borrowed)
		memcpy(data, buffer->data, buffer->size);
	buffer->borrowed = false;
	buffer->data = data;
	buffer->capacity = capacity;
	return 0;
}

unsigned char *rmt_buffer_reserve(struct rmt_buffer *buffer, size_t size)
{
	if (buffer->error < 0)
		return NULL;
	/* Memory even for nothing, because NULL means failure. */
	if (!buffer->data || size > buffer->capacity - buffer->size) {
		int r = grow(buffer, size);

		if (r < 0) {
			buffer->error = r;
			return NULL;
		}
	}
	return buffer->data + buffer->size;
}

void rmt_buffer_append(struct rmt_buffer *buffer, const void *data, size_t size)
{
	unsigned char *end;

	if (size == 0)
		return;
	end = rmt_buffer_reserve(buffer, size);
	if (!end)
		return;
	rmt_copy(end, data, size);
	buffer->size += size;
}

void rmt_buffer_append_byte(struct rmt_buffer *buffer, unsigned char byte)
{
	rmt_buffer_append(buffer, &byte, 1);
}

void rmt_buffer_vprintf(struct rmt_buffer *buffer, const char *format, va_list arguments)
{
	unsigned char *end = rmt_buffer_reserve(buffer, CAPACITY_MIN);
	size_t room, size;

	if (!end)
		return;

	room = buffer->capacity - buffer->size;
	size = rmt_formatv((char *)end, room, format, arguments);
	if (size >= room) {
		end = rmt_buffer_reserve(buffer, size + 1);
		if (!end)
			return;
		rmt_formatv((char *)end, size + 1, format, arguments);
	}
	buffer->size += size;
}

void rmt_buffer_printf(struct rmt_buffer *buffer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	rmt_buffer_vprintf(buffer, format, arguments);
	va_end(arguments);
}

char *rmt_buffer_steal_string(struct rmt_buffer *buffer)
{
	char *string;

	rmt_buffer_append_byte(buffer, '\0');
	if (buffer->error < 0) {
		int error = buffer->error;

		rmt_buffer_done(buffer);
		buffer->error = error;
		return NULL;
	}
	string = buffer->borrowed ? strdup((char *)buffer->data) : (char *)buffer->data;
	*buffer = (struct rmt_buffer)RMT_BUFFER_INIT;
	return string;
}
