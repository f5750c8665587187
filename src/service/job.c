/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/time.h"
#include "core/flow.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/wait.h"
#include "service/job.h"

#define GRACE_MS 200
#define OUTPUT_MAX (16u << 20)
#define TERMINAL_ROWS 24
#define TERMINAL_COLUMNS 80

struct ramet_process {
	ramet_router *router;
	unsigned references;        /* with the router's lock */
	ramet_receiver *streams[2]; /* standard output and error; NULL: not streamed */
	ramet_receiver *news;
	ramet_receiver *over; /* the answer of the call */

	pthread_mutex_t lock; /* of what follows, which the first thread that is there fills in */
	bool begun;
	int pid; /* 0: it could not be started */
	ramet_sender *input, *orders;
	bool ended;
	ramet_process_result result;
	ramet_error error; /* why there is none */
};

/* --- starting --------------------------------------------------------------------------------- */

static int read_umask(const char *text, int32_t *ret_umask, ramet_error *error)
{
	int32_t mask = 0;
	const char *at = text;

	*ret_umask = -1;
	if (!text)
		return 0;
	for (; *at >= '0' && *at <= '7' && mask <= 0777; at++)
		mask = mask * 8 + (*at - '0');
	if (at == text || *at || mask > 0777)
		return rmt_error_set(error, EINVAL, "umask: '%s' is no octal number up to 777",
				     text);
	*ret_umask = mask;
	return 0;
}

static size_t count_texts(const char *const *texts)
{
	size_t count = 0;

	while (texts && texts[count])
		count++;
	return count;
}

static int copy_limits(const ramet_command_options *options, rmt_exec_limit *to, ramet_error *error)
{
	if (options->limit_count > RAMET_LIMITS_MAX)
		return rmt_error_set(error, EINVAL, "more than %d limits", RAMET_LIMITS_MAX);
	if (options->limit_count > 0 && !options->limits)
		return rmt_error_set(error, EINVAL, "there are no limits, but a count of them");
	for (size_t i = 0; i < options->limit_count; i++)
		to[i] = (rmt_exec_limit){options->limits[i].resource, options->limits[i].soft,
					 options->limits[i].hard};
	return 0;
}

/* What a specification refers to that is not in the options. */
struct room {
	const char *line[3];
	rmt_exec_limit limits[RAMET_LIMITS_MAX];
};

/* What the options say, in the words of the service; the texts stay theirs. */
static int make_spec(const ramet_command_options *options, struct room *room, rmt_exec_spec *spec,
		     ramet_error *error)
{
	int r;

	if (options->size != sizeof(*options))
		return rmt_error_set(error, EINVAL, "the options are of another version");
	if (!options->argv == !options->line || (options->argv && !options->argv[0]))
		return rmt_error_set(error, EINVAL, "either argv or line has to be there");
	*spec = (rmt_exec_spec){
		.argv = {(const char **)(uintptr_t)options->argv, count_texts(options->argv)},
		.cwd = options->cwd,
		.env = {(const char **)(uintptr_t)options->env, count_texts(options->env)},
		.user = options->user,
		.flags = (options->clear_env ? RMT_EXEC_CLEAR_ENV : 0) |
			 (options->alone ? RMT_EXEC_ALONE : 0) |
			 (options->input ? RMT_EXEC_INPUT : 0) |
			 (options->errors == RAMET_OUTPUT_JOIN ? RMT_EXEC_JOIN : 0),
		.nice = options->nice,
		.grace = options->grace == 0 ? GRACE_MS : options->grace,
		.timeout = options->timeout,
		.limits = {room->limits, options->limit_count},
	};
	r = copy_limits(options, room->limits, error);
	if (r < 0)
		return r;
	if (options->terminal) {
		spec->flags |= RMT_EXEC_TERMINAL;
		spec->terminal.rows = options->rows ? options->rows : TERMINAL_ROWS;
		spec->terminal.columns = options->columns ? options->columns : TERMINAL_COLUMNS;
		spec->terminal.term = options->term ? options->term : "dumb";
	}
	if (options->line) {
		room->line[0] = "/bin/sh", room->line[1] = "-c", room->line[2] = options->line;
		spec->argv = (rmt_exec_texts){room->line, 3};
	}
	return read_umask(options->umask, &spec->umask, error);
}

