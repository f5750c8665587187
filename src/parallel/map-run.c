/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/map.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/time.h"
#include "core/value.h"
#include "parallel/state.h"

#define NONE UINT64_MAX

/* A batch is to take about so long: then what it costs to give it out is one percent of it at most. */
#define BATCH_NS 1000000.0

/* Batches that take longer are not worth to be queued behind another: they would have to wait there. */
#define QUEUE_NS 4000000.0

/* ... and what it sends should not be larger. */
#define BATCH_BYTES 262144.0

/* From one batch to the next, they grow by this at most. */
#define GROWTH 8u

/* Workers in a row that end with nothing in hand before it is taken for the fault of the next input. */
#define LOST_MAX 3u

/* --- how many ----------------------------------------------------------------------------- */

static uint64_t inputs_left(const struct ramet_map *map)
{
	if (map->source)
		return map->source_over ? 0 : UINT64_MAX;
	return map->count - map->next;
}

/* How many inputs the next batch may have; 0: none now. */
static uint32_t batch_size(const struct ramet_map *map)
{
	uint64_t workers = (uint64_t)map->options.limit, left = inputs_left(map);
	uint64_t room = map->taken + map->options.window - map->next, size = 1;

	if (map->kept)
		room = left;
	else if (map->batches.held > RMT_MAP_HELD_MAX)
		room = 0;
	if (map->options.batch > 0) {
		size = map->options.batch;
	} else if (map->nanoseconds > 0) {
		size = map->grown;
		if ((double)size * map->nanoseconds > BATCH_NS)
			size = (uint64_t)(BATCH_NS / map->nanoseconds);
		if ((double)size * map->bytes > BATCH_BYTES)
			size = (uint64_t)(BATCH_BYTES / map->bytes);
		/* Workers are to end together, and all have some when the window is full. */
		size = RMT_MIN(size, left / (2 * workers));
		size = RMT_MIN(size, map->options.window / (4 * workers));
		size = RMT_MAX(size, 1u);
	}
	if (map->worker.options.fresh)
		size = 1;
	size = RMT_MIN(size, RMT_MIN(left, room));
	return (uint32_t)RMT_MIN(size, UINT32_MAX);
}

/* How many batches a worker has at most: while it does one, the next is on its way. */
static unsigned depth(const struct ramet_map *map)
{
	double size = map->options.batch > 0 ? map->options.batch : 1;

	if (map->worker.options.fresh || map->nanoseconds <= 0)
		return 1;
	return size * map->nanoseconds > QUEUE_NS ? 1 : 2;
}

static void learn(struct ramet_map *map, const struct rmt_results_head *head, size_t bytes)
{
	double each, size;

	if (head->tasks == 0 || head->spent <= 0)
		return;
	each = (double)head->spent / head->tasks;
	size = (double)bytes / head->tasks;
	map->bytes = map->nanoseconds > 0 ? (3 * map->bytes + size) / 4 : size;
	map->nanoseconds = map->nanoseconds > 0 ? (3 * map->nanoseconds + each) / 4 : each;
	if (head->over && map->grown <= head->tasks)
		map->grown = head->tasks < UINT32_MAX / GROWTH ? head->tasks * GROWTH : UINT32_MAX;
}

/* --- inputs ------------------------------------------------------------------------------- */

/* Without memory for the books, results would be lost without anybody noticing. */
static void break_off(struct ramet_map *map)
{
	map->broken = -ENOMEM;
}

/* The input at the end of the last batch is none that can be sent. */
static struct rmt_batch *refuse_input(struct ramet_map *map, int code)
{
	struct rmt_batch *batch = rmt_batch_new(&map->batches, map->next++, 1);
	ramet_error failure = RAMET_ERROR_INIT;

	if (!batch) {
		break_off(map);
		return NULL;
	}
	rmt_list_remove(&batch->turn);
	rmt_error_set(&failure, code,
		      code == -EINVAL ? "an input holds a context or a sender"
				      : "out of memory for an input");
	rmt_batch_fail(batch, &failure);
	return NULL;
}

