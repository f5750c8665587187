/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/printable.h"
#include "base/time.h"
#include "core/log.h"
#include "core/wait.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* Without a pidfd: how often to look. */
#define LOOK_US 5000

/* Between the end of its stream and TERM, and between TERM and KILL. */
#define PATIENCE_US 1000000

static void timer_expired(struct rmt_timer *timer);
static void finish_if_over(struct rmt_process *process);

/* --- output ------------------------------------------------------------------------------- */

void rmt_process_note(struct rmt_process *process, const char *line, size_t size)
{
	char *copy;

	/* Ends of lines on a terminal. */
	while (size > 0 && *line == '\r')
		line++, size--;
	while (size > 0 && line[size - 1] == '\r')
		size--;
	if (!process->history)
		process->history = calloc(RMT_HISTORY_LINES, sizeof(*process->history));
	copy = process->history ? malloc(size + 1) : NULL;
	if (!copy)
		return;
	/* A NUL would hide the rest. */
	for (size_t i = 0; i < size; i++)
		copy[i] = line[i] ? line[i] : '?';
	copy[size] = '\0';
	if (process->history_count == RMT_HISTORY_LINES) {
		free(process->history[0]);
		memmove(process->history, process->history + 1,
			(RMT_HISTORY_LINES - 1) * sizeof(*process->history));
		process->history_count--;
	}
	process->history[process->history_count++] = copy;
}

void rmt_process_forget(struct rmt_process *process)
{
	for (size_t i = 0; i < process->history_count; i++)
		free(process->history[i]);
	process->history_count = 0;
}

void rmt_process_append_line(const char *line, struct rmt_buffer *out)
{
	for (size_t left = strlen(line), size; left > 0; left -= size, line += size) {
		size = *line == '\t' ? 1 : rmt_printable(line, left);
		rmt_buffer_append(out, size > 0 ? line : "?", size > 0 ? size : 1);
		size = RMT_MAX(size, 1u);
	}
}

static void take_line(struct rmt_process *process, int which, const char *line, size_t size)
{
	const char *name = which == 0 ? "stdout" : "stderr";

	rmt_process_note(process, line, size);
	if (process->quiet)
		return;
	if (process->output[which].patient)
		rmt_log_line(process->router, process->path, name, line, size);
	else
		rmt_log_text(process->router, process->path, name, RAMET_LOG_INFO, line, size);
}

static void stdout_line(struct rmt_capture *capture, const char *line, size_t size)
{
	take_line(RMT_CONTAINER(capture, struct rmt_process, output[0]), 0, line, size);
}

static void stderr_line(struct rmt_capture *capture, const char *line, size_t size)
{
	take_line(RMT_CONTAINER(capture, struct rmt_process, output[1]), 1, line, size);
}

static void stdout_changed(struct rmt_capture *capture)
{
	finish_if_over(RMT_CONTAINER(capture, struct rmt_process, output[0]));
}

static void stderr_bytes(struct rmt_capture *capture, const char *data, size_t size)
{
	struct rmt_process *process = RMT_CONTAINER(capture, struct rmt_process, output[1]);

	if (process->errors)
		process->errors(process, data, size);
}

static void stderr_changed(struct rmt_capture *capture)
{
	finish_if_over(RMT_CONTAINER(capture, struct rmt_process, output[1]));
}

/* --- the beginning ------------------------------------------------------------------------ */

int rmt_process_new(ramet_router *router, pid_t pid, int stdout_fd, int stderr_fd, const char *path,
		    struct rmt_process **ret_process)
{
	struct rmt_process *process = calloc(1, sizeof(*process));
	int r = 0;

	if (!process)
		return -ENOMEM;
	process->router = router;
	process->pid = pid;
	process->pidfd.fd = -1;
	process->timer.expired = timer_expired;
	process->output[0] = (struct rmt_capture){
		.router = router,
		.source = {.fd = -1},
		.line = stdout_line,
		.patient = true,
		.changed = stdout_changed,
	};
	process->output[1] = (struct rmt_capture){
		.router = router,
		.source = {.fd = -1},
		.line = stderr_line,
		.patient = true,
		.bytes = stderr_bytes,
		.changed = stderr_changed,
	};
	rmt_list_init(&process->node);
	process->path = strdup(path);
	if (!process->path)
		r = -ENOMEM;
	else if (stdout_fd >= 0)
		r = rmt_capture_open(&process->output[0], stdout_fd);
	if (r == 0 && stderr_fd >= 0)
		r = rmt_capture_open(&process->output[1], stderr_fd);
	if (r < 0) {
		if (process->output[0].source.fd >= 0)
			rmt_loop_remove(&router->loop, &process->output[0].source);
		free(process->path);
		free(process);
		return r;
	}
	*ret_process = process;
	return 0;
}

