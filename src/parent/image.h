/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is sent to a place where nothing is installed: an executable of this program for the machine
 * there, without what is never loaded. Made once for each machine, and kept while the process lives.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "core/router.h"
#include "parent/digest.h"
#include "ramet.h"

struct rmt_image {
	char *machine;           /* "Linux x86_64", as uname -sm prints it there */
	ramet_bytes plain, gzip; /* gzip: one member; NULL data when it could not be made */
	struct rmt_cksum cksum;  /* of plain, to go on from */
	char *loader;            /* of a dynamically linked program: needed there as well; NULL */
	/* What was left out of it (cold.h), and the name by which its children ask for that. NULL
	 * data: nothing, or it is known to a parent of ours. */
	ramet_bytes cold;
	char cold_digest[65];
};

/* Who waits for an image: called once, with the lock held, perhaps before rmt_image_want() returns.
 * The image is borrowed for ever. */
struct rmt_image_wanted {
	struct rmt_list node;
	void (*done)(struct rmt_image_wanted *wanted, const struct rmt_image *image,
		     ramet_error *error);
};

/*
 * The image for a machine: this program's own when the machine is ours (or runs ours), else one of the
 * set: `<program>.<arch>` beside the executable or in a directory of $RAMET_IMAGE_PATH; a context that
 * has none asks its parent. `file` (the key `image`) names a file instead; NULL.
 * Errors: -ENOENT (what was looked for), -ENOEXEC.
 */
void rmt_image_want(ramet_router *router, const char *machine, const char *file,
		    struct rmt_image_wanted *wanted);

/* Begins to make this program's own image, which a connection that begins now is going to want. */
void rmt_image_prepare(void);

/* Nobody waits any more. Also for one that is done. */
void rmt_image_forget(struct rmt_image_wanted *wanted);

/* What was left out of one of the images that are here. Borrowed for ever. */
bool rmt_image_find_cold(const char *digest, ramet_bytes *ret_cold);

/* A child asks for a part of the program: the hook of router.h, in image-serve.c. */
void rmt_image_asked(ramet_router *router, uint32_t requester, uint32_t reply, enum rmt_part part,
		     const char *name, size_t size, uint64_t offset);

/* In a forked child: requests are the parent's to answer. */
void rmt_image_serve_forked(void);

/* The router has ended: nothing waits for it or its parent any more. */
void rmt_image_serve_done(ramet_router *router);
void rmt_image_router_done(ramet_router *router);

/* Around fork(2): what is being made belongs to a thread of the parent. */
void rmt_image_before_fork(void);
void rmt_image_after_fork(bool in_child);
