/* SPDX-License-Identifier: BSD-3-Clause */
/* Who asks for a transfer: starts the source and the nodes, passes on what they say, and gathers what
 * has become of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "core/peer.h"
#include "core/router.h"
#include "core/value.h"
#include "service/file.h"
#include "service/transfer.h"
#include "service/tree.h"

#define STALL_MS 60000

/* How often the caller hears of the progress, ms. */
#define PROGRESS_MS 200

/* What was cancelled says so within this time, or is left alone: it may be stopped. */
#define PATIENCE_US 2000000

struct part {
	ramet_receiver *call; /* NULL: not started, or over */
	ramet_sender *stream; /* where its data goes, until who sends there is started */
	unsigned waiting;     /* children that are not settled */
	int64_t begun_at;
	bool settled; /* ready, or over before that */
	bool over;
	bool complete;
	ramet_error error;
	rmt_file_taken taken;
};

struct transfer {
	ramet_router *router;
	struct rmt_way way;
	struct part *parts; /* one for each node; 0 is the source */
	const char *from_path, *to_path;
	uint64_t flags;
	int stall;
	ramet_file_progress *progress;
	void *progress_data;
	ramet_receiver *events;
	ramet_select *select;
	ramet_sender *answers; /* to the source */
	unsigned running;
	bool single; /* one target: its failure is that of all */
	bool stopping, cancelled;
	int lost;           /* an errno, negative: nobody knows any more what was said */
	bool heard;         /* there is progress to tell */
	int64_t give_up_at; /* when it is stopping */
	int64_t over_at;    /* when the last part was */
	uint64_t left, bytes, total;
};

/* --- starting ------------------------------------------------------------------------------- */

static void part_over(struct transfer *transfer, int i);
static void stop(struct transfer *transfer);

/* The targets of a node that are there. */
static int targets_make(struct transfer *transfer, int node, rmt_file_targets *targets)
{
	const struct rmt_way *way = &transfer->way;
	size_t most = way->nodes[node].children;
	int64_t patience = transfer->stall;

	*targets = (rmt_file_targets){0};
	targets->senders.items = calloc(most ? most : 1, sizeof(ramet_sender *));
	targets->nodes.items = calloc(most ? most : 1, sizeof(int32_t));
	if (!targets->senders.items || !targets->nodes.items)
		return -ENOMEM;
	for (int i = node + 1; i < way->count; i++) {
		struct part *part = &transfer->parts[i];

		if (way->nodes[i].above != node || way->nodes[i].dropped || !part->stream ||
		    part->over)
			continue;
		targets->senders.items[targets->senders.count++] = part->stream;
		targets->nodes.items[targets->nodes.count++] = i;
	}
	/* Who is above must not lose patience with one that waits for others. */
	if (patience >= 0)
		patience *= way->nodes[node].height ? way->nodes[node].height : 1;
	targets->patience = patience > INT32_MAX ? INT32_MAX : (int32_t)patience;
	return 0;
}

static void targets_free(struct transfer *transfer, rmt_file_targets *targets)
{
	for (size_t i = 0; i < targets->nodes.count; i++) {
		struct part *part = &transfer->parts[targets->nodes.items[i]];

		ramet_sender_unref(part->stream);
		part->stream = NULL;
	}
	free(targets->senders.items);
	free(targets->nodes.items);
}

static int call_part(struct transfer *transfer, int i, const rmt_file_targets *targets,
		     ramet_error *error)
{
	const struct rmt_way_node *node = &transfer->way.nodes[i];
	struct part *part = &transfer->parts[i];
	ramet_sender *events = ramet_receiver_sender(transfer->events);

	if (i == 0)
		return rmt_file_send_start(node->context, transfer->from_path, transfer->flags,
					   events, *targets, &part->call, error);
	return rmt_file_take_start(node->context, node->outcome < 0 ? NULL : transfer->to_path,
				   transfer->flags, i, events, *targets, &part->call, error);
}

