/* SPDX-License-Identifier: BSD-3-Clause */
/* Every frame, for those who look at the wire. These records do not travel: each would be a frame. */
#include "core/log.h"
#include "core/peer.h"
#include "core/stream.h"

void rmt_log_frame(const struct rmt_stream *stream, const char *what, const struct rmt_frame *frame)
{
	const ramet_log_field fields[] = {
		{"peer", stream->peer ? rmt_peer_name(stream->peer) : "?", 0},
		{"source", NULL, frame->source},
		{"destination", NULL, frame->destination},
		{"handle", NULL, frame->handle},
		{"flags", NULL, frame->flags},
		{"length", NULL, frame->length},
	};

	rmt_log_fields(stream->router, RMT_LOG_SELF, RAMET_LOG_IO, what, fields, RMT_COUNT(fields));
}
