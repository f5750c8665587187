/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/payload.h"

#include <errno.h>

#include "base/format.h"
#include "base/macro.h"
#include "core/landing.h"
#include "parent/digest.h"

#define STORED_MAX 65535u /* bytes of one stored block, RFC 1951 3.2.4 */

static void put_le(struct rmt_buffer *out, uint32_t number, int bytes)
{
	for (int i = 0; i < bytes; i++)
		rmt_buffer_append_byte(out, (unsigned char)(number >> 8 * i));
}

/* A gzip member that holds data as it is: not worth compressing. */
static void append_stored(const unsigned char *data, size_t size, struct rmt_buffer *out)
{
	static const unsigned char header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};

	rmt_buffer_append(out, header, sizeof(header));
	for (size_t at = 0;;) {
		size_t part = RMT_MIN(size - at, STORED_MAX);

		rmt_buffer_append_byte(out, at + part == size);
		put_le(out, (uint32_t)part, 2);
		put_le(out, ~(uint32_t)part, 2);
		rmt_buffer_append(out, data + at, part);
		at += part;
		if (at == size)
			break;
	}
	put_le(out, rmt_crc32(data, size), 4);
	put_le(out, (uint32_t)size, 4);
}

/* Of what comes out: gzip has its own sums. */
static void sum_text(const struct rmt_image *image, bool gzip, bool cksum,
		     const struct rmt_buffer *trailer, char *text, size_t size)
{
	struct rmt_cksum sum = image->cksum;

	if (gzip) {
		rmt_format(text, size, "-");
	} else if (cksum) {
		rmt_cksum_update(&sum, trailer->data, trailer->size);
		rmt_format(text, size, "%u", rmt_cksum_value(&sum));
	} else {
		rmt_format(text, size, "%zu", image->plain.size + trailer->size);
	}
}

void rmt_payload_append(const struct rmt_image *image, bool gzip, bool cksum,
			const struct rmt_buffer *welcome, struct rmt_buffer *out)
{
	struct rmt_buffer trailer = RMT_BUFFER_INIT, end = RMT_BUFFER_INIT;
	const ramet_bytes *head = gzip ? &image->gzip : &image->plain;
	char text[24];

	rmt_landing_append(welcome->data, welcome->size, &trailer);
	if (gzip && trailer.error == 0)
		append_stored(trailer.data, trailer.size, &end);
	else
		rmt_buffer_append(&end, trailer.data, trailer.size);
	if (trailer.error < 0 || end.error < 0) {
		out->error = -ENOMEM;
	} else {
		sum_text(image, gzip, cksum, &trailer, text, sizeof(text));
		rmt_stage_announce(head->size + end.size, gzip, text, out);
		rmt_buffer_append(out, head->data, head->size);
		rmt_buffer_append(out, end.data, end.size);
	}
	rmt_buffer_done(&trailer);
	rmt_buffer_done(&end);
}
