/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/exec-output.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/time.h"
#include "core/receiver.h"

/* What a terminal shows reaches its other end a moment after it was written, and there is no way to
 * ask for how much is between. When others keep it open, it is read until nothing has come for so
 * long. */
#define QUIET_US 50000

/* --- out of the command ----------------------------------------------------------------------- */

static void outlet_watch(struct rmt_outlet *outlet, bool watch)
{
	if (outlet->watched == watch)
		return;
	/* Out of the loop, not just silent: a pipe whose other end is closed reports that always. */
	if (!watch)
		rmt_loop_remove(&outlet->router->loop, &outlet->source);
	outlet->watched = watch;
	if (watch && rmt_loop_add(&outlet->router->loop, &outlet->source) < 0) {
		outlet->watched = false;
		rmt_outlet_close(outlet);
	}
}

void rmt_outlet_close(struct rmt_outlet *outlet)
{
	if (outlet->source.fd < 0)
		return;
	outlet_watch(outlet, false);
	rmt_loop_timer_stop(&outlet->router->loop, &outlet->quiet);
	rmt_flow_turn_done(&outlet->turn);
	rmt_flow_unref(outlet->turn.flow);
	rmt_descriptor_close(outlet->source.fd);
	outlet->source.fd = -1;
	/* The reader sees the end. */
	rmt_sender_drop(outlet->sender);
	outlet->closed(outlet);
}