static void part_start(struct transfer *transfer, int i)
{
	struct part *part = &transfer->parts[i];
	rmt_file_targets targets;
	int r = targets_make(transfer, i, &targets);

	if (r < 0)
		rmt_error_set(&part->error, r, "out of memory");
	else if (targets.nodes.count == 0 && transfer->way.nodes[i].outcome < 0)
		r = rmt_error_set(&part->error, EPIPE, "there is nobody to send to");
	else
		r = call_part(transfer, i, &targets, &part->error);
	if (r == 0) {
		transfer->running++;
		part->begun_at = rmt_now();
		ramet_receiver_set_data(part->call, part);
		r = ramet_select_add(transfer->select, part->call);
		if (r < 0)
			rmt_error_set(&part->error, r, "out of memory");
		/* It leaves when all who could send there have ended. */
		ramet_select_add(transfer->select, transfer->events);
	}
	targets_free(transfer, &targets);
	if (r < 0) {
		part_over(transfer, i);
		/* Those who are ready would wait for a source that does not begin. */
		if (i == 0)
			stop(transfer);
	}
}

/* It is ready, or will never be: who sends to it need not wait any more. */
static void part_settled(struct transfer *transfer, int i)
{
	int above = transfer->way.nodes[i].above;

	if (transfer->parts[i].settled)
		return;
	transfer->parts[i].settled = true;
	if (above >= 0 && --transfer->parts[above].waiting == 0 && !transfer->parts[above].over &&
	    !transfer->stopping)
		part_start(transfer, above);
}

/* Whatever it has to say was said. */
static void part_over(struct transfer *transfer, int i)
{
	struct part *part = &transfer->parts[i];

	if (part->over)
		return;
	part->over = true;
	if (part->call) {
		transfer->running--;
		ramet_select_remove(transfer->select, part->call);
		ramet_receiver_unref(part->call);
		part->call = NULL;
	}
	transfer->over_at = rmt_now();
	part_settled(transfer, i);
}

static void start_all(struct transfer *transfer)
{
	const struct rmt_way *way = &transfer->way;

	for (int i = 1; i < way->count; i++)
		if (!way->nodes[i].dropped)
			transfer->parts[way->nodes[i].above].waiting++;
	/* Those that wait for nobody; the others when these are ready. */
	for (int i = way->count - 1; i > 0; i--)
		if (!way->nodes[i].dropped && way->nodes[i].height == 0)
			part_start(transfer, i);
}

/* --- ending --------------------------------------------------------------------------------- */

static void stop(struct transfer *transfer)
{
	if (transfer->stopping)
		return;
	transfer->stopping = true;
	transfer->give_up_at = rmt_now() + PATIENCE_US;
	for (int i = 0; i < transfer->way.count; i++)
		if (transfer->parts[i].call)
			ramet_receiver_cancel(transfer->parts[i].call);
}

static void give_up(struct transfer *transfer, int i, const char *text)
{
	struct part *part = &transfer->parts[i];

	if (part->over)
		return;
	if (part->call)
		ramet_receiver_cancel(part->call);
	if (!part->error.code)
		rmt_error_set_at(&part->error, transfer->stopping ? ECANCELED : ETIMEDOUT,
				 ramet_context_path(transfer->way.nodes[i].context), "%s", text);
	part_over(transfer, i);
}

/* With all that get the data through it. */
static void dropped(struct transfer *transfer, uint64_t number)
{
	const struct rmt_way *way = &transfer->way;
	char text[64];

	if (number == 0 || number >= (uint64_t)way->count)
		return;
	rmt_format(text, sizeof(text), "took nothing for %d ms", transfer->stall);
	for (int i = (int)number; i < way->count; i++) {
		int at = i;

		while (at > (int)number)
			at = way->nodes[at].above;
		if (at == (int)number && !way->nodes[i].dropped)
			give_up(transfer, i, text);
	}
}

static void part_done(struct transfer *transfer, int i)
{
	struct part *part = &transfer->parts[i];
	rmt_file_sent sent = {0};
	int r;

	if (i == 0)
		r = rmt_file_send_finish(part->call, 0, &sent, &part->error);
	else
		r = rmt_file_take_finish(part->call, 0, &part->taken, &part->error);
	part->complete = r == 0;
	transfer->left += sent.left;
	part_over(transfer, i);
	/* What the source has to say about it is on its way to the others. */
	if (r < 0 && (i == 0 || transfer->single))
		stop(transfer);
}

/* --- events --------------------------------------------------------------------------------- */

