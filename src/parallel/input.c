/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes on a channel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/macro.h"
#include "base/time.h"
#include "core/value.h"
#include "parallel/state.h"

/* Ends a channel whose other side has hung up without having ended: it may have been about to. */
#define PATIENCE_US 1000000

/* The code of a failure. */
#define CODE_SIZE 4u

/* errno(3): what a program may have failed with, and nothing that would be taken for success. */
#define CODE_MAX 0x7fffffff

static enum rmt_arrival lose(ramet_channel *channel, int code, const char *text)
{
	channel->end = RMT_ARRIVAL_LOST;
	rmt_error_set(&channel->loss, code, "%s", text);
	channel->large = rmt_chunk_unref(channel->large);
	channel->ahead_begin = channel->ahead_end = 0;
	return RMT_ARRIVAL_LOST;
}

static enum rmt_arrival refuse(ramet_channel *channel, const char *text)
{
	/* The number stays ours; others may be watching it. */
	shutdown(channel->fd, SHUT_RDWR);
	return lose(channel, EBADMSG, text);
}

static enum rmt_arrival no_memory(ramet_channel *channel, uint64_t size)
{
	char text[80];

	rmt_format(text, sizeof(text), "no memory for a value of %llu bytes",
		   (unsigned long long)size);
	shutdown(channel->fd, SHUT_RDWR);
	return lose(channel, ENOMEM, text);
}

void rmt_channel_drop_spares(ramet_channel *channel)
{
	for (size_t i = 0; i < RMT_CHANNEL_SPARES; i++)
		channel->spares[i] = rmt_chunk_unref(channel->spares[i]);
	channel->spare_size = 0;
}

void rmt_channel_input_done(ramet_channel *channel)
{
	while (!rmt_list_empty(&channel->kept)) {
		struct rmt_arrived *arrived = rmt_list_first(&channel->kept, struct rmt_arrived,
							     node);

		rmt_list_remove(&arrived->node);
		ramet_value_unref(arrived->value);
		ramet_error_clear(&arrived->error);
		free(arrived);
	}
	channel->kept_size = 0;
	channel->large = rmt_chunk_unref(channel->large);
	rmt_channel_drop_spares(channel);
	channel->ahead_begin = channel->ahead_end = 0;
	channel->headed = channel->dry = false;
	ramet_error_clear(&channel->loss);
}

/* --- bytes -------------------------------------------------------------------------------- */

/* 1: some; 0: none now, or no more. */
static int read_some(ramet_channel *channel, void *data, size_t size)
{
	/* What an ended process has written is all there. */
	bool last = channel->own && channel->ended;
	ssize_t n;

	if (channel->hung_up || channel->fd < 0)
		return 0;
	/* The descriptor says so when there is more. */
	if (channel->dry && !last) {
		channel->dry = false;
		return 0;
	}
	do
		n = read(channel->fd, data, size);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		channel->dry = (size_t)n < size;
		return (int)n;
	}
	/* Somebody whom the ended process has started may hold its end open. Any error but these two
	 * is the other side's: ECONNRESET is what it has not read. */
	if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) || last)
		channel->hung_up = true;
	return 0;
}

static bool fill_ahead(ramet_channel *channel)
{
	size_t size = channel->ahead_end - channel->ahead_begin;
	int n;

	if (!channel->ahead) {
		channel->ahead = malloc(RMT_CHANNEL_AHEAD);
		if (!channel->ahead) {
			no_memory(channel, RMT_CHANNEL_AHEAD);
			return false;
		}
	}
	if (channel->ahead_begin > 0) {
		memmove(channel->ahead, channel->ahead + channel->ahead_begin, size);
		channel->ahead_begin = 0;
		channel->ahead_end = size;
	}
	n = read_some(channel, channel->ahead + size, RMT_CHANNEL_AHEAD - size);
	channel->ahead_end += (size_t)n;
	return n > 0;
}

/* So many bytes are in front. */
static bool has_ahead(ramet_channel *channel, size_t size)
{
	while (channel->ahead_end - channel->ahead_begin < size)
		if (!fill_ahead(channel))
			return false;
	return true;
}

/* Fresh memory costs more than what is copied into it (page faults): that of a value before is used again
 * when nobody holds that any more. */
