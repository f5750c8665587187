/* SPDX-License-Identifier: BSD-3-Clause */
#include "hostile.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ramet.h>

#include "base/buffer.h"
#include "core/child.h"
#include "core/function.h"
#include "core/log.h"
#include "wire/cbor.h"
#include "wire/frame.h"
#include "wire/handle.h"
#include "wire/handshake.h"

#define VARIABLE "RAMET_TEST_HOSTILE"

/* The socket to the parent. */
#define STREAM STDIN_FILENO

static struct {
	char attack[32], path[64];
	uint32_t self, master, victim, handle;
	uint32_t ids;                  /* the first of those that were allocated; 0: none yet */
	unsigned refused;              /* how often there were none */
	unsigned adopted, not_adopted; /* answers to ADOPT */
	unsigned char in[2 * (RMT_FRAME_PAYLOAD_MAX + RMT_FRAME_HEADER_SIZE)];
	size_t in_size;
	unsigned char payload[RMT_FRAME_PAYLOAD_MAX];
} us;

/* --- the stream ---------------------------------------------------------------------------------------------------- */

static void understand(const struct rmt_frame *frame, const unsigned char *payload)
{
	struct rmt_cbor_reader reader;
	uint64_t items, operation;
	uint32_t token, first;

	rmt_cbor_reader_init(&reader, payload, frame->length);
	if (frame->handle != RMT_HANDLE_CONTROL || rmt_cbor_read_array(&reader, &items) < 0 ||
	    rmt_cbor_read_u64(&reader, &operation) < 0)
		return;
	if (operation == RMT_OP_SHUTDOWN)
		_exit(0);
	if (operation == RMT_OP_ADOPTED && rmt_cbor_read_u32(&reader, &token) == 0) {
		us.adopted += token == 0;
		us.not_adopted += token != 0;
	}
	if (operation != RMT_OP_ALLOCATED || rmt_cbor_read_u32(&reader, &token) < 0 ||
	    rmt_cbor_read_u32(&reader, &first) < 0)
		return;
	us.refused += items == 6;
	if (items == 4 && us.ids == 0)
		us.ids = first;
}

static void take_in(void)
{
	struct rmt_frame frame;
	size_t at = 0;
	ssize_t n = read(STREAM, us.in + us.in_size, sizeof(us.in) - us.in_size);

	if (n <= 0)
		_exit(0);
	us.in_size += (size_t)n;
	while (us.in_size - at >= RMT_FRAME_HEADER_SIZE &&
	       rmt_frame_decode(us.in + at, &frame) == 0 &&
	       us.in_size - at >= RMT_FRAME_HEADER_SIZE + frame.length) {
		understand(&frame, us.in + at + RMT_FRAME_HEADER_SIZE);
		at += RMT_FRAME_HEADER_SIZE + frame.length;
	}
	memmove(us.in, us.in + at, us.in_size - at);
	us.in_size -= at;
}

/* Whoever floods has to listen, or it waits for somebody who waits for it. */
static void put(const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		struct pollfd fd = {.fd = STREAM, .events = POLLIN | POLLOUT};
		ssize_t n;

		if (poll(&fd, 1, -1) < 0)
			continue;
		if (fd.revents & (POLLIN | POLLHUP | POLLERR)) {
			take_in();
			continue;
		}
		n = write(STREAM, at, size);
		if (n < 0 && errno != EAGAIN)
			_exit(0);
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		}
	}
}

static void put_frame(const struct rmt_frame *frame, const void *payload)
{
	unsigned char bytes[RMT_FRAME_HEADER_SIZE];

	rmt_frame_encode(frame, bytes);
	put(bytes, sizeof(bytes));
	put(payload, frame->length);
}

/* From us, as ourselves, in one frame. */
static void send_to(uint32_t destination, uint32_t handle, unsigned flags, const void *data,
		    size_t size)
{
	struct rmt_frame frame = {
		.flags = (uint8_t)flags,
		.length = (uint32_t)size,
		.destination = destination,
		.source = us.self,
		.authority = us.self,
		.handle = handle,
		.total = (uint32_t)size,
	};

	put_frame(&frame, data);
}

