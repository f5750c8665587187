/* SPDX-License-Identifier: BSD-3-Clause */
/* ramet run: a command in every context of a set. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/write.h"
#include "cli/command.h"
#include "cli/contexts.h"
#include "cli/interrupt.h"
#include "cli/lines.h"
#include "cli/output.h"

enum kind { OUTPUT, ERRORS, END };

struct target;

/* Something of a command that messages come from. */
struct source {
	struct target *target;
	enum kind kind;
	ramet_receiver *receiver; /* NULL: over */
	struct rmt_lines lines;
};

/* A context with its command. */
struct target {
	ramet_context *context;
	ramet_process *process;
	struct source sources[3];
	ramet_process_result result;
	ramet_error error; /* why there is none */
};

static struct run {
	pthread_mutex_t lock; /* of what follows, against the thread that gets signals */
	bool interrupted;
	size_t started; /* targets with a call */
	struct target *targets;
	size_t count;
	ramet_select *select;
	int write_error;
	struct rmt_buffer out;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- ending ----------------------------------------------------------------------------------- */

/* With the lock held. */
static void cancel_all(void)
{
	for (size_t i = 0; i < run.started; i++)
		if (run.targets[i].sources[END].receiver)
			ramet_receiver_cancel(run.targets[i].sources[END].receiver);
}

static bool interrupt(void *data)
{
	bool begun;

	(void)data;
	pthread_mutex_lock(&run.lock);
	run.interrupted = true;
	begun = run.started > 0;
	cancel_all();
	pthread_mutex_unlock(&run.lock);
	return begun;
}

static void source_done(struct source *source)
{
	pthread_mutex_lock(&run.lock);
	ramet_select_remove(run.select, source->receiver);
	source->receiver = NULL;
	pthread_mutex_unlock(&run.lock);
}

/* --- output ----------------------------------------------------------------------------------- */

static void write_lines(enum kind kind)
{
	int r = run.out.error;

	if (r == 0 && !run.write_error)
		r = rmt_write_all(kind == OUTPUT ? STDOUT_FILENO : STDERR_FILENO, run.out.data,
				  run.out.size);
	rmt_buffer_reset(&run.out);
	if (r == 0 || run.write_error)
		return;
	/* Nobody sees what they do any more. */
	run.write_error = r;
	rmt_complain("cannot write the output: %s", strerror(-r));
	pthread_mutex_lock(&run.lock);
	cancel_all();
	pthread_mutex_unlock(&run.lock);
}

/* Takes what there is from a stream; false: nothing yet. */
static bool stream_message(struct source *source)
{
	ramet_value *value;
	ramet_bytes bytes;
	int r = ramet_receive(source->receiver, 0, &value, NULL);

	if (r == -ETIMEDOUT)
		return false;
	if (r > 0) {
		bytes = ramet_value_bytes(value);
		rmt_lines_feed(&source->lines, bytes.data, bytes.size, &run.out);
		ramet_value_unref(value);
	} else if (r != -ECONNRESET) {
		/* The end. (That the context is lost is in the result, and the end comes behind
		 * it.) */
		rmt_lines_end(&source->lines, &run.out);
		source_done(source);
	}
	write_lines(source->kind);
	return true;
}

/* A call that failed perhaps never began, and then nobody ends its streams. */
static void stream_drain(struct source *source)
{
	while (source->receiver && stream_message(source))
		;
	if (!source->receiver)
		return;
	rmt_lines_end(&source->lines, &run.out);
	source_done(source);
	write_lines(source->kind);
}

/* It is announced once: what it wrote comes behind, if anything. */
static void end_message(struct source *source)
{
	struct target *target = source->target;
	int r;

	source_done(source);
	r = ramet_process_wait(target->process, -1, &target->result, &target->error);
	if (r == 0)
		return;
	stream_drain(&target->sources[OUTPUT]);
	stream_drain(&target->sources[ERRORS]);
}

/* --- the commands ----------------------------------------------------------------------------- */

static int target_start(struct target *target, const ramet_command_options *options)
{
	static const int fds[] = {STDOUT_FILENO, STDERR_FILENO};
	struct source *sources = target->sources;
	int r = ramet_command_start(target->context, options, &target->process, &target->error);

	if (r < 0)
		return r;
	sources[OUTPUT].receiver = ramet_process_stdout(target->process);
	sources[ERRORS].receiver = ramet_process_stderr(target->process);
	sources[END].receiver = ramet_process_over(target->process);
	for (int i = OUTPUT; i <= END && r == 0; i++) {
		sources[i].target = target;
		sources[i].kind = (enum kind)i;
		if (i != END) {
			sources[i].lines.prefix = ramet_context_path(target->context);
			sources[i].lines.harmless = rmt_is_terminal(fds[i]);
		}
		ramet_receiver_set_data(sources[i].receiver, &sources[i]);
		r = ramet_select_add(run.select, sources[i].receiver);
	}
	if (r < 0 && !target->error.code)
		target->error.code = r;
	return r;
}

static void start_all(const ramet_command_options *options)
{
	for (size_t i = 0; i < run.count; i++) {
		pthread_mutex_lock(&run.lock);
		if (run.interrupted)
			run.targets[i].error.code = -ECANCELED;
		else
			target_start(&run.targets[i], options);
		run.started++;
		pthread_mutex_unlock(&run.lock);
	}
}

/* Whether it never came to executing the command, or not to its end, because of what lies between. */
static bool is_unreachable(int code)
{
	static const int codes[] = {ECONNRESET, EHOSTUNREACH, ESHUTDOWN, ETIMEDOUT, EPROTO,
				    ENOSYS,     ENOTSUP,      ECANCELED, ENOMEM,    EAGAIN};

	for (size_t i = 0; i < RMT_COUNT(codes); i++)
		if (code == -codes[i])
			return true;
	return false;
}

/* What became of one command, for whoever wants to know which of several it was. */
static int target_report(struct target *target)
{
	const char *path = ramet_context_path(target->context);
	const ramet_process_result *result = &target->result;
	const char *signal;
	int status = 0;

	if (run.interrupted || run.write_error)
		return 0;
	if (target->error.code) {
		status = is_unreachable(target->error.code) ? RMT_EXIT_UNREACHABLE
			 : target->error.code == -ENOENT    ? RMT_EXIT_NOT_FOUND
							    : RMT_EXIT_NOT_EXECUTABLE;
		rmt_complain_error(path, &target->error);
		return status;
	}
	signal = result->signal ? ramet_signal_name(result->signal) : NULL;
	status = result->signal ? RMT_EXIT_SIGNAL + result->signal : result->status;
	if (signal)
		rmt_complain("%s: the command was killed by %s", path, signal);
	else if (status && run.count > 1)
		rmt_complain("%s: the command exited with status %d", path, status);
	return status;
}

static void target_done(struct target *target)
{
	for (int i = OUTPUT; i <= ERRORS; i++)
		rmt_buffer_done(&target->sources[i].lines.begun);
	ramet_process_unref(target->process);
	ramet_error_clear(&target->error);
}

static int run_all(ramet_router *router, const ramet_command_options *options)
{
	ramet_receiver *receiver;
	int status = 0;

	if (ramet_select_new(router, &run.select) < 0)
		return RMT_EXIT_FAILURE;
	start_all(options);
	while (ramet_select_next(run.select, -1, &receiver) > 0) {
		struct source *source = ramet_receiver_data(receiver);

		if (!source->receiver)
			continue;
		if (source->kind == END)
			end_message(source);
		else
			stream_message(source);
	}
	for (size_t i = 0; i < run.count; i++) {
		int one = target_report(&run.targets[i]);

		status = one > status ? one : status;
	}
	ramet_select_unref(run.select);
	if (run.write_error)
		status = RMT_EXIT_FAILURE;
	return run.interrupted ? RMT_EXIT_INTERRUPTED : status;
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* Two paths may lead to one context, which is a target once. */
static int make_targets(ramet_group *group)
{
	size_t size = ramet_group_size(group);

	run.targets = calloc(size, sizeof(*run.targets));
	if (!run.targets)
		return -ENOMEM;
	for (size_t i = 0; i < size; i++) {
		ramet_context *context = ramet_group_get(group, i);
		size_t before = 0;

		while (before < run.count &&
		       ramet_context_id(run.targets[before].context) != ramet_context_id(context))
			before++;
		if (before == run.count)
			run.targets[run.count++].context = context;
	}
	return 0;
}

static int run_main(int argc, char **argv)
{
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;
	ramet_router *router;
	ramet_group *group;
	int first = strcmp(argv[1], "--") == 0 ? 2 : 1, status;

	if (first == argc) {
		rmt_complain("run: a command is expected behind '--'");
		return RMT_EXIT_USAGE;
	}
	options.argv = (const char *const *)argv + first;
	if (rmt_interrupt_watch(interrupt, NULL) < 0)
		rmt_complain("no thread for signals");
	status = rmt_start_contexts(argv[0], &router, &group);
	if (status == 0) {
		if (make_targets(group) < 0)
			status = RMT_EXIT_FAILURE;
		else
			status = run_all(router, &options);
		for (size_t i = 0; i < run.count; i++)
			target_done(&run.targets[i]);
		free(run.targets);
		ramet_group_unref(group);
		ramet_router_unref(router);
	}
	rmt_buffer_done(&run.out);
	return status;
}

const struct rmt_command rmt_command_run = {
	.name = "run",
	.help = "usage: ramet run PATHS -- COMMAND [ARGUMENT]...\n"
		"\n"
		"Runs the command in every context that the paths lead to, all at the same\n"
		"time. What it prints comes line by line with the path of the context before\n"
		"it, standard output and standard error apart:\n"
		"\n"
		"  $ ramet run 'local*2' -- uname -s\n"
		"  local: Linux\n"
		"  local#1: Linux\n"
		"\n"
		"The command is executed without a shell (say sh -c '...' for one), finds an\n"
		"empty standard input, and is over when its process is. An interrupt ends all.\n"
		"\n"
		"Exit status: the highest of the commands' (128 + N when signal N killed one),\n"
		"127 when there is no such command, 126 when it cannot be executed, 130 when\n"
		"interrupted, 255 when a context could not be reached or was lost.\n",
	.least = 2,
	.most = -1,
	.main = run_main,
};
