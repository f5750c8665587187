/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/handshake.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "wire/cbor.h"
#include "wire/handle.h"

#define WELCOME_ITEMS 17
#define HELLO_ITEMS 5

static void put_text(struct rmt_buffer *out, struct rmt_text text)
{
	if (!text.data)
		rmt_cbor_put_null(out);
	else if (rmt_utf8_valid(text.data, text.size))
		rmt_cbor_put_text(out, text.data, text.size);
	else
		rmt_cbor_put_bytes(out, text.data, text.size);
}

static int read_text(struct rmt_cbor_reader *reader, struct rmt_text *ret)
{
	return rmt_cbor_read_str(reader, &ret->data, &ret->size);
}

static int read_int(struct rmt_cbor_reader *reader, int *ret)
{
	int64_t value;
	int r = rmt_cbor_read_i64(reader, &value);

	if (r < 0)
		return r;
	if (value < INT_MIN || value > INT_MAX)
		return -ERANGE;
	*ret = (int)value;
	return 0;
}

/* The head of a control message: an array of `items` beginning with `operation`. */
static int read_operation(struct rmt_cbor_reader *reader, uint64_t items, uint64_t operation)
{
	uint64_t count, found;

	if (rmt_cbor_read_array(reader, &count) < 0 || count != items ||
	    rmt_cbor_read_u64(reader, &found) < 0 || found != operation)
		return -EBADMSG;
	return 0;
}

void rmt_welcome_encode(const struct rmt_welcome *welcome, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, WELCOME_ITEMS);
	rmt_cbor_put_uint(out, RMT_OP_WELCOME);
	rmt_cbor_put_uint(out, welcome->program);
	rmt_cbor_put_uint(out, welcome->id);
	rmt_cbor_put_array(out, welcome->parent_count);
	for (size_t i = 0; i < welcome->parent_count; i++)
		rmt_cbor_put_uint(out, welcome->parents[i]);
	put_text(out, welcome->path);
	rmt_cbor_put_uint(out, welcome->message_size_max);
	rmt_cbor_put_int(out, welcome->connect_timeout);
	rmt_cbor_put_bool(out, welcome->allow_siblings);
	rmt_cbor_put_int(out, welcome->log_level);
	put_text(out, welcome->setup.cwd);
	rmt_cbor_put_int(out, welcome->setup.nice);
	rmt_cbor_put_int(out, welcome->setup.umask);
	rmt_cbor_put_array(out, welcome->setup.env_count);
	for (size_t i = 0; i < welcome->setup.env_count; i++)
		put_text(out, welcome->setup.env[i]);
	rmt_cbor_put_uint(out, welcome->log_rate);
	put_text(out, welcome->log_directory);
	rmt_cbor_put_uint(out, welcome->heartbeat_interval);
	rmt_cbor_put_uint(out, welcome->heartbeat_misses);
}

static int read_parents(struct rmt_cbor_reader *reader, struct rmt_welcome *welcome)
{
	uint64_t count;

	if (rmt_cbor_read_array(reader, &count) < 0 || count == 0 || count > RMT_TREE_DEPTH_MAX)
		return -EBADMSG;
	welcome->parent_count = (size_t)count;
	for (size_t i = 0; i < count; i++)
		if (rmt_cbor_read_u32(reader, &welcome->parents[i]) < 0)
			return -EBADMSG;
	return 0;
}

int rmt_welcome_decode(const void *data, size_t size, struct rmt_text *env, size_t env_max,
		       struct rmt_welcome *ret_welcome)
{
	struct rmt_welcome welcome = {0};
	struct rmt_cbor_reader reader;
	uint64_t count;