void rmt_process_abandon(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void rmt_process_free(struct rmt_process *process)
{
	struct rmt_loop *loop;

	if (!process)
		return;
	loop = &process->router->loop;
	rmt_capture_done(&process->output[0]);
	rmt_capture_done(&process->output[1]);
	if (process->pidfd.fd >= 0) {
		rmt_loop_remove(loop, &process->pidfd);
		rmt_descriptor_close(process->pidfd.fd);
	}
	rmt_loop_timer_stop(loop, &process->timer);
	rmt_list_remove(&process->node);
	rmt_process_forget(process);
	free(process->history);
	free(process->path);
	free(process);
}

/* --- the end ------------------------------------------------------------------------------ */

bool rmt_process_reap(struct rmt_process *process)
{
	pid_t pid;

	if (process->ended)
		return true;
	do
		pid = waitpid(process->pid, &process->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	/* If the program has reaped it behind our back, its status is not known; it has ended all
	 * the same. */
	if (pid < 0)
		process->status = -1;
	process->ended = true;
	return true;
}

/* It has ended. Output that is there is read to the end; what its own children still hold open is
 * not waited for. */
static void finish_if_over(struct rmt_process *process)
{
	if (!process->leaving || !rmt_process_reap(process))
		return;
	for (int i = 0; i < 2; i++) {
		rmt_capture_drain(&process->output[i]);
		rmt_capture_close(&process->output[i]);
	}
	process->leaving = false;
	process->on_end(process);
}

static void pidfd_ready(struct rmt_source *source, unsigned events)
{
	(void)events;
	finish_if_over(RMT_CONTAINER(source, struct rmt_process, pidfd));
}

static void watch(struct rmt_process *process)
{
	int fd = rmt_descriptor_own((int)syscall(SYS_pidfd_open, process->pid, 0));

	if (fd < 0)
		return;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	process->pidfd = (struct rmt_source){
		.fd = fd, .events = RMT_READABLE, .ready = pidfd_ready};
	if (rmt_loop_add(&process->router->loop, &process->pidfd) < 0) {
		rmt_descriptor_close(fd);
		process->pidfd.fd = -1;
	}
}

/* To its whole group: what it has started and not looked after ends, too. EPERM (a tool that runs
 * as somebody else) leaves the end to the closed stream and terminal. */
static void ask(struct rmt_process *process)
{
	int signal = process->asked++ == 0 ? SIGTERM : SIGKILL;

	if (kill(-process->pid, signal) < 0)
		kill(process->pid, signal);
}

static void timer_start(struct rmt_process *process)
{
	int64_t when = process->ask_at;

	if (process->pidfd.fd < 0)
		when = RMT_MIN(when, rmt_now() + LOOK_US);
	/* Without memory for the timer, there is no second chance to ask. */
	if (rmt_loop_timer_start(&process->router->loop, &process->timer, when) < 0)
		ask(process);
}

static void be_patient(struct rmt_process *process)
{
	process->ask_at = rmt_now() + PATIENCE_US;
	timer_start(process);
}

static void timer_expired(struct rmt_timer *timer)
{
	struct rmt_process *process = RMT_CONTAINER(timer, struct rmt_process, timer);

	if (process->leaving && rmt_process_reap(process)) {
		finish_if_over(process);
		return;
	}
	if (rmt_now() < process->ask_at) {
		timer_start(process); /* only to look */
		return;
	}
	ask(process);
	be_patient(process);
}

void rmt_process_leave(struct rmt_process *process)
{
	if (process->leaving)
		return;
	process->leaving = true;
	watch(process);
	be_patient(process);
	if (rmt_process_reap(process) && process->pidfd.fd >= 0)
		rmt_loop_timer_start(&process->router->loop, &process->timer, 0);
}

void rmt_process_kill(struct rmt_process *process)
{
	if (process->ended)
		return;
	ask(process);
	be_patient(process);
}

void rmt_process_kill_now(struct rmt_process *process)
{
	process->asked = 1;
	rmt_process_kill(process);
}

void rmt_process_release(struct rmt_process *process, struct rmt_list *released)
{
	rmt_capture_done(&process->output[0]);
	rmt_capture_done(&process->output[1]);
	rmt_loop_timer_stop(&process->router->loop, &process->timer);
	process->on_end = rmt_process_free;
	process->leaving = true;
	rmt_list_append(released, &process->node);
	/* Without a pidfd it is reaped by whoever reaps ours. */
	if (rmt_process_reap(process))
		finish_if_over(process);
	else
		watch(process);
}

void rmt_process_hush(struct rmt_process *process)
{
	for (int i = 0; i < 2; i++)
		rmt_capture_hush(&process->output[i]);
}

void rmt_process_describe(const struct rmt_process *process, char *text, size_t size)
{
	const char *name;

	if (!process->ended)
		rmt_format(text, size, "has not ended");
	else if (process->status == -1)
		rmt_format(text, size, "ended, and somebody else took its exit status");
	else if (WIFSIGNALED(process->status)) {
		name = ramet_signal_name(WTERMSIG(process->status));
		rmt_format(text, size, "was killed by %s%s", name ? name : "a signal",
			   WCOREDUMP(process->status) ? " (core dumped)" : "");
	} else {
		rmt_format(text, size, "exited with status %d", WEXITSTATUS(process->status));
	}
}
