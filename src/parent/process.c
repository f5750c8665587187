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

static void capture_ready(struct rmt_source *source, unsigned events);
static void timer_expired(struct rmt_timer *timer);

static int capture_open(struct rmt_capture *capture, struct rmt_process *process, int fd,
			const char *name)
{
	int r;

	*capture = (struct rmt_capture){.process = process, .name = name};
	capture->source = (struct rmt_source){
		.fd = fd, .events = RMT_READABLE, .ready = capture_ready};
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = rmt_loop_add(&process->router->loop, &capture->source);
	if (r < 0)
		capture->source.fd = -1;
	return r;
}

static void capture_close(struct rmt_capture *capture)
{
	if (capture->source.fd < 0)
		return;
	rmt_loop_remove(&capture->process->router->loop, &capture->source);
	rmt_descriptor_close(capture->source.fd);
	capture->source.fd = -1;
	free(capture->line);
	capture->line = NULL;
}

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
	process->output[0].source.fd = process->output[1].source.fd = -1;
	rmt_list_init(&process->node);
	process->path = strdup(path);
	r = process->path ? capture_open(&process->output[0], process, stdout_fd, "stdout")
			  : -ENOMEM;
	if (r == 0) {
		r = capture_open(&process->output[1], process, stderr_fd, "stderr");
		if (r < 0) {
			rmt_loop_remove(&router->loop, &process->output[0].source);
			process->output[0].source.fd = -1;
		}
	}
	if (r < 0) {
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
	capture_close(&process->output[0]);
	capture_close(&process->output[1]);
	if (process->pidfd.fd >= 0) {
		rmt_loop_remove(loop, &process->pidfd);
		rmt_descriptor_close(process->pidfd.fd);
	}
	rmt_loop_timer_stop(loop, &process->timer);
	rmt_list_remove(&process->node);
	for (size_t i = 0; i < process->history_count; i++)
		free(process->history[i]);
	free(process->history);
	free(process->path);
	free(process);
}

/* --- output ------------------------------------------------------------------------------- */

static void remember(struct rmt_process *process, const char *line, size_t size)
{
	char *copy;

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

static void emit(struct rmt_capture *capture, const char *line, size_t size)
{
	struct rmt_process *process = capture->process;

	remember(process, line, size);
	rmt_log_text(process->router, process->path, capture->name, RAMET_LOG_INFO, line, size);
}

/* Cuts what is there into lines. One that is too long is cut where it is full, once it goes on: whether its newline
 * comes with the same read must make no difference. */
static void split(struct rmt_capture *capture, const char *data, size_t size)
{
	while (size > 0) {
		const char *newline = memchr(data, '\n', size);
		size_t part = newline ? (size_t)(newline - data) : size, taken;

		if (part > 0 && capture->used == RMT_CAPTURE_LINE_MAX) {
			emit(capture, capture->line, capture->used);
			capture->used = 0;
		}
		taken = RMT_MIN(part, RMT_CAPTURE_LINE_MAX - capture->used);
		memcpy(capture->line + capture->used, data, taken);
		capture->used += taken;
		data += taken;
		size -= taken;
		if (taken == part && newline) {
			emit(capture, capture->line, capture->used);
			capture->used = 0;
			data++;
			size--;
		}
	}
}

/* True while there may be more. */
static bool capture_read(struct rmt_capture *capture)
{
	char data[4096];
	ssize_t n;

	do
		n = read(capture->source.fd, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0) {
		if (!capture->line)
			capture->line = malloc(RMT_CAPTURE_LINE_MAX);
		if (capture->line)
			split(capture, data, (size_t)n);
		return true;
	}
	if (capture->used > 0)
		emit(capture, capture->line, capture->used);
	capture_close(capture);
	return false;
}

static void finish_if_over(struct rmt_process *process);

static void capture_ready(struct rmt_source *source, unsigned events)
{
	struct rmt_capture *capture = RMT_CONTAINER(source, struct rmt_capture, source);

	(void)events;
	capture_read(capture);
	finish_if_over(capture->process);
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
		while (process->output[i].source.fd >= 0 && capture_read(&process->output[i]))
			;
		if (process->output[i].source.fd >= 0 && process->output[i].used > 0)
			emit(&process->output[i], process->output[i].line, process->output[i].used);
		capture_close(&process->output[i]);
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
 * as somebody else) leaves the end to the closed stream. */
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