/* [operation, numbers...] as `source`, for `authority`, with a reply handle. */
static void control_as(uint32_t source, uint32_t authority, uint32_t destination, uint32_t reply,
		       unsigned operation, unsigned count, const uint64_t *numbers)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_frame frame = {
		.destination = destination,
		.source = source,
		.authority = authority,
		.handle = RMT_HANDLE_CONTROL,
		.reply = reply,
	};

	rmt_cbor_put_array(&out, 1 + count);
	rmt_cbor_put_uint(&out, operation);
	for (unsigned i = 0; i < count; i++)
		rmt_cbor_put_uint(&out, numbers[i]);
	frame.length = frame.total = (uint32_t)out.size;
	put_frame(&frame, out.data);
	rmt_buffer_done(&out);
}

static void control(uint32_t destination, unsigned operation, uint64_t a, uint64_t b)
{
	control_as(us.self, us.self, destination, 0, operation, 2, (const uint64_t[]){a, b});
}

static void put_record(const char *path, const char *text)
{
	ramet_log_record record = {
		.level = RAMET_LOG_ERROR, .context = path, .source = "hostile", .text = text};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_log_record_encode(&record, &out);
	send_to(0, RMT_HANDLE_LOG, RMT_FRAME_COUNTED, out.data, out.size);
	rmt_buffer_done(&out);
}

/* [GONE, reason, first, last] */
static void put_gone(uint32_t first, uint32_t last)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_cbor_put_array(&out, 4);
	rmt_cbor_put_uint(&out, RMT_OP_GONE);
	rmt_cbor_put_str(&out, "a lie");
	rmt_cbor_put_uint(&out, first);
	rmt_cbor_put_uint(&out, last);
	send_to(us.master, RMT_HANDLE_CONTROL, 0, out.data, out.size);
	rmt_buffer_done(&out);
}

/* [operation, [text,] first, last, ...] */
static void put_ranges(unsigned operation, const char *text, size_t count,
		       const uint64_t (*ranges)[2])
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_cbor_put_array(&out, 1 + (text != NULL) + 2 * count);
	rmt_cbor_put_uint(&out, operation);
	if (text)
		rmt_cbor_put_str(&out, text);
	for (size_t i = 0; i < count; i++) {
		rmt_cbor_put_uint(&out, ranges[i][0]);
		rmt_cbor_put_uint(&out, ranges[i][1]);
	}
	send_to(us.master, RMT_HANDLE_CONTROL, 0, out.data, out.size);
	rmt_buffer_done(&out);
}

