/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking a context for what it counts, and how long it takes to answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/heartbeat.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/statistics.h"
#include "core/stream.h"
#include "core/wait.h"
#include "service/statistics.h"
#include "wire/cbor.h"

/* Children come and go while their parent is asked, page by page. */
#define LINKS_MAX RMT_COUNT_MAX

struct question {
	ramet_context *context;
	const char *what; /* in messages */
	int timeout;
	struct rmt_buffer text;
	ramet_receiver receiver;
	int64_t took; /* us */
};

/* Sends it and waits for the answer, which is then in receiver.inline_entry.message. The lock is
 * held. After success and failure: question_done(). */
static int ask(struct question *question, ramet_error *error)
{
	struct rmt_peer *peer = question->context->peer;
	ramet_router *router = peer->router;
	struct rmt_frame frame = {.destination = peer->id, .handle = RMT_HANDLE_CONTROL};
	int64_t before = rmt_now(), until = RMT_NEVER;
	int r = question->text.error;

	if (question->timeout >= 0)
		until = rmt_after(question->timeout);
	if (router->state == RMT_ROUTER_ENDED)
		return rmt_error_set(error, ESHUTDOWN, "the router has ended");
	if (!peer->alive)
		return rmt_error_set(error, ECONNRESET, "%s is gone: %s", rmt_peer_name(peer),
				     peer->reason ? peer->reason : "out of memory");
	rmt_receiver_expect(&question->receiver, peer, question->what);
	frame.reply = (uint32_t)question->receiver.node.key;
	if (r == 0)
		r = rmt_send_frame(router, &frame, question->text.data, question->text.size, false);
	if (r < 0)
		return rmt_error_set(error, r, "%s: %s", question->what, rmt_strerror(r));
	r = rmt_wait(router, rmt_receiver_is_done, &question->receiver, until);
	question->took = rmt_now() - before;
	if (r == -ETIMEDOUT)
		return rmt_error_set(error, ETIMEDOUT, "%s has not answered '%s' within %d ms",
				     rmt_peer_name(peer), question->what, question->timeout);
	if (r < 0)
		return rmt_error_set(error, r, "the router has ended");
	return rmt_receiver_failure(&question->receiver, error);
}

static void question_done(struct question *question)
{
	if (question->receiver.router)
		rmt_receiver_done(&question->receiver);
	rmt_buffer_done(&question->text);
}

/* --- reading ------------------------------------------------------------------------------ */

static int read_buckets(struct rmt_cbor_reader *reader, uint64_t *buckets)
{
	uint64_t count, number;

	if (rmt_cbor_read_array(reader, &count) < 0)
		return -EPROTO;
	for (uint64_t i = 0; i < count; i++) {
		if (rmt_cbor_read_u64(reader, &number) < 0)
			return -EPROTO;
		/* There may be more there: they are all longer than what is known here. */
		buckets[RMT_MIN(i, RAMET_LATENCY_BUCKETS - 1u)] += number;
	}
	return 0;
}

static int read_number(struct rmt_cbor_reader *reader, uint64_t key, void *object,
		       const unsigned short *members, unsigned count)
{
	uint64_t number;

	if (key >= count)
		return rmt_cbor_skip(reader);
	if (rmt_cbor_read_u64(reader, &number) < 0)
		return -EPROTO;
	memcpy((char *)object + members[key], &number, sizeof(number));
	return 0;
}

static int read_link(struct rmt_cbor_reader *reader, ramet_link_statistics *link)
{
	uint64_t pairs, key;
	const char *path;
	size_t size;
	int r = 0;

	*link = (ramet_link_statistics){.path = NULL};
	if (rmt_cbor_read_map(reader, &pairs) < 0)
		return -EPROTO;
	for (uint64_t i = 0; i < pairs && r == 0; i++) {
		if (rmt_cbor_read_u64(reader, &key) < 0) {
			r = -EPROTO;
		} else if (key == RMT_LINK_PATH && !link->path) {
			r = rmt_cbor_read_str(reader, &path, &size);
			link->path = r == 0 && path ? rmt_format_new("%.*s", (int)size, path)
						    : NULL;
		} else if (key == RMT_LINK_LATENCY) {
			r = read_buckets(reader, link->latency);
		} else {
			r = read_number(reader, key, link, rmt_link_members, rmt_link_count);
		}
	}
	if (r == 0 && !link->path)
		r = -EPROTO;
	if (r < 0)
		free((char *)link->path);
	return r;
}

/* The links with what is known of them already. */
struct answer {
	ramet_statistics all;
	ramet_link_statistics *links;
	size_t count;
};

