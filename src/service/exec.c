/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs commands. The function starts a guard (guard.h) and returns; from then on the loop looks after
 * the command: no thread waits for it. Its call is answered when the guard is gone and what the command
 * wrote was sent.
 */
#include "service/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/time.h"
#include "core/execute.h"
#include "core/receiver.h"
#include "service/exec-output.h"
#include "service/exec-stdio.h"
#include "service/group.h"
#include "service/guard.h"

enum { INPUT, OUTPUT, ERRORS, STREAMS };

struct command {
	struct rmt_deferral deferral;
	ramet_router *router;
	pid_t guard, pid;
	char *group; /* the command's control group, once its guard has made it; else NULL */
	bool begun, terminal, alone;
	bool swept;             /* the guard is a process that ends the group */
	int ours[STREAMS];      /* our ends of its streams until the loop has them; -1: none */
	struct rmt_source life; /* the socket to the guard; fd -1: it is gone */
	struct rmt_timer timeout;
	int timeout_ms;
	ramet_sender *senders[STREAMS];
	struct rmt_outlet outlets[STREAMS]; /* OUTPUT, ERRORS */
	ramet_receiver *input;
	struct rmt_inlet inlet;
	ramet_receiver *orders;
	struct rmt_deferred ordered;
	struct rmt_deferred over; /* nothing is left to wait for */
	bool ended;               /* the command */
	rmt_exec_end end;
};

/* --- the end ------------------------------------------------------------------------------------ */

