/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of any kind, from and to CBOR. */
#pragma once

#include <stdint.h>

#include "base/buffer.h"
#include "core/message.h"
#include "core/router.h"
#include "wire/cbor.h"

/* Appends the value to out; NULL is none. */
void rmt_value_encode(const ramet_value *value, struct rmt_buffer *out);

/* What has to be told before a value that holds senders goes to a context. The lock is held. 0
 * or -ENOMEM. */
int rmt_value_give(const ramet_value *value, ramet_router *router, uint32_t context);

/* The next item of the reader, without the lock. chunk is where the reader's bytes lie, or NULL:
 * large byte strings keep a reference instead of a copy. Without a router, contexts and senders are
 * -EINVAL. 0, -EBADMSG, -EINVAL, -ENOMEM. */
int rmt_value_decode(ramet_router *router, struct rmt_cbor_reader *reader, struct rmt_chunk *chunk,
		     ramet_value **ret_value);

/* The value that a message is: its bytes when it is raw, else its one CBOR item. Without the lock.
 */
int rmt_value_from_message(ramet_router *router, const struct rmt_message *message,
			   ramet_value **ret_value);

/* Closes the senders that a message holds which nobody is going to decode: their readers wait for
 * that. The lock is held. */
void rmt_senders_end(ramet_router *router, const void *data, size_t size);

/* A message that was encoded for a context could not be sent: nobody need wait for its senders. Those of
 * others are closed by who was to get them: their readers have no reason to believe that they were not
 * given after all. The lock is held. */
void rmt_senders_take_back(ramet_router *router, uint32_t context, const void *data, size_t size);

/* A byte string that is made in memory of the caller's, of so many bytes and aligned for anything,
 * which lies in `home`. The value takes over the caller's reference to that. */
size_t rmt_value_room(size_t size);
ramet_value *rmt_value_bytes_in(struct rmt_chunk *home, void *memory, const void *data,
				size_t size);

/* Contexts and senders on the wire; used by values and by typed parameters. Decoding takes the
 * lock. */
void rmt_context_encode(const ramet_context *context, struct rmt_buffer *out);
int rmt_context_decode(ramet_router *router, struct rmt_cbor_reader *reader,
		       ramet_context **ret_context);
void rmt_sender_encode(const ramet_sender *sender, struct rmt_buffer *out);
int rmt_sender_decode(ramet_router *router, struct rmt_cbor_reader *reader,
		      ramet_sender **ret_sender);
