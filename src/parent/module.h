/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules from the side of who gives them: what a context allows to be had, under which names, and
 * what it passes on from above. Loading them: service/module.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/router.h"
#include "parent/shelf.h"

/* What a router allows. Guarded by its lock. */
struct rmt_modules {
	struct rmt_list allowed;     /* struct allowed */
	struct rmt_list directories; /* struct directory */
	uint64_t names, contents;    /* how often somebody else has asked: first pieces */
};

void rmt_modules_init(struct rmt_modules *modules);
void rmt_modules_done(struct rmt_modules *modules);

/* The other side of the public functions. */
int rmt_module_allow(ramet_router *router, const char *name, const char *file, ramet_error *error);
int rmt_module_allow_directory(ramet_router *router, const char *directory, ramet_error *error);

/* Letters, digits, "_" and "-" alone: it becomes a part of the name of a file. 0 or -EINVAL. */
int rmt_module_check_name(const char *name, ramet_error *error);

/* The digest in "NAME:SHA-256"; NULL: there is none. */
const char *rmt_module_digest(const char *part);

/* "NAME" or "NAME:SHA-256": what RMT_PART_MODULE stands for in wire/handle.h, from what is allowed
 * here or, if that has no such name, from above. */
void rmt_module_want(ramet_router *router, const char *part, struct rmt_shelf_wanted *wanted);

/* Somebody else has asked for a piece of that. */
void rmt_module_count(ramet_router *router, const char *part, uint64_t offset);

/* What names stand for may have changed above: so it may have below. */
void rmt_modules_changed(ramet_router *router);

/* Held while code is loaded into the process: a copy of it must find that done, or not begun. */
void rmt_modules_lock(void);
void rmt_modules_unlock(void);
void rmt_modules_before_fork(void);
void rmt_modules_after_fork(void);