static void put_image(uint32_t reply)
{
	static const char digest[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_frame frame = {.destination = us.master,
				  .source = us.self,
				  .authority = us.self,
				  .handle = RMT_HANDLE_CONTROL,
				  .reply = reply};

	rmt_cbor_put_array(&out, 4);
	rmt_cbor_put_uint(&out, RMT_OP_IMAGE);
	rmt_cbor_put_uint(&out, RMT_PART_COLD);
	rmt_cbor_put_str(&out, digest);
	rmt_cbor_put_uint(&out, 0);
	frame.length = frame.total = (uint32_t)out.size;
	put_frame(&frame, out.data);
	rmt_buffer_done(&out);
}

/* --- attacks ------------------------------------------------------------------------------------------------------- */

static uint32_t destination_of(unsigned i)
{
	return i % 2 ? us.victim : us.master;
}

static void forge(void)
{
	const uint32_t claims[] = {us.victim, us.master, 0, us.self + 1, UINT32_MAX};

	for (unsigned i = 0; i < 10; i++) {
		uint32_t claim = claims[i / 2], other = i % 2 ? claim : us.self;

		/* As somebody else, and as oneself for somebody else. */
		control_as(other, claim, us.master, 0, RMT_OP_SHUTDOWN, 1, (const uint64_t[]){0});
		control_as(other, claim, us.victim, 0, RMT_OP_SHUTDOWN, 1, (const uint64_t[]){0});
	}
}

/* To the handle at which the master waits for the victim's answer. */
static void answer(void)
{
	struct rmt_frame frame = {
		.destination = us.master, .handle = us.handle, .length = 1, .total = 1};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	frame.source = frame.authority = us.self;
	put_frame(&frame, "\x07");
	frame.source = frame.authority = us.victim;
	put_frame(&frame, "\x07");
	/* A dead letter, for oneself and for the victim. */
	rmt_failure_encode(EIO, "somewhere", "a lie", &out);
	frame.flags = RMT_FRAME_ERROR;
	frame.length = frame.total = (uint32_t)out.size;
	frame.source = frame.authority = us.self;
	put_frame(&frame, out.data);
	frame.authority = us.victim;
	put_frame(&frame, out.data);
	frame.flags = RMT_FRAME_MORE | RMT_FRAME_COUNTED;
	frame.authority = us.self;
	frame.total = 1 << 20;
	put_frame(&frame, out.data);
	rmt_buffer_done(&out);
}

/* The flow from the master to that handle of the victim, and its calls. */
static void close_flows(void)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t authority = i ? us.victim : us.self;
		struct rmt_frame frame = {.destination = us.master,
					  .source = us.self,
					  .authority = authority,
					  .handle = RMT_HANDLE_CONTROL};

		rmt_buffer_reset(&out);
		rmt_cbor_put_array(&out, 4);
		rmt_cbor_put_uint(&out, RMT_OP_CLOSED);
		rmt_cbor_put_uint(&out, us.handle);
		rmt_cbor_put_uint(&out, EPIPE);
		rmt_cbor_put_str(&out, "a lie");
		frame.length = frame.total = (uint32_t)out.size;
		put_frame(&frame, out.data);
		control_as(us.self, authority, us.master, 0, RMT_OP_CREDIT, 2,
			   (const uint64_t[]){us.handle, UINT64_MAX});
		control_as(us.self, authority, us.master, 0, RMT_OP_CREDIT, 2,
			   (const uint64_t[]){RMT_HANDLE_CALL, UINT64_MAX});
	}
	rmt_buffer_done(&out);
}

/* The handle of a receiver of the master's, and numbers near it. */
static void steal(void)
{
	for (int32_t i = -20; i <= 20; i++) {
		uint32_t handle = us.handle + (uint32_t)i;

		for (unsigned round = 0; round < 2; round++) {
			send_to(us.master, handle, RMT_FRAME_COUNTED, "\x07", 1);
			send_to(us.master, handle, RMT_FRAME_COUNTED | RMT_FRAME_RAW, "stolen", 6);
			send_to(us.master, handle, 0, "\x07", 1);
			send_to(us.master, handle, RMT_FRAME_END, "", 0);
			send_to(us.master, handle, RMT_FRAME_CONTINUES | RMT_FRAME_ABORT, "", 0);
			control(us.master, RMT_OP_GIVEN, handle, us.self);
			control(us.master, RMT_OP_GIVEN, handle, us.victim);
		}
	}
}

static void command(void)
{
	for (unsigned i = 0; i < 2; i++)
		for (unsigned operation = 0; operation < 64; operation++)
			for (unsigned count = 0; count < 5; count++)
				control_as(us.self, us.self, destination_of(i),
					   count % 2 ? 1000 : 0,
					   operation == RMT_OP_ALLOCATE ? 63 : operation, count,
					   (const uint64_t[]){us.victim, 0, 0, 1});
	send_to(us.master, RMT_HANDLE_CALL, RMT_FRAME_COUNTED, "\x82\x66square\x81\x07", 10);
	send_to(us.master, RMT_HANDLE_CALL, 0, "\x82\x66square\x81\x07", 10);
}

static void allocate(void)
{
	for (unsigned i = 0; i < 10000; i++)
		control(us.master, RMT_OP_ALLOCATE, i % 2 ? 1 : 1000, i);
}

