/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/value.h"

enum { VALUE = 1, LAST, FAILURE, DONE, COMBINED };

#define NO_VALUE SIZE_MAX

/* Above this, bytes are not copied, and what was gathered is sent. */
#define LARGE 32768u
#define MUCH 65536u

/* --- in the worker ------------------------------------------------------------------------ */

void rmt_results_sent(struct rmt_results_writer *writer)
{
	rmt_buffer_reset(&writer->out);
	writer->out.size = writer->task = sizeof(struct rmt_results_head);
	writer->value = NO_VALUE;
	writer->done = 0;
}

int rmt_results_writer_init(struct rmt_results_writer *writer)
{
	*writer = (struct rmt_results_writer){.out = RMT_BUFFER_INIT};
	/* What is sent is flushed before there is twice as much. */
	if (!rmt_buffer_reserve(&writer->out, 2 * MUCH))
		return -ENOMEM;
	rmt_results_sent(writer);
	return 0;
}

void rmt_results_writer_done(struct rmt_results_writer *writer)
{
	rmt_buffer_done(&writer->out);
}

void rmt_results_open(struct rmt_results_writer *writer)
{
	writer->value = writer->out.size;
	rmt_buffer_append_byte(&writer->out, VALUE);
}

/* Without memory, the task has sent nothing, and may say so. */
static int check(struct rmt_results_writer *writer, size_t before)
{
	int r = writer->out.error;

	if (r < 0) {
		writer->out.error = 0;
		writer->out.size = before;
		writer->value = NO_VALUE;
	} else if (writer->out.size >= MUCH && writer->flush) {
		r = writer->flush(writer, NULL);
	}
	return r;
}

int rmt_results_close(struct rmt_results_writer *writer)
{
	return check(writer, writer->value);
}

int rmt_results_bytes(struct rmt_results_writer *writer, ramet_bytes bytes)
{
	if (bytes.size >= LARGE && writer->flush)
		return writer->flush(writer, &bytes);
	rmt_results_open(writer);
	rmt_cbor_put_bytes(&writer->out, bytes.data, bytes.size);
	return rmt_results_close(writer);
}

int rmt_results_failure(struct rmt_results_writer *writer, int code, const char *text)
{
	size_t before = writer->out.size;

	writer->value = NO_VALUE;
	rmt_buffer_append_byte(&writer->out, FAILURE);
	rmt_cbor_put_int(&writer->out, code);
	rmt_cbor_put_str(&writer->out, text);
	return check(writer, before);
}

void rmt_results_end_task(struct rmt_results_writer *writer)
{
	if (writer->value != NO_VALUE)
		writer->out.data[writer->value] = LAST;
	else
		rmt_buffer_append_byte(&writer->out, DONE);
	writer->value = NO_VALUE;
	writer->task = writer->out.size;
	writer->done++;
}

void rmt_results_drop_task(struct rmt_results_writer *writer)
{
	writer->out.size = writer->task;
	writer->value = NO_VALUE;
}

void rmt_results_combined(struct rmt_results_writer *writer, uint32_t count,
			  const ramet_value *value)
{
	rmt_buffer_append_byte(&writer->out, COMBINED);
	rmt_cbor_put_uint(&writer->out, count);
	rmt_value_encode(value, &writer->out);
	writer->value = NO_VALUE;
	writer->task = writer->out.size;
	writer->done += count;
}

/* --- in the map --------------------------------------------------------------------------- */

struct rmt_results_piece {
	struct rmt_results_piece *next;
	ramet_value *home; /* where what is read lies; or, */
	bool whole;        /* it is a value itself */
	struct rmt_cbor_reader reader;
};

void rmt_results_reader_init(struct rmt_results_reader *reader)
{
	*reader = (struct rmt_results_reader){.last = &reader->first};
}

static void drop_first(struct rmt_results_reader *reader)
{
	struct rmt_results_piece *piece = reader->first;

	reader->first = piece->next;
	if (!reader->first)
		reader->last = &reader->first;
	reader->held -= piece->reader.size;
	ramet_value_unref(piece->home);
	free(piece);
}

static void drop_values(struct rmt_results_reader *reader)
{
	while (reader->count > 0)
		ramet_value_unref(reader->values[--reader->count]);
}

void rmt_results_reader_done(struct rmt_results_reader *reader)
{
	while (reader->first)
		drop_first(reader);
	drop_values(reader);
	free(reader->values);
	ramet_error_clear(&reader->failure);
	rmt_results_reader_init(reader);
}

static struct rmt_results_piece *add(struct rmt_results_reader *reader)
{
	struct rmt_results_piece *piece = calloc(1, sizeof(*piece));

	if (piece) {
		*reader->last = piece;
		reader->last = &piece->next;
	}
	return piece;
}

int rmt_results_add(struct rmt_results_reader *reader, ramet_value *home, const void *data,
		    size_t size)
{
	struct rmt_results_piece *piece = add(reader);

	if (!piece)
		return -ENOMEM;
	piece->home = home ? ramet_value_ref(home) : NULL;
	rmt_cbor_reader_init(&piece->reader, data, size);
	reader->held += size;
	return 0;
}

int rmt_results_add_value(struct rmt_results_reader *reader, ramet_value *value)
{
	struct rmt_results_piece *piece = add(reader);

	if (!piece) {
		ramet_value_unref(value);
		return -ENOMEM;
	}
	piece->home = value;
	piece->whole = true;
	piece->reader.size = ramet_value_bytes(value).size;
	reader->held += piece->reader.size;
	return 0;
}