static struct rmt_chunk *take_spare(ramet_channel *channel, size_t least)
{
	for (size_t i = 0; i < RMT_CHANNEL_SPARES; i++) {
		struct rmt_chunk *spare = channel->spares[i];

		if (!spare || spare->capacity < least || !rmt_chunk_unshared(spare))
			continue;
		channel->spares[i] = NULL;
		channel->spare_size -= spare->capacity;
		return spare;
	}
	return NULL;
}

static bool begin_large(ramet_channel *channel)
{
	size_t have = channel->ahead_end - channel->ahead_begin;
	size_t first = RMT_MIN(channel->head.size, (uint64_t)RMT_CHANNEL_FIRST);

	channel->large = take_spare(channel, first);
	if (!channel->large)
		channel->large = rmt_chunk_new(NULL, first);
	if (!channel->large) {
		no_memory(channel, channel->head.size);
		return false;
	}
	have = RMT_MIN(have, first);
	memcpy(channel->large->data, channel->ahead + channel->ahead_begin, have);
	channel->ahead_begin += have;
	channel->large_size = have;
	return true;
}

/* The place of one that was taken, or of the oldest, which may be held for long. */
static struct rmt_chunk **place_of_spare(ramet_channel *channel)
{
	struct rmt_chunk **oldest = &channel->spares[channel->next_spare];

	for (size_t i = 0; i < RMT_CHANNEL_SPARES; i++)
		if (!channel->spares[i])
			return &channel->spares[i];
	channel->next_spare = (channel->next_spare + 1) % RMT_CHANNEL_SPARES;
	channel->spare_size -= (*oldest)->capacity;
	*oldest = rmt_chunk_unref(*oldest);
	return oldest;
}

/* The value has a reference of its own. */
static void spare_large(ramet_channel *channel)
{
	struct rmt_chunk *large = channel->large;
	struct rmt_chunk **place;

	channel->large = NULL;
	if (large->capacity > RMT_CHANNEL_SPARE) {
		rmt_chunk_unref(large);
		return;
	}
	place = place_of_spare(channel);
	if (channel->spare_size + large->capacity > RMT_CHANNEL_SPARE_ALL) {
		rmt_chunk_unref(large);
		return;
	}
	*place = large;
	channel->spare_size += large->capacity;
}

static bool grow_large(ramet_channel *channel)
{
	struct rmt_chunk *large = channel->large, *grown = NULL;
	uint64_t size = RMT_MIN(channel->head.size, 2 * (uint64_t)large->capacity);

	if (size <= SIZE_MAX)
		grown = rmt_chunk_grow(large, (size_t)size);
	if (!grown) {
		no_memory(channel, channel->head.size);
		return false;
	}
	channel->large = grown;
	return true;
}

static bool fill_large(ramet_channel *channel)
{
	if (!channel->large && !begin_large(channel))
		return false;
	while (channel->large_size < channel->head.size) {
		uint64_t room;
		int n;

		if (channel->large_size == channel->large->capacity && !grow_large(channel))
			return false;
		/* Memory that is used again may be larger: what follows is the next frame's. */
		room = RMT_MIN(channel->large->capacity, channel->head.size) - channel->large_size;
		n = read_some(channel, channel->large->data + channel->large_size,
			      RMT_MIN(room, (uint64_t)INT32_MAX));
		if (n == 0)
			return false;
		channel->large_size += (size_t)n;
	}
	return true;
}

/* --- frames ------------------------------------------------------------------------------- */

static bool head_is_good(const struct rmt_channel_head *head)
{
	if (head->magic != RMT_CHANNEL_MAGIC ||
	    head->flags & ~(RMT_CHANNEL_RAW | RMT_CHANNEL_CONFIRM))
		return false;
	switch (head->kind) {
	case RMT_CHANNEL_VALUE:
		return head->flags & RMT_CHANNEL_RAW || head->size > 0;
	case RMT_CHANNEL_FAILURE:
		return head->size >= CODE_SIZE && head->size <= CODE_SIZE + RMT_ERROR_TEXT_MAX;
	case RMT_CHANNEL_END:
	case RMT_CHANNEL_ACK:
	case RMT_CHANNEL_HELLO:
		return head->size == 0;
	default:
		return false;
	}
}