/* The next input of the source: 1, or 0 there are no more. */
static int ask_source(struct ramet_map *map, ramet_value **ret_input)
{
	int r;

	if (map->source_over)
		return 0;
	r = map->source(ret_input, map->source_data);
	if (r <= 0) {
		map->source_over = true;
		map->source_result = r;
		return 0;
	}
	return 1;
}

/* Moves what was encoded to where it stays until there are results. */
static struct rmt_batch *encoded_batch(struct ramet_map *map, uint32_t count,
				       const struct rmt_buffer *encoded)
{
	struct rmt_chunk *chunk = rmt_chunk_new(NULL, encoded->size);
	struct rmt_batch *batch = chunk ? rmt_batch_new(&map->batches, map->next, count) : NULL;

	if (!batch) {
		rmt_chunk_unref(chunk);
		break_off(map);
		return NULL;
	}
	memcpy(chunk->data, encoded->data, encoded->size);
	batch->chunk = chunk;
	batch->inputs = chunk->data;
	batch->inputs_size = encoded->size;
	map->next += count;
	return batch;
}

/* A process that is forked for it has the value itself. */
static struct rmt_batch *fresh_batch(struct ramet_map *map)
{
	struct rmt_batch *batch;
	ramet_value *input;

	if (ask_source(map, &input) == 0)
		return NULL;
	batch = rmt_batch_new(&map->batches, map->next, 1);
	if (!batch) {
		ramet_value_unref(input);
		break_off(map);
		return NULL;
	}
	batch->input = input;
	map->next++;
	return batch;
}

static struct rmt_batch *source_batch(struct ramet_map *map, uint32_t size)
{
	struct rmt_buffer encoded = RMT_BUFFER_INIT;
	struct rmt_batch *batch = NULL;
	uint32_t count = 0;
	size_t before = 0;
	ramet_value *input;
	int r = 0;

	while (r == 0 && count < size && ask_source(map, &input) == 1) {
		before = encoded.size;
		r = rmt_value_is_plain(input) ? 0 : -EINVAL;
		if (r == 0)
			rmt_value_encode(input, &encoded);
		if (r == 0)
			r = encoded.error;
		ramet_value_unref(input);
		if (r == 0)
			count++;
	}
	encoded.size = r < 0 ? before : encoded.size;
	if (count > 0)
		batch = encoded_batch(map, count, &encoded);
	rmt_buffer_done(&encoded);
	if (r < 0 && map->broken == 0)
		refuse_input(map, r);
	return batch;
}

/* The next batch to give out, which is then in nobody's turn; NULL: there is none now. */
static struct rmt_batch *next_batch(struct ramet_map *map)
{
	uint32_t size = batch_size(map);
	struct rmt_batch *batch = NULL, *rest;

	if (!rmt_list_empty(&map->batches.waiting)) {
		batch = rmt_list_first(&map->batches.waiting, struct rmt_batch, turn);
		size = RMT_MAX(size, 1u);
		if (map->options.batch == 0 && batch->count > size) {
			rest = rmt_batch_split(batch, size);
			if (rest)
				rmt_batch_wait(rest);
		}
	} else if (size > 0 && map->broken == 0) {
		if (!map->source) {
			batch = rmt_batch_new(&map->batches, map->next, size);
			if (batch)
				map->next += size;
			else
				break_off(map);
		} else if (map->worker.options.fresh) {
			batch = fresh_batch(map);
		} else {
			batch = source_batch(map, size);
		}
	}
	if (batch)
		rmt_list_remove(&batch->turn);
	return batch;
}

/* --- workers ------------------------------------------------------------------------------ */

/* What a worker that is started finds in its memory. */
struct birth {
	const struct rmt_worker *worker;
	const struct rmt_batch *batch;
	struct rmt_run run;
};