static void requests(void)
{
	for (unsigned i = 0; i < 10000; i++) {
		put_image(1000 + i);
		control_as(us.self, us.self, us.master, 0, RMT_OP_ASK, 2,
			   (const uint64_t[]){us.handle, i});
		send_to(us.master, 5000 + i, RMT_FRAME_COUNTED, "\x07", 1);
		control(us.self + 1000000 + i, RMT_OP_CREDIT, 1, 1);
		put_record("good", "I am the good one");
	}
}

static void never_read(void)
{
	struct pollfd fd = {.fd = STREAM};

	put_record(us.path, "deaf is over");
	/* Its end is told all the same. */
	while (poll(&fd, 1, -1) < 0 || !(fd.revents & (POLLHUP | POLLERR)))
		;
	_exit(0);
}

/* Asks and never reads the answers: writing ends when the stream does. */
static void ask_only(void)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_frame frame = {.flags = RMT_FRAME_COUNTED,
				  .length = 1,
				  .total = 1,
				  .destination = us.master,
				  .source = us.self,
				  .authority = us.self,
				  .handle = 12345};
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	rmt_frame_encode(&frame, header);
	for (unsigned i = 0; i < 1000; i++) {
		rmt_buffer_append(&out, header, sizeof(header));
		rmt_buffer_append(&out, "\x07", 1);
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t at = 0;; at = (at % out.size)) {
		struct pollfd fd = {.fd = STREAM, .events = POLLOUT};
		ssize_t n = write(STREAM, (char *)out.data + at, out.size - at);

		if (n > 0)
			at += (size_t)n;
		else if (errno == EAGAIN)
			poll(&fd, 1, -1);
		else
			_exit(0);
	}
}

/* More than the window, to a receiver that was given to us. */
static void overrun(void)
{
	for (unsigned i = 0; i < 64; i++)
		send_to(us.master, us.handle, RMT_FRAME_COUNTED | RMT_FRAME_RAW, us.payload,
			sizeof(us.payload));
}

static void claims(void)
{
	struct rmt_frame frame = {.destination = us.master,
				  .source = us.self,
				  .authority = us.self,
				  .handle = us.handle,
				  .length = 1,
				  .flags = RMT_FRAME_COUNTED | RMT_FRAME_RAW};

	for (unsigned i = 0; i < 1000; i++) {
		frame.flags = RMT_FRAME_COUNTED | RMT_FRAME_RAW | RMT_FRAME_MORE;
		frame.total = UINT32_MAX - i;
		put_frame(&frame, "x");
		frame.flags |= RMT_FRAME_CONTINUES;
		frame.total = 1;
		put_frame(&frame, "x");
		/* Without a beginning. */
		frame.flags = RMT_FRAME_COUNTED | RMT_FRAME_RAW | RMT_FRAME_CONTINUES;
		frame.total = 1000;
		put_frame(&frame, "x");
	}
}

/* A thousand contexts that are not there, each with the first half of a message. */
static void halves(void)
{
	struct rmt_frame frame = {.destination = us.master,
				  .handle = us.handle,
				  .length = RMT_FRAME_PAYLOAD_MAX,
				  .total = 2 * RMT_FRAME_PAYLOAD_MAX,
				  .flags = RMT_FRAME_COUNTED | RMT_FRAME_RAW | RMT_FRAME_MORE};

	control(us.master, RMT_OP_ALLOCATE, 1024, 1);
	while (us.ids == 0)
		take_in();
	for (unsigned i = 0; i < 1000; i++) {
		frame.source = frame.authority = us.ids + i;
		put_frame(&frame, us.payload);
	}
}

static void gone(void)
{
	uint32_t low = us.victim < us.self ? us.victim : us.self;
	uint32_t high = us.victim < us.self ? us.self : us.victim;

	control(us.master, RMT_OP_ALLOCATE, 64, 1);
	while (us.ids == 0)
		take_in();
	put_gone(us.victim, us.victim);
	put_gone(us.master, us.master);
	put_gone(us.self, us.self);
	put_gone(low, high);
	put_gone(0, UINT32_MAX);
	/* Both ends are ours, or one is. */
	put_gone(us.self, us.ids);
	put_gone(us.ids, us.ids + 64);
	put_gone(low, us.ids + 63);
}