static void ready(struct transfer *transfer, int i, ramet_sender *sender)
{
	struct part *part = &transfer->parts[i];

	if (!sender || part->over || part->settled)
		return;
	if (i == 0) {
		transfer->answers = ramet_sender_ref(sender);
		ramet_sender_set_timeout(transfer->answers, PROGRESS_MS);
		part->settled = true;
		return;
	}
	part->stream = ramet_sender_ref(sender);
	part_settled(transfer, i);
}

/* Who waits for what was lost would wait for ever. */
static void lost(struct transfer *transfer, int code)
{
	if (!transfer->lost)
		transfer->lost = code;
	stop(transfer);
}

/* They come from contexts that need not be well-meaning: numbers are checked. */
static void take_event(struct transfer *transfer, const ramet_value *event)
{
	int64_t i = ramet_value_i64(ramet_value_item(event, 0));
	const ramet_value *value = ramet_value_item(event, 4);
	uint64_t first;
	int r;

	if (ramet_value_count(event) != 5 || i < 0 || i >= transfer->way.count ||
	    transfer->way.nodes[i].dropped)
		return;
	first = ramet_value_u64(ramet_value_item(event, 2));
	switch (ramet_value_i64(ramet_value_item(event, 1))) {
	case RMT_FILE_READY:
		ready(transfer, (int)i, ramet_value_sender(value));
		break;
	case RMT_FILE_PROGRESS:
		transfer->bytes = first;
		transfer->total = ramet_value_u64(ramet_value_item(event, 3));
		transfer->heard = true;
		break;
	case RMT_FILE_ANSWERS:
		/* The source waits for it, so that there is room. */
		r = transfer->answers ? ramet_send_value(transfer->answers, value) : 0;
		if (r < 0)
			lost(transfer, r);
		break;
	case RMT_FILE_DROPPED:
		dropped(transfer, first);
		break;
	default:
		break;
	}
}

static void take_events(struct transfer *transfer)
{
	ramet_value *event;
	int r;

	/* One who might have sent is lost: its call says so. */
	while ((r = ramet_receive(transfer->events, 0, &event, NULL)) > 0 || r == -ECONNRESET) {
		if (r < 0)
			continue;
		take_event(transfer, event);
		ramet_value_unref(event);
	}
	if (r < 0 && r != -ETIMEDOUT)
		lost(transfer, r);
}

/* Targets that do not say where their streams begin: they are stopped, say. */
static void drop_unready(struct transfer *transfer)
{
	int64_t now = rmt_now();

	for (int i = 1; i < transfer->way.count && transfer->stall >= 0; i++) {
		struct part *part = &transfer->parts[i];

		if (part->call && !part->settled &&
		    now > part->begun_at + (int64_t)transfer->stall * 1000)
			give_up(transfer, i, "did not begin in time");
	}
}

static void look(struct transfer *transfer)
{
	bool late;

	if (!transfer->stopping)
		drop_unready(transfer);
	if (transfer->progress && !transfer->stopping &&
	    transfer->progress(transfer->bytes, transfer->total, transfer->progress_data) != 0) {
		transfer->cancelled = true;
		stop(transfer);
	}
	late = transfer->stopping
		       ? rmt_now() > transfer->give_up_at
		       : transfer->parts[0].over && transfer->stall >= 0 &&
				 rmt_now() > transfer->over_at + (int64_t)transfer->stall * 1000;
	for (int i = 0; late && i < transfer->way.count; i++)
		if (transfer->parts[i].call)
			give_up(transfer, i, "does not come to an end");
}

static int run(struct transfer *transfer, ramet_error *error)
{
	int64_t look_at = rmt_now();

	start_all(transfer);
	while (transfer->running > 0) {
		ramet_receiver *receiver = NULL;
		int r = ramet_select_next(transfer->select, PROGRESS_MS, &receiver);

		if (r < 0 && r != -ETIMEDOUT)
			return rmt_error_set(error, r, "the transfer: %s", rmt_strerror(r));
		/* What was said before it ended. */
		take_events(transfer);
		if (r == 1 && receiver != transfer->events) {
			struct part *part = ramet_receiver_data(receiver);

			if (part->call == receiver)
				part_done(transfer, (int)(part - transfer->parts));
		}
		if (transfer->heard || rmt_now() >= look_at) {
			transfer->heard = false;
			look_at = rmt_now() + PROGRESS_MS * 1000;
			look(transfer);
		}
	}
	/* The end is progress, too. */
	if (transfer->progress && !transfer->stopping)
		transfer->progress(transfer->bytes, transfer->total, transfer->progress_data);
	return 0;
}