	rmt_cbor_reader_init(&reader, data, size);
	if (read_operation(&reader, WELCOME_ITEMS, RMT_OP_WELCOME) < 0 ||
	    rmt_cbor_read_u64(&reader, &welcome.program) < 0 ||
	    rmt_cbor_read_u32(&reader, &welcome.id) < 0 || read_parents(&reader, &welcome) < 0 ||
	    read_text(&reader, &welcome.path) < 0 || !welcome.path.data ||
	    rmt_cbor_read_u32(&reader, &welcome.message_size_max) < 0 ||
	    read_int(&reader, &welcome.connect_timeout) < 0 ||
	    rmt_cbor_read_bool(&reader, &welcome.allow_siblings) < 0 ||
	    read_int(&reader, &welcome.log_level) < 0 ||
	    read_text(&reader, &welcome.setup.cwd) < 0 ||
	    read_int(&reader, &welcome.setup.nice) < 0 ||
	    read_int(&reader, &welcome.setup.umask) < 0 || rmt_cbor_read_array(&reader, &count) < 0)
		return -EBADMSG;
	if (count > env_max)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		if (read_text(&reader, &env[i]) < 0 || !env[i].data)
			return -EBADMSG;
	if (rmt_cbor_read_u32(&reader, &welcome.log_rate) < 0 || welcome.log_rate == 0 ||
	    read_text(&reader, &welcome.log_directory) < 0 ||
	    rmt_cbor_read_u32(&reader, &welcome.heartbeat_interval) < 0 ||
	    rmt_cbor_read_u32(&reader, &welcome.heartbeat_misses) < 0 || reader.position != size)
		return -EBADMSG;
	welcome.setup.env_count = (size_t)count;
	welcome.setup.env = env;
	*ret_welcome = welcome;
	return 0;
}

void rmt_hello_encode(const struct rmt_hello *hello, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, HELLO_ITEMS);
	rmt_cbor_put_uint(out, RMT_OP_HELLO);
	rmt_cbor_put_uint(out, hello->program);
	rmt_cbor_put_uint(out, hello->pid);
	put_text(out, hello->machine);
	put_text(out, hello->host);
}

void rmt_refuse_encode(int code, const char *text, struct rmt_buffer *out)
{
	rmt_cbor_put_array(out, 3);
	rmt_cbor_put_uint(out, RMT_OP_REFUSE);
	rmt_cbor_put_uint(out, (uint64_t)(code < 0 ? -code : code));
	put_text(out, (struct rmt_text){text, strlen(text)});
}

static int refuse_decode(const void *data, size_t size, int *ret_code, struct rmt_text *ret_text)
{
	struct rmt_cbor_reader reader;
	struct rmt_text text;
	int code;

	rmt_cbor_reader_init(&reader, data, size);
	if (read_operation(&reader, 3, RMT_OP_REFUSE) < 0 || read_int(&reader, &code) < 0 ||
	    code <= 0 || read_text(&reader, &text) < 0 || !text.data || reader.position != size)
		return -EBADMSG;
	*ret_code = code;
	*ret_text = text;
	return 0;
}

int rmt_hello_decode(const void *data, size_t size, struct rmt_hello *ret_hello, int *ret_code,
		     struct rmt_text *ret_text)
{
	struct rmt_cbor_reader reader;
	struct rmt_hello hello = {0};

	if (refuse_decode(data, size, ret_code, ret_text) == 0)
		return 0;
	rmt_cbor_reader_init(&reader, data, size);
	if (read_operation(&reader, HELLO_ITEMS, RMT_OP_HELLO) < 0 ||
	    rmt_cbor_read_u64(&reader, &hello.program) < 0 ||
	    rmt_cbor_read_u32(&reader, &hello.pid) < 0 || read_text(&reader, &hello.machine) < 0 ||
	    read_text(&reader, &hello.host) < 0 || reader.position != size)
		return -EBADMSG;
	*ret_hello = hello;
	return 1;
}

void rmt_failure_encode(int code, const char *where, const char *text, struct rmt_buffer *out)
{
	size_t size = strlen(text);

	rmt_cbor_put_array(out, 3);
	rmt_cbor_put_uint(out, (uint64_t)(code < 0 ? -code : code));
	put_text(out, (struct rmt_text){where, strlen(where)});
	put_text(out,
		 (struct rmt_text){text, size > RMT_ERROR_TEXT_MAX ? RMT_ERROR_TEXT_MAX : size});
}

int rmt_failure_decode(const void *data, size_t size, struct rmt_failure *ret_failure)
{
	struct rmt_failure failure = {0};
	struct rmt_cbor_reader reader;
	uint64_t count;

	rmt_cbor_reader_init(&reader, data, size);
	if (rmt_cbor_read_array(&reader, &count) < 0 || count != 3 ||
	    read_int(&reader, &failure.code) < 0 || failure.code <= 0 ||
	    read_text(&reader, &failure.where) < 0 || !failure.where.data ||
	    read_text(&reader, &failure.text) < 0 || !failure.text.data || reader.position != size)
		return -EBADMSG;
	*ret_failure = failure;
	return 0;
}
