/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/limits.h"
#include "base/macro.h"
#include "core/log.h"

/* As many as empty a pipe of the usual size. */
#define HUSH_READS 16

/* Times 4096 bytes, several times what a pipe holds (pipe(7)): somebody may write for ever. */
#define DRAIN_READS 64

static void emit(struct rmt_capture *capture)
{
	capture->line(capture, capture->text, capture->used);
	capture->used = 0;
}

/* A line that is too long is cut where it is full, once it goes on: whether its newline comes with
 * the same read must make no difference. */
static void split(struct rmt_capture *capture, const char *data, size_t size)
{
	while (size > 0) {
		const char *newline = memchr(data, '\n', size);
		size_t part = newline ? (size_t)(newline - data) : size, taken;

		if (part > 0 && capture->used == RMT_CAPTURE_LINE_MAX)
			emit(capture);
		taken = RMT_MIN(part, RMT_CAPTURE_LINE_MAX - capture->used);
		memcpy(capture->text + capture->used, data, taken);
		capture->used += taken;
		data += taken;
		size -= taken;
		if (taken == part && newline) {
			emit(capture);
			data++;
			size--;
		}
	}
}

/* True while there may be more. */
static bool read_some(struct rmt_capture *capture)
{
	char data[4096];
	ssize_t n;

	do
		n = read(capture->source.fd, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		rmt_capture_close(capture);
		return false;
	}
	if (capture->hushed)
		return true;
	capture->reading = true;
	if (capture->bytes)
		capture->bytes(capture, data, (size_t)n);
	if (!capture->text)
		capture->text = malloc(RMT_CAPTURE_LINE_MAX);
	if (capture->text)
		split(capture, data, (size_t)n);
	capture->reading = false;
	return capture->source.fd >= 0;
}

/* An end of the pipe that is closed would be reported for ever, so it leaves the loop. */
static void pause_reading(struct rmt_capture *capture)
{
	rmt_loop_remove(&capture->router->loop, &capture->source);
	capture->waits = true;
	rmt_log_pause(capture->router, capture);
}

void rmt_capture_resume(struct rmt_capture *capture)
{
	capture->waits = false;
	if (rmt_loop_add(&capture->router->loop, &capture->source) < 0) {
		rmt_descriptor_close(capture->source.fd);
		capture->source.fd = -1;
	}
}

static void ready(struct rmt_source *source, unsigned events)
{
	struct rmt_capture *capture = RMT_CONTAINER(source, struct rmt_capture, source);

	(void)events;
	read_some(capture);
	if (capture->patient && capture->source.fd >= 0 && rmt_log_is_full(capture->router))
		pause_reading(capture);
	if (capture->changed)
		capture->changed(capture);
}

int rmt_capture_open(struct rmt_capture *capture, int fd)
{
	int flags = fcntl(fd, F_GETFL), r;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	capture->source = (struct rmt_source){.fd = fd, .events = RMT_READABLE, .ready = ready};
	rmt_list_init(&capture->paused);
	capture->waits = false;
	r = rmt_loop_add(&capture->router->loop, &capture->source);
	if (r < 0)
		capture->source.fd = -1;
	return r;
}

void rmt_capture_drain(struct rmt_capture *capture)
{
	for (unsigned i = 0;
	     i < DRAIN_READS && capture->source.fd >= 0 && !capture->reading && read_some(capture);
	     i++)
		;
}

void rmt_capture_hush(struct rmt_capture *capture)
{
	/* What was there may be no more than a pipe holds; who writes faster than this reads could go
	 * on for ever. */
	for (int i = 0; i < HUSH_READS; i++)
		if (capture->source.fd < 0 || capture->reading || !read_some(capture))
			break;
	capture->hushed = true;
}

void rmt_capture_close(struct rmt_capture *capture)
{
	if (capture->source.fd >= 0 && capture->used > 0)
		emit(capture);
	rmt_capture_done(capture);
}

void rmt_capture_done(struct rmt_capture *capture)
{
	if (capture->source.fd >= 0) {
		if (capture->waits)
			rmt_list_remove(&capture->paused);
		else
			rmt_loop_remove(&capture->router->loop, &capture->source);
		capture->waits = false;
		rmt_descriptor_close(capture->source.fd);
		capture->source.fd = -1;
	}
	/* Not while its text is in use. What is left is freed by whoever calls this last. */
	if (capture->reading)
		return;
	free(capture->text);
	capture->text = NULL;
	capture->used = 0;
}