/* Where no id of ours is: half of all ids, but for the region that is nobody's. */
static uint32_t other_tree(void)
{
	return us.self < 0x80000000 ? 0x80000000 : RMT_REGION_IDS;
}

static void adopt_one(uint64_t first, uint64_t last)
{
	put_ranges(RMT_OP_ADOPT, NULL, 1, (const uint64_t[][2]){{first, last}});
}

static void await_adoptions(unsigned count)
{
	while (us.adopted + us.not_adopted < count)
		take_in();
}

/* To be the way to others, to those who come, to all; none of it is a context of another tree. */
static void adopt(void)
{
	uint32_t region = us.self & ~(RMT_REGION_IDS - 1);
	const uint64_t claims[][2] = {
		{us.victim, us.victim},
		{us.victim, us.self},
		{us.self, us.self},
		{us.self + 1, us.self + 64},
		{region, region + RMT_REGION_IDS - 1},
		{1, UINT32_MAX},
		{region + RMT_REGION_IDS - 1, region + RMT_REGION_IDS},
	};
	const size_t count = sizeof(claims) / sizeof(*claims);

	for (size_t i = 0; i < count; i++)
		put_ranges(RMT_OP_ADOPT, NULL, 1, &claims[i]);
	/* Behind some that may be adopted: all or none. */
	put_ranges(RMT_OP_ADOPT, NULL, 2,
		   (const uint64_t[][2]){{other_tree(), other_tree() + 1}, {us.victim, us.victim}});
	await_adoptions((unsigned)count + 1);
	if (us.adopted > 0)
		put_record(us.path, "it was believed");
	/* No ranges at all, or no answer. */
	adopt_one(5, 4);
	adopt_one(0, 4);
	adopt_one(1, (uint64_t)UINT32_MAX + 1);
	put_ranges(RMT_OP_ADOPT, NULL, 2, (const uint64_t[][2]){{5, 10}, {7, 12}});
	put_ranges(RMT_OP_ADOPTED, "", 1, (const uint64_t[][2]){{us.victim, us.victim}});
}

/* Other trees without end, as small as can be, and what does not fit any account. */
static void adopt_all(void)
{
	uint64_t ranges[1000][2];
	uint32_t other = other_tree();

	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 1000; i++)
			ranges[i][0] = ranges[i][1] = other + 2 * (1000 * round + i) + 1;
		put_ranges(RMT_OP_ADOPT, NULL, 1000, (const uint64_t(*)[2])ranges);
		for (unsigned i = 0; i < 10; i++)
			put_ranges(RMT_OP_ADOPT, NULL, 1, (const uint64_t(*)[2])(ranges + i));
	}
	adopt_one(other + (1 << 20), other + (1 << 28));
	await_adoptions(1101);
	us.refused = us.not_adopted;
}

/* The victim, again and again: whoever asks further up must not believe it meanwhile. */
static void adopt_victim(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		adopt_one(us.victim, us.victim);
		await_adoptions(i + 1);
	}
	us.refused = us.not_adopted == 1000;
}

/* Others leave the tree, as this one says; and what is its own, bit by bit. */
static void detach(void)
{
	uint32_t region = us.self & ~(RMT_REGION_IDS - 1);
	const uint64_t claims[][2] = {
		{us.victim, us.victim},
		{us.master, us.master},
		{us.self, us.self + 10000},
		{us.self, UINT32_MAX},
		{region, region + RMT_REGION_IDS - 1},
		{1, UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++)
		put_ranges(RMT_OP_DETACHED, "a lie", 1, &claims[i]);
	put_ranges(RMT_OP_DETACHED, "a lie", 0, claims);
	control(us.master, RMT_OP_ALLOCATE, 20000, 1);
	while (us.ids == 0)
		take_in();
	put_ranges(RMT_OP_DETACHED, "a lie", 2,
		   (const uint64_t[][2]){{us.ids, us.ids}, {us.ids + 1000, us.ids + 30000}});
	for (unsigned i = 0; i < 10000; i++)
		put_ranges(RMT_OP_DETACHED, "a piece", 1,
			   (const uint64_t[][2]){{us.ids + 2 * i, us.ids + 2 * i}});
}

/* As much as goes to the victim, which does not read. */
static void flood(void)
{
	for (unsigned i = 0; i < 1024; i++)
		send_to(us.victim, 1000, RMT_FRAME_COUNTED | RMT_FRAME_RAW, us.payload,
			sizeof(us.payload));
}

static uint64_t random_state;

static uint32_t chance(uint32_t below)
{
	/* xorshift64* (Vigna) */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32) % below;
}

