/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/time.h"
#include "core/value.h"
#include "parallel/state.h"

#define NONE UINT64_MAX

/* What takes longer is given back, or is sent so far: some batches of usual length. */
#define PATIENCE_NS 8000000

/* One batch in the hands of a worker. */
struct job {
	struct rmt_results_writer writer;
	const struct rmt_worker *worker;
	ramet_channel *channel;
	void *state;
	bool begun, broken;
	int sent;      /* what sending has failed with */
	int64_t since; /* the last RESULTS */
	ramet_map_combine *combine;
	ramet_value *combined; /* of so many tasks: */
	uint32_t covered;
};

int rmt_worker_init(struct rmt_worker *worker, ramet_task *task,
		    const ramet_worker_options *options)
{
	if (!task || (options && options->size < sizeof(options->size)))
		return -EINVAL;
	*worker = (struct rmt_worker){.task = task};
	if (options)
		memcpy(&worker->options, options, RMT_MIN(options->size, sizeof(worker->options)));
	return 0;
}

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- sending ------------------------------------------------------------------------------ */

/* Blocks until it is written. */
static int send_tagged(ramet_channel *channel, uint32_t tag, const void *data, size_t size)
{
	int r = rmt_channel_post_frame(channel, RMT_CHANNEL_VALUE, RMT_CHANNEL_RAW, tag, data,
				       size);

	return r < 0 ? r : rmt_channel_drain(channel, RMT_NEVER);
}

static int send_results(struct job *job, bool over)
{
	struct rmt_results_writer *writer = &job->writer;
	struct rmt_results_head head = {.tasks = writer->done, .over = over, .broken = job->broken};
	int r = writer->out.error;

	head.spent = nanoseconds(CLOCK_MONOTONIC) - job->since;
	if (r == 0) {
		memcpy(writer->out.data, &head, sizeof(head));
		r = send_tagged(job->channel, RMT_WORK_RESULTS, writer->out.data, writer->out.size);
	}
	/* Without memory nobody can be told of what is missing, but by our end. */
	if (r < 0)
		job->sent = r;
	rmt_results_sent(writer);
	/* The time that it took to be read is not the tasks'. */
	job->since = nanoseconds(CLOCK_MONOTONIC);
	return r;
}

static int flush(struct rmt_results_writer *writer, const ramet_bytes *large)
{
	struct job *job = RMT_CONTAINER(writer, struct job, writer);
	int r = job->sent;

	if (r == 0 && writer->out.size > sizeof(struct rmt_results_head))
		r = send_results(job, false);
	if (r == 0 && large) {
		rmt_channel_gather(job->channel, NULL);
		r = ramet_channel_send_bytes(job->channel, *large);
		rmt_channel_gather(job->channel, writer);
		job->sent = r;
		job->since = nanoseconds(CLOCK_MONOTONIC);
	}
	return r;
}

/* The next value: 1, or 0 when there are no more. */
static int receive_tagged(ramet_channel *channel, ramet_value **ret_value, uint32_t *ret_tag)
{
	enum rmt_arrival arrival;

	for (;;) {
		arrival = rmt_channel_take(channel, ret_value, ret_tag, NULL);
		if (arrival == RMT_ARRIVAL_VALUE)
			return 1;
		if (arrival == RMT_ARRIVAL_END || arrival == RMT_ARRIVAL_LOST)
			return 0;
		if (arrival == RMT_ARRIVAL_NONE)
			rmt_channel_wait(channel, POLLIN, RMT_NEVER);
	}
}

/* The next thing to do, and where its inputs are in *ret_value: 1, or 0. Values in between are answers that
 * a task did not wait for. */
static int receive_run(ramet_channel *channel, struct rmt_run *ret_run, ramet_value **ret_value,
		       struct rmt_cbor_reader *ret_inputs)
{
	ramet_value *value;
	ramet_bytes bytes;
	uint32_t tag;