/* --- both forms ----------------------------------------------------------------------------- */

static int transfer_init(struct transfer *transfer, ramet_context *from,
			 ramet_context *const *targets, size_t count, ramet_error *error)
{
	int r;

	for (size_t i = 0; i < count; i++)
		if (!targets[i] || targets[i]->router != from->router)
			return rmt_error_set(error, EINVAL, "target %zu is of another router", i);
	transfer->router = from->router;
	r = rmt_way_make(&transfer->way, from, targets, count);
	if (r == -EINVAL)
		return rmt_error_set(error, EINVAL, "a context is there twice");
	if (r == 0) {
		transfer->parts = calloc((size_t)transfer->way.count, sizeof(*transfer->parts));
		r = transfer->parts ? ramet_select_new(transfer->router, &transfer->select)
				    : -ENOMEM;
	}
	if (r == 0)
		r = ramet_receiver_new(transfer->router, &transfer->events);
	return r < 0 ? rmt_error_set(error, r, "the transfer cannot be begun: %s", rmt_strerror(r))
		     : 0;
}

static void transfer_done(struct transfer *transfer)
{
	for (int i = 0; transfer->parts && i < transfer->way.count; i++) {
		struct part *part = &transfer->parts[i];

		ramet_receiver_unref(part->call);
		ramet_sender_unref(part->stream);
		ramet_error_clear(&part->error);
		rmt_file_taken_clear(&part->taken);
	}
	free(transfer->parts);
	ramet_select_unref(transfer->select);
	ramet_sender_unref(transfer->answers);
	ramet_receiver_unref(transfer->events);
	rmt_way_done(&transfer->way);
}

/* True when others are the reason: who else failed says more. */
static bool is_consequence(const struct part *part)
{
	int code = part->error.code;

	return code == -EPIPE || code == -ECANCELED || code == -ECONNABORTED;
}

/* The failure that began it all. NULL: there is none. */
static struct part *culprit(struct transfer *transfer)
{
	struct part *found = NULL;

	for (int i = 0; i < transfer->way.count; i++) {
		struct part *part = &transfer->parts[i];

		if (part->error.code &&
		    (!found || (is_consequence(found) && !is_consequence(part))))
			found = part;
	}
	return found;
}

static int lost_error(const struct transfer *transfer, ramet_error *error)
{
	return transfer->lost ? rmt_error_set(error, transfer->lost,
					      "what was said about the transfer was lost: %s",
					      rmt_strerror(transfer->lost))
			      : 0;
}

static void result_make(const struct transfer *transfer, const struct part *part,
			ramet_file_copy_result *ret_result)
{
	*ret_result = (ramet_file_copy_result){
		.bytes = part->taken.bytes,
		.files = part->taken.files,
		.skipped = part->taken.skipped,
		.left = transfer->left,
	};
	if (part->taken.hash && strlen(part->taken.hash) < sizeof(ret_result->hash))
		strcpy(ret_result->hash, part->taken.hash);
}

static int check_flags(unsigned flags, unsigned known, ramet_error *error)
{
	return flags & ~known
		       ? rmt_error_set(error, EINVAL, "flags %#x are not for this", flags & ~known)
		       : 0;
}

