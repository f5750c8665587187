/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one way from what always travels to the cold segment. Whatever lies in front of it makes sure
 * that the segment is there: it is fetched from the parent once, checked, and put where it belongs.
 */
#pragma once

#include <stdbool.h>

#include "core/router.h"

/* The hooks that a router is made with: those of connection.h, as soon as these are there. */
extern const struct rmt_parent_hooks rmt_parent_hooks;

bool rmt_gate_is_open(void);

/* The process has begun, with this name. */
void rmt_gate_begin(const char *argv0);

/* Waits until the segment is there. 0, or the reason why it cannot be. For public functions of the
 * layers above, which reach what is cold only then. Blocks. */
int rmt_gate_open(ramet_error *error);

/* One of the library's own functions, by name; NULL: there is none. Supplied by the layer of
 * services, and cold. */
const struct ramet_function *rmt_service_find(const char *name, size_t size);

/* The other side of the public functions. */
int rmt_connect(ramet_router *router, const char *path, ramet_context **ret_context,
		ramet_error *error);
int rmt_connect_all(ramet_router *router, const char *paths, ramet_group **ret_group,
		    ramet_error *error);
int rmt_listen(const char *path, ramet_error *error);
int rmt_router_listen(ramet_router *router, const char *name, const ramet_listen_options *options,
		      ramet_error *error);
int rmt_detach(ramet_router *router, const char *name, ramet_error *error);
int rmt_path_append(char **path, const ramet_hop_options *options, ramet_error *error);
int rmt_core_image(ramet_bytes *ret_image, ramet_error *error);