	while (receive_tagged(channel, &value, &tag) == 1) {
		bytes = ramet_value_bytes(value);
		if (tag == RMT_WORK_RUN && bytes.size >= sizeof(*ret_run)) {
			memcpy(ret_run, bytes.data, sizeof(*ret_run));
			rmt_cbor_reader_init(ret_inputs,
					     (const char *)bytes.data + sizeof(*ret_run),
					     bytes.size - sizeof(*ret_run));
			*ret_value = value;
			return 1;
		}
		ramet_value_unref(value);
	}
	return 0;
}

/* --- tasks -------------------------------------------------------------------------------- */

/* The hook that makes the state: what it sends is the failure of the first task. */
static bool begin(struct job *job)
{
	const ramet_worker_options *options = &job->worker->options;

	if (job->begun)
		return true;
	job->state = options->data;
	if (options->begin) {
		job->state = options->begin(job->channel, options->data);
		if (!job->state) {
			rmt_results_failure(&job->writer, -ECANCELED, "the worker could not begin");
			return false;
		}
		rmt_results_drop_task(&job->writer);
	}
	job->begun = true;
	return true;
}

static void end(struct job *job)
{
	if (job->begun && job->worker->options.end)
		job->worker->options.end(job->state);
}

/* What was combined so far, as results of all of its tasks. */
static void send_combined(struct job *job)
{
	if (job->combined)
		rmt_results_combined(&job->writer, job->covered, job->combined);
	while (!job->combined && job->covered-- > 0)
		rmt_results_end_task(&job->writer);
	ramet_value_unref(job->combined);
	job->combined = NULL;
	job->covered = 0;
}

static void combine_task(struct job *job)
{
	ramet_error failure = RAMET_ERROR_INIT;
	ramet_value *value = NULL, *both;
	int r = rmt_results_take_task(&job->writer, &value, &failure);

	if (r == 1 && value && job->combined) {
		both = job->combine(job->combined, value, job->state);
		ramet_value_unref(job->combined);
		ramet_value_unref(value);
		job->combined = value = both;
		if (!both)
			r = rmt_error_set(&failure, ENOMEM, "results could not be combined");
	} else if (r == 1 && value) {
		job->combined = value;
	}
	if (r == 1) {
		job->covered++;
		return;
	}
	send_combined(job);
	rmt_results_failure(&job->writer, r, failure.message);
	rmt_results_end_task(&job->writer);
	ramet_error_clear(&failure);
}

static void do_task(struct job *job, uint64_t index, const ramet_value *input)
{
	if (job->worker->slot)
		atomic_store_explicit(&job->worker->slot->in_hand, index, memory_order_relaxed);
	if (begin(job))
		job->worker->task(job->channel, input, job->state);
	else
		job->broken = true;
	if (job->combine)
		combine_task(job);
	else
		rmt_results_end_task(&job->writer);
}

/* The batch is over, for this worker. */
static void finish_batch(struct job *job)
{
	if (job->combine)
		send_combined(job);
	/* Nobody's fault from here on: what does not arrive is done again. */
	if (job->worker->slot)
		atomic_store_explicit(&job->worker->slot->in_hand, NONE, memory_order_relaxed);
	if (job->sent == 0)
		send_results(job, true);
}

static void begin_batch(struct job *job, const struct rmt_run *run)
{
	job->combine = run->combine;
	/* What is combined stays here meanwhile. */
	job->writer.flush = run->combine ? NULL : flush;
	job->since = nanoseconds(CLOCK_MONOTONIC);
}

static const ramet_value *find_input(const struct job *job, uint64_t index)
{
	return job->worker->inputs ? job->worker->inputs[index] : NULL;
}

static void do_batch(struct job *job, const struct rmt_run *run, struct rmt_cbor_reader *inputs)
{
	int64_t until = nanoseconds(CLOCK_MONOTONIC_COARSE) + PATIENCE_NS, now;
	ramet_value *sent = NULL;
	int r = 0;

	begin_batch(job, run);
	for (uint32_t i = 0; i < run->count && job->sent == 0 && !job->broken; i++) {
		if (run->sent)
			r = rmt_value_decode(NULL, inputs, NULL, &sent);
		if (r < 0) {
			job->sent = r; /* the map sees us end, and has the inputs still */
			return;
		}
		do_task(job, run->first + i, run->sent ? sent : find_input(job, run->first + i));
		if (run->sent)
			ramet_value_unref(sent);
		now = nanoseconds(CLOCK_MONOTONIC_COARSE);
		if (now < until)
			continue;
		if (run->give_back)
			break;
		if (job->writer.flush)
			flush(&job->writer, NULL);
		until = now + PATIENCE_NS;
	}
	finish_batch(job);
}