int rmt_file_copy(const ramet_file_copy_options *given, ramet_file_copy_result *ret_result,
		  ramet_error *error)
{
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;
	struct transfer transfer = {0};
	struct part *failed;
	int r;

	if (given->size < sizeof(given->size))
		return rmt_error_set(error, EINVAL, "the options have no size");
	memcpy(&options, given, RMT_MIN(given->size, sizeof(options)));
	if (!options.from || !options.to || !options.from_path || !options.to_path)
		return rmt_error_set(error, EINVAL, "a context or a path is missing");
	r = check_flags(options.flags,
			RAMET_FILE_FOLLOW | RAMET_FILE_TREE | RAMET_FILE_OWNER |
				RAMET_FILE_SKIP_SAME | RAMET_FILE_SKIP_HASH | RAMET_FILE_RESUME |
				RAMET_FILE_NO_SYNC,
			error);
	if (r < 0)
		return r;
	transfer.from_path = options.from_path;
	transfer.to_path = options.to_path;
	transfer.flags = options.flags;
	if (options.flags & (RAMET_FILE_SKIP_SAME | RAMET_FILE_SKIP_HASH | RAMET_FILE_RESUME))
		transfer.flags |= RMT_FILE_ASKS;
	transfer.stall = options.stall_timeout ? options.stall_timeout : STALL_MS;
	transfer.progress = options.progress;
	transfer.progress_data = options.progress_data;
	transfer.single = true;
	r = transfer_init(&transfer, options.from, &options.to, 1, error);
	if (r == 0)
		r = run(&transfer, error);
	failed = r == 0 ? culprit(&transfer) : NULL;
	if (r == 0 && transfer.cancelled)
		r = rmt_error_set(error, ECANCELED, "the transfer was cancelled");
	else if (failed && !(transfer.lost && is_consequence(failed)))
		r = rmt_error_move(error, &failed->error);
	else if (r == 0)
		r = lost_error(&transfer, error);
	for (int i = 1; r == 0 && i < transfer.way.count; i++) {
		if (transfer.way.nodes[i].outcome != 0)
			continue;
		if (!transfer.parts[i].complete)
			r = rmt_error_set(error, ECANCELED, "the transfer was broken off");
		else if (ret_result)
			result_make(&transfer, &transfer.parts[i], ret_result);
	}
	transfer_done(&transfer);
	return r;
}

/* Of all targets; returns how many have failed. */
static int outcomes_make(struct transfer *transfer, ramet_file_outcome *ret_outcomes)
{
	int failures = 0;

	for (int i = 1; i < transfer->way.count; i++) {
		struct part *part = &transfer->parts[i];
		ramet_file_outcome *outcome;

		if (transfer->way.nodes[i].outcome < 0)
			continue;
		outcome = &ret_outcomes[transfer->way.nodes[i].outcome];
		*outcome = (ramet_file_outcome){.error = RAMET_ERROR_INIT};
		if (!part->complete && !part->error.code)
			rmt_error_set(&part->error, ECANCELED, "the transfer was broken off");
		if (part->error.code) {
			rmt_error_move(&outcome->error, &part->error);
			failures++;
		} else {
			result_make(transfer, part, &outcome->result);
		}
	}
	return failures;
}

int rmt_file_distribute(const ramet_file_distribute_options *given,
			ramet_file_outcome *ret_outcomes, ramet_error *error)
{
	ramet_file_distribute_options options = RAMET_FILE_DISTRIBUTE_OPTIONS_INIT;
	struct transfer transfer = {0};
	struct part *source;
	ramet_context **targets;
	size_t count;
	int r;

	if (given->size < sizeof(given->size))
		return rmt_error_set(error, EINVAL, "the options have no size");
	memcpy(&options, given, RMT_MIN(given->size, sizeof(options)));
	if (!options.from || !options.to || !options.from_path || !options.to_path)
		return rmt_error_set(error, EINVAL, "a context, the group or a path is missing");
	r = check_flags(options.flags,
			RAMET_FILE_FOLLOW | RAMET_FILE_TREE | RAMET_FILE_OWNER |
				RAMET_FILE_SKIP_SAME | RAMET_FILE_NO_SYNC,
			error);
	if (r < 0)
		return r;
	count = ramet_group_size(options.to);
	if (count == 0)
		return 0;
	targets = calloc(count, sizeof(*targets));
	if (!targets)
		return rmt_error_set(error, ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		targets[i] = ramet_group_get(options.to, i);
	transfer.from_path = options.from_path;
	transfer.to_path = options.to_path;
	transfer.flags = options.flags;
	transfer.stall = options.stall_timeout ? options.stall_timeout : STALL_MS;
	transfer.progress = options.progress;
	transfer.progress_data = options.progress_data;
	r = transfer_init(&transfer, options.from, targets, count, error);
	if (r == 0)
		r = run(&transfer, error);
	source = transfer.parts;
	if (r == 0 && transfer.cancelled)
		r = rmt_error_set(error, ECANCELED, "the transfer was cancelled");
	else if (r == 0 && source->error.code && !is_consequence(source))
		r = rmt_error_move(error, &source->error);
	else if (r == 0)
		r = lost_error(&transfer, error);
	if (r == 0)
		r = outcomes_make(&transfer, ret_outcomes);
	transfer_done(&transfer);
	free(targets);
	return r;
}
