/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/frame.h"

#include <errno.h>

#define MAGIC_0 0x52u
#define MAGIC_1 0x6du

/* Compilers turn both into one load or store where the machine is little-endian. */
static uint32_t get_u32(const unsigned char *in)
{
	return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static void put_u32(unsigned char *out, uint32_t value)
{
	out[0] = (unsigned char)value;
	out[1] = (unsigned char)(value >> 8);
	out[2] = (unsigned char)(value >> 16);
	out[3] = (unsigned char)(value >> 24);
}

/* The table "Legal combinations" in docs/protocol.md. */
static bool is_legal(const struct rmt_frame *frame)
{
	const unsigned flags = frame->flags;

	if (flags & ~(unsigned)RMT_FRAME_FLAGS_KNOWN || frame->length > RMT_FRAME_PAYLOAD_MAX)
		return false;
	if (flags & RMT_FRAME_END)
		return flags == RMT_FRAME_END && frame->length == 0 && frame->total == 0;
	if (flags & RMT_FRAME_ABORT)
		return flags == (RMT_FRAME_ABORT | RMT_FRAME_CONTINUES) && frame->length == 0;
	if ((flags & RMT_FRAME_ERROR) && (flags & RMT_FRAME_RAW))
		return false;
	/* Every frame of a message in several brings it forward: a peer cannot make us count
	 * empty ones. */
	if (flags & RMT_FRAME_CONTINUES)
		return frame->length > 0 && frame->total > 0 &&
		       frame->total <= UINT32_MAX - frame->length;
	if (flags & RMT_FRAME_MORE)
		return frame->length > 0 && frame->length < frame->total;
	return frame->length == frame->total;
}

void rmt_frame_encode(const struct rmt_frame *frame, unsigned char out[RMT_FRAME_HEADER_SIZE])
{
	out[0] = MAGIC_0;
	out[1] = MAGIC_1;
	out[2] = RMT_PROTOCOL_VERSION;
	out[3] = frame->flags;
	put_u32(out + 4, frame->length);
	put_u32(out + 8, frame->destination);
	put_u32(out + 12, frame->source);
	put_u32(out + 16, frame->authority);
	put_u32(out + 20, frame->handle);
	put_u32(out + 24, frame->reply);
	put_u32(out + 28, frame->total);
}

int rmt_frame_decode(const unsigned char in[RMT_FRAME_HEADER_SIZE], struct rmt_frame *ret_frame)
{
	const struct rmt_frame frame = {
		.flags = in[3],
		.length = get_u32(in + 4),
		.destination = get_u32(in + 8),
		.source = get_u32(in + 12),
		.authority = get_u32(in + 16),
		.handle = get_u32(in + 20),
		.reply = get_u32(in + 24),
		.total = get_u32(in + 28),
	};

	if (in[0] != MAGIC_0 || in[1] != MAGIC_1)
		return -EBADMSG;
	/* Before anything else is believed: another version may give the other fields another
	 * meaning. */
	if (in[2] != RMT_PROTOCOL_VERSION)
		return -EPROTONOSUPPORT;
	if (!is_legal(&frame))
		return -EBADMSG;
	*ret_frame = frame;
	return 0;
}