static int job_init(struct job *job, const struct rmt_worker *worker, ramet_channel *channel)
{
	*job = (struct job){.worker = worker, .channel = channel};
	if (rmt_results_writer_init(&job->writer) < 0)
		return -ENOMEM;
	rmt_channel_gather(channel, &job->writer);
	return 0;
}

static void job_done(struct job *job)
{
	end(job);
	rmt_channel_gather(job->channel, NULL);
	rmt_results_writer_done(&job->writer);
}

void rmt_worker_map(const struct rmt_worker *worker, ramet_channel *channel)
{
	struct rmt_cbor_reader inputs;
	ramet_value *value;
	struct rmt_run run;
	struct job job;

	if (job_init(&job, worker, channel) < 0)
		return;
	while (job.sent == 0 && !job.broken && receive_run(channel, &run, &value, &inputs) == 1) {
		do_batch(&job, &run, &inputs);
		ramet_value_unref(value);
	}
	job_done(&job);
}

void rmt_worker_map_one(const struct rmt_worker *worker, ramet_channel *channel,
			const struct rmt_run *run, const ramet_value *input)
{
	struct job job;

	if (job_init(&job, worker, channel) < 0)
		return;
	begin_batch(&job, run);
	do_task(&job, run->first, input);
	finish_batch(&job);
	job_done(&job);
}

/* --- managed functions -------------------------------------------------------------------- */

static int send_over(ramet_channel *channel, bool broken)
{
	struct rmt_results_head head = {.tasks = 1, .over = true, .broken = broken};

	/* That of a call is not that of its process. */
	channel->failed = false;
	return send_tagged(channel, RMT_WORK_RESULTS, &head, sizeof(head));
}

static bool managed_begin(const struct rmt_worker *worker, ramet_channel *channel, void **ret_state)
{
	void *state = worker->options.data;

	if (worker->options.begin) {
		state = worker->options.begin(channel, worker->options.data);
		if (!state)
			return false;
	}
	*ret_state = state;
	return true;
}

void rmt_worker_managed_one(const struct rmt_worker *worker, ramet_channel *channel,
			    const ramet_value *input)
{
	void *state;

	if (!managed_begin(worker, channel, &state)) {
		send_over(channel, true);
		return;
	}
	worker->task(channel, input, state);
	if (send_over(channel, false) == 0 && worker->options.end)
		worker->options.end(state);
}

/* One call. What decoding fails with is the call's. */
static int managed_call(const struct rmt_worker *worker, ramet_channel *channel, void *state,
			const struct rmt_run *run, struct rmt_cbor_reader *reader)
{
	ramet_value *input = NULL;
	int r = run->sent ? rmt_value_decode(NULL, reader, NULL, &input) : 0;

	if (r < 0)
		ramet_channel_fail(channel, r, "the input: %s", rmt_strerror(r));
	else
		worker->task(channel, input, state);
	ramet_value_unref(input);
	return send_over(channel, false);
}

void rmt_worker_managed(const struct rmt_worker *worker, ramet_channel *channel)
{
	struct rmt_cbor_reader inputs;
	bool begun = false;
	struct rmt_run run;
	void *state = NULL;
	ramet_value *value;
	int r = 0;

	while (r == 0 && receive_run(channel, &run, &value, &inputs) == 1) {
		if (!begun)
			begun = managed_begin(worker, channel, &state);
		if (begun)
			r = managed_call(worker, channel, state, &run, &inputs);
		else
			r = -ECANCELED;
		ramet_value_unref(value);
	}
	if (r == -ECANCELED)
		send_over(channel, true);
	if (begun && worker->options.end)
		worker->options.end(state);
}