/* Frames that are legal, whatever they mean. */
static void fuzz(void)
{
	static const uint8_t kinds[] = {0,
					RMT_FRAME_RAW,
					RMT_FRAME_ERROR,
					RMT_FRAME_COUNTED,
					RMT_FRAME_COUNTED | RMT_FRAME_RAW,
					RMT_FRAME_COUNTED | RMT_FRAME_ERROR};
	struct timespec begin, now;

	random_state = us.handle * 0x9e3779b97f4a7c15u | 1;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		const uint32_t contexts[] = {us.self,
					     us.self,
					     us.self,
					     us.master,
					     us.victim,
					     0,
					     us.self + chance(100),
					     chance(UINT32_MAX)};
		const uint32_t handles[] = {1, 1, 1, 2, 2, 0, 1000, chance(UINT32_MAX)};
		struct rmt_frame frame = {
			.destination = contexts[3 + chance(5)],
			.source = contexts[chance(8)],
			.authority = contexts[chance(8)],
			.handle = handles[chance(8)],
			.reply = chance(2) ? handles[chance(8)] : 0,
			.flags = kinds[chance(6)],
			.length = chance(4) ? chance(40) : chance(RMT_FRAME_PAYLOAD_MAX),
		};
		unsigned form = chance(8);

		if (form < 2 && frame.length > 0) {
			frame.flags |= RMT_FRAME_MORE;
			frame.total = frame.length + 1 + chance(1 << 20);
		} else if (form == 2 && frame.length > 0) {
			frame.flags |= RMT_FRAME_CONTINUES | (chance(2) ? RMT_FRAME_MORE : 0);
			frame.total = 1 + chance(1 << 20);
		} else if (form == 3) {
			frame.flags = RMT_FRAME_END;
			frame.length = frame.total = 0;
		} else if (form == 4) {
			frame.flags = RMT_FRAME_CONTINUES | RMT_FRAME_ABORT;
			frame.length = frame.total = 0;
		} else {
			frame.total = frame.length;
		}
		for (uint32_t i = 0; i < frame.length; i++)
			us.payload[i] = (unsigned char)chance(256);
		/* What looks like a control message or a call gets further. */
		us.payload[0] = (unsigned char)(0x80 | (1 + chance(6)));
		us.payload[1] = (unsigned char)chance(24);
		if (frame.handle == 2 && frame.length > 9)
			memcpy(us.payload, "\x82\x66square\x81", 9);
		put_frame(&frame, us.payload);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < 3);
}

/* [name, count, time, combine, items], whatever is left of it. */
static void put_batch(const char *name, uint64_t count, uint64_t patience, const char *combine,
		      uint64_t items, unsigned present, uint32_t reply)
{
	struct rmt_frame frame = {
		.destination = us.victim,
		.source = us.self,
		.authority = us.self,
		.handle = RMT_HANDLE_CALL,
		.reply = reply,
		.flags = RMT_FRAME_COUNTED,
	};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_cbor_put_array(&out, 5);
	rmt_cbor_put_str(&out, name);
	rmt_cbor_put_uint(&out, count);
	rmt_cbor_put_uint(&out, patience);
	rmt_cbor_put_str(&out, combine);
	rmt_cbor_put_array(&out, items);
	for (unsigned i = 0; i < present; i++) {
		rmt_cbor_put_array(&out, i % 3);
		for (unsigned j = 0; j < i % 3; j++)
			rmt_cbor_put_uint(&out, j);
	}
	frame.length = frame.total = (uint32_t)out.size;
	put_frame(&frame, out.data);
	rmt_buffer_done(&out);
}