/* Reads once, if that can be sent. */
static void outlet_pump(struct rmt_outlet *outlet)
{
	struct rmt_frame frame = {.flags = RMT_FRAME_RAW};
	size_t size = RMT_MIN(outlet->left, (size_t)RMT_FRAME_PAYLOAD_MAX);
	struct rmt_chunk *chunk;
	ssize_t n;
	int r = 0;

	if (!rmt_flow_may_send(&outlet->turn, (uint32_t)size)) {
		outlet_watch(outlet, false);
		return;
	}
	chunk = size > 0 ? rmt_chunk_new(outlet->router->chunks, size) : NULL;
	if (!chunk || outlet->turn.flow->closed) {
		rmt_chunk_unref(chunk);
		rmt_outlet_close(outlet);
		return;
	}
	n = read(outlet->source.fd, chunk->data, size);
	if (n > 0)
		r = rmt_flow_send_now(outlet->turn.flow, &frame, chunk->data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		r = -EPIPE; /* the end; of a terminal: EIO */
	rmt_chunk_unref(chunk);
	if (n > 0 && outlet->left != SIZE_MAX && !outlet->terminal)
		outlet->left -= (size_t)n;
	if (n > 0 && outlet->quiet.index != 0)
		rmt_loop_timer_start(&outlet->router->loop, &outlet->quiet, rmt_now() + QUIET_US);
	if (r < 0 || outlet->left == 0)
		rmt_outlet_close(outlet);
	else
		outlet_watch(outlet, true);
}

static void outlet_ready(struct rmt_source *source, unsigned events)
{
	(void)events;
	outlet_pump(RMT_CONTAINER(source, struct rmt_outlet, source));
}

static void outlet_turn(struct rmt_deferred *deferred)
{
	outlet_pump(RMT_CONTAINER(deferred, struct rmt_outlet, turn.deferred));
}

static void outlet_quiet(struct rmt_timer *timer)
{
	struct rmt_outlet *outlet = RMT_CONTAINER(timer, struct rmt_outlet, quiet);

	/* Not as long as its reader is behind. */
	if (outlet->watched)
		rmt_outlet_close(outlet);
	else
		rmt_loop_timer_start(&outlet->router->loop, timer, rmt_now() + QUIET_US);
}

void rmt_outlet_open(struct rmt_outlet *outlet, int fd, ramet_sender *sender)
{
	struct rmt_flow *flow = sender->flow;

	outlet->source = (struct rmt_source){
		.fd = fd, .events = RMT_READABLE, .ready = outlet_ready};
	outlet->watched = false;
	outlet->sender = sender;
	outlet->left = SIZE_MAX;
	outlet->quiet = (struct rmt_timer){.expired = outlet_quiet};
	outlet->turn = (struct rmt_flow_turn){.deferred = {.run = outlet_turn}, .flow = flow};
	rmt_list_init(&outlet->turn.deferred.node);
	if (flow)
		flow->references++;
	if (flow)
		outlet_watch(outlet, true);
	else
		rmt_outlet_close(outlet);
}

void rmt_outlet_finish(struct rmt_outlet *outlet)
{
	int left = 0;

	if (outlet->source.fd < 0)
		return;
	if (outlet->terminal) {
		if (rmt_loop_timer_start(&outlet->router->loop, &outlet->quiet,
					 rmt_now() + QUIET_US) < 0)
			rmt_outlet_close(outlet);
		return;
	}
	if (ioctl(outlet->source.fd, FIONREAD, &left) < 0 || left <= 0)
		rmt_outlet_close(outlet);
	else
		outlet->left = (size_t)left;
}

/* --- into the command ------------------------------------------------------------------------- */

static void inlet_watch(struct rmt_inlet *inlet, bool watch)
{
	if (inlet->watched == watch)
		return;
	if (!watch)
		rmt_loop_remove(&inlet->router->loop, &inlet->source);
	inlet->watched = watch;
	if (watch && rmt_loop_add(&inlet->router->loop, &inlet->source) < 0) {
		inlet->watched = false;
		rmt_inlet_close(inlet);
	}
}

void rmt_inlet_close(struct rmt_inlet *inlet)
{
	if (inlet->source.fd < 0)
		return;
	inlet_watch(inlet, false);
	rmt_list_remove(&inlet->arrived.node);
	rmt_descriptor_close(inlet->source.fd);
	inlet->source.fd = -1;
	ramet_value_unref(inlet->value);
	inlet->value = NULL;
	/* Who still sends gets EPIPE. */
	inlet->receiver->notify = NULL;
	rmt_receiver_drop(inlet->receiver);
}

/* What people type: it ends an empty line, and otherwise what was typed of a line. */
static void type_end(struct rmt_inlet *inlet)
{
	struct termios settings;
	char ends[2];
	struct iovec piece = {ends, inlet->line_begun ? 2 : 1};

	if (!inlet->terminal || tcgetattr(inlet->source.fd, &settings) < 0 ||
	    !(settings.c_lflag & ICANON))
		return;
	ends[0] = ends[1] = (char)settings.c_cc[VEOF];
	rmt_descriptor_write(inlet->source.fd, &piece, 1);
}

/* 1: go on; 0: the pipe is full; negative: it is closed. */
static int inlet_write(struct rmt_inlet *inlet)
{
	ramet_bytes bytes = ramet_value_bytes(inlet->value);
	struct iovec piece = {(char *)(uintptr_t)bytes.data + inlet->written,
			      bytes.size - inlet->written};
	ssize_t n = piece.iov_len > 0 ? rmt_descriptor_write(inlet->source.fd, &piece, 1) : 0;

	if (n < 0)
		return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
	inlet->written += (size_t)n;
	if (inlet->written < bytes.size)
		return 1;
	if (bytes.size > 0)
		inlet->line_begun = ((const char *)bytes.data)[bytes.size - 1] != '\n';
	ramet_value_unref(inlet->value);
	inlet->value = NULL;
	return 1;
}

static void inlet_pump(struct rmt_inlet *inlet)
{
	int r = 1;

	while (r > 0) {
		if (!inlet->value) {
			r = rmt_receiver_take_bytes(inlet->receiver, &inlet->value);
			inlet->written = 0;
			if (r == 0) {
				inlet_watch(inlet, false);
				return;
			}
			if (r == -EPIPE)
				type_end(inlet);
		}
		if (r > 0)
			r = inlet_write(inlet);
	}
	if (r < 0)
		rmt_inlet_close(inlet);
	else
		inlet_watch(inlet, true);
}

static void inlet_ready(struct rmt_source *source, unsigned events)
{
	(void)events;
	inlet_pump(RMT_CONTAINER(source, struct rmt_inlet, source));
}

static void inlet_arrived(struct rmt_deferred *deferred)
{
	struct rmt_inlet *inlet = RMT_CONTAINER(deferred, struct rmt_inlet, arrived);

	/* While the pipe is full, it is what tells to go on. */
	if (!inlet->watched)
		inlet_pump(inlet);
}

static void inlet_notify(ramet_receiver *receiver)
{
	struct rmt_inlet *inlet = receiver->data;

	rmt_loop_defer(&receiver->router->loop, &inlet->arrived);
}

void rmt_inlet_open(struct rmt_inlet *inlet, int fd, ramet_receiver *receiver)
{
	inlet->source = (struct rmt_source){.fd = fd, .events = RMT_WRITABLE, .ready = inlet_ready};
	inlet->watched = false;
	inlet->value = NULL;
	inlet->receiver = receiver;
	inlet->arrived = (struct rmt_deferred){.run = inlet_arrived};
	rmt_list_init(&inlet->arrived.node);
	receiver->data = inlet;
	receiver->notify = inlet_notify;
	rmt_loop_defer(&inlet->router->loop, &inlet->arrived);
}