static enum rmt_arrival take_value(ramet_channel *channel, const unsigned char *data,
				   struct rmt_arrived *arrived)
{
	struct rmt_message message = {
		.frame.flags = channel->head.flags & RMT_CHANNEL_RAW ? RMT_FRAME_RAW : 0,
		.data = data,
		.size = (size_t)channel->head.size,
		.chunk = channel->large,
	};
	int r = rmt_value_from_message(NULL, &message, &arrived->value);

	if (r == -ENOMEM)
		return no_memory(channel, channel->head.size);
	if (r < 0)
		return refuse(channel, "what has arrived is no value");
	arrived->size = message.size + RMT_MESSAGE_OVERHEAD;
	return RMT_ARRIVAL_VALUE;
}

static enum rmt_arrival take_failure(ramet_channel *channel, const unsigned char *data,
				     struct rmt_arrived *arrived)
{
	int32_t code;

	memcpy(&code, data, sizeof(code));
	if (code <= 0)
		return refuse(channel, "what has arrived is no failure");
	rmt_error_set_text(&arrived->error, code, "", (const char *)data + CODE_SIZE,
			   (size_t)channel->head.size - CODE_SIZE);
	arrived->size = (size_t)channel->head.size + RMT_MESSAGE_OVERHEAD;
	return RMT_ARRIVAL_FAILURE;
}

/* A whole frame, whose bytes these are. */
static enum rmt_arrival take_frame(ramet_channel *channel, const unsigned char *data,
				   struct rmt_arrived *arrived)
{
	*arrived = (struct rmt_arrived){
		.confirm = channel->head.flags & RMT_CHANNEL_CONFIRM,
		.tag = channel->head.tag,
	};
	switch (channel->head.kind) {
	case RMT_CHANNEL_VALUE:
		return take_value(channel, data, arrived);
	case RMT_CHANNEL_FAILURE:
		return take_failure(channel, data, arrived);
	case RMT_CHANNEL_END:
		channel->end = RMT_ARRIVAL_END;
		return RMT_ARRIVAL_END;
	case RMT_CHANNEL_HELLO:
		channel->greeted = true;
		return RMT_ARRIVAL_NONE;
	default:
		channel->confirmed++;
		return RMT_ARRIVAL_NONE;
	}
}

/* The end of the bytes, without one of the other side. */
static enum rmt_arrival hung_up(ramet_channel *channel)
{
	bool cut = channel->headed || channel->ahead_begin < channel->ahead_end;
	char how[64], text[160];
	int status = 0, r;

	if (channel->closing)
		return RMT_ARRIVAL_NONE;
	r = channel->own ? rmt_channel_reap(channel, &status) : -ECHILD;
	if (r == 0 && channel->patience == 0)
		channel->patience = rmt_now() + PATIENCE_US;
	if (r == 0 && rmt_now() < channel->patience)
		return RMT_ARRIVAL_NONE;
	if (r == 1 && status == 0 && !cut) {
		channel->end = RMT_ARRIVAL_END;
		return RMT_ARRIVAL_END;
	}
	if (r == 1)
		rmt_status_describe(status, how, sizeof(how));
	else
		rmt_format(how, sizeof(how), "%s",
			   r == 0 ? "has let go of its channel and goes on" : "is gone");
	rmt_format(text, sizeof(text), "the process %s%s", how,
		   cut ? ", in the middle of a value" : "");
	return lose(channel, ECONNRESET, text);
}

/* What comes next; NONE: it is not there yet. */
static enum rmt_arrival next(ramet_channel *channel, struct rmt_arrived *arrived)
{
	for (;;) {
		struct rmt_channel_head *head = &channel->head;
		const unsigned char *data;
		enum rmt_arrival what;
		bool large;

		if (channel->end != RMT_ARRIVAL_NONE)
			return channel->end;
		if (!channel->headed && has_ahead(channel, sizeof(*head))) {
			memcpy(head, channel->ahead + channel->ahead_begin, sizeof(*head));
			if (!head_is_good(head))
				return refuse(channel, "what has arrived is not from a channel");
			channel->ahead_begin += sizeof(*head);
			channel->headed = true;
		}
		large = channel->headed && head->size > RMT_CHANNEL_AHEAD;
		if (!channel->headed ||
		    !(large ? fill_large(channel) : has_ahead(channel, (size_t)head->size))) {
			if (channel->end != RMT_ARRIVAL_NONE)
				return channel->end;
			return channel->hung_up ? hung_up(channel) : RMT_ARRIVAL_NONE;
		}
		data = large ? channel->large->data : channel->ahead + channel->ahead_begin;
		what = take_frame(channel, data, arrived);
		if (what == RMT_ARRIVAL_LOST)
			return what;
		channel->headed = false;
		if (large)
			spare_large(channel);
		else
			channel->ahead_begin += (size_t)head->size;
		if (channel->ahead_begin == channel->ahead_end)
			channel->ahead_begin = channel->ahead_end = 0;
		if (what != RMT_ARRIVAL_NONE)
			return what;
	}
}