static void worker_process(ramet_channel *channel, void *data)
{
	const struct birth *birth = data;
	const struct rmt_batch *batch = birth->batch;
	const ramet_value *input = batch->input;

	if (!birth->worker->options.fresh) {
		rmt_worker_map(birth->worker, channel);
		return;
	}
	if (birth->worker->inputs)
		input = birth->worker->inputs[batch->first];
	rmt_worker_map_one(birth->worker, channel, &birth->run, input);
}

static struct rmt_run describe(const struct ramet_map *map, const struct rmt_batch *batch)
{
	return (struct rmt_run){
		.first = batch->first,
		.count = batch->count,
		.sent = batch->chunk != NULL,
		.give_back = map->options.batch == 0,
		.combine = map->combine,
	};
}

static int start_worker(struct ramet_map *map, struct rmt_map_worker *worker,
			struct rmt_batch *batch, ramet_error *error)
{
	struct rmt_worker begins = map->worker;
	struct birth birth = {&begins, batch, describe(map, batch)};
	ramet_channel *channel;
	int r;

	begins.slot = &map->slots[worker - map->workers];
	begins.inputs = map->inputs;
	atomic_store(&begins.slot->in_hand, map->worker.options.fresh ? batch->first : NONE);
	r = ramet_start(worker_process, &birth, &channel);
	if (r < 0)
		return rmt_error_set(error, r, "no worker could be started: %s", rmt_strerror(r));
	r = rmt_crew_add(&map->crew, &worker->member, channel);
	if (r < 0) {
		ramet_channel_kill(channel, SIGKILL);
		ramet_channel_close(channel);
		return rmt_error_set(error, r, "no worker can be watched: %s", rmt_strerror(r));
	}
	worker->finishing = map->worker.options.fresh;
	return 0;
}

/* If it is gone, its end is seen soon, and it loses the batch. Without memory it is sent away: its batch
 * goes to another one. */
static void post_batch(struct rmt_member *member, const struct rmt_run *run,
		       const struct rmt_batch *batch)
{
	unsigned char small[4096];
	struct rmt_buffer message;

	rmt_buffer_init(&message, small, sizeof(small));
	rmt_buffer_append(&message, run, sizeof(*run));
	if (run->sent)
		rmt_buffer_append(&message, batch->inputs, batch->inputs_size);
	if (message.error < 0 ||
	    rmt_member_post(member, RMT_WORK_RUN, message.data, message.size) == -ENOMEM)
		rmt_member_kill(member);
	rmt_buffer_done(&message);
}

static void give_batch(struct ramet_map *map, struct rmt_map_worker *worker,
		       struct rmt_batch *batch)
{
	struct rmt_run run = describe(map, batch);

	rmt_list_append(&worker->out, &batch->turn);
	worker->batches++;
	if (!map->worker.options.fresh)
		post_batch(&worker->member, &run, batch);
}

/* Gives a batch to each worker that has less than so many. */
static int give_round(struct ramet_map *map, unsigned less, ramet_error *error)
{
	struct rmt_map_worker *worker = map->workers;
	struct rmt_batch *batch;
	int r = 0;

	for (int i = 0; i < map->options.limit && r == 0; i++, worker++) {
		bool start = !worker->member.channel;

		if (!start &&
		    (worker->finishing || worker->member.ended || worker->batches >= less))
			continue;
		batch = next_batch(map);
		if (!batch)
			break;
		if (start)
			r = start_worker(map, worker, batch, error);
		if (r < 0)
			rmt_batch_wait(batch);
		else
			give_batch(map, worker, batch);
	}
	return r;
}

int rmt_map_give(struct ramet_map *map, ramet_error *error)
{
	unsigned most = depth(map);
	int r = 0;

	for (unsigned less = 1; less <= most && r == 0; less++)
		r = give_round(map, less, error);
	if (map->broken < 0)
		return rmt_error_set(error, map->broken, "out of memory");
	/* Those that run go on, and perhaps there can be more of them later. */
	return r < 0 && map->crew.count == 0 ? r : 0;
}

/* --- what workers say --------------------------------------------------------------------- */

