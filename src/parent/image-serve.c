/* SPDX-License-Identifier: BSD-3-Clause */
/* Children ask for what did not travel with them: the cold part of their program, images for machines
 * that they want to go on to, modules. What is not here is asked for above. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cold.h"
#include "base/error.h"
#include "base/limits.h"
#include "core/fetch.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/stream.h"
#include "parent/gate.h"
#include "parent/image.h"
#include "parent/module.h"
#include "parent/shelf.h"

/* A request that waits for something. */
struct asked {
	struct rmt_list node;           /* in served.asked */
	struct rmt_image_wanted wanted; /* for an image */
	struct rmt_shelf_wanted on_shelf;
	ramet_router *router;
	uint32_t requester, reply;
	enum rmt_part part;
	uint64_t offset;
};

static struct {
	pthread_mutex_t lock; /* of the list, which two routers may work on */
	struct rmt_list asked;
	char digest[65]; /* of our own cold part */
} served = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.asked = {&served.asked, &served.asked},
};

/* Those of one child that wait. */
static size_t count_asked(ramet_router *router, uint32_t requester)
{
	struct rmt_list *node, *following;
	size_t count = 0;

	pthread_mutex_lock(&served.lock);
	rmt_list_each(&served.asked, node, following) {
		const struct asked *asked = RMT_CONTAINER(node, struct asked, node);

		count += asked->router == router && asked->requester == requester;
	}
	pthread_mutex_unlock(&served.lock);
	return count;
}

static struct asked *asked_new(ramet_router *router, uint32_t requester, uint32_t reply,
			       enum rmt_part part, uint64_t offset)
{
	struct asked *asked;

	if (count_asked(router, requester) >= RMT_PARTS_WANTED_MAX) {
		rmt_send_failure(router, requester, reply, EBUSY, router->path,
				 "too many parts of the program are wanted at once", false);
		return NULL;
	}
	asked = calloc(1, sizeof(*asked));
	if (!asked) {
		rmt_answer_lost(router, requester, reply);
		return NULL;
	}
	*asked = (struct asked){.router = router,
				.requester = requester,
				.reply = reply,
				.part = part,
				.offset = offset};
	rmt_list_init(&asked->on_shelf.node);
	rmt_list_init(&asked->wanted.node);
	pthread_mutex_lock(&served.lock);
	rmt_list_append(&served.asked, &asked->node);
	pthread_mutex_unlock(&served.lock);
	return asked;
}

static void asked_free(struct asked *asked)
{
	pthread_mutex_lock(&served.lock);
	rmt_list_remove(&asked->node);
	pthread_mutex_unlock(&served.lock);
	rmt_shelf_forget(&asked->on_shelf);
	rmt_image_forget(&asked->wanted);
	free(asked);
}

static void refuse(struct asked *asked, const ramet_error *error)
{
	rmt_send_failure(asked->router, asked->requester, asked->reply,
			 error->code ? -error->code : ENOMEM,
			 error->where && *error->where ? error->where : asked->router->path,
			 error->message ? error->message : "out of memory", false);
}

/* --- images --------------------------------------------------------------------------------- */

static void image_done(struct rmt_image_wanted *wanted, const struct rmt_image *image,
		       ramet_error *error)
{
	struct asked *asked = RMT_CONTAINER(wanted, struct asked, wanted);
	ramet_error none = RAMET_ERROR_INIT;
	ramet_bytes bytes = {0};

	if (image)
		bytes = asked->part == RMT_PART_GZIP ? image->gzip : image->plain;
	if (bytes.data) {
		rmt_fetch_answer(asked->router, asked->requester, asked->reply, bytes.data,
				 bytes.size, asked->offset);
	} else if (image) {
		rmt_error_set(&none, ENOENT, "there is no gzip where the image for %s is",
			      image->machine);
		refuse(asked, &none);
		ramet_error_clear(&none);
	} else {
		refuse(asked, error);
	}
	asked_free(asked);
}

static void give_image(ramet_router *router, uint32_t requester, uint32_t reply, enum rmt_part part,
		       const char *machine, uint64_t offset)
{
	struct asked *asked = asked_new(router, requester, reply, part, offset);

	if (!asked)
		return;
	asked->wanted.done = image_done;
	rmt_image_want(router, machine, NULL, &asked->wanted);
}

/* --- the cold part -------------------------------------------------------------------------- */

