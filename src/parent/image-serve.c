/* SPDX-License-Identifier: BSD-3-Clause */
/* Children ask for what did not travel with them: the cold part of their program, and images for
 * machines that they want to go on to. What is not here is asked for above. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/fetch.h"
#include "core/message.h"
#include "parent/cold.h"
#include "parent/gate.h"
#include "parent/image.h"

/* A request that waits for something. */
struct asked {
	struct rmt_list node;           /* in served.asked */
	struct rmt_image_wanted wanted; /* for an image */
	struct rmt_list on_shelf;       /* for a cold part: in shelf->asked */
	ramet_router *router;
	uint32_t requester, reply;
	enum rmt_part part;
	uint64_t offset;
};

/* A cold part that was fetched from above, or is being fetched. */
struct shelf {
	struct rmt_list node; /* in served.shelves */
	struct rmt_fetch fetch;
	bool ready; /* the bytes are there, in fetch.bytes */
	char digest[65];
	struct rmt_list asked;
};

/* Of the one router of this process that has a parent: children of others are given what this
 * process has itself. */
static struct {
	pthread_mutex_t lock; /* of the lists, which two routers may work on */
	struct rmt_list asked, shelves;
	char digest[65]; /* of our own cold part */
} served = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.asked = {&served.asked, &served.asked},
	.shelves = {&served.shelves, &served.shelves},
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
	rmt_list_init(&asked->on_shelf);
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
	rmt_list_remove(&asked->on_shelf);
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

static struct shelf *find_shelf(const char *digest)
{
	struct rmt_list *node, *following;

	rmt_list_each(&served.shelves, node, following) {
		struct shelf *shelf = RMT_CONTAINER(node, struct shelf, node);

		if (strcmp(shelf->digest, digest) == 0)
			return shelf;
	}
	return NULL;
}

static void shelf_free(struct shelf *shelf)
{
	rmt_list_remove(&shelf->node);
	rmt_fetch_done(&shelf->fetch);
	free(shelf);
}

static void fetched(struct rmt_fetch *fetch)
{
	struct shelf *shelf = RMT_CONTAINER(fetch, struct shelf, fetch);

	shelf->ready = fetch->error.code == 0;
	while (!rmt_list_empty(&shelf->asked)) {
		struct asked *asked = rmt_list_first(&shelf->asked, struct asked, on_shelf);

		if (shelf->ready)
			rmt_fetch_answer(asked->router, asked->requester, asked->reply,
					 fetch->bytes.data, fetch->bytes.size, asked->offset);
		else
			refuse(asked, &fetch->error);
		asked_free(asked);
	}
	if (!shelf->ready)
		shelf_free(shelf);
}

/* Asks for it above, if nobody has. */
static struct shelf *get_shelf(ramet_router *router, const char *digest, ramet_error *error)
{
	struct shelf *shelf = find_shelf(digest);
	int r;

	if (shelf)
		return shelf;
	shelf = calloc(1, sizeof(*shelf));
	r = shelf ? rmt_fetch_start(&shelf->fetch, router, RMT_PART_COLD, digest, fetched)
		  : -ENOMEM;
	if (r < 0) {
		free(shelf);
		rmt_error_set(error, r,
			      "the part for parents of a program that began from another file is "
			      "not here");
		return NULL;
	}
	memcpy(shelf->digest, digest, strlen(digest) + 1);
	rmt_list_init(&shelf->asked);
	rmt_list_append(&served.shelves, &shelf->node);
	return shelf;
}

static void give_cold(ramet_router *router, uint32_t requester, uint32_t reply, const char *digest,
		      uint64_t offset)
{
	ramet_error error = RAMET_ERROR_INIT;
	struct asked *asked;
	struct shelf *shelf;
	ramet_bytes cold;

	if (own_cold(digest, &cold) || rmt_image_find_cold(digest, &cold)) {
		rmt_fetch_answer(router, requester, reply, cold.data, cold.size, offset);
		return;
	}
	asked = asked_new(router, requester, reply, RMT_PART_COLD, offset);
	if (!asked)
		return;
	shelf = router->uplink ? get_shelf(router, digest, &error) : NULL;
	if (shelf && shelf->ready) {
		rmt_fetch_answer(router, requester, reply, shelf->fetch.bytes.data,
				 shelf->fetch.bytes.size, offset);
	} else if (shelf) {
		rmt_list_append(&shelf->asked, &asked->on_shelf);
		return;
	} else {
		if (!error.code)
			rmt_error_set(&error, ENOENT,
				      "the part for parents of a program that began from another "
				      "file is not here");
		refuse(asked, &error);
		ramet_error_clear(&error);
	}
	asked_free(asked);
}

void rmt_image_asked(ramet_router *router, uint32_t requester, uint32_t reply, enum rmt_part part,
		     const char *name, size_t size, uint64_t offset)
{
	char text[128];

	/* A digest, or what uname -sm prints. */
	if (part < RMT_PART_COLD || part > RMT_PART_GZIP || size >= sizeof(text) ||
	    (part == RMT_PART_COLD && size != 64)) {
		rmt_send_failure(router, requester, reply, EINVAL, router->path,
				 "a program has no such part", false);
		return;
	}
	memcpy(text, name, size);
	text[size] = '\0';
	if (part == RMT_PART_COLD)
		give_cold(router, requester, reply, text, offset);
	else
		give_image(router, requester, reply, part, text, offset);
}

void rmt_image_serve_forked(void)
{
	struct rmt_list *node, *following;

	rmt_list_init(&served.asked);
	rmt_list_each(&served.shelves, node, following) {
		if (!RMT_CONTAINER(node, struct shelf, node)->ready)
			rmt_list_remove(node);
	}
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
		rmt_list_remove(&asked->on_shelf);
		rmt_image_forget(&asked->wanted);
		free(asked);
	}
	pthread_mutex_unlock(&served.lock);
	if (!router->is_child)
		return;
	while (!rmt_list_empty(&served.shelves))
		shelf_free(rmt_list_first(&served.shelves, struct shelf, node));
}