static void order_guard(struct command *command, enum rmt_guard_order order, int signal)
{
	struct rmt_guard_message message = {.order = order, .signal = signal};

	if (command->life.fd >= 0)
		send(command->life.fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void kill_command(struct command *command, enum ramet_cause cause)
{
	if (command->ended)
		return;
	if (command->end.cause == RAMET_CAUSE_ITSELF)
		command->end.cause = (int32_t)cause;
	order_guard(command, RMT_GUARD_END, 0);
}

static void look_whether_over(struct command *command)
{
	if (command->life.fd < 0 && command->outlets[OUTPUT].source.fd < 0 &&
	    command->outlets[ERRORS].source.fd < 0)
		rmt_loop_defer(&command->router->loop, &command->over);
}

static void outlet_closed(struct rmt_outlet *outlet)
{
	struct command *command = outlet->closed_data;

	/* One descriptor alone would keep the terminal from hanging up. */
	if (command->terminal)
		rmt_inlet_close(&command->inlet);
	look_whether_over(command);
}

static void command_ended(struct command *command)
{
	command->ended = true;
	rmt_loop_timer_stop(&command->router->loop, &command->timeout);
	rmt_outlet_finish(&command->outlets[OUTPUT]);
	rmt_outlet_finish(&command->outlets[ERRORS]);
}

/* True when it was killed. */
static bool reap_guard(const struct command *command)
{
	int status = 0;

	while (waitpid(command->guard, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status);
}

/* By a process that stands in for the guard: from now on, its socket is the one in the loop. */
static int sweep_aside(struct command *command)
{
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	command->life.fd = rmt_descriptor_own(ends[0]);
	rmt_descriptor_own(ends[1]);
	r = rmt_guard_sweep(command->group, ends[1], &command->guard);
	rmt_descriptor_close(ends[1]);
	if (r == 0) {
		r = rmt_loop_add(&command->router->loop, &command->life);
		if (r < 0)
			reap_guard(command);
	}
	if (r < 0) {
		rmt_descriptor_close(command->life.fd);
		command->life.fd = -1;
	}
	return r;
}

/* Does for the control group what the guard, which was killed, cannot do any more. What is in it dies
 * at once; only the wait for that is another's, and our own when that was killed, too. */
static void sweep(struct command *command)
{
	int group = command->group ? rmt_group_open(command->group) : -1;

	if (group < 0)
		return;
	if (command->ended && !command->alone && command->end.cause == RAMET_CAUSE_ITSELF) {
		rmt_group_release(group, command->group);
	} else {
		rmt_group_kill(group);
		if (!command->begun || command->swept || sweep_aside(command) < 0)
			rmt_group_end(group, command->group);
		command->swept = true;
	}
	close(group);
}

static void guard_gone(struct command *command)
{
	rmt_loop_remove(&command->router->loop, &command->life);
	rmt_descriptor_close(command->life.fd);
	command->life.fd = -1;
	/* It has closed the socket by ending. */
	if (reap_guard(command))
		sweep(command);
	if (!command->ended) {
		/* It was killed, and the kernel kills the command; or it has given up. */
		kill(-command->pid, SIGKILL);
		if (command->end.cause == RAMET_CAUSE_ITSELF)
			command->end.cause = RAMET_CAUSE_UNGUARDED;
		command->end.status = SIGKILL;
		command_ended(command);
	}
	look_whether_over(command);
}

static void life_ready(struct rmt_source *source, unsigned events)
{
	struct command *command = RMT_CONTAINER(source, struct command, life);
	struct rmt_guard_report report;
	ssize_t n = recv(source->fd, &report, sizeof(report), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(report)) {
		guard_gone(command);
		return;
	}
	command->end.status = report.value;
	command->end.user_us = report.user_us;
	command->end.system_us = report.system_us;
	command->end.wall_us = report.wall_us;
	command->end.max_rss = report.max_rss;
	command_ended(command);
}

/* All that the loop has of it. */
static void let_go(struct command *command)
{
	rmt_outlet_close(&command->outlets[OUTPUT]);
	rmt_outlet_close(&command->outlets[ERRORS]);
	rmt_inlet_close(&command->inlet);
	rmt_loop_timer_stop(&command->router->loop, &command->timeout);
	rmt_list_remove(&command->ordered.node);
	rmt_list_remove(&command->over.node);
	command->orders->notify = NULL;
	rmt_receiver_drop(command->orders);
}

static void command_over(struct rmt_deferred *deferred)
{
	struct command *command = RMT_CONTAINER(deferred, struct command, over);

	let_go(command);
	rmt_call_answer(&command->deferral, &command->end);
	free(command->group);
	free(command);
}

/* --- orders ------------------------------------------------------------------------------------- */

static uint32_t number_at(const unsigned char *data)
{
	return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static void obey(struct command *command, const unsigned char *data)
{
	uint32_t first = number_at(data + 4), second = number_at(data + 8);
	struct winsize size = {.ws_row = (unsigned short)first, .ws_col = (unsigned short)second};

	switch (number_at(data)) {
	case RMT_EXEC_SIGNAL:
		if (first > 0 && first < NSIG)
			order_guard(command, RMT_GUARD_SIGNAL, (int)first);
		return;
	case RMT_EXEC_RESIZE:
		if (command->terminal && command->outlets[OUTPUT].source.fd >= 0)
			ioctl(command->outlets[OUTPUT].source.fd, TIOCSWINSZ, &size);
		return;
	case RMT_EXEC_KILL:
		kill_command(command, RAMET_CAUSE_KILLED);
		return;
	default:
		return;
	}
}

static void take_orders(struct rmt_deferred *deferred)
{
	struct command *command = RMT_CONTAINER(deferred, struct command, ordered);
	ramet_value *value;
	int r;

	while ((r = rmt_receiver_take_bytes(command->orders, &value)) != 0 && r != -EPIPE) {
		if (r < 0)
			continue;
		if (ramet_value_bytes(value).size == RMT_EXEC_ORDER_SIZE)
			obey(command, ramet_value_bytes(value).data);
		ramet_value_unref(value);
	}
}

static void order_arrived(ramet_receiver *receiver)
{
	struct command *command = receiver->data;

	rmt_loop_defer(&command->router->loop, &command->ordered);
}

/* One that was not begun. */
static void command_free(struct command *command)
{
	for (int i = INPUT; i < STREAMS; i++) {
		rmt_descriptor_close(command->ours[i]);
		if (command->senders[i])
			rmt_sender_drop(command->senders[i]);
	}
	if (command->life.fd >= 0) {
		order_guard(command, RMT_GUARD_FORCE, 0);
		rmt_descriptor_close(command->life.fd);
		if (reap_guard(command))
			sweep(command);
	}
	if (command->input)
		rmt_receiver_drop(command->input);
	if (command->orders)
		rmt_receiver_drop(command->orders);
	free(command->group);
	free(command);
}

/* --- in the loop ---------------------------------------------------------------------------------- */

static void timed_out(struct rmt_timer *timer)
{
	kill_command(RMT_CONTAINER(timer, struct command, timeout), RAMET_CAUSE_TIMEOUT);
}

static void begin(struct rmt_deferral *deferral)
{
	struct command *command = RMT_CONTAINER(deferral, struct command, deferral);
	struct rmt_loop *loop = &command->router->loop;

	command->begun = true;
	command->life.events = RMT_READABLE;
	command->life.ready = life_ready;
	if (rmt_loop_add(loop, &command->life) < 0) {
		order_guard(command, RMT_GUARD_FORCE, 0);
		guard_gone(command);
	}
	command->orders->data = command;
	command->orders->notify = order_arrived;
	rmt_loop_defer(loop, &command->ordered);
	if (command->input)
		rmt_inlet_open(&command->inlet, command->ours[INPUT], command->input);
	for (int i = OUTPUT; i <= ERRORS; i++)
		if (command->senders[i])
			rmt_outlet_open(&command->outlets[i], command->ours[i],
					command->senders[i]);
	if (command->timeout_ms > 0 && !command->ended &&
	    rmt_loop_timer_start(loop, &command->timeout, rmt_after(command->timeout_ms)) < 0)
		kill_command(command, RAMET_CAUSE_TIMEOUT);
	look_whether_over(command);
}

/* Nobody wants what it writes. */
static void cancelled(struct rmt_deferral *deferral)
{
	struct command *command = RMT_CONTAINER(deferral, struct command, deferral);

	kill_command(command, RAMET_CAUSE_CANCELLED);
	rmt_outlet_close(&command->outlets[OUTPUT]);
	rmt_outlet_close(&command->outlets[ERRORS]);
	rmt_inlet_close(&command->inlet);
}

static void router_ended(struct rmt_deferral *deferral)
{
	struct command *command = RMT_CONTAINER(deferral, struct command, deferral);

	if (!command->begun) {
		command_free(command);
		return;
	}
	/* Once more when there is a sweep to be waited for. */
	while (command->life.fd >= 0) {
		order_guard(command, RMT_GUARD_FORCE, 0);
		guard_gone(command);
	}
	let_go(command);
	free(command->group);
	free(command);
}

/* --- the beginning -------------------------------------------------------------------------------- */

static struct rmt_guard_report hear(const struct command *command)
{
	struct rmt_guard_report report = {.news = RMT_GUARD_FAILED, .value = ECHILD};

	while (recv(command->life.fd, &report, sizeof(report), 0) < 0 && errno == EINTR)
		;
	return report;
}

/* Waits until the command executes, or cannot. The path of its group is taken over, or freed. */
static int await_start(struct command *command, char *group, const rmt_exec_spec *spec,
		       ramet_error *error)
{
	struct rmt_guard_report report = hear(command);

	if (report.news == RMT_GUARD_GROUPED) {
		command->group = group;
		report = hear(command);
	} else {
		free(group);
	}
	if (report.news == RMT_GUARD_STARTED) {
		command->pid = report.pid;
		return 0;
	}
	rmt_descriptor_close(command->life.fd);
	command->life.fd = -1;
	if (reap_guard(command))
		sweep(command);
	return rmt_exec_plan_failed(&report, spec, error);
}

static int start_guard(struct command *command, const struct rmt_exec_plan *plan,
		       const rmt_exec_spec *spec, const int theirs[STREAMS], ramet_error *error)
{
	struct rmt_guard guard = {
		.argv = plan->argv,
		.env = plan->env,
		.files = plan->files,
		.cwd = spec->cwd,
		.fds = {theirs[INPUT], theirs[OUTPUT], theirs[ERRORS]},
		.terminal = command->terminal,
		.alone = spec->flags & RMT_EXEC_ALONE,
		.umask = spec->umask,
		.nice = spec->nice,
		.grace = spec->grace,
		.user = plan->switches ? &plan->become : NULL,
		.limits = plan->limits,
		.limit_count = spec->limits.count,
	};
	char *group = NULL;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return rmt_error_set(error, errno, "no socket to the command's guard: %s",
				     rmt_strerror(errno));
	command->life.fd = rmt_descriptor_own(ends[0]);
	guard.life = rmt_descriptor_own(ends[1]);
	/* Where there is none, it goes without. */
	guard.group = rmt_group_find(&group) == 0 ? group : NULL;
	r = rmt_guard_start(&guard, &command->guard);
	rmt_descriptor_close(ends[1]);
	if (r == 0)
		return await_start(command, group, spec, error);
	free(group);
	rmt_descriptor_close(command->life.fd);
	command->life.fd = -1;
	return rmt_error_set(error, r, "no process for the command: %s", rmt_strerror(r));
}

static int start(struct command *command, const rmt_exec_spec *spec, ramet_error *error)
{
	bool streamed[STREAMS] = {spec->flags & RMT_EXEC_INPUT, command->senders[OUTPUT],
				  command->senders[ERRORS]};
	int theirs[STREAMS] = {-1, -1, -1}, *ours = command->ours, r;
	struct rmt_exec_plan plan;

	r = rmt_exec_plan_make(&plan, spec, error);
	if (r < 0)
		return r;
	r = command->terminal ? rmt_exec_stdio_terminal(&plan, spec, ours, theirs, error)
			      : rmt_exec_stdio_pipes(spec, streamed, ours, theirs, error);
	if (r == 0)
		r = start_guard(command, &plan, spec, theirs, error);
	for (int i = INPUT; i < STREAMS; i++) {
		rmt_descriptor_close(theirs[i]);
		/* Only our end: the command's is another open file. */
		if (ours[i] >= 0)
			fcntl(ours[i], F_SETFL, fcntl(ours[i], F_GETFL) | O_NONBLOCK);
	}
	rmt_exec_plan_done(&plan);
	return r;
}

static struct command *command_new(ramet_call *call, const rmt_exec_spec *spec)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return NULL;
	command->deferral = (struct rmt_deferral){
		.begin = begin, .cancelled = cancelled, .ended = router_ended};
	command->router = ramet_call_router(call);
	command->terminal = spec->flags & RMT_EXEC_TERMINAL;
	command->alone = spec->flags & RMT_EXEC_ALONE;
	command->timeout_ms = spec->timeout;
	command->timeout.expired = timed_out;
	command->ordered.run = take_orders;
	command->over.run = command_over;
	rmt_list_init(&command->ordered.node);
	rmt_list_init(&command->over.node);
	command->life.fd = command->inlet.source.fd = -1;
	command->inlet.router = command->router;
	command->inlet.terminal = command->terminal;
	for (int i = INPUT; i < STREAMS; i++) {
		command->ours[i] = -1;
		command->outlets[i] = (struct rmt_outlet){
			.router = command->router,
			.source = {.fd = -1},
			.terminal = command->terminal,
			.closed = outlet_closed,
			.closed_data = command,
		};
	}
	return command;
}

/* [pid, sender or null, sender] */
static int announce(const struct command *command, ramet_sender *news)
{
	ramet_value *items[3] = {
		ramet_value_new_i64(command->pid),
		command->input ? ramet_value_new_sender(ramet_receiver_sender(command->input))
			       : ramet_value_new_none(),
		ramet_value_new_sender(ramet_receiver_sender(command->orders)),
	};
	ramet_value *all = items[0] && items[1] && items[2] ? ramet_value_new_array(items, 3)
							    : NULL;
	int r = all && news ? ramet_send_value(news, all) : 0;

	for (int i = 0; i < 3; i++)
		ramet_value_unref(items[i]);
	ramet_value_unref(all);
	return all ? r : -ENOMEM;
}

RAMET_DEFINE_CONCURRENT(rmt_exec_end, rmt_exec, (rmt_exec_spec, spec), (sender, output),
			(sender, errors), (sender, news))
{
	struct command *command = command_new(call, &spec);
	ramet_error error = RAMET_ERROR_INIT;
	rmt_exec_end none = {0};
	int r = command ? 0 : -ENOMEM;

	if (r == 0 && output)
		command->senders[OUTPUT] = ramet_sender_ref(output);
	if (r == 0 && errors && !command->terminal && !(spec.flags & RMT_EXEC_JOIN))
		command->senders[ERRORS] = ramet_sender_ref(errors);
	if (r == 0)
		r = ramet_receiver_new(command->router, &command->orders);
	if (r == 0 && (spec.flags & (RMT_EXEC_INPUT | RMT_EXEC_TERMINAL)))
		r = ramet_receiver_new(command->router, &command->input);
	if (r < 0)
		ramet_fail(call, r, "the command: %s", rmt_strerror(r));
	else if (command->terminal && !output)
		r = rmt_error_set(&error, EINVAL, "what a terminal shows has to be received");
	else
		r = start(command, &spec, &error);
	if (r < 0) {
		ramet_fail_error(call, &error);
		rmt_lock(ramet_call_router(call));
		if (command)
			command_free(command);
		rmt_unlock(ramet_call_router(call));
		return none;
	}
	rmt_call_defer(call, &command->deferral);
	/* A context that is gone by now has cancelled the call. */
	announce(command, news);
	return none;
}