/* Our own, which is in memory, as all of us is that of a parent. */
static bool own_cold(const char *digest, ramet_bytes *ret_cold)
{
	const unsigned char *begin = (const unsigned char *)(&rmt_cold_head + 1);
	ramet_bytes cold = {begin, (size_t)((uintptr_t)rmt_cold_end - (uintptr_t)begin)};
	struct rmt_sha256 sha;

	if (!rmt_cold_end)
		return false;
	pthread_mutex_lock(&served.lock);
	if (!*served.digest) {
		rmt_sha256_init(&sha);
		rmt_sha256_update(&sha, cold.data, cold.size);
		rmt_sha256_text(&sha, served.digest);
	}
	pthread_mutex_unlock(&served.lock);
	if (strcmp(digest, served.digest) != 0)
		return false;
	*ret_cold = cold;
	return true;
}

/* From a shelf, or a failure. */
static void part_done(struct rmt_shelf_wanted *wanted, const void *data, size_t size,
		      const ramet_error *error)
{
	struct asked *asked = RMT_CONTAINER(wanted, struct asked, on_shelf);

	if (data)
		rmt_fetch_answer(asked->router, asked->requester, asked->reply, data, size,
				 asked->offset);
	else
		refuse(asked, error);
	asked_free(asked);
}

static void give_cold(ramet_router *router, uint32_t requester, uint32_t reply, const char *digest,
		      uint64_t offset)
{
	ramet_error error = RAMET_ERROR_INIT;
	struct asked *asked;
	ramet_bytes cold;

	if (own_cold(digest, &cold) || rmt_image_find_cold(digest, &cold)) {
		rmt_fetch_answer(router, requester, reply, cold.data, cold.size, offset);
		return;
	}
	asked = asked_new(router, requester, reply, RMT_PART_COLD, offset);
	if (!asked)
		return;
	asked->on_shelf.done = part_done;
	if (router->uplink) {
		rmt_shelf_want(router, RMT_PART_COLD, digest, &asked->on_shelf);
		return;
	}
	rmt_error_set(&error, ENOENT,
		      "the part for parents of a program that began from another file is not here");
	part_done(&asked->on_shelf, NULL, 0, &error);
	ramet_error_clear(&error);
}

/* --- modules -------------------------------------------------------------------------------- */

static void give_module(ramet_router *router, uint32_t requester, uint32_t reply, char *part,
			uint64_t offset)
{
	ramet_error error = RAMET_ERROR_INIT;
	char *colon = strchr(part, ':');
	struct asked *asked = asked_new(router, requester, reply, RMT_PART_MODULE, offset);

	if (!asked)
		return;
	asked->on_shelf.done = part_done;
	if (colon)
		*colon = '\0';
	if (rmt_module_check_name(part, &error) == 0 && colon && strlen(colon + 1) != 64)
		rmt_error_set(&error, EINVAL, "this is no SHA-256");
	if (error.code) {
		part_done(&asked->on_shelf, NULL, 0, &error);
		ramet_error_clear(&error);
		return;
	}
	if (colon)
		*colon = ':';
	rmt_module_count(router, part, offset);
	rmt_module_want(router, part, &asked->on_shelf);
}

void rmt_image_asked(ramet_router *router, uint32_t requester, uint32_t reply, enum rmt_part part,
		     const char *name, size_t size, uint64_t offset)
{
	char text[RMT_PART_NAME_MAX + 1];

	if (router->uplink && requester == router->uplink->peer->id) {
		rmt_modules_changed(router);
		return;
	}
	/* A digest, or what uname -sm prints, or a module. */
	if (part < RMT_PART_COLD || part > RMT_PART_MODULE || size >= sizeof(text) ||
	    (part == RMT_PART_COLD && size != 64)) {
		rmt_send_failure(router, requester, reply, EINVAL, router->path,
				 "a program has no such part", false);
		return;
	}
	memcpy(text, name, size);
	text[size] = '\0';
	if (part == RMT_PART_COLD)
		give_cold(router, requester, reply, text, offset);
	else if (part == RMT_PART_MODULE)
		give_module(router, requester, reply, text, offset);
	else
		give_image(router, requester, reply, part, text, offset);
}

void rmt_image_serve_forked(void)
{
	rmt_list_init(&served.asked);
	rmt_shelf_forked();
}

void rmt_image_serve_done(ramet_router *router)
{
	struct rmt_list *node, *following;

	pthread_mutex_lock(&served.lock);
	rmt_list_each(&served.asked, node, following) {
		struct asked *asked = RMT_CONTAINER(node, struct asked, node);

		if (asked->router != router)
			continue;
		rmt_list_remove(&asked->node);
		rmt_shelf_forget(&asked->on_shelf);
		rmt_image_forget(&asked->wanted);
		free(asked);
	}
	pthread_mutex_unlock(&served.lock);
	if (router->is_child)
		rmt_shelf_done();
}