static int read_links(struct rmt_cbor_reader *reader, struct answer *answer)
{
	ramet_link_statistics *grown;
	uint64_t count;
	int r = 0;

	/* Each has at least a byte, so that the count is bounded by the frame. */
	if (rmt_cbor_read_array(reader, &count) < 0 || count > reader->size)
		return -EPROTO;
	grown = realloc(answer->links, (answer->count + count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	answer->links = grown;
	for (uint64_t i = 0; i < count && r == 0; i++) {
		r = read_link(reader, &grown[answer->count]);
		answer->count += r == 0;
	}
	return r;
}

static int read_answer(const struct rmt_message *message, struct answer *answer)
{
	struct rmt_cbor_reader reader;
	uint64_t pairs, key;
	int r = rmt_cbor_validate(message->data, message->size);

	rmt_cbor_reader_init(&reader, message->data, message->size);
	if (r < 0 || rmt_cbor_read_map(&reader, &pairs) < 0)
		return -EPROTO;
	for (uint64_t i = 0; i < pairs && r == 0; i++) {
		if (rmt_cbor_read_u64(&reader, &key) < 0)
			r = -EPROTO;
		else if (key == RMT_STATISTICS_LINKS)
			r = read_links(&reader, answer);
		else
			r = read_number(&reader, key, &answer->all, rmt_statistics_members,
					rmt_statistics_count);
	}
	return r;
}

static void free_links(ramet_link_statistics *links, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((char *)links[i].path);
	free(links);
}

/* As many links as fit a frame come at a time. */
static int read_page(ramet_context *context, struct answer *answer, ramet_error *error)
{
	struct question question = {
		.context = context,
		.what = "statistics",
		.timeout = context->timeout > 0 ? context->timeout : -1,
	};
	int r;

	rmt_cbor_put_array(&question.text, 2);
	rmt_cbor_put_uint(&question.text, RMT_OP_STATISTICS);
	rmt_cbor_put_uint(&question.text, answer->count);
	r = ask(&question, error);
	if (r == 0) {
		r = read_answer(&question.receiver.inline_entry.message, answer);
		if (r < 0)
			rmt_error_set(error, r, "the statistics of %s make no sense",
				      rmt_peer_name(context->peer));
	}
	question_done(&question);
	return r;
}

/* --- behind the gate ---------------------------------------------------------------------- */

int rmt_context_statistics(ramet_context *context, ramet_statistics *statistics, ramet_error *error)
{
	ramet_router *router = context->router;
	struct answer answer = {.all = RAMET_STATISTICS_INIT};
	size_t before, size = statistics->size;
	int r;

	if (size < offsetof(ramet_statistics, pid) || size > sizeof(answer.all))
		return rmt_error_set(error, EINVAL, "statistics: a size of %zu", size);
	rmt_lock(router);
	do {
		before = answer.count;
		r = read_page(context, &answer, error);
	} while (r == 0 && answer.count > before && answer.count < answer.all.link_count &&
		 answer.count < LINKS_MAX);
	rmt_unlock(router);
	if (r < 0) {
		free_links(answer.links, answer.count);
		return r;
	}
	ramet_statistics_clear(statistics);
	answer.all.size = size;
	answer.all.links = answer.links;
	answer.all.link_count = answer.count;
	memcpy(statistics, &answer.all, size);
	return 0;
}

int rmt_context_ping(ramet_context *context, int timeout, int64_t *ret_us, ramet_error *error)
{
	ramet_router *router = context->router;
	struct question question = {.context = context, .what = "ping", .timeout = timeout};
	struct rmt_peer *peer;
	int r;

	rmt_lock(router);
	/* The handle may get another peer while this one is waited for. */
	peer = rmt_context_take(context->peer)->peer;
	rmt_cbor_put_array(&question.text, 1);
	rmt_cbor_put_uint(&question.text, RMT_OP_PING);
	r = ask(&question, error);
	if (r == 0) {
		*ret_us = question.took;
		if (peer->stream)
			rmt_heartbeat_took(peer->stream, question.took);
	}
	question_done(&question);
	rmt_context_drop(&peer->handle);
	rmt_unlock(router);
	return r;
}

const ramet_link_statistics *rmt_statistics_link(const ramet_statistics *statistics, size_t index)
{
	const ramet_link_statistics *links = statistics->links;

	return index < statistics->link_count ? &links[index] : NULL;
}

void rmt_statistics_clear(ramet_statistics *statistics)
{
	size_t size = statistics->size;

	free_links(statistics->links, statistics->link_count);
	memset(statistics, 0, size);
	statistics->size = size;
}
