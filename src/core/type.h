/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Encoding and decoding C objects by the tables that RAMET_FUNCTION, RAMET_STRUCT and RAMET_ARRAY
 * make of their types. docs/protocol.md says which CBOR a kind is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ramet.h"
#include "wire/cbor.h"

/* What the tables cannot know. userdata is what the caller of encode or decode gave. */
struct rmt_type_hooks {
	void (*encode_value)(const ramet_value *value, struct rmt_buffer *out, void *userdata);
	void (*encode_context)(const ramet_context *context, struct rmt_buffer *out,
			       void *userdata);
	void (*encode_sender)(ramet_sender *sender, struct rmt_buffer *out, void *userdata);
	int (*decode_value)(struct rmt_cbor_reader *reader, void *userdata, ramet_value **ret);
	int (*decode_context)(struct rmt_cbor_reader *reader, void *userdata, ramet_context **ret);
	int (*decode_sender)(struct rmt_cbor_reader *reader, void *userdata, ramet_sender **ret);
};

/*
 * Where decoded strings and arrays live. With a first block: an arena, freed as a whole, which
 * begins in that block (of the caller's) and goes on in blocks of its own; then byte strings are
 * not copied but point into the input. With none: each in malloc memory of its own, as
 * ramet_type_clear() frees it.
 */
struct rmt_type_memory {
	bool arena;
	unsigned char *at, *end;
	struct rmt_type_block *blocks;
};

void rmt_type_memory_init(struct rmt_type_memory *memory, void *first, size_t size);
/* aligned for anything; NULL: none left */
void *rmt_type_memory_take(struct rmt_type_memory *memory, size_t size);
void rmt_type_memory_done(struct rmt_type_memory *memory);

void rmt_type_encode(const struct ramet_type *type, const void *object, struct rmt_buffer *out,
		     const struct rmt_type_hooks *hooks, void *userdata);

/*
 * Decodes the next item of the reader to object. 0; -EBADMSG (no CBOR), -EINVAL (another kind),
 * -ERANGE, -ENOMEM, and then `where` says which part of the object was meant and what was expected;
 * nothing is left behind, and object is all zero.
 */
int rmt_type_decode(const struct ramet_type *type, struct rmt_cbor_reader *reader, void *object,
		    struct rmt_type_memory *memory, const struct rmt_type_hooks *hooks,
		    void *userdata, char *where, size_t where_size);

/* Drops what an object decoded into an arena refers to: contexts, senders, values. */
void rmt_type_release(const struct ramet_type *type, void *object);

/* A number that is the same for types of the same kinds, whatever they are called, and nearly surely
 * another for others. */
uint64_t rmt_type_look(const struct ramet_type *type);

/* A number that is the same for functions of the same name and types, and nearly surely another for
 * others. */
uint64_t rmt_function_signature(const struct ramet_function *function);