static bool is_streamed(const ramet_command_options *options, int stream)
{
	if (options->terminal)
		return stream == 0;
	return (stream == 0 ? options->output : options->errors) == RAMET_OUTPUT_STREAM;
}

static ramet_sender *sender_to(ramet_receiver *receiver)
{
	return receiver ? ramet_receiver_sender(receiver) : NULL;
}

static void process_free(ramet_process *process)
{
	ramet_sender_unref(process->input);
	ramet_sender_unref(process->orders);
	ramet_receiver_unref(process->streams[0]);
	ramet_receiver_unref(process->streams[1]);
	ramet_receiver_unref(process->news);
	ramet_receiver_unref(process->over);
	ramet_error_clear(&process->error);
	pthread_mutex_destroy(&process->lock);
	free(process);
}

int rmt_job_start(ramet_context *context, const ramet_command_options *options,
		  ramet_process **ret_process, ramet_error *error)
{
	ramet_router *router = context->router;
	ramet_process *process;
	rmt_exec_spec spec;
	struct room room;
	int r = make_spec(options, &room, &spec, error);

	if (r < 0)
		return r;
	process = calloc(1, sizeof(*process));
	if (!process)
		return rmt_error_set(error, ENOMEM, "out of memory");
	process->router = router;
	process->references = 1;
	pthread_mutex_init(&process->lock, NULL);
	r = ramet_receiver_new(router, &process->news);
	for (int i = 0; i < 2 && r == 0; i++)
		if (is_streamed(options, i))
			r = ramet_receiver_new(router, &process->streams[i]);
	if (r < 0)
		rmt_error_set(error, r, "no stream for the command: %s", rmt_strerror(r));
	else
		r = rmt_exec_start(context, spec, sender_to(process->streams[0]),
				   sender_to(process->streams[1]), sender_to(process->news),
				   &process->over, error);
	if (r < 0)
		process_free(process);
	else
		*ret_process = process;
	return r;
}

/* --- its beginning ------------------------------------------------------------------------------ */

static bool has_begun(void *argument)
{
	ramet_process *process = argument;

	return rmt_receiver_has_something(process->news) || rmt_receiver_is_done(process->over);
}

static void note_begin(ramet_process *process, const ramet_value *news)
{
	const ramet_value *input = ramet_value_item(news, 1), *orders = ramet_value_item(news, 2);

	if (!input || !orders)
		return;
	process->pid = (int)ramet_value_i64(ramet_value_item(news, 0));
	if (ramet_value_sender(input))
		process->input = ramet_sender_ref(ramet_value_sender(input));
	if (ramet_value_sender(orders))
		process->orders = ramet_sender_ref(ramet_value_sender(orders));
}

/* Waits until it has begun, or could not. */
static void await_begin(ramet_process *process)
{
	ramet_value *value;

	rmt_lock(process->router);
	rmt_wait(process->router, has_begun, process, RMT_NEVER);
	rmt_unlock(process->router);
	pthread_mutex_lock(&process->lock);
	if (!process->begun && ramet_receive(process->news, 0, &value, NULL) > 0) {
		note_begin(process, value);
		ramet_value_unref(value);
	}
	process->begun = true;
	pthread_mutex_unlock(&process->lock);
}

int rmt_job_pid(ramet_process *process)
{
	await_begin(process);
	return process->pid;
}

ramet_sender *rmt_job_stdin(ramet_process *process)
{
	await_begin(process);
	return process->input;
}

ramet_receiver *rmt_job_stdout(ramet_process *process)
{
	return process->streams[0];
}

ramet_receiver *rmt_job_stderr(ramet_process *process)
{
	return process->streams[1];
}

ramet_receiver *rmt_job_over(ramet_process *process)
{
	return process->over;
}

/* --- orders --------------------------------------------------------------------------------------- */

static void put_number(unsigned char *data, int number)
{
	for (int i = 0; i < 4; i++)
		data[i] = (unsigned char)((uint32_t)number >> 8 * i);
}