/* The worker does no more of it: the rest is for others. */
static void settle(struct ramet_map *map, struct rmt_batch *batch)
{
	struct rmt_batch *rest;

	rmt_list_remove(&batch->turn);
	if (batch->arrived < batch->count) {
		rest = rmt_batch_split(batch, batch->arrived);
		if (!rest) {
			break_off(map);
			return;
		}
		rmt_batch_wait(rest);
	}
	if (batch->taken == batch->count)
		rmt_batch_free(batch);
}

static int take_results(struct ramet_map *map, struct rmt_map_worker *worker, ramet_value *value)
{
	ramet_bytes bytes = ramet_value_bytes(value);
	struct rmt_results_head head;
	struct rmt_batch *batch;
	int r;

	if (bytes.size < sizeof(head) || worker->batches == 0)
		return -EBADMSG;
	memcpy(&head, bytes.data, sizeof(head));
	batch = rmt_list_first(&worker->out, struct rmt_batch, turn);
	r = rmt_batch_add(batch, value, (const char *)bytes.data + sizeof(head),
			  bytes.size - sizeof(head));
	if (r == 0)
		r = rmt_batch_arrived(batch, head.tasks);
	if (r < 0)
		return r;
	learn(map, &head, bytes.size + worker->large);
	worker->large = 0;
	if (head.tasks > 0)
		map->lost = 0;
	if (head.broken)
		worker->finishing = true;
	if (head.over) {
		worker->batches--;
		settle(map, batch);
	}
	return 0;
}

static void take_value(struct ramet_map *map, struct rmt_map_worker *worker, ramet_value *value,
		       uint32_t tag)
{
	int r;

	if (map->broken < 0) {
		/* Behind a gap: these would be taken for results of other inputs. */
		ramet_value_unref(value);
		return;
	}
	if (tag == RMT_WORK_RESULTS) {
		r = take_results(map, worker, value);
		ramet_value_unref(value);
	} else if (worker->batches > 0) {
		worker->large += ramet_value_bytes(value).size;
		r = rmt_batch_add_value(rmt_list_first(&worker->out, struct rmt_batch, turn),
					value);
	} else {
		ramet_value_unref(value);
		r = -EBADMSG;
	}
	if (r == -ENOMEM)
		break_off(map);
	else if (r < 0)
		rmt_member_kill(&worker->member);
}

/* The input that a lost worker had in hand is the first of this batch. */
static void fail_first(struct ramet_map *map, struct rmt_batch *batch, const ramet_error *reason)
{
	struct rmt_batch *rest = batch->count > 1 ? rmt_batch_split(batch, 1) : NULL;
	ramet_error failure = RAMET_ERROR_INIT;

	if (batch->count > 1) {
		break_off(map);
		return;
	}
	if (rest)
		rmt_batch_wait(rest);
	rmt_list_remove(&batch->turn);
	rmt_error_set(&failure, ECONNRESET, "the worker was lost with this input in hand: %s",
		      reason->message ? reason->message : "it has ended");
	rmt_batch_fail(batch, &failure);
}

/* A batch of a lost worker; what has arrived of it stays. */
static void lose_batch(struct ramet_map *map, struct rmt_batch *batch, uint64_t in_hand,
		       const ramet_error *reason)
{
	uint64_t from = batch->first + batch->arrived, to = batch->first + batch->count;
	struct rmt_batch *held;

	if (in_hand < from || in_hand >= to) {
		settle(map, batch);
		return;
	}
	if (in_hand > batch->first) {
		held = rmt_batch_split(batch, (uint32_t)(in_hand - batch->first));
		if (!held) {
			break_off(map);
			return;
		}
		settle(map, batch);
		batch = held;
	}
	fail_first(map, batch, reason);
}

static void lose_batches(struct ramet_map *map, struct rmt_map_worker *worker,
			 const ramet_error *reason)
{
	uint64_t in_hand = atomic_load(&map->slots[worker - map->workers].in_hand);
	struct rmt_batch *batch;

	if (worker->batches > 0 && in_hand == NONE && ++map->lost >= LOST_MAX) {
		batch = rmt_list_first(&worker->out, struct rmt_batch, turn);
		in_hand = batch->first + batch->arrived;
		map->lost = 0;
	}
	while (worker->batches > 0 && map->broken == 0) {
		batch = rmt_list_first(&worker->out, struct rmt_batch, turn);
		rmt_list_remove(&batch->turn);
		worker->batches--;
		lose_batch(map, batch, in_hand, reason);
	}
}

