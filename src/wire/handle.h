/* SPDX-License-Identifier: BSD-3-Clause */
/* The numbers on the wire: fixed handles, control operations, CBOR tags. docs/protocol.md is
 * normative. */
#pragma once

enum rmt_handle {
	RMT_HANDLE_NONE = 0,
	RMT_HANDLE_CONTROL = 1,  /* control messages, enum rmt_operation */
	RMT_HANDLE_CALL = 2,     /* calls of functions */
	RMT_HANDLE_LOG = 3,      /* log records, in the master */
	RMT_HANDLE_FIRST = 1000, /* receivers */
};

/* A control message is a CBOR array whose first item is one of these. "Hop" operations are between
 * neighbours, "end" operations between any two contexts. */
enum rmt_operation {
	RMT_OP_WELCOME = 1,   /* hop, parent to child, first: who you are, see wire/handshake.h */
	RMT_OP_HELLO = 2,     /* hop, child to parent, answer */
	RMT_OP_REFUSE = 3,    /* hop, child to parent, answer: [op, errno, text] */
	RMT_OP_ALLOCATE = 4,  /* hop, up: [op, count, token]: a block of ids */
	RMT_OP_ALLOCATED = 5, /* hop, down: [op, token, first, last] */
	/* hop, both ways: [op, reason, first, last, ...]: these contexts are lost */
	RMT_OP_GONE = 6,
	RMT_OP_SHUTDOWN = 7, /* end, from a parent: [op, ms]: end within that time */
	RMT_OP_CREDIT = 8,   /* end: [op, handle, bytes]: consumed of the flow to that handle */
	RMT_OP_CLOSED = 9,   /* end: [op, handle, errno, text]: nobody reads there any more */
	/* end: [op, reply handle]: of the call that was to be answered there */
	RMT_OP_CANCEL = 10,
	RMT_OP_RESET = 11, /* end: [op, chain]: a chain begins anew */
	/* end, from a parent, with a reply handle: [op, hop, index]: start a child */
	RMT_OP_CONNECT = 13,
	/* end, from a parent: [op, id, ms or null]: one holder less; null: end it when it was the
	 * last, else end it within ms whoever holds it; true: it stays */
	RMT_OP_RELEASE = 14,
	/* end: [op, handle, context]: a sender to that handle was given on to that context */
	RMT_OP_GIVEN = 15,
	/* hop, up, with a reply handle: [op, part, name, offset]: bytes of the program; down,
	 * without: what was said of such parts may hold no more (modules alone) */
	RMT_OP_IMAGE = 16,
	/* end, to who sent a CONNECT: [op, its reply handle, prompt]: a tool asks for a password */
	RMT_OP_ASK = 17,
	/* end, from a parent, to who asked: [op, reply handle, known, password, text]: not known:
	 * text says why */
	RMT_OP_ANSWER = 18,
	/* end: [op, context, handle]: that sender was given to you, but did not get there */
	RMT_OP_DROP = 19,
	RMT_OP_PING =
		20, /* hop, or end, from a parent, with a reply handle: [op]: are you there? */
	RMT_OP_PONG = 21,  /* hop: [op]: yes */
	RMT_OP_LEVEL = 22, /* end, from a parent: [op, level]: what is recorded, there and below */
	/* end, from a parent, with a reply handle: [op, link]: counters; links from that one on */
	RMT_OP_STATISTICS = 23,
	/* hop, from a tree that was joined, in the place of HELLO: see wire/handshake.h */
	RMT_OP_TREE = 24,
	/* hop, to that tree, see wire/handshake.h; and back: [op]: we are joined */
	RMT_OP_JOIN = 25,
	/* hop, up: [op, first, last, ...]: these ids of another tree shall be reached through us */
	RMT_OP_ADOPT = 26,
	/* hop, down: [op, errno, text, first, last, ...]: 0, and the ids of the root; or why not */
	RMT_OP_ADOPTED = 27,
	/* hop, up: [op, name, first, last, ...]: these contexts are a tree of their own now; to a
	 * tree that was joined: [op, ""]: it is left */
	RMT_OP_DETACHED = 28,
};

/* What IMAGE asks for. */
enum rmt_part {
	RMT_PART_COLD = 1,  /* name: SHA-256, as text */
	RMT_PART_PLAIN = 2, /* an image; name: the machine, "Linux aarch64" */
	RMT_PART_GZIP = 3,  /* the same, as one gzip member */
	/* name: "NAME", the answer is the SHA-256 of a module, as text; "NAME:SHA-256": the module */
	RMT_PART_MODULE = 4,
};

enum rmt_tag {
	RMT_TAG_CONTEXT = 60001, /* [id, path, pid] */
	RMT_TAG_SENDER = 60002,  /* [context id, handle] */
	/* in the results of a batch: [errno, where, text]; or null: it is a part of the next one */
	RMT_TAG_FAILURE = 60003,
};
