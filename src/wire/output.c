/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "wire/handle.h"

/* What is chosen ahead of a more urgent frame: as much as one write takes. */
#define RMT_OUTPUT_BATCH (128u << 10)

struct rmt_outgoing {
	struct rmt_outgoing *next;
	unsigned char header[RMT_FRAME_HEADER_SIZE];
	size_t header_size;
	const unsigned char *data;
	size_t size;
	size_t written; /* of header and data together */
	struct rmt_chunk *chunk;
	unsigned char copy[];
};

struct rmt_lane {
	struct rmt_outgoing *first, *last;
	uint32_t pushed, chosen; /* so many frames; they may wrap */
};

/* A frame that goes behind all that waited when it came, but before what comes after it. */
struct rmt_behind {
	struct rmt_behind *next;
	struct rmt_outgoing *entry;
	uint32_t pushed[RMT_CLASS_COUNT][RMT_OUTPUT_LANES]; /* of each lane, then */
};

struct rmt_lanes {
	uint32_t busy[RMT_CLASS_COUNT]; /* a bit for each lane that is not empty */
	unsigned turn[RMT_CLASS_COUNT]; /* the lane whose turn it is */
	struct rmt_lane lane[RMT_CLASS_COUNT][RMT_OUTPUT_LANES];
	struct rmt_behind *behind; /* the oldest first */
	/* chosen, in order, given to the caller of rmt_output_next */
	struct rmt_outgoing *ready, *ready_last;
};

void rmt_output_init(struct rmt_output *output)
{
	*output = (struct rmt_output){0};
}

static struct rmt_outgoing *outgoing_free(struct rmt_outgoing *entry)
{
	struct rmt_outgoing *next = entry->next;

	rmt_chunk_unref(entry->chunk);
	free(entry);
	return next;
}

void rmt_output_done(struct rmt_output *output)
{
	if (output->current)
		outgoing_free(output->current);
	if (output->lanes) {
		for (struct rmt_outgoing *entry = output->lanes->ready; entry;)
			entry = outgoing_free(entry);
		for (unsigned c = 0; c < RMT_CLASS_COUNT; c++)
			for (unsigned i = 0; i < RMT_OUTPUT_LANES; i++)
				for (struct rmt_outgoing *entry = output->lanes->lane[c][i].first;
				     entry;)
					entry = outgoing_free(entry);
		for (struct rmt_behind *behind = output->lanes->behind, *next; behind;
		     behind = next) {
			next = behind->next;
			outgoing_free(behind->entry);
			free(behind);
		}
		free(output->lanes);
	}
	rmt_output_init(output);
}

enum rmt_class rmt_output_class(const struct rmt_frame *frame)
{
	if (frame->handle == RMT_HANDLE_CONTROL)
		return RMT_CLASS_CONTROL;
	if (frame->handle != RMT_HANDLE_CALL && (frame->flags & RMT_FRAME_COUNTED))
		return RMT_CLASS_BULK;
	/* The end of a stream must not overtake what was sent on it. */
	if (frame->flags & RMT_FRAME_END)
		return RMT_CLASS_BULK;
	return RMT_CLASS_CALL;
}

static unsigned lane_of(const struct rmt_frame *frame)
{
	uint32_t hash = frame->source * 2654435761u ^ frame->destination * 2246822519u ^
			frame->handle * 3266489917u;

	return (hash ^ hash >> 15) % RMT_OUTPUT_LANES;
}

static struct rmt_outgoing *outgoing_new(const void *data, size_t size, struct rmt_chunk *chunk)
{
	struct rmt_outgoing *entry = malloc(sizeof(*entry) + (chunk ? 0 : size));

	if (!entry)
		return NULL;
	*entry = (struct rmt_outgoing){.size = size, .data = data};
	if (chunk) {
		entry->chunk = rmt_chunk_ref(chunk);
	} else {
		if (size > 0)
			memcpy(entry->copy, data, size);
		entry->data = entry->copy;
	}
	return entry;
}

/* A frame that waits; it is counted, and in no lane yet. */
static struct rmt_outgoing *take_in(struct rmt_output *output, const struct rmt_frame *frame,
				    const unsigned char *header, const void *payload,
				    struct rmt_chunk *chunk)
{
	struct rmt_outgoing *entry;

	if (!output->lanes) {
		output->lanes = calloc(1, sizeof(*output->lanes));
		if (!output->lanes)
			return NULL;
	}
	entry = outgoing_new(payload, frame->length, chunk);
	if (!entry)
		return NULL;
	memcpy(entry->header, header, RMT_FRAME_HEADER_SIZE);
	entry->header_size = RMT_FRAME_HEADER_SIZE;
	output->bytes += entry->header_size + entry->size;
	output->peak = RMT_MAX(output->peak, output->bytes);
	return entry;
}

int rmt_output_push(struct rmt_output *output, const struct rmt_frame *frame,
		    const unsigned char header[RMT_FRAME_HEADER_SIZE], const void *payload,
		    struct rmt_chunk *chunk)
{
	enum rmt_class class = rmt_output_class(frame);
	unsigned index = lane_of(frame);
	struct rmt_outgoing *entry = take_in(output, frame, header, payload, chunk);
	struct rmt_lane *lane;

	if (!entry)
		return -ENOMEM;
	lane = &output->lanes->lane[class][index];
	if (lane->last)
		lane->last->next = entry;
	else
		lane->first = entry;
	lane->last = entry;
	lane->pushed++;
	output->lanes->busy[class] |= 1u << index;
	return 0;
}

