/* SPDX-License-Identifier: BSD-3-Clause */
/* A node of a transfer: takes a stream, writes it, sends it on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/call.h"
#include "core/router.h"
#include "core/value.h"
#include "service/file.h"
#include "service/services.h"
#include "service/sink.h"

struct node {
	ramet_call *call;
	ramet_sender *events;
	int number;
	struct rmt_fan fan;
	ramet_receiver *receiver;
	const char *path; /* NULL: nothing is written here */
	uint64_t flags;
	struct rmt_sink sink;
	bool writes; /* and did not fail yet */
	bool done;
};

static const char *reason(int r)
{
	switch (r) {
	case -EPROTO:
		return "what came makes no sense";
	case -EBADMSG:
		return "it was damaged on its way";
	case -EXDEV:
		return "leads out of the directory to which files are limited";
	case -ECONNABORTED:
		return "the source failed";
	default:
		return rmt_strerror(r);
	}
}

/* What is not written here may still be sent on. */
static void write_failed(struct node *node, int r)
{
	const struct rmt_sink *sink = &node->sink;
	const char *at = sink->at && strcmp(sink->at, sink->spot.name) != 0 ? sink->at : NULL;

	ramet_fail(node->call, -r, "%s: %s%s%s%s%s%s", node->path, at ? "in it '" : "",
		   at ? at : "", at ? "': " : "", reason(r), sink->more ? ": " : "",
		   sink->more ? sink->more : "");
	node->writes = false;
	rmt_sink_done(&node->sink);
	memset(&node->sink, 0, sizeof(node->sink));
	node->sink.spot.directory = node->sink.place.root = -1;
}

static int answer(struct node *node)
{
	rmt_file_answers answers = {node->sink.answers, node->sink.items.count};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	ramet_value *value = NULL;
	int r;

	rmt_type_encode(ramet_type_rmt_file_answers, &answers, &out, &rmt_call_hooks, NULL);
	if (out.error == 0)
		value = ramet_value_new_bytes((ramet_bytes){out.data, out.size});
	rmt_buffer_done(&out);
	r = value ? rmt_event_send(node->events, node->number, RMT_FILE_ANSWERS, 0, 0, value)
		  : -ENOMEM;
	return r;
}

static int write_record(struct node *node, rmt_file_record *record)
{
	int r = rmt_sink_record(&node->sink, record);

	if (r == 1)
		r = node->flags & RMT_FILE_ASKS ? answer(node) : 0;
	return r;
}

/* One message; its order at the targets is that of arrival here. */
static int take(struct node *node, const ramet_value *value)
{
	rmt_file_record record;
	ramet_bytes bytes;
	int r = 0;

	if (node->fan.alive > 0)
		r = rmt_fan_value(&node->fan, value);
	if (r < 0 && r != -EPIPE)
		return r;
	if (ramet_value_kind(value) == RAMET_KIND_BYTES) {
		bytes = ramet_value_bytes(value);
		r = node->writes ? rmt_sink_bytes(&node->sink, bytes.data, bytes.size) : 0;
	} else {
		r = rmt_record_read(value, &record);
		if (r < 0)
			return r;
		node->done = record.op == RMT_FILE_DONE || record.op == RMT_FILE_FAILED;
		if (node->writes)
			r = write_record(node, &record);
		rmt_file_record_clear(&record);
	}
	if (r < 0)
		write_failed(node, r);
	return node->writes || node->fan.alive > 0 ? 0 : -EPIPE;
}

static void work(struct node *node)
{
	ramet_error error = RAMET_ERROR_INIT;
	int r = 0;

	while (!node->done && r == 0) {
		ramet_value *value = NULL;

		r = rmt_transfer_receive(node->call, node->receiver, &value, &error);
		if (r == 0)
			r = rmt_error_set(&error, ECONNABORTED, "the transfer was broken off");
		else if (r > 0)
			r = take(node, value);
		ramet_value_unref(value);
	}
	if (error.code)
		ramet_fail_error(node->call, &error);
	else if (r < 0)
		ramet_fail(node->call, -r, "%s",
			   r == -EPIPE ? "nobody takes it any more" : rmt_strerror(r));
}

static int node_init(struct node *node, const rmt_file_targets *targets)
{
	int r = rmt_fan_init(&node->fan, node->call, node->events, targets);

	if (r < 0 || !node->path)
		return r;
	r = rmt_sink_init(&node->sink, node->call, node->path, node->flags);
	node->writes = true;
	if (r < 0)
		write_failed(node, r);
	/* What cannot be written is not worth a stream, but for others. */
	return r < 0 && targets->senders.count == 0 ? r : 0;
}

RAMET_DEFINE_CONCURRENT(rmt_file_taken, rmt_file_take, (str, path), (u64, flags), (i32, node),
			(sender, events), (rmt_file_targets, targets))
{
	rmt_file_taken taken = {0};
	struct node *self = calloc(1, sizeof(*self));
	char *text;
	int r;

	if (!self || !events) {
		ramet_fail(call, EINVAL, "nobody to tell");
		free(self);
		return taken;
	}
	*self = (struct node){
		.call = call, .events = events, .number = node, .path = path, .flags = flags};
	r = node_init(self, &targets);
	/* Before anything is written: a file without its hash would not be known to be right. */
	text = ramet_call_alloc(call, RMT_HASH_TEXT_SIZE);
	if (r == 0 && !text)
		r = -ENOMEM;
	if (r == 0)
		r = ramet_receiver_new(ramet_call_router(call), &self->receiver);
	if (r == 0)
		r = rmt_event_send(events, node, RMT_FILE_READY, 0, 0,
				   ramet_value_new_sender(ramet_receiver_sender(self->receiver)));
	if (r == 0)
		work(self);
	else
		ramet_fail(call, -r, "%s", rmt_strerror(r));
	if (self->writes) {
		taken = self->sink.taken;
		/* Of one file. */
		if (text && taken.files + taken.skipped == 1 && !self->sink.levels)
			taken.hash = memcpy(text, self->sink.hash_text, RMT_HASH_TEXT_SIZE);
		rmt_sink_done(&self->sink);
	}
	ramet_receiver_unref(self->receiver);
	rmt_fan_done(&self->fan);
	free(self);
	return taken;
}