/* --- while a send waits ------------------------------------------------------------------- */

bool rmt_channel_may_absorb(const ramet_channel *channel)
{
	return channel->fd >= 0 && !channel->hung_up && channel->end == RMT_ARRIVAL_NONE &&
	       (channel->closing || channel->kept_size < RMT_CHANNEL_KEPT);
}

static void throw_away(ramet_channel *channel)
{
	if (!channel->ahead)
		channel->ahead = malloc(RMT_CHANNEL_AHEAD);
	while (channel->ahead && read_some(channel, channel->ahead, RMT_CHANNEL_AHEAD) > 0)
		;
	if (!channel->ahead)
		channel->hung_up = true;
}

void rmt_channel_absorb(ramet_channel *channel)
{
	if (channel->closing) {
		throw_away(channel);
		return;
	}
	while (rmt_channel_may_absorb(channel)) {
		struct rmt_arrived here, *arrived;
		enum rmt_arrival what = next(channel, &here);

		if (what != RMT_ARRIVAL_VALUE && what != RMT_ARRIVAL_FAILURE)
			return;
		here.what = what;
		arrived = malloc(sizeof(*arrived));
		if (!arrived) {
			ramet_value_unref(here.value);
			ramet_error_clear(&here.error);
			no_memory(channel, here.size);
			return;
		}
		*arrived = here;
		rmt_list_append(&channel->kept, &arrived->node);
		channel->kept_size += arrived->size;
	}
}

void rmt_channel_confirm_kept(ramet_channel *channel)
{
	struct rmt_list *node, *following;

	rmt_list_each(&channel->kept, node, following) {
		struct rmt_arrived *arrived = RMT_CONTAINER(node, struct rmt_arrived, node);

		if (arrived->confirm)
			rmt_channel_post_frame(channel, RMT_CHANNEL_ACK, 0, 0, NULL, 0);
		arrived->confirm = false;
	}
}

/* --- taking ------------------------------------------------------------------------------- */

static bool take_kept(ramet_channel *channel, struct rmt_arrived *arrived)
{
	struct rmt_arrived *first;

	if (rmt_list_empty(&channel->kept))
		return false;
	first = rmt_list_first(&channel->kept, struct rmt_arrived, node);
	rmt_list_remove(&first->node);
	channel->kept_size -= first->size;
	*arrived = *first;
	free(first);
	return true;
}

enum rmt_arrival rmt_channel_take(ramet_channel *channel, ramet_value **ret_value,
				  uint32_t *ret_tag, ramet_error *error)
{
	struct rmt_arrived arrived;

	if (channel->generation != rmt_channel_generation) {
		rmt_error_set(error, EBADF, "the channel belongs to the parent of this process");
		return RMT_ARRIVAL_LOST;
	}
	if (!take_kept(channel, &arrived))
		arrived.what = next(channel, &arrived);
	switch (arrived.what) {
	case RMT_ARRIVAL_VALUE:
		*ret_value = arrived.value;
		break;
	case RMT_ARRIVAL_FAILURE:
		rmt_error_move(error, &arrived.error);
		break;
	case RMT_ARRIVAL_LOST:
		rmt_error_set(error, channel->loss.code, "%s",
			      channel->loss.message ? channel->loss.message : "out of memory");
		return RMT_ARRIVAL_LOST;
	default:
		return arrived.what;
	}
	if (ret_tag)
		*ret_tag = arrived.tag;
	if (arrived.confirm)
		rmt_channel_post_frame(channel, RMT_CHANNEL_ACK, 0, 0, NULL, 0);
	return arrived.what;
}

bool rmt_channel_is_over(const ramet_channel *channel)
{
	return channel->end != RMT_ARRIVAL_NONE && rmt_list_empty(&channel->kept);
}