static int send_order(ramet_process *process, enum rmt_exec_order order, int first, int second)
{
	unsigned char data[RMT_EXEC_ORDER_SIZE];
	int r;

	await_begin(process);
	if (!process->orders)
		return -ESRCH;
	put_number(data, (int)order);
	put_number(data + 4, first);
	put_number(data + 8, second);
	r = ramet_send_bytes(process->orders, (ramet_bytes){data, sizeof(data)});
	return r == -EPIPE ? -ESRCH : r;
}

int rmt_job_signal(ramet_process *process, int number)
{
	if (number <= 0 || number >= NSIG)
		return -EINVAL;
	return send_order(process, RMT_EXEC_SIGNAL, number, 0);
}

int rmt_job_resize(ramet_process *process, int rows, int columns)
{
	if (rows < 0 || rows > UINT16_MAX || columns < 0 || columns > UINT16_MAX)
		return -EINVAL;
	return send_order(process, RMT_EXEC_RESIZE, rows, columns);
}

void rmt_job_kill(ramet_process *process)
{
	send_order(process, RMT_EXEC_KILL, 0, 0);
}

/* --- its end -------------------------------------------------------------------------------------- */

static bool has_failed(const ramet_receiver *result)
{
	return result->code < 0 || !result->first ||
	       (result->first->message.frame.flags & RMT_FRAME_ERROR);
}

/* The answer may overtake what was written; a failure has nothing to wait for. */
static bool is_over(void *argument)
{
	ramet_process *process = argument;

	if (!rmt_receiver_is_done(process->over))
		return false;
	for (int i = 0; i < 2 && !has_failed(process->over); i++)
		if (process->streams[i] && !rmt_receiver_has_ended(process->streams[i]))
			return false;
	return true;
}

static void note_end(ramet_process *process)
{
	rmt_exec_end end;

	process->ended = true;
	if (rmt_exec_finish(process->over, 0, &end, &process->error) < 0)
		return;
	process->result = (ramet_process_result){
		.status = WIFEXITED(end.status) ? WEXITSTATUS(end.status) : 0,
		.signal = WIFSIGNALED(end.status) ? WTERMSIG(end.status) : 0,
		.core = WIFSIGNALED(end.status) && WCOREDUMP(end.status),
		.cause = (enum ramet_cause)end.cause,
		.user_us = end.user_us,
		.system_us = end.system_us,
		.wall_us = end.wall_us,
		.max_rss = end.max_rss,
	};
}

int rmt_job_wait(ramet_process *process, int timeout, ramet_process_result *ret_result,
		 ramet_error *error)
{
	int r = 0;

	pthread_mutex_lock(&process->lock);
	if (!process->ended) {
		pthread_mutex_unlock(&process->lock);
		rmt_lock(process->router);
		r = rmt_wait(process->router, is_over, process, rmt_after(timeout));
		rmt_unlock(process->router);
		if (r == -ETIMEDOUT)
			return rmt_error_set(error, r, "the command is not over after %d ms",
					     timeout);
		pthread_mutex_lock(&process->lock);
	}
	/* A router that has ended has failed all that waits for answers. */
	if (!process->ended)
		note_end(process);
	if (process->error.code)
		r = rmt_error_set_at(error, process->error.code, process->error.where, "%s",
				     process->error.message ? process->error.message
							    : "out of memory");
	else if (ret_result)
		*ret_result = process->result;
	if (!process->error.code)
		r = 0;
	pthread_mutex_unlock(&process->lock);
	return r;
}

ramet_process *rmt_job_ref(ramet_process *process)
{
	rmt_lock(process->router);
	process->references++;
	rmt_unlock(process->router);
	return process;
}

void rmt_job_unref(ramet_process *process)
{
	ramet_router *router = process->router;
	bool last;

	rmt_lock(router);
	last = --process->references == 0;
	rmt_unlock(router);
	if (!last)
		return;
	ramet_receiver_cancel(process->over);
	process_free(process);
}

/* --- all at once ------------------------------------------------------------------------------------ */

struct run {
	ramet_process *process;
	ramet_sender *input; /* NULL: all was sent */
	struct rmt_flow_turn turn;
	const char *rest;
	size_t left;
	size_t max;
	struct rmt_buffer output[2];
	bool ended[2];
	bool truncated;
};