/* Takes over the value. Without memory the task has failed. */
static void collect(struct rmt_results_reader *reader, ramet_value *value)
{
	size_t capacity = reader->capacity ? reader->capacity * 2 : 16;
	ramet_value **values = reader->values;

	if (reader->count == reader->capacity) {
		values = realloc(values, capacity * sizeof(ramet_value *));
		if (!values) {
			ramet_value_unref(value);
			rmt_error_set(&reader->failure, ENOMEM, "out of memory");
			return;
		}
		reader->values = values;
		reader->capacity = capacity;
	}
	values[reader->count++] = value;
}

static int read_failure(struct rmt_cbor_reader *in, ramet_error *failure)
{
	const char *text;
	size_t size;
	int64_t code;

	if (rmt_cbor_read_i64(in, &code) < 0 || rmt_cbor_read_str(in, &text, &size) < 0 ||
	    code >= 0 || code < INT32_MIN)
		return -EBADMSG;
	/* The first is what the task has failed with. */
	if (failure->code == 0)
		rmt_error_set_text(failure, (int)code, "", text ? text : "", text ? size : 0);
	return 0;
}

/* The task is over: what it has sent is its result. */
static int finish(struct rmt_results_reader *reader, ramet_value **ret_value, ramet_error *error)
{
	ramet_value *value = NULL;

	if (reader->failure.code < 0) {
		drop_values(reader);
		return rmt_error_move(error, &reader->failure);
	}
	if (reader->count == 1) {
		value = reader->values[--reader->count];
	} else if (reader->count > 1) {
		value = ramet_value_new_array(reader->values, reader->count);
		drop_values(reader);
		if (!value)
			return rmt_error_set(error, ENOMEM, "out of memory");
	}
	*ret_value = value;
	return 1;
}

/* 0, and *ret_value is NULL when there was no memory for it, which fails the task; or -EBADMSG. */
static int read_value(struct rmt_results_reader *reader, ramet_value **ret_value)
{
	struct rmt_results_piece *piece = reader->first;
	struct rmt_cbor_reader before = piece->reader;
	int r = rmt_value_decode(NULL, &piece->reader, NULL, ret_value);

	if (r != -ENOMEM)
		return r;
	*ret_value = NULL;
	rmt_error_set(&reader->failure, ENOMEM, "out of memory");
	piece->reader = before;
	return rmt_cbor_skip(&piece->reader);
}

static int read_combined(struct rmt_results_reader *reader, uint32_t *ret_tasks,
			 ramet_value **ret_value, ramet_error *error)
{
	ramet_value *value;

	if (rmt_cbor_read_u32(&reader->first->reader, ret_tasks) < 0 || *ret_tasks == 0 ||
	    read_value(reader, &value) < 0)
		return -EBADMSG;
	if (reader->failure.code < 0)
		return finish(reader, ret_value, error);
	*ret_value = value;
	return 1;
}

enum { MORE = 2 };

/* One step in the first piece: as rmt_results_next(), MORE, or -EBADMSG with no error set. */
static int step(struct rmt_results_reader *reader, uint32_t *ret_tasks, ramet_value **ret_value,
		ramet_error *error)
{
	struct rmt_results_piece *piece = reader->first;
	struct rmt_cbor_reader *in = &piece->reader;
	ramet_value *value;
	unsigned char kind;

	if (piece->whole) {
		value = piece->home;
		piece->home = NULL;
		drop_first(reader);
		collect(reader, value);
		return MORE;
	}
	if (in->position == in->size) {
		drop_first(reader);
		return MORE;
	}
	kind = in->data[in->position++];
	switch (kind) {
	case LAST:
	case VALUE:
		if (read_value(reader, &value) < 0)
			return -EBADMSG;
		if (kind == LAST && reader->count == 0 && reader->failure.code == 0) {
			*ret_value = value;
			return 1;
		}
		if (value)
			collect(reader, value);
		return kind == LAST ? finish(reader, ret_value, error) : MORE;
	case FAILURE:
		return read_failure(in, &reader->failure) < 0 ? -EBADMSG : MORE;
	case DONE:
		return finish(reader, ret_value, error);
	case COMBINED:
		return read_combined(reader, ret_tasks, ret_value, error);
	default:
		return -EBADMSG;
	}
}

int rmt_results_next(struct rmt_results_reader *reader, uint32_t *ret_tasks,
		     ramet_value **ret_value, ramet_error *error)
{
	ramet_error failure = RAMET_ERROR_INIT;
	int r = MORE;

	*ret_tasks = 1;
	while (reader->first && r == MORE)
		r = step(reader, ret_tasks, ret_value, &failure);
	if (r == MORE)
		return 0;
	if (r == 1)
		return 1;
	if (failure.code < 0)
		return rmt_error_move(error, &failure);
	/* Nobody knows where the next one would begin. */
	rmt_results_reader_done(reader);
	return rmt_error_set(error, EBADMSG, "what a worker has sent is damaged");
}

int rmt_results_take_task(struct rmt_results_writer *writer, ramet_value **ret_value,
			  ramet_error *error)
{
	struct rmt_results_reader reader;
	size_t begin = writer->task;
	uint32_t tasks;
	int r;

	rmt_results_reader_init(&reader);
	rmt_results_end_task(writer);
	r = writer->out.error;
	if (r == 0)
		r = rmt_results_add(&reader, NULL, writer->out.data + begin,
				    writer->out.size - begin);
	if (r < 0)
		rmt_error_set(error, r, "out of memory");
	else
		r = rmt_results_next(&reader, &tasks, ret_value, error);
	rmt_results_reader_done(&reader);
	writer->out.error = 0;
	writer->out.size = writer->task = begin;
	writer->done--;
	return r;
}