static void batches(void)
{
	static const char *const names[] = {"square",   "open_gate", "serve",
					    "rmt_exec", "rmt_ping",  "no such"};
	static const char *const combines[] = {NULL, "square", "rmt_exec", "no such", ""};
	static const uint64_t counts[] = {0, 1, 5, UINT32_MAX, UINT64_MAX};

	for (unsigned name = 0; name < 6; name++)
		for (unsigned combine = 0; combine < 5; combine++)
			for (unsigned i = 0; i < 25; i++)
				put_batch(names[name], counts[i % 5], i, combines[combine],
					  counts[i / 5], 5, i % 2 ? 0 : 900 + i);
	put_batch("square", 1, UINT64_MAX, NULL, 1, 1, 901);
	put_batch("square", 5, 0, NULL, 5, 2, 902);
}

static const struct {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{"forge", forge},       {"answer", answer},   {"close", close_flows},
	{"steal", steal},       {"command", command}, {"allocate", allocate},
	{"requests", requests}, {"deaf", never_read}, {"ask-only", ask_only},
	{"overrun", overrun},   {"claims", claims},   {"halves", halves},
	{"gone", gone},         {"flood", flood},     {"fuzz", fuzz},
	{"adopt", adopt},       {"all", adopt_all},   {"victim", adopt_victim},
	{"detach", detach},     {"batches", batches},
};

/* --- the beginning ------------------------------------------------------------------------------------------------- */

static void get(void *data, size_t size)
{
	for (char *at = data; size > 0;) {
		ssize_t n = read(STREAM, at, size);

		if (n <= 0)
			_exit(98);
		at += n;
		size -= (size_t)n;
	}
}

static void say_hello(void)
{
	struct rmt_hello hello = {
		.pid = (uint32_t)getpid(), .machine = {"fake", 4}, .host = {"fake", 4}};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	unsigned char header[RMT_FRAME_HEADER_SIZE];
	struct rmt_frame frame;
	struct rmt_welcome welcome;
	struct rmt_text env[16];
	const char *twice;

	get(header, sizeof(header));
	if (rmt_frame_decode(header, &frame) < 0)
		_exit(97);
	get(us.payload, frame.length);
	us.self = frame.destination;
	us.master = frame.source;
	if (rmt_welcome_decode(us.payload, frame.length, env, 16, &welcome) < 0)
		_exit(96);
	snprintf(us.path, sizeof(us.path), "%.*s", (int)welcome.path.size, welcome.path.data);
	rmt_functions_set(ramet__functions_begin, ramet__functions_end, &twice);
	hello.program = rmt_program_identity();
	rmt_hello_encode(&hello, &out);
	send_to(us.master, RMT_HANDLE_CONTROL, 0, out.data, out.size);
	rmt_buffer_done(&out);
}

void hostile_order(const char *attack, uint32_t victim, uint32_t handle)
{
	char text[80];

	snprintf(text, sizeof(text), "%s %u %u", attack ? attack : "", victim, handle);
	if (attack)
		setenv(VARIABLE, text, 1);
	else
		unsetenv(VARIABLE);
}

void hostile_child(int argc, char **argv)
{
	const char *order = getenv(VARIABLE);
	char text[64];

	if (argc != 2 || strcmp(argv[1], RMT_CHILD_ARGUMENT) != 0 || !order)
		return;
	if (sscanf(order, "%31s %u %u", us.attack, &us.victim, &us.handle) != 3)
		_exit(99);
	say_hello();
	for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++)
		if (strcmp(attacks[i].name, us.attack) == 0)
			attacks[i].run();
	snprintf(text, sizeof(text), "%s is over%s", us.attack, us.refused ? ", refused" : "");
	put_record(us.path, text);
	for (;;)
		take_in();
}