/* Something can be sent or received, or it is over. */
static bool can_go_on(void *argument)
{
	struct run *run = argument;

	if (run->input && (!run->input->flow || rmt_flow_has_turn(&run->turn)))
		return true;
	for (int i = 0; i < 2; i++)
		if (!run->ended[i] && rmt_receiver_has_something(run->process->streams[i]))
			return true;
	return is_over(run->process);
}

static void end_input(struct run *run)
{
	if (run->input)
		ramet_sender_close(run->input);
	run->input = NULL;
}

static void send_some(struct run *run)
{
	size_t size = RMT_MIN(run->left, (size_t)RMT_FRAME_PAYLOAD_MAX);
	int r = 0;

	if (!run->input)
		return;
	if (size > 0) {
		ramet_sender_set_timeout(run->input, 0);
		r = ramet_send_bytes(run->input, (ramet_bytes){run->rest, size});
	}
	if (r == -EAGAIN)
		return;
	run->rest += size;
	run->left -= size;
	/* A command that does not read to the end is no failure. */
	if (r < 0 || run->left == 0)
		end_input(run);
}

static void receive_some(struct run *run, int i)
{
	ramet_value *value;
	ramet_bytes bytes;
	size_t room;
	int r = 1;

	while (!run->ended[i] &&
	       (r = ramet_receive(run->process->streams[i], 0, &value, NULL)) > 0) {
		bytes = ramet_value_bytes(value);
		room = run->max - RMT_MIN(run->max, run->output[i].size);
		if (bytes.size > room)
			run->truncated = true;
		rmt_buffer_append(&run->output[i], bytes.data, RMT_MIN(bytes.size, room));
		ramet_value_unref(value);
	}
	if (r == 0)
		run->ended[i] = true;
}

static int run_through(struct run *run, ramet_command_result *result, ramet_error *error)
{
	ramet_router *router = run->process->router;
	int r = 0;

	while (r == 0) {
		rmt_lock(router);
		run->turn = (struct rmt_flow_turn){
			.flow = run->input ? run->input->flow : NULL,
			.size = (uint32_t)RMT_MIN(run->left, (size_t)RMT_FRAME_PAYLOAD_MAX),
		};
		r = rmt_wait(router, can_go_on, run, RMT_NEVER);
		rmt_unlock(router);
		send_some(run);
		receive_some(run, 0);
		receive_some(run, 1);
		if (rmt_job_wait(run->process, 0, &result->process, NULL) != -ETIMEDOUT)
			break;
	}
	receive_some(run, 0);
	receive_some(run, 1);
	end_input(run);
	if (run->output[0].error < 0 || run->output[1].error < 0)
		return rmt_error_set(error, ENOMEM, "out of memory for what the command wrote");
	return rmt_job_wait(run->process, -1, &result->process, error);
}

static ramet_bytes take_bytes(struct rmt_buffer *buffer)
{
	ramet_bytes bytes = {buffer->data, buffer->size};

	*buffer = (struct rmt_buffer)RMT_BUFFER_INIT;
	return bytes;
}

int rmt_job_run(ramet_context *context, const ramet_command_options *options, ramet_bytes input,
		ramet_command_result *ret_result, ramet_error *error)
{
	ramet_command_options with_input = *options;
	ramet_command_result result = {.truncated = false};
	struct run run = {.rest = input.data, .left = input.size};
	int r;

	with_input.input |= input.size > 0;
	r = rmt_job_start(context, &with_input, &run.process, error);
	if (r < 0)
		return r;
	run.max = options->output_max ? options->output_max : OUTPUT_MAX;
	for (int i = 0; i < 2; i++)
		run.ended[i] = !run.process->streams[i];
	run.input = rmt_job_stdin(run.process);
	r = run_through(&run, &result, error);
	if (r == 0) {
		result.truncated = run.truncated;
		result.output = take_bytes(&run.output[0]);
		result.errors = take_bytes(&run.output[1]);
		*ret_result = result;
	}
	for (int i = 0; i < 2; i++)
		rmt_buffer_done(&run.output[i]);
	rmt_job_unref(run.process);
	return r;
}