static void look_at(struct ramet_map *map, struct rmt_map_worker *worker)
{
	struct rmt_member *member = &worker->member;
	ramet_error reason = RAMET_ERROR_INIT;
	enum rmt_arrival arrival;
	ramet_value *value;
	uint32_t tag;

	do {
		arrival = rmt_member_take(member, &value, &tag, &reason);
		if (arrival == RMT_ARRIVAL_VALUE)
			take_value(map, worker, value, tag);
	} while (arrival == RMT_ARRIVAL_VALUE || arrival == RMT_ARRIVAL_FAILURE);
	if (arrival == RMT_ARRIVAL_END || arrival == RMT_ARRIVAL_LOST)
		lose_batches(map, worker, &reason);
	ramet_error_clear(&reason);
	if (rmt_member_over(member))
		rmt_member_close(member);
}

/* --- all of it ---------------------------------------------------------------------------- */

static bool all_arrived(const struct ramet_map *map)
{
	if (inputs_left(map) > 0 || !rmt_list_empty(&map->batches.waiting))
		return false;
	for (int i = 0; i < map->options.limit; i++)
		if (map->workers[i].batches > 0)
			return false;
	return true;
}

static void finish_workers(struct ramet_map *map)
{
	for (int i = 0; i < map->options.limit; i++) {
		struct rmt_map_worker *worker = &map->workers[i];

		if (worker->member.channel && !worker->finishing) {
			worker->finishing = true;
			rmt_member_finish(&worker->member);
		}
	}
}

bool rmt_map_over(const struct ramet_map *map)
{
	return all_arrived(map) && map->crew.count == 0;
}

int rmt_map_run(struct ramet_map *map, int64_t until, ramet_error *error)
{
	struct rmt_member *member;
	int r = rmt_map_give(map, error);

	if (r < 0)
		return r;
	if (all_arrived(map))
		finish_workers(map);
	if (map->crew.count == 0)
		return 0;
	if (rmt_crew_wait(&map->crew, until) == 0)
		return rmt_error_set(error, ETIMEDOUT, "no result in time");
	while ((member = rmt_crew_next(&map->crew)))
		look_at(map, RMT_CONTAINER(member, struct rmt_map_worker, member));
	return rmt_map_give(map, error);
}

static void forget_results(struct ramet_map *map)
{
	for (size_t i = 0; map->kept && i < map->count; i++) {
		ramet_value_unref(map->kept[i].value);
		ramet_error_clear(&map->kept[i].failure);
	}
	free(map->kept);
	map->kept = NULL;
	map->kept_next = 0;
	ramet_value_unref(map->combined);
	map->combined = NULL;
	map->combine = NULL;
	rmt_batches_done(&map->batches);
}

void rmt_map_abandon(struct ramet_map *map)
{
	for (int i = 0; i < map->options.limit; i++)
		if (map->workers[i].member.channel)
			rmt_member_kill(&map->workers[i].member);
	for (int i = 0; i < map->options.limit; i++) {
		if (map->workers[i].member.channel)
			rmt_member_close(&map->workers[i].member);
		map->workers[i].batches = 0;
		map->workers[i].large = 0;
		rmt_list_init(&map->workers[i].out);
	}
	forget_results(map);
	for (size_t i = 0; i < map->count; i++)
		ramet_value_unref(map->inputs[i]);
	free(map->inputs);
	map->inputs = NULL;
	map->count = 0;
	map->source = NULL;
	map->source_over = false;
	map->source_result = map->broken = 0;
	map->next = map->taken = map->index = 0;
	map->nanoseconds = map->bytes = 0;
	map->grown = 1;
	map->lost = 0;
	map->begun = false;
}
