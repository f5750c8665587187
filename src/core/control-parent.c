/* SPDX-License-Identifier: BSD-3-Clause */
/* Control messages that only have to do with children, or that are seldom: cold, see parent/gate.h. */
#include <errno.h>
#include <limits.h>

#include "core/control.h"
#include "core/ids.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/statistics.h"
#include "core/stream.h"
#include "wire/cbor.h"

/* What a request is that cannot be read. */
#define SENSELESS "the request makes no sense"

static void release(ramet_router *router, const struct rmt_frame *frame,
		    struct rmt_cbor_reader *reader)
{
	struct rmt_cbor_reader other;
	struct rmt_peer *child;
	uint32_t id, ms;
	bool keep;

	if (rmt_cbor_read_u32(reader, &id) < 0)
		return;
	child = rmt_peer_find(router, id);
	if (!child || !child->stream)
		return;
	other = *reader;
	if (rmt_cbor_read_bool(&other, &keep) == 0)
		child->kept = true;
	else if (rmt_cbor_read_u32(reader, &ms) == 0)
		rmt_child_end(child, ms > INT_MAX ? INT_MAX : (int)ms);
	else
		rmt_peer_unhold(child, frame->source, 1);
}

static void connect_child(ramet_router *router, const struct rmt_frame *frame,
			  struct rmt_cbor_reader *reader)
{
	const char *hop;
	uint32_t index;
	size_t size;

	if (rmt_cbor_read_str(reader, &hop, &size) < 0 || !hop ||
	    rmt_cbor_read_u32(reader, &index) < 0)
		rmt_dead_letter(router, frame, EPROTO, SENSELESS);
	else if (router->hooks)
		router->hooks->connect(router, frame->source, frame->reply, hop, size, index);
}

/* Only for children: what a parent lacks it asks its own parent for. From the parent it is news. */
static void image(ramet_router *router, const struct rmt_frame *frame, struct rmt_stream *stream,
		  struct rmt_cbor_reader *reader)
{
	uint32_t part;
	uint64_t offset;
	const char *name;
	size_t size;

	if (!router->hooks || stream->guest || rmt_cbor_read_u32(reader, &part) < 0 ||
	    rmt_cbor_read_str(reader, &name, &size) < 0 || !name ||
	    rmt_cbor_read_u64(reader, &offset) < 0 ||
	    (stream == router->uplink && (part != RMT_PART_MODULE || frame->reply != 0)))
		rmt_dead_letter(router, frame, EPROTO, SENSELESS);
	else
		router->hooks->image(router, frame->source, frame->reply, (enum rmt_part)part, name,
				     size, offset);
}

static void asked(ramet_router *router, const struct rmt_frame *frame,
		  struct rmt_cbor_reader *reader)
{
	const char *prompt;
	size_t prompt_size;
	uint32_t reply;

	if (rmt_cbor_read_u32(reader, &reply) == 0 &&
	    rmt_cbor_read_str(reader, &prompt, &prompt_size) == 0 && prompt && router->hooks)
		router->hooks->asked(router, frame->source, reply, prompt, prompt_size);
}

static void answered(ramet_router *router, const struct rmt_frame *frame,
		     struct rmt_cbor_reader *reader)
{
	const void *password;
	const char *text;
	size_t size, text_size;
	uint32_t reply;
	bool known;

	if (rmt_cbor_read_u32(reader, &reply) == 0 && rmt_cbor_read_bool(reader, &known) == 0 &&
	    rmt_cbor_read_bytes(reader, &password, &size) == 0 &&
	    rmt_cbor_read_str(reader, &text, &text_size) == 0 && text && router->hooks)
		router->hooks->answered(router, frame->source, reply, known ? password : NULL, size,
					text, text_size);
}

static void statistics(ramet_router *router, const struct rmt_frame *frame,
		       struct rmt_cbor_reader *reader)
{
	uint32_t first;

	if (rmt_cbor_read_u32(reader, &first) == 0)
		rmt_statistics_answer(router, frame->source, frame->reply, first);
	else
		rmt_dead_letter(router, frame, EPROTO, SENSELESS);
}

void rmt_control_parent(ramet_router *router, struct rmt_stream *stream,
			const struct rmt_frame *frame, const unsigned char *data)
{
	struct rmt_cbor_reader reader;
	uint64_t items, operation;

	rmt_cbor_reader_init(&reader, data, frame->length);
	if (rmt_cbor_read_array(&reader, &items) < 0 || rmt_cbor_read_u64(&reader, &operation) < 0)
		return;
	switch (operation) {
	case RMT_OP_CONNECT:
		connect_child(router, frame, &reader);
		return;
	case RMT_OP_RELEASE:
		release(router, frame, &reader);
		return;
	case RMT_OP_ASK:
		asked(router, frame, &reader);
		return;
	case RMT_OP_ANSWER:
		answered(router, frame, &reader);
		return;
	case RMT_OP_ALLOCATE:
		rmt_ids_allocate(router, stream, &reader);
		return;
	case RMT_OP_ALLOCATED:
		rmt_ids_allocated(router, stream, &reader, items);
		return;
	case RMT_OP_IMAGE:
		image(router, frame, stream, &reader);
		return;
	case RMT_OP_STATISTICS:
		statistics(router, frame, &reader);
		return;
	case RMT_OP_ADOPT:
	case RMT_OP_ADOPTED:
	case RMT_OP_DETACHED:
		if (router->hooks && router->hooks->tree)
			router->hooks->tree(router, stream, (enum rmt_operation)operation, &reader);
		return;
	default:
		return;
	}
}