int rmt_output_push_behind(struct rmt_output *output, const struct rmt_frame *frame,
			   const unsigned char header[RMT_FRAME_HEADER_SIZE], const void *payload)
{
	struct rmt_behind *behind = calloc(1, sizeof(*behind)), **link;

	if (!behind)
		return -ENOMEM;
	behind->entry = take_in(output, frame, header, payload, NULL);
	if (!behind->entry) {
		free(behind);
		return -ENOMEM;
	}
	for (unsigned c = 0; c < RMT_CLASS_COUNT; c++)
		for (unsigned i = 0; i < RMT_OUTPUT_LANES; i++)
			behind->pushed[c][i] = output->lanes->lane[c][i].pushed;
	for (link = &output->lanes->behind; *link; link = &(*link)->next)
		;
	*link = behind;
	return 0;
}

int rmt_output_push_rest(struct rmt_output *output, const void *head, size_t head_size,
			 const void *data, size_t size, struct rmt_chunk *chunk)
{
	struct rmt_outgoing *entry = outgoing_new(data, size, chunk);

	if (!entry)
		return -ENOMEM;
	if (head_size > 0)
		memcpy(entry->header, head, head_size);
	entry->header_size = head_size;
	output->current = entry;
	output->bytes += head_size + size;
	output->peak = RMT_MAX(output->peak, output->bytes);
	return 0;
}

/* The oldest frame of those, when all that it has to stay behind was chosen. */
static struct rmt_outgoing *choose_behind(struct rmt_lanes *lanes)
{
	struct rmt_behind *behind = lanes->behind;
	struct rmt_outgoing *entry;

	for (unsigned c = 0; c < RMT_CLASS_COUNT; c++)
		for (unsigned i = 0; i < RMT_OUTPUT_LANES; i++)
			if ((int32_t)(behind->pushed[c][i] - lanes->lane[c][i].chosen) > 0)
				return NULL;
	entry = behind->entry;
	lanes->behind = behind->next;
	free(behind);
	return entry;
}

/* The next frame by class, then by turn of the lanes; NULL when no lane has one. */
static struct rmt_outgoing *choose(struct rmt_lanes *lanes)
{
	struct rmt_outgoing *late = lanes->behind ? choose_behind(lanes) : NULL;

	if (late)
		return late;
	for (unsigned c = 0; c < RMT_CLASS_COUNT; c++) {
		uint32_t busy = lanes->busy[c];
		unsigned index;
		struct rmt_lane *lane;
		struct rmt_outgoing *entry;

		if (!busy)
			continue;
		/* The first busy lane at or behind the turn, else the first of all. */
		uint32_t behind = busy & ~((1u << lanes->turn[c]) - 1);
		index = (unsigned)__builtin_ctz(behind ? behind : busy);
		lanes->turn[c] = (index + 1) % RMT_OUTPUT_LANES;
		lane = &lanes->lane[c][index];
		entry = lane->first;
		lane->first = entry->next;
		lane->chosen++;
		if (!lane->first) {
			lane->last = NULL;
			lanes->busy[c] &= ~(1u << index);
		}
		entry->next = NULL;
		return entry;
	}
	return NULL;
}

static int entry_space(const struct rmt_outgoing *entry, struct iovec *space)
{
	int n = 0;

	if (entry->written < entry->header_size) {
		space[n].iov_base = (void *)(entry->header + entry->written);
		space[n++].iov_len = entry->header_size - entry->written;
		if (entry->size > 0) {
			space[n].iov_base = (void *)entry->data;
			space[n++].iov_len = entry->size;
		}
	} else {
		size_t done = entry->written - entry->header_size;

		space[n].iov_base = (void *)(entry->data + done);
		space[n++].iov_len = entry->size - done;
	}
	return n;
}

int rmt_output_next(struct rmt_output *output, struct iovec *space, int max)
{
	struct rmt_lanes *lanes = output->lanes;
	struct rmt_outgoing *entry;
	size_t bytes = 0;
	int n = 0;

	if (output->current)
		n = entry_space(output->current, space);
	if (!lanes)
		return n;
	for (entry = lanes->ready; entry && n + 2 <= max; entry = entry->next)
		n += entry_space(entry, space + n);
	for (int i = 0; i < n; i++)
		bytes += space[i].iov_len;
	while (n + 2 <= max && !entry && bytes < RMT_OUTPUT_BATCH) {
		struct rmt_outgoing *chosen = choose(lanes);

		if (!chosen)
			break;
		bytes += chosen->header_size + chosen->size;
		if (lanes->ready_last)
			lanes->ready_last->next = chosen;
		else
			lanes->ready = chosen;
		lanes->ready_last = chosen;
		n += entry_space(chosen, space + n);
	}
	return n;
}

/* Takes what was written off an entry; true when all of it is. */
static bool entry_written(struct rmt_output *output, struct rmt_outgoing *entry, size_t *size)
{
	size_t left = entry->header_size + entry->size - entry->written, now = RMT_MIN(left, *size);

	entry->written += now;
	output->bytes -= now;
	*size -= now;
	return now == left;
}

void rmt_output_written(struct rmt_output *output, size_t size)
{
	struct rmt_lanes *lanes = output->lanes;

	if (output->current && entry_written(output, output->current, &size)) {
		outgoing_free(output->current);
		output->current = NULL;
	}
	while (lanes && size > 0 && !output->current) {
		struct rmt_outgoing *entry = lanes->ready;

		lanes->ready = entry->next;
		if (!lanes->ready)
			lanes->ready_last = NULL;
		entry->next = NULL;
		if (entry_written(output, entry, &size))
			outgoing_free(entry);
		else
			output->current = entry;
	}
	if (output->bytes == 0 && lanes) {
		free(lanes);
		output->lanes = NULL;
	}
}
